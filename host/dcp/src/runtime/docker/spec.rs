//! A container as the engine wants it described.
//!
//! Knows the engine's words for what a request says. Doesn't talk to it.

use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, EndpointSettings, HostConfig, Mount,
    MountType, NetworkingConfig, PortBinding, PortMap,
};

use super::{DockerEngine, options};
use crate::runtime::{ContainerRequest, EngineError, MountRequest, PortRequest};

/// From this version on a container joins all its networks at creation.
const JOINS_ALL: (usize, usize) = (1, 44);

impl DockerEngine {
    pub(super) fn joins_all(&self) -> bool {
        self.shared.api >= JOINS_ALL
    }

    /// The whole of a request but its files, and but the networks that creation can't join.
    pub(super) fn create_body(
        &self,
        request: &ContainerRequest,
    ) -> Result<ContainerCreateBody, EngineError> {
        let on_host = on_host(request);
        let networks = if on_host { &[] } else { &*request.networks };
        let joined = if self.joins_all() {
            networks
        } else {
            &networks[..networks.len().min(1)]
        };
        let ports = if on_host { &[] } else { &*request.ports };
        let mut host = HostConfig {
            network_mode: match networks.first() {
                _ if on_host => Some("host".to_owned()),
                first => first.map(|(name, _)| name.clone()),
            },
            port_bindings: Some(port_bindings(ports)),
            mounts: Some(request.mounts.iter().map(mount).collect()),
            memory: request.memory.and_then(|bytes| bytes.try_into().ok()),
            nano_cpus: request
                .cpu_millis
                .and_then(|millis| i64::try_from(millis.checked_mul(1_000_000)?).ok()),
            ..HostConfig::default()
        };
        // podman adds the name by itself, and older ones refuse the word.
        if !self.is_podman() {
            host.extra_hosts = Some(vec!["host.docker.internal:host-gateway".to_owned()]);
        }
        for (name, address) in &request.hosts {
            host.extra_hosts
                .get_or_insert_default()
                .push(format!("{name}:{address}"));
        }
        for (name, value) in &request.privileges {
            grant(&mut host, name, value)
                .map_err(|problem| EngineError::Other(format!("{}: {problem}", request.name)))?;
        }
        let mut body = ContainerCreateBody {
            image: Some(request.image.clone()),
            entrypoint: request.entrypoint.clone(),
            cmd: (!request.args.is_empty()).then(|| request.args.clone()),
            env: Some(
                request
                    .env
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect(),
            ),
            labels: Some(request.labels.clone().into_iter().collect()),
            exposed_ports: Some(ports.iter().map(port_key).collect()),
            user: request.user.clone(),
            working_dir: request.working_directory.clone(),
            stop_timeout: whole_seconds(request.stop_grace).map(i64::from),
            networking_config: Some(NetworkingConfig {
                endpoints_config: Some(
                    joined
                        .iter()
                        .map(|(network, names)| (network.clone(), endpoint(names)))
                        .collect(),
                ),
            }),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        options::apply(&mut body, &request.options);
        Ok(body)
    }
}

/// The engine counts in seconds; a grace is never cut short.
pub(super) fn whole_seconds(grace: Duration) -> Option<i32> {
    let up = u64::from(grace.subsec_nanos() > 0);
    i32::try_from(grace.as_secs().saturating_add(up)).ok()
}

pub(super) fn on_host(request: &ContainerRequest) -> bool {
    request
        .privileges
        .get("network:host")
        .is_some_and(|value| value != "false")
}

pub(super) fn endpoint(names: &[String]) -> EndpointSettings {
    EndpointSettings {
        aliases: Some(names.to_vec()),
        ..EndpointSettings::default()
    }
}

fn port_key(port: &PortRequest) -> String {
    format!("{}/{}", port.container_port, port.protocol)
}

fn port_bindings(ports: &[PortRequest]) -> PortMap {
    let mut map = PortMap::new();
    for port in ports {
        // Without an address the engine would listen on all of them.
        let address = match port.host_ip.as_str() {
            "" => "127.0.0.1",
            address => address,
        };
        let binding = PortBinding {
            host_ip: Some(address.to_owned()),
            host_port: Some(port.host_port.map(|it| it.to_string()).unwrap_or_default()),
        };
        let bindings = map.entry(port_key(port)).or_default();
        bindings.get_or_insert_default().push(binding);
    }
    map
}

fn mount(request: &MountRequest) -> Mount {
    match request {
        MountRequest::Volume {
            name,
            target,
            read_only,
        } => Mount {
            typ: Some(MountType::VOLUME),
            source: Some(name.clone()),
            target: Some(target.clone()),
            read_only: Some(*read_only),
            ..Mount::default()
        },
        MountRequest::Bind {
            source,
            target,
            read_only,
        } => Mount {
            typ: Some(MountType::BIND),
            source: Some(source.to_string_lossy().into_owned()),
            target: Some(target.clone()),
            read_only: Some(*read_only),
            ..Mount::default()
        },
        MountRequest::Scratch { target } => Mount {
            typ: Some(MountType::TMPFS),
            target: Some(target.clone()),
            ..Mount::default()
        },
    }
}

/// Gives a privilege, as in `spec.aspire.privileges`.
fn grant(host: &mut HostConfig, name: &str, value: &str) -> Result<(), String> {
    if value == "false" {
        return Ok(());
    }
    match name.split_once(':') {
        None if name == "privileged" => host.privileged = Some(true),
        None if name == "gpus" => host.device_requests = Some(vec![gpus(value)]),
        // The network mode says it.
        Some(("network", "host")) => {}
        Some(("cap-add", capability)) => {
            host.cap_add
                .get_or_insert_default()
                .push(capability.to_owned());
        }
        Some(("device", path)) => host.devices.get_or_insert_default().push(DeviceMapping {
            path_on_host: Some(path.to_owned()),
            path_in_container: Some(if value.starts_with('/') { value } else { path }.to_owned()),
            cgroup_permissions: Some("rwm".to_owned()),
        }),
        _ => return Err(format!("no engine knows the privilege `{name}`")),
    }
    Ok(())
}

/// All of them, or as many as the value says.
fn gpus(value: &str) -> DeviceRequest {
    DeviceRequest {
        count: Some(value.parse().unwrap_or(-1)),
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        ..DeviceRequest::default()
    }
}
