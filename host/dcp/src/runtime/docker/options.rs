//! Options of `docker run` as the engine wants them described.
//!
//! Knows the engine's word for each. What they mean, and that they can be, is `run_args` in the
//! kinds; mounts, ports and networks have become those of the request before.

use std::collections::BTreeMap;

use aspire_api::run_args::{Gpus, Health, RunOptions};
use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HealthConfig, HostConfig,
    HostConfigCgroupnsModeEnum, ResourcesUlimits,
};

/// Puts options over what is described already: single values replace, lists grow.
pub(super) fn apply(body: &mut ContainerCreateBody, options: &RunOptions) {
    replace(&mut body.hostname, &options.hostname);
    replace(&mut body.domainname, &options.domainname);
    replace(&mut body.user, &options.user);
    replace(&mut body.working_dir, &options.workdir);
    replace(&mut body.stop_signal, &options.stop_signal);
    replace(&mut body.stop_timeout, &options.stop_timeout);
    if let Some(program) = &options.entrypoint {
        body.entrypoint = Some(vec![program.clone()]);
    }
    for (name, value) in &options.env {
        let env = body.env.get_or_insert_default();
        let is_it = |line: &String| line.split_once('=').is_some_and(|(known, _)| known == name);
        env.retain(|line| !is_it(line));
        env.push(format!("{name}={value}"));
    }
    let labels = body.labels.get_or_insert_default();
    labels.extend(options.label.clone());
    let exposed = body.exposed_ports.get_or_insert_default();
    exposed.extend(options.expose.iter().cloned());
    if let Some(health) = &options.health {
        body.healthcheck = Some(check(health));
    }
    limits(body.host_config.get_or_insert_default(), options);
    surroundings(body.host_config.get_or_insert_default(), options);
}

fn limits(host: &mut HostConfig, options: &RunOptions) {
    replace(&mut host.cpu_period, &options.cpu_period);
    replace(&mut host.cpu_quota, &options.cpu_quota);
    replace(&mut host.cpu_shares, &options.cpu_shares);
    replace(&mut host.nano_cpus, &options.cpus);
    replace(&mut host.cpuset_cpus, &options.cpuset_cpus);
    replace(&mut host.cpuset_mems, &options.cpuset_mems);
    replace(&mut host.memory, &options.memory);
    replace(&mut host.memory_reservation, &options.memory_reservation);
    replace(&mut host.memory_swap, &options.memory_swap);
    replace(&mut host.memory_swappiness, &options.memory_swappiness);
    replace(&mut host.oom_kill_disable, &options.oom_kill_disable);
    replace(&mut host.oom_score_adj, &options.oom_score_adj);
    replace(&mut host.pids_limit, &options.pids_limit);
    replace(&mut host.shm_size, &options.shm_size);
    let ulimits = options.ulimit.iter().map(|limit| ResourcesUlimits {
        name: Some(limit.name.clone()),
        soft: Some(limit.soft),
        hard: Some(limit.hard),
    });
    grow(&mut host.ulimits, ulimits);
}

fn surroundings(host: &mut HostConfig, options: &RunOptions) {
    grow(&mut host.extra_hosts, options.add_host.iter().cloned());
    grow(&mut host.cap_add, options.cap_add.iter().cloned());
    grow(&mut host.cap_drop, options.cap_drop.iter().cloned());
    replace(&mut host.cgroup_parent, &options.cgroup_parent);
    if let Some(mode) = &options.cgroupns {
        host.cgroupns_mode = Some(match mode.as_str() {
            "host" => HostConfigCgroupnsModeEnum::HOST,
            _ => HostConfigCgroupnsModeEnum::PRIVATE,
        });
    }
    let devices = options.device.iter().map(|device| DeviceMapping {
        path_on_host: Some(device.host.clone()),
        path_in_container: Some(device.container.clone()),
        cgroup_permissions: Some(device.permissions.clone()),
    });
    grow(&mut host.devices, devices);
    let rules = options.device_cgroup_rule.iter();
    grow(&mut host.device_cgroup_rules, rules.cloned());
    grow(&mut host.device_requests, options.gpus.iter().map(gpus));
    grow(&mut host.dns, options.dns.iter().cloned());
    grow(&mut host.dns_options, options.dns_option.iter().cloned());
    grow(&mut host.dns_search, options.dns_search.iter().cloned());
    grow(&mut host.group_add, options.group_add.iter().cloned());
    replace(&mut host.init, &options.init);
    replace(&mut host.ipc_mode, &options.ipc);
    replace(&mut host.pid_mode, &options.pid);
    replace(&mut host.privileged, &options.privileged);
    replace(&mut host.readonly_rootfs, &options.read_only);
    replace(&mut host.runtime, &options.runtime);
    grow(&mut host.security_opt, options.security_opt.iter().cloned());
    fill(&mut host.storage_opt, &options.storage_opt);
    fill(&mut host.sysctls, &options.sysctl);
    fill(&mut host.tmpfs, &options.tmpfs);
    replace(&mut host.userns_mode, &options.userns);
    replace(&mut host.uts_mode, &options.uts);
}

#[expect(clippy::ref_option, reason = "a field is replaced by a field")]
fn replace<T: Clone>(known: &mut Option<T>, wanted: &Option<T>) {
    if wanted.is_some() {
        known.clone_from(wanted);
    }
}

fn grow<T>(known: &mut Option<Vec<T>>, more: impl Iterator<Item = T>) {
    let mut more = more.peekable();
    if more.peek().is_some() {
        known.get_or_insert_default().extend(more);
    }
}

fn fill<T: Default + Extend<(String, String)>>(
    known: &mut Option<T>,
    more: &BTreeMap<String, String>,
) {
    if !more.is_empty() {
        known.get_or_insert_default().extend(more.clone());
    }
}

fn gpus(wanted: &Gpus) -> DeviceRequest {
    let mut capabilities = vec!["gpu".to_owned()];
    capabilities.extend(wanted.capabilities.iter().cloned());
    DeviceRequest {
        driver: wanted.driver.clone(),
        count: wanted.devices.is_empty().then_some(wanted.count),
        device_ids: (!wanted.devices.is_empty()).then(|| wanted.devices.clone()),
        capabilities: Some(vec![capabilities]),
        ..DeviceRequest::default()
    }
}

fn check(wanted: &Health) -> HealthConfig {
    let nanoseconds = |milliseconds: Option<u64>| {
        let milliseconds = i64::try_from(milliseconds?).ok()?;
        milliseconds.checked_mul(1_000_000)
    };
    let test = match &wanted.command {
        _ if wanted.none => Some(vec!["NONE".to_owned()]),
        Some(command) => Some(vec!["CMD-SHELL".to_owned(), command.clone()]),
        None => None,
    };
    HealthConfig {
        test,
        interval: nanoseconds(wanted.interval),
        timeout: nanoseconds(wanted.timeout),
        retries: wanted.retries,
        start_period: nanoseconds(wanted.start_period),
        ..HealthConfig::default()
    }
}
