//! What stands between a service's public port and its workloads.
//!
//! A relay listens; [`Backends`] tells it where connections go: to whoever has the fewest, and while
//! there is none they are parked, a bounded number for a bounded time. Doesn't know objects.

mod listen;
mod tcp;
mod udp;

pub(crate) use listen::{Listening, open_all, random_loopback};
pub(crate) use tcp::serve as serve_tcp;
pub(crate) use udp::serve as serve_udp;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// Connections that may be parked at once, for each service; one more, and the oldest goes.
const PARKED: usize = 20;
/// How long a connection is parked.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A workload's address.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// It answered once; before, a refusal means that it isn't listening yet.
    answered: AtomicBool,
    /// It refused the last connection.
    refused: AtomicBool,
    /// Connections that it has.
    active: AtomicUsize,
}

/// A connection that a workload has, until this is dropped.
#[derive(Debug)]
pub(crate) struct Active(Arc<Backend>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A parked connection's place.
#[derive(Debug)]
pub(crate) struct Place {
    backends: Arc<Backends>,
    number: usize,
    evicted: oneshot::Receiver<()>,
}

impl Place {
    /// Waits until somebody else needs it.
    pub(crate) async fn lost(&mut self) {
        // Dropped, not sent: there is nothing to say.
        let _ = (&mut self.evicted).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.backends
            .parked()
            .retain(|(number, _)| *number != self.number);
    }
}

/// Where a service's connections go.
#[derive(Debug)]
pub(crate) struct Backends {
    all: watch::Sender<Vec<Arc<Backend>>>,
    turn: AtomicUsize,
    /// The oldest first.
    parked: Mutex<VecDeque<(usize, oneshot::Sender<()>)>>,
}

impl Default for Backends {
    fn default() -> Self {
        Self {
            all: watch::Sender::default(),
            turn: AtomicUsize::new(0),
            parked: Mutex::default(),
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
                            refused: AtomicBool::new(false),
                            active: AtomicUsize::new(0),
                        })
                    })
            };
            *all = addresses.iter().map(keep).collect();
            true
        });
    }

    /// The one with the fewest connections, if there is any; those that refuse come last, and
    /// among equals they take turns.
    fn pick(&self) -> Option<Arc<Backend>> {
        let all = self.all.borrow();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = turn.checked_rem(all.len())?;
        let (late, early) = all.split_at(first);
        let weight = |backend: &&Arc<Backend>| {
            let refused = backend.refused.load(Ordering::Relaxed);
            (refused, backend.active.load(Ordering::Relaxed))
        };
        early.iter().chain(late).min_by_key(weight).cloned()
    }

    fn parked(&self) -> MutexGuard<'_, VecDeque<(usize, oneshot::Sender<()>)>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection that has to wait, the oldest one's if there are too many.
    pub(crate) fn park(self: &Arc<Self>) -> Place {
        let (keep, evicted) = oneshot::channel();
        let number = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut parked = self.parked();
        if parked.len() >= PARKED {
            parked.pop_front();
        }
        parked.push_back((number, keep));
        drop(parked);
        Place {
            backends: Arc::clone(self),
            number,
            evicted,
        }
    }

    /// Workloads that there are.
    fn count(&self) -> usize {
        self.all.borrow().len()
    }

    /// Waits for one, until a deadline.
    async fn wait(&self, deadline: Instant) -> Option<Arc<Backend>> {
        if let Some(backend) = self.pick() {
            return Some(backend);
        }
        let mut all = self.all.subscribe();
        let some = all.wait_for(|all| !all.is_empty());
        tokio::time::timeout_at(deadline, some).await.ok()?.ok()?;
        self.pick()
    }
}

impl Backend {
    /// Notes that it took a connection.
    fn takes(self: &Arc<Self>) -> Active {
        self.answered.store(true, Ordering::Relaxed);
        self.refused.store(false, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        Active(Arc::clone(self))
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
