//! Services in the loop: listening, relaying, and the address book.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aspire_api::service::{
    AddressAllocationMode, Protocol, Service, ServiceSpec, ServiceState, ServiceStatus,
};
use aspire_api::{Kind, Object, ObjectKey};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::service::{Observed, plan};
use super::{Controllers, has_finalizer};
use crate::os;
use crate::relay::{self, Backends, Listening, open_all};
use crate::services::View;

/// A service that is known.
#[derive(Debug, Default)]
pub(super) struct Served {
    port: Option<u16>,
    /// Under which it is dialled.
    address: String,
    /// It listens at every IPv4 address of the machine, those of networks included.
    everywhere: bool,
    /// Attempts to listen that failed.
    attempts: u32,
    error: Option<String>,
    /// What it was asked when it last began to listen, or tried to.
    asked: Option<ServiceSpec>,
    relays: Vec<Relay>,
    /// Networks' addresses; none: covered already.
    gateways: BTreeMap<IpAddr, Option<Relay>>,
    /// Those that take no more connections, until the ones that they have are over.
    closed: Vec<Relay>,
    /// The endpoint whose address it has; without a relay.
    chosen: Option<String>,
}

/// After a port could not be had, and how often that is tried.
const AGAIN: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 30;

/// A relay: it ends, and with it the connections that it has, when this is dropped.
#[derive(Debug)]
struct Relay {
    task: AbortHandle,
    close: watch::Sender<bool>,
}

impl Relay {
    /// It takes no more connections.
    fn close(&self) {
        self.close.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    /// Listens no longer; whoever is connected stays so.
    fn unbind(&mut self) {
        self.closed.retain(|relay| !relay.task.is_finished());
        let gateways = std::mem::take(&mut self.gateways).into_values().flatten();
        for relay in self.relays.drain(..).chain(gateways) {
            relay.close();
            self.closed.push(relay);
        }
        self.port = None;
        self.error = None;
        self.attempts = 0;
    }

    /// Whether it listens, or tried to, as it was asked before.
    fn has_moved(&self, spec: &ServiceSpec) -> bool {
        let place = |spec: &ServiceSpec| {
            let mode = spec.address_allocation_mode;
            (spec.address.clone(), mode, spec.protocol)
        };
        let known = self.asked.as_ref();
        known.is_some_and(|asked| place(asked) != place(spec))
    }
}

/// Where a service listens, and under which name it is dialled then.
fn addresses(spec: &ServiceSpec) -> Result<(Vec<IpAddr>, String), String> {
    let (v4, v6) = (
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    );
    let (all_v4, all_v6) = (
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    );
    let localhost = "localhost".to_owned();
    if let Some(address) = spec.address.as_deref().filter(|text| !text.is_empty()) {
        if address == "localhost" {
            return Ok((vec![v4, v6], localhost));
        }
        let ip =
            parse_ip(address).ok_or_else(|| format!("`{address}` is no address to listen at"))?;
        return Ok((vec![ip], dialled_name(ip)));
    }
    Ok(match spec.address_allocation_mode {
        AddressAllocationMode::Localhost | AddressAllocationMode::Proxyless => {
            (vec![v4, v6], localhost)
        }
        AddressAllocationMode::IPv4ZeroOne => (vec![v4], dialled_name(v4)),
        AddressAllocationMode::IPv4Loopback => {
            let ip = IpAddr::V4(relay::random_loopback());
            (vec![ip], dialled_name(ip))
        }
        AddressAllocationMode::IPv6ZeroOne => (vec![v6], dialled_name(v6)),
        AddressAllocationMode::AllInterfaces => (vec![all_v4, all_v6], localhost),
        AddressAllocationMode::IPv4AllInterfaces => (vec![all_v4], dialled_name(v4)),
        AddressAllocationMode::IPv6AllInterfaces => (vec![all_v6], dialled_name(v6)),
    })
}

/// An address, with or without the brackets that IPv6 has before a port.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

/// As it stands before a port.
fn dialled_name(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

impl Controllers {
    pub(super) fn reconcile_service(&mut self, name: &str) {
        let key = ObjectKey::new(Kind::Service, name);
        let object = self.context.store.get(&key).ok();
        let Some(Object::Service(service)) = object.as_deref() else {
            self.forget_service(name);
            return;
        };
        let object = Object::Service(service.clone());
        if object.metadata().deletion_timestamp.is_some() {
            self.forget_service(name);
            self.release(&key);
            return;
        }
        if !has_finalizer(&object) {
            self.add_finalizer(&key);
            return;
        }
        let observed = self.observe_service(service);
        let plan = plan(&observed);
        let backends = Arc::clone(&self.context.book.page(name).backends);
        let endpoints = observed.endpoints.iter().map(|(_, address)| *address);
        backends.set(&endpoints.collect::<Vec<_>>());
        let served = self.served.entry(name.to_owned()).or_default();
        if plan.unbind {
            served.unbind();
        }
        for gateway in &plan.unlisten {
            served.gateways.remove(gateway);
        }
        if plan.bind {
            self.bind(name, service, &backends);
        }
        // With the port that was bound just now, where it was.
        let plan = super::service::plan(&self.observe_service(service));
        for gateway in &plan.listen {
            self.listen(name, *gateway, service.spec.protocol, &backends);
        }
        let served = self.served.entry(name.to_owned()).or_default();
        served.chosen.clone_from(&plan.chosen);
        let port = plan.direct.map(|direct| direct.port()).or(served.port);
        let address = match plan.direct {
            Some(direct) => dialled_name(direct.ip()),
            None if served.address.is_empty() => "localhost".to_owned(),
            None => served.address.clone(),
        };
        self.context.book.set(
            name,
            View {
                port,
                proxyless: observed.proxyless,
                address: port.map(|_| address.clone()),
                gateways: served.gateways.keys().copied().collect(),
                error: served.error.clone(),
            },
        );
        let relayed = !served.relays.is_empty();
        let status = ServiceStatus {
            state: if port.is_some() {
                ServiceState::Ready
            } else {
                ServiceState::NotReady
            },
            effective_address: port.map(|_| address),
            effective_port: port,
            proxy_process_pid: relayed.then(|| i64::from(std::process::id())),
            proxyless_endpoint_name: plan.chosen,
            message: served.error.clone().unwrap_or_default(),
            ..ServiceStatus::default()
        };
        let written = self.context.store.modify(&key, |object| {
            if let Object::Service(service) = object {
                service.status = status;
            }
        });
        if let Err(error) = written {
            tracing::debug!(%error, "a status was not written");
        }
        // A tunnel may wait for where it listens now.
        let dependents = self.dependents.get(&key).into_iter().flatten();
        let proxies = dependents.filter(|it| it.kind == Kind::ContainerNetworkTunnelProxy);
        for proxy in proxies {
            self.queue.add(proxy.clone());
        }
    }

    /// What could not be listened at may be free by now.
    pub(super) fn retry_service(&mut self, key: &ObjectKey) {
        if let Some(served) = self.served.get_mut(&key.name)
            && served.port.is_none()
        {
            served.error = None;
        }
    }

    fn forget_service(&mut self, name: &str) {
        if self.served.remove(name).is_some() {
            self.context.book.page(name).backends.set(&[]);
            let error = Some("it is gone".to_owned());
            self.context.book.set(
                name,
                View {
                    error,
                    ..View::default()
                },
            );
        }
    }

    fn observe_service(&self, service: &Service) -> Observed {
        let name = &service.metadata.name;
        let (objects, _) = self.context.store.list();
        let mut observed = Observed {
            proxyless: service.spec.address_allocation_mode == AddressAllocationMode::Proxyless,
            fixed: service.spec.port,
            producer: self.producers().get(name).copied(),
            ..Observed::default()
        };
        for object in &objects {
            match object.as_ref() {
                Object::Endpoint(endpoint) if endpoint.spec.service_name == *name => {
                    if let Some(ip) = parse_ip(&endpoint.spec.address)
                        && endpoint.metadata.deletion_timestamp.is_none()
                    {
                        let address = SocketAddr::new(ip, endpoint.spec.port);
                        let name = endpoint.metadata.name.clone();
                        observed.endpoints.push((name, address));
                    }
                }
                Object::ContainerNetwork(network) => {
                    let gateways = network.status.gateways.iter();
                    observed
                        .gateways
                        .extend(gateways.filter_map(|ip| ip.parse::<IpAddr>().ok()));
                }
                _ => {}
            }
        }
        observed.tunnelled = self.tunnelled(name);
        if let Some(served) = self.served.get(name) {
            observed.chosen.clone_from(&served.chosen);
            observed.bound = served.port;
            observed.bound_gateways = served.gateways.keys().copied().collect();
            observed.moved = served.has_moved(&service.spec);
            // Elsewhere it may be had.
            let asked = served.asked.as_ref().map(|asked| asked.port);
            let same = asked == Some(service.spec.port) && !observed.moved;
            observed.failed = served.error.is_some() && (same || served.port.is_some());
        }
        observed
    }

    /// Listens on the public port.
    fn bind(&mut self, name: &str, service: &Service, backends: &Arc<Backends>) {
        let protocol = service.spec.protocol;
        let found = addresses(&service.spec);
        let bound =
            found
                .as_ref()
                .map_err(String::clone)
                .and_then(|(ips, _)| match service.spec.port {
                    Some(port) => open_all(ips, port, protocol)
                        .map(|sockets| (port, sockets))
                        .map_err(|error| in_use(port, protocol, &error)),
                    None => {
                        let ports = self.context.memory.candidates(name).into_iter();
                        let mut open = ports
                            .filter_map(|port| Some((port, open_all(ips, port, protocol).ok()?)));
                        open.next()
                            .ok_or_else(|| "no free port was found".to_owned())
                    }
                });
        let relayed = bound.and_then(|(port, sockets)| {
            let relays: io::Result<Vec<_>> = sockets
                .into_iter()
                .map(|socket| self.relay(socket, backends))
                .collect();
            Ok((port, relays.map_err(|error| error.to_string())?))
        });
        let served = self.served.entry(name.to_owned()).or_default();
        if served.asked.replace(service.spec.clone()).as_ref() != Some(&service.spec) {
            served.attempts = 0;
        }
        served.error = None;
        match relayed {
            Ok((port, relays)) => {
                served.port = Some(port);
                served.relays = relays;
                served.attempts = 0;
                if let Ok((ips, address)) = found {
                    served.address = address;
                    served.everywhere = ips.contains(&IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                }
                if service.spec.port.is_none() {
                    self.context.memory.remember(name, port);
                }
            }
            Err(error) => {
                served.error = Some(error);
                served.attempts += 1;
                if served.attempts < ATTEMPTS {
                    let key = ObjectKey::new(Kind::Service, name);
                    self.wake_later(&key, AGAIN);
                }
            }
        }
    }

    /// Listens on an address of a network as well.
    fn listen(&mut self, name: &str, gateway: IpAddr, protocol: Protocol, to: &Arc<Backends>) {
        let Some(served) = self.served.get_mut(name) else {
            return;
        };
        let Some(port) = served.port else {
            return;
        };
        if served.everywhere && gateway.is_ipv4() {
            served.gateways.insert(gateway, None);
            return;
        }
        let opened = Listening::open(SocketAddr::new(gateway, port), protocol);
        let relay = opened.and_then(|socket| self.relay(socket, to));
        let served = self.served.entry(name.to_owned()).or_default();
        match relay {
            Ok(relay) => {
                served.gateways.insert(gateway, Some(relay));
            }
            Err(error) => {
                let error = in_use(port, protocol, &error);
                served.error = Some(format!("containers can't reach it at {gateway}: {error}"));
            }
        }
    }

    fn relay(&self, socket: Listening, backends: &Arc<Backends>) -> io::Result<Relay> {
        let backends = Arc::clone(backends);
        let (close, closed) = watch::channel(false);
        let task = match socket {
            Listening::Tcp(listener) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                self.context
                    .tasks
                    .spawn("relay", relay::serve_tcp(listener, backends, closed))
            }
            Listening::Udp(socket) => {
                let socket = tokio::net::UdpSocket::from_std(socket)?;
                let serve = relay::serve_udp(socket, backends);
                let until = async move {
                    let mut closed = closed;
                    tokio::select! {
                        () = serve => {}
                        _ = closed.wait_for(|closed| *closed) => {}
                    }
                };
                self.context.tasks.spawn("relay", until)
            }
        };
        Ok(Relay { task, close })
    }
}

/// Why a port can't be had, in words.
fn in_use(port: u16, protocol: Protocol, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::AddrInUse {
        return format!("port {port}: {error}");
    }
    match os::port_holder(port, protocol == Protocol::Udp) {
        Some(holder) => format!("port {port} is in use by {holder}"),
        None => format!("port {port} is in use"),
    }
}
