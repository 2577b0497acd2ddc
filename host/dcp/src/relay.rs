//! What stands between a service's public port and its workloads.
//!
//! A relay listens; [`Backends`] tells it where connections go: to each in turn, and while there
//! is none they are parked, a bounded number for a bounded time. Doesn't know objects.

mod tcp;
mod udp;

pub(crate) use tcp::serve as serve_tcp;
pub(crate) use udp::serve as serve_udp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// Connections that may be parked at once, for each service.
const PARKED: usize = 128;
/// How long a connection is parked.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A workload's address.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// It answered once; before, a refusal means that it isn't listening yet.
    answered: AtomicBool,
}

/// Where a service's connections go.
#[derive(Debug)]
pub(crate) struct Backends {
    all: watch::Sender<Vec<Arc<Backend>>>,
    turn: AtomicUsize,
    places: Semaphore,
}

impl Default for Backends {
    fn default() -> Self {
        Self {
            all: watch::Sender::default(),
            turn: AtomicUsize::new(0),
            places: Semaphore::new(PARKED),
        }
    }
}

impl Backends {
    /// From now on these; connections that exist stay where they are.
    pub(crate) fn set(&self, addresses: &[SocketAddr]) {
        self.all.send_if_modified(|all| {
            if all.iter().map(|backend| &backend.address).eq(addresses) {
                return false;
            }
            let old = std::mem::take(all);
            let keep = |address: &SocketAddr| {
                old.iter()
                    .find(|backend| backend.address == *address)
                    .cloned()
                    .unwrap_or_else(|| {
                        Arc::new(Backend {
                            address: *address,
                            answered: AtomicBool::new(false),
                        })
                    })
            };
            *all = addresses.iter().map(keep).collect();
            true
        });
    }

    /// The next in turn, if there is one.
    fn pick(&self) -> Option<Arc<Backend>> {
        let all = self.all.borrow();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        all.get(turn.checked_rem(all.len())?).cloned()
    }

    /// Waits for one, until a deadline; nobody waits when too many do already.
    async fn wait(&self, deadline: Instant) -> Option<Arc<Backend>> {
        if let Some(backend) = self.pick() {
            return Some(backend);
        }
        let _place = self.places.try_acquire().ok()?;
        let mut all = self.all.subscribe();
        let some = all.wait_for(|all| !all.is_empty());
        tokio::time::timeout_at(deadline, some).await.ok()?.ok()?;
        self.pick()
    }
}

/// Addresses to dial for a workload: a process on the loopback may listen on either of the two.
pub(crate) fn dialled(address: SocketAddr) -> Vec<SocketAddr> {
    if address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
        vec![
            address,
            SocketAddr::from((Ipv6Addr::LOCALHOST, address.port())),
        ]
    } else {
        vec![address]
    }
}

#[cfg(test)]
mod tests;
