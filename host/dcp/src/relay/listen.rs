//! Sockets that listen for a service.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use aspire_api::service::Protocol;

/// A socket that listens.
pub(crate) enum Listening {
    /// For streams.
    Tcp(TcpListener),
    /// For datagrams.
    Udp(UdpSocket),
}

impl Listening {
    /// Listens at an address, without ever blocking.
    pub(crate) fn open(address: SocketAddr, protocol: Protocol) -> io::Result<Self> {
        // The unspecified IPv6 address would take the IPv4 ones as well.
        let only = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        match protocol {
            Protocol::Tcp => {
                let listener = match only {
                    true => only_ipv6_tcp(address)?,
                    false => TcpListener::bind(address)?,
                };
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(listener))
            }
            Protocol::Udp => {
                let socket = match only {
                    true => only_ipv6_udp(address)?,
                    false => UdpSocket::bind(address)?,
                };
                socket.set_nonblocking(true)?;
                Ok(Self::Udp(socket))
            }
        }
    }
}

#[cfg(unix)]
fn only_ipv6(
    address: SocketAddr,
    kind: rustix::net::SocketType,
) -> io::Result<rustix::fd::OwnedFd> {
    use rustix::net::{AddressFamily, bind, socket, sockopt};
    let socket = socket(AddressFamily::INET6, kind, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    sockopt::set_ipv6_v6only(&socket, true)?;
    if kind == rustix::net::SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    bind(&socket, &address)?;
    Ok(socket)
}

#[cfg(unix)]
fn only_ipv6_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = only_ipv6(address, rustix::net::SocketType::STREAM)?;
    rustix::net::listen(&socket, 1024)?;
    Ok(socket.into())
}

#[cfg(unix)]
fn only_ipv6_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    Ok(only_ipv6(address, rustix::net::SocketType::DGRAM)?.into())
}

#[cfg(not(unix))]
fn only_ipv6_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
}

#[cfg(not(unix))]
fn only_ipv6_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(address)
}

/// One port at several addresses; at some of them where the machine has only those.
pub(crate) fn open_all(
    addresses: &[IpAddr],
    port: u16,
    protocol: Protocol,
) -> io::Result<Vec<Listening>> {
    let mut open = Vec::new();
    let mut missing = None;
    for ip in addresses {
        match Listening::open(SocketAddr::new(*ip, port), protocol) {
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

/// An address of 127.0.0.0/8, any but the usual one.
pub(crate) fn random_loopback() -> Ipv4Addr {
    let [x, y, z]: [u8; 3] = rand::random();
    Ipv4Addr::new(127, x, y, z.clamp(2, 254))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port_of(listening: &Listening) -> SocketAddr {
        match listening {
            Listening::Tcp(listener) => listener.local_addr().unwrap(),
            Listening::Udp(socket) => socket.local_addr().unwrap(),
        }
    }

    #[test]
    fn both_families_share_a_port() {
        let unspecified = [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        ];
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
            let port = port_of(&Listening::open(any, protocol).unwrap()).port();
            let open = open_all(&unspecified, port, protocol).unwrap();
            assert!(!open.is_empty());
            let taken = open_all(&unspecified[..1], port, protocol);
            assert_eq!(taken.err().unwrap().kind(), io::ErrorKind::AddrInUse);
        }
        assert!(random_loopback().is_loopback());
        let nowhere = ["192.0.2.1".parse().unwrap()];
        assert!(open_all(&nowhere, 0, Protocol::Tcp).is_err());
    }
}
