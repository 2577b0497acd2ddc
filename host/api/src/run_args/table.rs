//! Which options there are, and what each does.

use super::values::{
    boolean, cores, device, gpus, host, milliseconds, mount, number, pair, port, size, text,
    ulimit, variable, volume,
};
use super::{Health, RunOptions};

/// An option.
pub(super) struct Entry {
    /// All of its names.
    pub(super) names: &'static [&'static str],
    /// It needs no value, and takes `true` and `false`.
    pub(super) flag: bool,
    /// What its value asks for.
    pub(super) effect: fn(&mut RunOptions, &str) -> Result<(), String>,
}

const fn option(
    names: &'static [&'static str],
    effect: fn(&mut RunOptions, &str) -> Result<(), String>,
) -> Entry {
    let flag = false;
    Entry {
        names,
        flag,
        effect,
    }
}

const fn flag(
    names: &'static [&'static str],
    effect: fn(&mut RunOptions, &str) -> Result<(), String>,
) -> Entry {
    let flag = true;
    Entry {
        names,
        flag,
        effect,
    }
}

/// `set!(field, reader)`: the last one counts.
macro_rules! set {
    ($field:ident, $read:expr) => {
        |options, value| {
            options.$field = Some($read(value)?);
            Ok(())
        }
    };
}

/// `push!(field, reader)`: all of them count.
macro_rules! push {
    ($field:ident, $read:expr) => {
        |options, value| {
            options.$field.push($read(value)?);
            Ok(())
        }
    };
}

/// `insert!(field, reader)`: the last one of a name counts.
macro_rules! insert {
    ($field:ident, $read:expr) => {
        |options, value| {
            let (name, value) = $read(value)?;
            options.$field.insert(name, value);
            Ok(())
        }
    };
}

fn health(options: &mut RunOptions) -> &mut Health {
    options.health.get_or_insert_default()
}

fn network(options: &mut RunOptions, value: &str) -> Result<(), String> {
    if value != "host" {
        return Err("only `host` is an option here; see spec.networks".to_owned());
    }
    options.host_network = true;
    Ok(())
}

/// All of them, in the order of the alphabet.
pub(super) const OPTIONS: &[Entry] = &[
    option(&["--add-host"], push!(add_host, host)),
    option(&["--cap-add"], push!(cap_add, text)),
    option(&["--cap-drop"], push!(cap_drop, text)),
    option(&["--cgroup-parent"], set!(cgroup_parent, text)),
    option(&["--cgroupns"], set!(cgroupns, text)),
    option(&["--cpu-period"], set!(cpu_period, number)),
    option(&["--cpu-quota"], set!(cpu_quota, number)),
    option(&["--cpu-shares", "-c"], set!(cpu_shares, number)),
    option(&["--cpus"], set!(cpus, cores)),
    option(&["--cpuset-cpus"], set!(cpuset_cpus, text)),
    option(&["--cpuset-mems"], set!(cpuset_mems, text)),
    option(&["--device"], push!(device, device)),
    option(&["--device-cgroup-rule"], push!(device_cgroup_rule, text)),
    option(&["--dns"], push!(dns, text)),
    option(&["--dns-option", "--dns-opt"], push!(dns_option, text)),
    option(&["--dns-search"], push!(dns_search, text)),
    option(&["--domainname"], set!(domainname, text)),
    option(&["--entrypoint"], set!(entrypoint, text)),
    option(&["--env", "-e"], insert!(env, variable)),
    option(&["--expose"], |options, value| {
        let with_protocol = match value.contains('/') {
            true => value.to_owned(),
            false => format!("{value}/tcp"),
        };
        options.expose.push(with_protocol);
        Ok(())
    }),
    option(&["--gpus"], set!(gpus, gpus)),
    option(&["--group-add"], push!(group_add, text)),
    option(&["--health-cmd"], |options, value| {
        health(options).command = Some(value.to_owned());
        Ok(())
    }),
    option(&["--health-interval"], |options, value| {
        health(options).interval = Some(milliseconds(value)?);
        Ok(())
    }),
    option(&["--health-retries"], |options, value| {
        health(options).retries = Some(number(value)?);
        Ok(())
    }),
    option(&["--health-start-period"], |options, value| {
        health(options).start_period = Some(milliseconds(value)?);
        Ok(())
    }),
    option(&["--health-timeout"], |options, value| {
        health(options).timeout = Some(milliseconds(value)?);
        Ok(())
    }),
    option(&["--hostname", "-h"], set!(hostname, text)),
    flag(&["--init"], set!(init, boolean)),
    option(&["--ipc"], set!(ipc, text)),
    option(&["--label", "-l"], insert!(label, pair)),
    option(&["--memory", "-m"], set!(memory, size)),
    option(&["--memory-reservation"], set!(memory_reservation, size)),
    option(&["--memory-swap"], |options, value| {
        options.memory_swap = Some(if value == "-1" { -1 } else { size(value)? });
        Ok(())
    }),
    option(&["--memory-swappiness"], set!(memory_swappiness, number)),
    option(&["--mount"], push!(mount, mount)),
    option(&["--network", "--net"], network),
    option(
        &["--network-alias", "--net-alias"],
        push!(network_alias, text),
    ),
    flag(&["--no-healthcheck"], |options, value| {
        health(options).none = boolean(value)?;
        Ok(())
    }),
    flag(&["--oom-kill-disable"], set!(oom_kill_disable, boolean)),
    option(&["--oom-score-adj"], set!(oom_score_adj, number)),
    option(&["--pid"], set!(pid, text)),
    option(&["--pids-limit"], set!(pids_limit, number)),
    option(&["--platform"], set!(platform, text)),
    flag(&["--privileged"], set!(privileged, boolean)),
    option(&["--publish", "-p"], push!(publish, port)),
    flag(&["--read-only"], set!(read_only, boolean)),
    option(&["--runtime"], set!(runtime, text)),
    option(&["--security-opt"], push!(security_opt, text)),
    option(&["--shm-size"], set!(shm_size, size)),
    option(&["--stop-signal"], set!(stop_signal, text)),
    option(&["--stop-timeout"], set!(stop_timeout, number)),
    option(&["--storage-opt"], insert!(storage_opt, pair)),
    option(&["--sysctl"], insert!(sysctl, pair)),
    option(&["--tmpfs"], |options, value| {
        let (path, settings) = value.split_once(':').unwrap_or((value, ""));
        options.tmpfs.insert(path.to_owned(), settings.to_owned());
        Ok(())
    }),
    option(&["--ulimit"], push!(ulimit, ulimit)),
    option(&["--user", "-u"], set!(user, text)),
    option(&["--userns"], set!(userns, text)),
    option(&["--uts"], set!(uts, text)),
    option(&["--volume", "-v"], push!(mount, volume)),
    option(&["--workdir", "-w"], set!(workdir, text)),
];

/// Options that the object has fields for, or that would take the container away from us.
pub(super) const REFUSED: &[(&[&str], &str)] = &[
    (
        &["--restart"],
        "the control plane starts again; see spec.restartPolicy",
    ),
    (&["--name"], "see spec.containerName"),
    (&["--rm"], "the control plane removes it; see spec.mode"),
    (&["--pull"], "see spec.pullPolicy"),
    (&["--env-file"], "see spec.envFiles"),
    (
        &[
            "--detach",
            "-d",
            "--interactive",
            "-i",
            "--tty",
            "-t",
            "--attach",
            "-a",
            "--sig-proxy",
        ],
        "the control plane attaches to it",
    ),
    (
        &["--log-driver", "--log-opt"],
        "the control plane reads what it says",
    ),
];
