//! `runArgs` of a container: the options of `docker run`, read into what they ask for.
//!
//! A pure table ([`table`]) says which options there are and what each does. What isn't in it is
//! refused by name, so that no option is taken and ignored. Doesn't know any engine.

mod table;
mod values;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::container::{ContainerPort, VolumeMount};
use table::{Entry, OPTIONS, REFUSED};

/// What options of `docker run` ask for; numbers are bytes where nothing else is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the options")]
pub struct RunOptions {
    pub add_host: Vec<String>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub cgroup_parent: Option<String>,
    pub cgroupns: Option<String>,
    pub cpu_period: Option<i64>,
    pub cpu_quota: Option<i64>,
    pub cpu_shares: Option<i64>,
    /// Billionths of a core.
    pub cpus: Option<i64>,
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    pub device: Vec<Device>,
    pub device_cgroup_rule: Vec<String>,
    pub dns: Vec<String>,
    pub dns_option: Vec<String>,
    pub dns_search: Vec<String>,
    pub domainname: Option<String>,
    pub entrypoint: Option<String>,
    pub env: BTreeMap<String, String>,
    pub expose: Vec<String>,
    pub gpus: Option<Gpus>,
    pub group_add: Vec<String>,
    pub health: Option<Health>,
    pub host_network: bool,
    pub hostname: Option<String>,
    pub init: Option<bool>,
    pub ipc: Option<String>,
    pub label: BTreeMap<String, String>,
    pub memory: Option<i64>,
    pub memory_reservation: Option<i64>,
    /// -1: as much as there is.
    pub memory_swap: Option<i64>,
    pub memory_swappiness: Option<i64>,
    pub mount: Vec<VolumeMount>,
    pub network_alias: Vec<String>,
    pub oom_kill_disable: Option<bool>,
    pub oom_score_adj: Option<i64>,
    pub pid: Option<String>,
    pub pids_limit: Option<i64>,
    pub platform: Option<String>,
    pub privileged: Option<bool>,
    pub publish: Vec<ContainerPort>,
    pub read_only: Option<bool>,
    pub runtime: Option<String>,
    pub security_opt: Vec<String>,
    pub shm_size: Option<i64>,
    pub stop_signal: Option<String>,
    /// Seconds.
    pub stop_timeout: Option<i64>,
    pub storage_opt: BTreeMap<String, String>,
    pub sysctl: BTreeMap<String, String>,
    /// Path in the container to options of the mount.
    pub tmpfs: BTreeMap<String, String>,
    pub ulimit: Vec<Ulimit>,
    pub user: Option<String>,
    pub userns: Option<String>,
    pub uts: Option<String>,
    pub workdir: Option<String>,
}

/// `--device`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Path on the engine's machine.
    pub host: String,
    /// Path in the container.
    pub container: String,
    /// Of `r`, `w` and `m`.
    pub permissions: String,
}

/// `--gpus`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gpus {
    /// How many, -1 for all; 0: those that are named.
    pub count: i64,
    /// Named ones.
    pub devices: Vec<String>,
    /// Driver; none: the engine's.
    pub driver: Option<String>,
    /// Capabilities beside `gpu`.
    pub capabilities: Vec<String>,
}

/// `--health-…`; times are milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// `--no-healthcheck`.
    pub none: bool,
    /// A line for a shell; none: the image's own check.
    pub command: Option<String>,
    /// Between two checks.
    pub interval: Option<u64>,
    /// For one check.
    pub timeout: Option<u64>,
    /// Failures in this time don't count.
    pub start_period: Option<u64>,
    /// Failures in a row that count.
    pub retries: Option<i64>,
}

/// `--ulimit`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ulimit {
    /// Such as `nofile`.
    pub name: String,
    /// -1: none.
    pub soft: i64,
    /// -1: none.
    pub hard: i64,
}

/// An argument that can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{argument}`: {problem}")]
pub struct RunArgError {
    /// Its place in the list.
    pub index: usize,
    /// As it was written.
    pub argument: String,
    /// Why.
    pub problem: String,
}

/// Reads the arguments.
///
/// # Errors
/// The first one that is no option, that is not served, or whose value can't be.
pub fn parse(arguments: &[String]) -> Result<RunOptions, RunArgError> {
    let mut options = RunOptions::default();
    let mut rest = arguments.iter().enumerate();
    while let Some((index, argument)) = rest.next() {
        let wrong = |problem: String| RunArgError {
            index,
            argument: argument.clone(),
            problem,
        };
        let (name, attached) = split(argument).map_err(wrong)?;
        let option = find(&name).map_err(wrong)?;
        let value = match (attached, option.flag) {
            (Some(value), _) => value,
            (None, true) => "true".to_owned(),
            (None, false) => match rest.next() {
                Some((_, value)) => value.clone(),
                None => return Err(wrong("its value is missing".to_owned())),
            },
        };
        (option.effect)(&mut options, &value).map_err(wrong)?;
    }
    Ok(options)
}

/// The option's name and the value that is attached to it, if any.
fn split(argument: &str) -> Result<(String, Option<String>), String> {
    if let Some(long) = argument.strip_prefix("--").filter(|long| !long.is_empty()) {
        return Ok(match long.split_once('=') {
            Some((name, value)) => (format!("--{name}"), Some(value.to_owned())),
            None => (argument.to_owned(), None),
        });
    }
    let short = argument.strip_prefix('-').unwrap_or_default();
    let mut letters = short.chars();
    match letters.next() {
        Some('-') | None => Err("no option of `docker run`".to_owned()),
        Some(letter) => {
            let rest = letters.as_str();
            let value = rest.strip_prefix('=').unwrap_or(rest);
            let value = (!rest.is_empty()).then(|| value.to_owned());
            Ok((format!("-{letter}"), value))
        }
    }
}

fn find(name: &str) -> Result<&'static Entry, String> {
    if let Some((_, why)) = REFUSED.iter().find(|(names, _)| names.contains(&name)) {
        return Err(format!("not taken: {why}"));
    }
    let known = OPTIONS.iter().find(|option| option.names.contains(&name));
    known.ok_or_else(|| format!("`{name}` is not served by this version"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::VolumeMountKind;
    use crate::service::Protocol;

    fn read(arguments: &[&str]) -> Result<RunOptions, String> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        parse(&arguments).map_err(|error| error.to_string())
    }

    /// What an option does, by the fields that it changes.
    fn shown(arguments: &[&str]) -> String {
        let options = match read(arguments) {
            Ok(options) => format!("{options:?}"),
            Err(problem) => return problem,
        };
        let plain = format!("{:?}", RunOptions::default());
        let fields = |text: &str| -> Vec<String> {
            let inside = text
                .trim_start_matches("RunOptions { ")
                .trim_end_matches(" }");
            let mut fields: Vec<String> = Vec::new();
            for piece in inside.split(", ") {
                let is_field = piece.split_once(": ").is_some_and(|(name, _)| {
                    name.chars()
                        .all(|letter| letter.is_ascii_lowercase() || letter == '_')
                });
                match fields.last_mut() {
                    Some(last)
                        if !is_field || last.matches('{').count() > last.matches('}').count() =>
                    {
                        *last += &format!(", {piece}");
                    }
                    _ => fields.push(piece.to_owned()),
                }
            }
            fields
        };
        let plain = fields(&plain);
        let changed = fields(&options)
            .into_iter()
            .filter(|field| !plain.contains(field));
        changed.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_option_has_an_effect() {
        let table: &[(&[&str], &str)] = &[
            (&["--add-host", "a:1.2.3.4"], r#"add_host: ["a:1.2.3.4"]"#),
            (&["--add-host=a=1.2.3.4"], r#"add_host: ["a:1.2.3.4"]"#),
            (&["--cap-add", "NET_ADMIN"], r#"cap_add: ["NET_ADMIN"]"#),
            (&["--cap-drop=ALL"], r#"cap_drop: ["ALL"]"#),
            (&["--cgroup-parent", "/a"], r#"cgroup_parent: Some("/a")"#),
            (&["--cgroupns=host"], r#"cgroupns: Some("host")"#),
            (&["--cpu-period", "100000"], "cpu_period: Some(100000)"),
            (&["--cpu-quota", "50000"], "cpu_quota: Some(50000)"),
            (&["--cpu-shares=512"], "cpu_shares: Some(512)"),
            (&["-c", "512"], "cpu_shares: Some(512)"),
            (&["--cpus", "1.5"], "cpus: Some(1500000000)"),
            (&["--cpuset-cpus=0-1"], r#"cpuset_cpus: Some("0-1")"#),
            (&["--cpuset-mems", "0"], r#"cpuset_mems: Some("0")"#),
            (
                &["--device", "/dev/fuse"],
                r#"device: [Device { host: "/dev/fuse", container: "/dev/fuse", permissions: "rwm" }]"#,
            ),
            (
                &["--device=/dev/a:/dev/b:r"],
                r#"device: [Device { host: "/dev/a", container: "/dev/b", permissions: "r" }]"#,
            ),
            (
                &["--device=/dev/a:rw"],
                r#"device: [Device { host: "/dev/a", container: "/dev/a", permissions: "rw" }]"#,
            ),
            (
                &["--device-cgroup-rule", "c 1:1 rwm"],
                r#"device_cgroup_rule: ["c 1:1 rwm"]"#,
            ),
            (&["--dns", "1.1.1.1"], r#"dns: ["1.1.1.1"]"#),
            (&["--dns-opt=ndots:1"], r#"dns_option: ["ndots:1"]"#),
            (&["--dns-option=ndots:1"], r#"dns_option: ["ndots:1"]"#),
            (&["--dns-search", "a.b"], r#"dns_search: ["a.b"]"#),
            (&["--domainname", "a.b"], r#"domainname: Some("a.b")"#),
            (&["--entrypoint", "/bin/a"], r#"entrypoint: Some("/bin/a")"#),
            (&["-e", "A=b=c"], r#"env: {"A": "b=c"}"#),
            (&["-eA=b"], r#"env: {"A": "b"}"#),
            (&["--env=A="], r#"env: {"A": ""}"#),
            (&["--expose", "80"], r#"expose: ["80/tcp"]"#),
            (&["--expose", "53/udp"], r#"expose: ["53/udp"]"#),
            (
                &["--gpus", "all"],
                "gpus: Some(Gpus { count: -1, devices: [], driver: None, capabilities: [] })",
            ),
            (
                &["--gpus=2"],
                "gpus: Some(Gpus { count: 2, devices: [], driver: None, capabilities: [] })",
            ),
            (
                &["--gpus", "\"device=0,GPU-1\""],
                r#"gpus: Some(Gpus { count: 0, devices: ["0", "GPU-1"], driver: None, capabilities: [] })"#,
            ),
            (
                &["--gpus", "all,capabilities=utility"],
                r#"gpus: Some(Gpus { count: -1, devices: [], driver: None, capabilities: ["utility"] })"#,
            ),
            (&["--group-add", "video"], r#"group_add: ["video"]"#),
            (
                &[
                    "--health-cmd",
                    "true",
                    "--health-interval=5s",
                    "--health-retries",
                    "2",
                ],
                r#"health: Some(Health { none: false, command: Some("true"), interval: Some(5000), timeout: None, start_period: None, retries: Some(2) })"#,
            ),
            (
                &[
                    "--no-healthcheck",
                    "--health-timeout=1s",
                    "--health-start-period=1m",
                ],
                r#"health: Some(Health { none: true, command: None, interval: None, timeout: Some(1000), start_period: Some(60000), retries: None })"#,
            ),
            (&["--network", "host"], "host_network: true"),
            (&["--net=host"], "host_network: true"),
            (&["--hostname", "a"], r#"hostname: Some("a")"#),
            (&["-ha"], r#"hostname: Some("a")"#),
            (&["--init"], "init: Some(true)"),
            (&["--init=false"], "init: Some(false)"),
            (&["--ipc=host"], r#"ipc: Some("host")"#),
            (&["-l", "a=b"], r#"label: {"a": "b"}"#),
            (&["--label=a"], r#"label: {"a": ""}"#),
            (&["--memory", "512m"], "memory: Some(536870912)"),
            (&["-m=1.5g"], "memory: Some(1610612736)"),
            (
                &["--memory-reservation=1kb"],
                "memory_reservation: Some(1024)",
            ),
            (&["--memory-swap=-1"], "memory_swap: Some(-1)"),
            (
                &["--memory-swappiness", "10"],
                "memory_swappiness: Some(10)",
            ),
            (
                &["--mount", "type=bind,source=/a,target=/b,readonly"],
                r#"mount: [VolumeMount { kind: Bind, source: "/a", target: "/b", read_only: true }]"#,
            ),
            (
                &["--mount=src=data,dst=/b"],
                r#"mount: [VolumeMount { kind: Volume, source: "data", target: "/b", read_only: false }]"#,
            ),
            (
                &["-v", "/a:/b:ro"],
                r#"mount: [VolumeMount { kind: Bind, source: "/a", target: "/b", read_only: true }]"#,
            ),
            (
                &["--volume=data:/b"],
                r#"mount: [VolumeMount { kind: Volume, source: "data", target: "/b", read_only: false }]"#,
            ),
            (
                &["-v/b"],
                r#"mount: [VolumeMount { kind: Volume, source: "", target: "/b", read_only: false }]"#,
            ),
            (&["--network-alias=db"], r#"network_alias: ["db"]"#),
            (&["--oom-kill-disable"], "oom_kill_disable: Some(true)"),
            (&["--oom-score-adj=-5"], "oom_score_adj: Some(-5)"),
            (&["--pid", "host"], r#"pid: Some("host")"#),
            (&["--pids-limit", "-1"], "pids_limit: Some(-1)"),
            (
                &["--platform=linux/arm64"],
                r#"platform: Some("linux/arm64")"#,
            ),
            (&["--privileged"], "privileged: Some(true)"),
            (
                &["-p", "8080:80"],
                "publish: [ContainerPort { host_port: Some(8080), container_port: 80, protocol: Tcp, host_ip: None }]",
            ),
            (&["--read-only"], "read_only: Some(true)"),
            (&["--runtime=nvidia"], r#"runtime: Some("nvidia")"#),
            (
                &["--security-opt", "seccomp=unconfined"],
                r#"security_opt: ["seccomp=unconfined"]"#,
            ),
            (&["--shm-size=1g"], "shm_size: Some(1073741824)"),
            (
                &["--stop-signal", "SIGINT"],
                r#"stop_signal: Some("SIGINT")"#,
            ),
            (&["--stop-timeout=3"], "stop_timeout: Some(3)"),
            (
                &["--storage-opt", "size=1G"],
                r#"storage_opt: {"size": "1G"}"#,
            ),
            (
                &["--sysctl", "net.core.somaxconn=1"],
                r#"sysctl: {"net.core.somaxconn": "1"}"#,
            ),
            (&["--tmpfs", "/run"], r#"tmpfs: {"/run": ""}"#),
            (
                &["--tmpfs=/run:size=1m,noexec"],
                r#"tmpfs: {"/run": "size=1m,noexec"}"#,
            ),
            (
                &["--ulimit", "nofile=1024:2048"],
                r#"ulimit: [Ulimit { name: "nofile", soft: 1024, hard: 2048 }]"#,
            ),
            (
                &["--ulimit=memlock=-1"],
                r#"ulimit: [Ulimit { name: "memlock", soft: -1, hard: -1 }]"#,
            ),
            (&["-u", "1000:1000"], r#"user: Some("1000:1000")"#),
            (&["--user=app"], r#"user: Some("app")"#),
            (&["--userns=host"], r#"userns: Some("host")"#),
            (&["--uts=host"], r#"uts: Some("host")"#),
            (&["-w", "/app"], r#"workdir: Some("/app")"#),
            (&["--workdir=/app"], r#"workdir: Some("/app")"#),
        ];
        for (arguments, expected) in table {
            assert_eq!(shown(arguments), *expected, "{arguments:?}");
        }
        // No entry of the table is without a case here.
        for option in OPTIONS {
            let is_tried = table.iter().any(|(arguments, _)| {
                let names = arguments.iter().filter_map(|it| split(it).ok());
                names
                    .into_iter()
                    .any(|(name, _)| option.names.contains(&&*name))
            });
            assert!(is_tried, "{:?}", option.names);
        }
    }

    #[test]
    fn what_is_refused_and_why() {
        for (arguments, expected) in [
            (&["x"][..], "`x`: no option of `docker run`"),
            (&["--"], "`--`: no option of `docker run`"),
            (&["--init", "-"], "`-`: no option of `docker run`"),
            (
                &["--frob=1"],
                "`--frob=1`: `--frob` is not served by this version",
            ),
            (&["-Z"], "`-Z`: `-Z` is not served by this version"),
            (&["--user"], "`--user`: its value is missing"),
            (
                &["--init=perhaps"],
                "`--init=perhaps`: `perhaps` is neither true nor false",
            ),
            (&["-m", "much"], "`-m`: `much` is no size, such as `512m`"),
            (
                &["--cpus=-1"],
                "`--cpus=-1`: `-1` is no number of cores, such as `1.5`",
            ),
            (
                &["--pids-limit=x"],
                "`--pids-limit=x`: `x` is no whole number",
            ),
            (
                &["-e", "A"],
                "`-e`: a variable without a value is the host's own; give one (`A=…`)",
            ),
            (
                &["-v", "./a:/b"],
                "`-v`: `./a` is neither an absolute path nor the name of a volume",
            ),
            (&["-v", "/a:/b:z"], "`-v`: `z` is neither `ro` nor `rw`"),
            (
                &["--mount", "type=bind,target=/b,bind-propagation=shared"],
                "`--mount`: `bind-propagation` is not served by this version",
            ),
            (
                &["--restart=always"],
                "`--restart=always`: not taken: the control plane starts again; see spec.restartPolicy",
            ),
            (
                &["--name", "x"],
                "`--name`: not taken: see spec.containerName",
            ),
            (
                &["--network=app"],
                "`--network=app`: only `host` is an option here; see spec.networks",
            ),
            (
                &["--add-host", "a"],
                "`--add-host`: `a` is not NAME:ADDRESS",
            ),
            (
                &["--ulimit", "nofile"],
                "`--ulimit`: `nofile` is not NAME=SOFT[:HARD]",
            ),
        ] {
            assert_eq!(read(arguments).unwrap_err(), expected);
        }
        let place = parse(&["-u".into(), "x".into(), "--frob".into()]).unwrap_err();
        assert_eq!(place.index, 2);
    }

    #[test]
    fn later_ones_are_added_or_win() {
        let options = read(&[
            "-v",
            "/a:/b",
            "--cap-add",
            "A",
            "--cap-add=B",
            "-u",
            "x",
            "-u=y",
            "-p",
            "53:53/udp",
            "-p=[::1]:1:2",
            "-p",
            "127.0.0.2::80",
        ])
        .unwrap();
        assert_eq!(options.cap_add, ["A", "B"]);
        assert_eq!(options.user.as_deref(), Some("y"));
        assert_eq!(options.mount[0].kind, VolumeMountKind::Bind);
        let ports: Vec<_> = options
            .publish
            .iter()
            .map(|port| {
                (
                    port.host_ip.as_deref(),
                    port.host_port,
                    port.container_port,
                    port.protocol,
                )
            })
            .collect();
        assert_eq!(
            ports,
            [
                (None, Some(53), 53, Protocol::Udp),
                (Some("::1"), Some(1), 2, Protocol::Tcp),
                (Some("127.0.0.2"), None, 80, Protocol::Tcp),
            ]
        );
    }
}
