//! Streams: accept, find a workload, copy both ways.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Active, Backend, Backends, PATIENCE, dialled};

/// Bytes that are copied at once, each way.
const BUFFER: usize = 64 << 10;
/// Bytes of a parked client that are taken before a workload is there.
const EARLY: usize = 1 << 20;
const DIAL: Duration = Duration::from_secs(5);

/// Serves a listener until it is dropped, or is closed and the last connection is over.
pub(crate) async fn serve(
    listener: TcpListener,
    backends: Arc<Backends>,
    mut closed: watch::Receiver<bool>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    while listener.is_some() || !connections.is_empty() {
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Its sender goes with the whole task.
            true = async { closed.wait_for(|closed| *closed).await.is_ok() },
                if listener.is_some() => listener = None,
            accepted = accept => match accepted {
                Ok((client, _)) => {
                    connections.spawn(relay(client, Arc::clone(&backends)));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: existing connections go on.
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(Duration::from_millis(50)).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
    }
}

async fn relay(mut client: TcpStream, backends: Arc<Backends>) {
    let _ = client.set_nodelay(true);
    let mut early = Early::default();
    let direct = match backends.pick() {
        Some(backend) => dial(&backend).await.ok(),
        None => None,
    };
    let connected = match direct {
        Some(connected) => Ok(connected),
        None => {
            let mut place = backends.park();
            tokio::select! {
                connected = connect(&backends) => connected,
                () = early.read(&mut client) => return,
                () = place.lost() => Err(io::ErrorKind::QuotaExceeded.into()),
            }
        }
    };
    let Ok((mut server, _active)) = connected else {
        // The client sees a reset rather than an orderly end of nothing.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = server.set_nodelay(true);
    if early.hand_over(&mut server).await.is_ok() {
        let _ = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await;
    }
}

/// What a client sent while it was parked.
#[derive(Default)]
struct Early {
    bytes: Vec<u8>,
    ended: bool,
}

impl Early {
    /// Takes what a client sends, up to a limit; ends when the client hung up without having sent
    /// anything, or is lost.
    async fn read(&mut self, client: &mut TcpStream) {
        while self.bytes.len() < EARLY {
            match client.read_buf(&mut self.bytes).await {
                Ok(0) if self.bytes.is_empty() => return,
                Ok(0) => {
                    // Somebody who said everything may still wait for the answer.
                    self.ended = true;
                    break;
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
        std::future::pending::<()>().await;
    }

    async fn hand_over(self, server: &mut TcpStream) -> io::Result<()> {
        server.write_all(&self.bytes).await?;
        if self.ended {
            server.shutdown().await?;
        }
        Ok(())
    }
}

/// Connects to a workload, now.
async fn dial(backend: &Arc<Backend>) -> io::Result<(TcpStream, Active)> {
    let mut refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    for address in dialled(backend.address) {
        match timeout(DIAL, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, backend.takes())),
            Ok(Err(error)) => refused = error,
            Err(_) => refused = io::ErrorKind::TimedOut.into(),
        }
    }
    backend.refused.store(true, Ordering::Relaxed);
    Err(refused)
}

/// Waits for a workload that takes a connection.
async fn connect(backends: &Backends) -> io::Result<(TcpStream, Active)> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(10);
    let mut attempts = 0;
    loop {
        let backend = backends
            .wait(deadline)
            .await
            .ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))?;
        let refused = match dial(&backend).await {
            Ok(connected) => return Ok(connected),
            Err(refused) => refused,
        };
        attempts += 1;
        let give_up =
            backend.answered.load(Ordering::Relaxed) && attempts >= 3 * backends.count().max(1);
        if give_up || Instant::now() + pause > deadline {
            return Err(refused);
        }
        if attempts % backends.count().max(1) != 0 {
            // The others first.
            continue;
        }
        // It has just been started: it will listen soon.
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}
