//! Datagrams: each client gets a socket of its own towards the workload, for as long as it is used.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{Backends, PATIENCE};

/// A client that is silent this long, in both directions, is forgotten.
const IDLE: Duration = Duration::from_secs(60);
/// Clients that are known at once.
const CLIENTS: usize = 1024;
/// Datagrams of a client that wait for a workload.
const WAITING: usize = 32;

type Clients = Mutex<BTreeMap<SocketAddr, mpsc::Sender<Vec<u8>>>>;

/// Serves a socket until it is dropped.
pub(crate) async fn serve(socket: UdpSocket, backends: Arc<Backends>) {
    let socket = Arc::new(socket);
    let clients: Arc<Clients> = Arc::default();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                // An error is about an earlier datagram that nobody wanted.
                let Ok((length, client)) = received else { continue };
                let datagram = buffer[..length].to_vec();
                let mut known = clients.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(sender) = known.get(&client) {
                    // Full: datagrams may be lost, and this one is.
                    let _ = sender.try_send(datagram);
                } else if known.len() < CLIENTS {
                    let (sender, receiver) = mpsc::channel(WAITING);
                    let _ = sender.try_send(datagram);
                    known.insert(client, sender);
                    let (socket, backends) = (Arc::clone(&socket), Arc::clone(&backends));
                    let clients = Arc::clone(&clients);
                    tasks.spawn(async move {
                        let _ = relay(&socket, client, receiver, &backends).await;
                        clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&client);
                    });
                }
            }
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
    }
}

async fn relay(
    public: &UdpSocket,
    client: SocketAddr,
    mut from_client: mpsc::Receiver<Vec<u8>>,
    backends: &Backends,
) -> io::Result<()> {
    let missing = || io::Error::from(io::ErrorKind::TimedOut);
    let backend = backends
        .wait(Instant::now() + PATIENCE)
        .await
        .ok_or_else(missing)?;
    let _active = backend.takes();
    let local = match backend.address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let private = UdpSocket::bind(local).await?;
    private.connect(backend.address).await?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let step = async {
            tokio::select! {
                datagram = from_client.recv() => match datagram {
                    // Refused: the workload may come later; the client will send again.
                    Some(datagram) => { let _ = private.send(&datagram).await; Ok(()) }
                    None => Err(missing()),
                },
                received = private.recv(&mut buffer) => {
                    if let Ok(length) = received {
                        public.send_to(&buffer[..length], client).await?;
                    }
                    Ok(())
                }
            }
        };
        timeout(IDLE, step).await.map_err(|_| missing())??;
    }
}
