//! Which ports are given away: private ones for processes, held until just before they start, and
//! public ones, the same again at the next run.
//!
//! Both are taken from below the range that the kernel gives to outgoing connections, so that
//! nobody gets one by accident between our letting go and the workload's taking it. Doesn't know
//! what a port is for.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use aspire_api::service::Protocol;
use rand::Rng;
use tokio::net::TcpSocket;

use crate::os;

/// Attempts to find a free port.
const ATTEMPTS: usize = 500;

/// A port that belongs to us until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    /// Its number.
    pub(crate) port: u16,
    _held: Held,
}

#[derive(Debug)]
enum Held {
    Tcp(#[expect(dead_code, reason = "held, not used")] TcpSocket),
    Udp(#[expect(dead_code, reason = "held, not used")] UdpSocket),
}

/// Ports that we choose from.
fn range() -> RangeInclusive<u16> {
    let ephemeral = os::ephemeral_ports();
    if *ephemeral.start() > 14_000 {
        10_000..=ephemeral.start() - 1
    } else {
        10_000..=60_000
    }
}

/// Ports to try, in no particular order.
fn candidates() -> impl Iterator<Item = u16> {
    let range = range();
    std::iter::repeat_with(move || rand::rng().random_range(range.clone())).take(ATTEMPTS)
}

fn none_free() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "no free port was found")
}

/// Takes a free port for a workload to listen on.
pub(crate) fn reserve(protocol: Protocol) -> io::Result<Reservation> {
    candidates()
        .find_map(|port| {
            let held = hold(port, protocol, false).ok()?;
            // A workload may listen on either loopback address.
            let other = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
            let free = match protocol {
                Protocol::Tcp => TcpListener::bind(other).map(drop),
                Protocol::Udp => UdpSocket::bind(other).map(drop),
            };
            match free {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => None,
                Ok(()) | Err(_) => Some(Reservation { port, _held: held }),
            }
        })
        .ok_or_else(none_free)
}

/// Takes a port that a workload insists on.
pub(crate) fn reserve_this(port: u16, protocol: Protocol) -> io::Result<Reservation> {
    Ok(Reservation {
        port,
        _held: hold(port, protocol, true)?,
    })
}

fn hold(port: u16, protocol: Protocol, again: bool) -> io::Result<Held> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    match protocol {
        Protocol::Tcp => {
            // Bound but not listening: nobody else gets it, and nothing lingers afterwards.
            let socket = TcpSocket::new_v4()?;
            // Connections of an earlier run may still linger on a port that is insisted on. For any
            // other port this would let two reservations have the same one.
            socket.set_reuseaddr(again)?;
            socket.bind(address)?;
            Ok(Held::Tcp(socket))
        }
        Protocol::Udp => Ok(Held::Udp(UdpSocket::bind(address)?)),
    }
}

/// The public ports that services had, kept in a small file.
#[derive(Debug)]
pub(crate) struct PortMemory {
    path: PathBuf,
    known: Mutex<BTreeMap<String, u16>>,
}

impl PortMemory {
    /// Reads the file; one that can't be read is begun anew.
    pub(crate) fn open(path: PathBuf) -> Self {
        let known = std::fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            path,
            known: Mutex::new(known),
        }
    }

    /// The port that a service had last time.
    pub(crate) fn last(&self, service: &str) -> Option<u16> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(service)
            .copied()
    }

    /// The port that a service has now.
    pub(crate) fn remember(&self, service: &str, port: u16) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(service.to_owned(), port) == Some(port) {
            return;
        }
        let Ok(bytes) = serde_json::to_vec_pretty(&*known) else {
            return;
        };
        if let Err(error) = write_whole(&self.path, &bytes) {
            tracing::warn!(path = %self.path.display(), %error, "public ports are not remembered");
        }
    }

    /// Ports to try for a service, the remembered one first; not those that others have had.
    pub(crate) fn candidates(&self, service: &str) -> Vec<u16> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = candidates().filter(|port| !known.values().any(|taken| taken == port));
        known
            .get(service)
            .copied()
            .into_iter()
            .chain(fresh)
            .collect()
    }
}

/// Writes a file so that it is the old one or the new one, never a part.
pub(crate) fn write_whole(path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_differ_and_are_free_afterwards() {
        let held: Vec<_> = (0..200).map(|_| reserve(Protocol::Tcp).unwrap()).collect();
        let mut ports: Vec<u16> = held.iter().map(|held| held.port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 200);
        assert!(
            TcpListener::bind(("0.0.0.0", ports[0])).is_err() || cfg!(not(target_os = "linux"))
        );
        drop(held);
        TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
        reserve(Protocol::Udp).unwrap();
    }

    #[test]
    fn remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ports.json");
        let memory = PortMemory::open(path.clone());
        assert_eq!(memory.last("a"), None);
        memory.remember("a", 12_345);
        let memory = PortMemory::open(path.clone());
        assert_eq!(memory.candidates("a")[0], 12_345);
        assert!(!memory.candidates("b").contains(&12_345));
        std::fs::write(&path, "rubbish").unwrap();
        assert_eq!(PortMemory::open(path).last("a"), None);
    }
}
