//! Services in the loop: listening, relaying, and the address book.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use aspire_api::service::{AddressAllocationMode, Protocol, Service, ServiceState, ServiceStatus};
use aspire_api::{Kind, Object, ObjectKey};
use tokio::task::AbortHandle;

use super::service::{Observed, plan};
use super::{Controllers, has_finalizer};
use crate::os;
use crate::relay::{self, Backends};
use crate::services::View;

/// A service that is known.
#[derive(Debug, Default)]
pub(super) struct Served {
    port: Option<u16>,
    error: Option<String>,
    relays: Vec<AbortHandle>,
    gateways: BTreeMap<IpAddr, AbortHandle>,
}

impl Drop for Served {
    fn drop(&mut self) {
        for relay in self.relays.iter().chain(self.gateways.values()) {
            relay.abort();
        }
    }
}

/// A socket that listens.
enum Listening {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Listening {
    fn open(address: SocketAddr, protocol: Protocol) -> io::Result<Self> {
        match protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(listener))
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(address)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Udp(socket))
            }
        }
    }
}

/// One port on both loopback addresses; on one of them where the machine has only that.
fn open_both(port: u16, protocol: Protocol) -> io::Result<Vec<Listening>> {
    let mut open = Vec::new();
    let mut missing = None;
    for ip in [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ] {
        match Listening::open(SocketAddr::new(ip, port), protocol) {
            Ok(socket) => open.push(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(error) => missing = Some(error),
        }
    }
    match (open.is_empty(), missing) {
        (true, Some(error)) => Err(error),
        _ => Ok(open),
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
        backends.set(&observed.endpoints);
        if plan.bind {
            self.bind(name, service, &backends);
        }
        for gateway in &plan.unlisten {
            let served = self.served.entry(name.to_owned()).or_default();
            if let Some(relay) = served.gateways.remove(gateway) {
                relay.abort();
            }
        }
        // With the port that was bound just now, where it was.
        let plan = super::service::plan(&self.observe_service(service));
        for gateway in &plan.listen {
            self.listen(name, *gateway, service.spec.protocol, &backends);
        }
        let served = self.served.entry(name.to_owned()).or_default();
        let port = plan.direct.map(|direct| direct.port()).or(served.port);
        self.context.book.set(
            name,
            View {
                port,
                proxyless: observed.proxyless,
                gateways: served.gateways.keys().copied().collect(),
                error: served.error.clone(),
            },
        );
        let address = plan
            .direct
            .map_or("localhost".to_owned(), |direct| direct.ip().to_string());
        let status = ServiceStatus {
            state: if port.is_some() {
                ServiceState::Ready
            } else {
                ServiceState::NotReady
            },
            effective_address: port.map(|_| address),
            effective_port: port,
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
                    if let Ok(ip) = endpoint.spec.address.parse::<IpAddr>() {
                        observed
                            .endpoints
                            .push(SocketAddr::new(ip, endpoint.spec.port));
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
        if let Some(served) = self.served.get(name) {
            observed.bound = served.port;
            observed.bound_gateways = served.gateways.keys().copied().collect();
            observed.failed = served.error.is_some();
        }
        observed
    }

    /// Listens on the public port.
    fn bind(&mut self, name: &str, service: &Service, backends: &Arc<Backends>) {
        let protocol = service.spec.protocol;
        let bound = match service.spec.port {
            Some(port) => open_both(port, protocol)
                .map(|sockets| (port, sockets))
                .map_err(|error| in_use(port, protocol, &error)),
            None => self
                .context
                .memory
                .candidates(name)
                .into_iter()
                .find_map(|port| Some((port, open_both(port, protocol).ok()?)))
                .ok_or_else(|| "no free port was found".to_owned()),
        };
        let relayed = bound.and_then(|(port, sockets)| {
            let relays: io::Result<Vec<_>> = sockets
                .into_iter()
                .map(|socket| self.relay(socket, backends))
                .collect();
            Ok((port, relays.map_err(|error| error.to_string())?))
        });
        let served = self.served.entry(name.to_owned()).or_default();
        match relayed {
            Ok((port, relays)) => {
                served.port = Some(port);
                served.relays = relays;
                if service.spec.port.is_none() {
                    self.context.memory.remember(name, port);
                }
            }
            Err(error) => served.error = Some(error),
        }
    }

    /// Listens on an address of a network as well.
    fn listen(&mut self, name: &str, gateway: IpAddr, protocol: Protocol, to: &Arc<Backends>) {
        let Some(port) = self.served.get(name).and_then(|served| served.port) else {
            return;
        };
        let opened = Listening::open(SocketAddr::new(gateway, port), protocol);
        let relay = opened.and_then(|socket| self.relay(socket, to));
        let served = self.served.entry(name.to_owned()).or_default();
        match relay {
            Ok(relay) => {
                served.gateways.insert(gateway, relay);
            }
            Err(error) => {
                let error = in_use(port, protocol, &error);
                served.error = Some(format!("containers can't reach it at {gateway}: {error}"));
            }
        }
    }

    fn relay(&self, socket: Listening, backends: &Arc<Backends>) -> io::Result<AbortHandle> {
        let backends = Arc::clone(backends);
        Ok(match socket {
            Listening::Tcp(listener) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                self.context
                    .tasks
                    .spawn("relay", relay::serve_tcp(listener, backends))
            }
            Listening::Udp(socket) => {
                let socket = tokio::net::UdpSocket::from_std(socket)?;
                self.context
                    .tasks
                    .spawn("relay", relay::serve_udp(socket, backends))
            }
        })
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
