//! Streams: accept, find a workload, copy both ways.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Backends, PATIENCE, dialled};

/// Bytes that are copied at once, each way.
const BUFFER: usize = 64 << 10;
const DIAL: Duration = Duration::from_secs(5);

/// Serves a listener until it is dropped.
pub(crate) async fn serve(listener: TcpListener, backends: Arc<Backends>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
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
    let connected = tokio::select! {
        connected = connect(&backends) => connected,
        // Somebody who hung up need not be waited for.
        () = hung_up(&client) => return,
    };
    let Ok(mut server) = connected else {
        // The client sees a reset rather than an orderly end of nothing.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = server.set_nodelay(true);
    let _ = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await;
}

/// Waits for a workload that takes a connection.
async fn connect(backends: &Backends) -> io::Result<TcpStream> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(10);
    let mut attempts = 0;
    loop {
        let backend = backends
            .wait(deadline)
            .await
            .ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))?;
        let mut refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        for address in dialled(backend.address) {
            match timeout(DIAL, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    backend.answered.store(true, Ordering::Relaxed);
                    return Ok(stream);
                }
                Ok(Err(error)) => refused = error,
                Err(_) => refused = io::ErrorKind::TimedOut.into(),
            }
        }
        attempts += 1;
        let give_up = backend.answered.load(Ordering::Relaxed) && attempts >= 3;
        if give_up || Instant::now() + pause > deadline {
            return Err(refused);
        }
        // It has just been started: it will listen soon.
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// Waits until the other side has closed its end without having sent anything that is unread.
async fn hung_up(client: &TcpStream) {
    let mut byte = [0];
    match client.peek(&mut byte).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}
