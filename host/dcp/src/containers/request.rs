//! What the engine is asked to create, from an object whose placeholders are replaced.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aspire_api::aspire::Aspire;
use aspire_api::container::{Container, ContainerPort, Mode, VolumeMountKind};
use aspire_api::service::Protocol;
use aspire_api::{Kind, Object, ObjectKey, run_args};

use super::files;
use crate::context::Context;
use crate::lifecycle::Lifecycle;
use crate::processes::environment::parse_file;
use crate::runtime::{ContainerRequest, MountRequest, PortRequest};
use crate::store::Store;
use crate::templates::Scope;

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

fn published(port: &ContainerPort) -> PortRequest {
    PortRequest {
        container_port: port.container_port,
        protocol: protocol_name(port.protocol),
        host_port: port.host_port,
        host_ip: port
            .host_ip
            .clone()
            .unwrap_or_else(|| "127.0.0.1".to_owned()),
    }
}

/// Ports to publish: those that are asked for, and where containers can't be dialled from this
/// machine, all endpoints.
pub(super) fn ports(container: &Container, aspire: &Aspire, dials: bool) -> Vec<PortRequest> {
    let mut ports: Vec<PortRequest> = container.spec.ports.iter().map(published).collect();
    let added = run_args::parse(&container.spec.run_args).unwrap_or_default();
    ports.extend(added.publish.iter().map(published));
    if !dials {
        for endpoint in &aspire.endpoints {
            let Some(target) = endpoint.target_port else {
                continue;
            };
            let protocol = protocol_name(endpoint.protocol);
            if !ports
                .iter()
                .any(|port| (port.container_port, port.protocol) == (target, protocol))
            {
                ports.push(PortRequest {
                    container_port: target,
                    protocol,
                    host_port: None,
                    host_ip: "127.0.0.1".to_owned(),
                });
            }
        }
    }
    ports
}

/// Networks by their names in the engine.
fn networks(store: &Store, container: &Container) -> Vec<(String, Vec<String>)> {
    let mut networks = Vec::new();
    for attachment in container.spec.networks.iter().flatten() {
        let key = ObjectKey::new(Kind::ContainerNetwork, attachment.name.clone());
        if let Ok(object) = store.get(&key)
            && let Object::ContainerNetwork(network) = object.as_ref()
        {
            let name = network.status.network_name.clone();
            networks.push((name.unwrap_or_default(), attachment.aliases.clone()));
        }
    }
    networks
}

/// Names of this machine on the container's networks: those of their tunnel proxies.
fn hosts(store: &Store, container: &Container) -> Vec<(String, String)> {
    let on = |name: &str| {
        let networks = container.spec.networks.iter().flatten();
        networks.into_iter().any(|network| network.name == name)
    };
    let mut hosts = Vec::new();
    for object in store.list().0 {
        let Object::ContainerNetworkTunnelProxy(proxy) = object.as_ref() else {
            continue;
        };
        let name = &proxy.spec.container_network_name;
        let key = ObjectKey::new(Kind::ContainerNetwork, name.clone());
        if on(name)
            && let Ok(object) = store.get(&key)
            && let Object::ContainerNetwork(network) = object.as_ref()
            && let Some(gateway) = network.status.gateways.first()
        {
            let aliases = proxy.spec.aliases.iter();
            hosts.extend(aliases.map(|alias| (alias.clone(), gateway.clone())));
        }
    }
    hosts
}

/// The whole request.
pub(super) async fn build(
    context: &Context,
    container: &Container,
    scope: &Scope<'_>,
    name: String,
    image: String,
    dials: bool,
) -> Result<ContainerRequest, String> {
    let spec = &container.spec;
    let plain = Aspire::default();
    let aspire = spec.aspire.as_ref().unwrap_or(&plain);
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    for file in &spec.env_files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        env.extend(parse_file(&text).map_err(|error| format!("{file}: {error}"))?);
    }
    for variable in &spec.env {
        env.insert(variable.name.clone(), scope.resolve(&variable.value).await?);
    }
    let key = ObjectKey::new(Kind::Container, container.metadata.name.clone());
    let log = context.log(&key);
    let tell = |text: &str| log.system(&context.redactor.text(text));
    let mut files = files::build(scope, &spec.create_files, &tell).await?;
    if let Some(wanted) = &spec.pem_certificates {
        files.extend(files::certificates(wanted, tell)?);
    }
    let mut mounts = Vec::new();
    // What can't be read was refused when the object was created.
    let mut options = run_args::parse(&spec.run_args).map_err(|error| error.to_string())?;
    let added = std::mem::take(&mut options.mount);
    for mount in spec.volume_mounts.iter().chain(&added) {
        let (source, target) = (mount.source.clone(), mount.target.clone());
        mounts.push(match mount.kind {
            VolumeMountKind::Volume => MountRequest::Volume {
                name: source,
                target,
                read_only: mount.read_only,
            },
            VolumeMountKind::Bind => {
                let source = PathBuf::from(source);
                if !source.exists() {
                    return Err(format!("{}: to be mounted, but missing", source.display()));
                }
                MountRequest::Bind {
                    source,
                    target,
                    read_only: mount.read_only,
                }
            }
            VolumeMountKind::Tmpfs => MountRequest::Scratch { target },
        });
    }
    let persistent = is_persistent(container);
    let resource = container.metadata.resource();
    let mut labels = crate::controllers::labels(context, resource, persistent);
    labels.extend(
        spec.labels
            .iter()
            .map(|label| (label.key.clone(), label.value.clone())),
    );
    if persistent {
        labels.extend(Lifecycle::of(container).labels());
    }
    let entrypoint = match &spec.command {
        Some(command) => Some(vec![scope.resolve(command).await?]),
        None => None,
    };
    let mut networks = networks(&context.store, container);
    for (_, names) in &mut networks {
        names.extend(options.network_alias.iter().cloned());
    }
    let mut privileges = aspire.privileges.clone();
    if options.host_network {
        privileges.insert("network:host".to_owned(), "true".to_owned());
    }
    Ok(ContainerRequest {
        name,
        image,
        entrypoint,
        args: scope.resolve_all(&spec.args).await?,
        env: env.into_iter().collect(),
        labels,
        networks,
        ports: ports(container, aspire, dials),
        hosts: hosts(&context.store, container),
        mounts,
        files,
        user: aspire.user.clone(),
        working_directory: aspire.working_directory.clone(),
        cpu_millis: aspire.cpu_millis,
        memory: aspire.memory,
        privileges,
        options,
        stop_grace: context.grace(Some(aspire)).max(Duration::from_secs(1)),
    })
}

/// Whether we make it and keep it after the run.
pub(super) fn is_persistent(container: &Container) -> bool {
    container.spec.effective_mode() == Mode::Persistent
}
