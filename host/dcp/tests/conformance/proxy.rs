//! A way to the engine that can be cut, so that it seems to be away, to be restarted or to tell
//! nothing, while the real one serves everybody else undisturbed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aspire_dcp::runtime::docker::EngineEnvironment;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

#[derive(Debug, Default)]
struct Faults {
    /// Requests for events are cut off.
    deaf: AtomicBool,
    /// Events are asked for, and none comes.
    mute: AtomicBool,
    /// The engine has forgotten what happened before it is asked.
    forgetful: AtomicBool,
}

/// The way.
pub(crate) struct Proxy {
    _folder: tempfile::TempDir,
    path: PathBuf,
    engine: PathBuf,
    faults: Arc<Faults>,
    /// What listens; and its connections, those for events marked.
    listener: Option<JoinHandle<()>>,
    connections: Connections,
}

type Connections = Arc<Mutex<Vec<(Arc<AtomicBool>, tokio::task::AbortHandle)>>>;

impl Proxy {
    /// To the engine of this machine, where it has a socket.
    pub(crate) fn new() -> Option<Self> {
        let engine = match std::env::var("DOCKER_HOST") {
            Ok(host) => PathBuf::from(host.strip_prefix("unix://")?),
            Err(_) => PathBuf::from("/var/run/docker.sock"),
        };
        Self::to(engine)
    }

    /// To a socket.
    pub(crate) fn to(engine: PathBuf) -> Option<Self> {
        if !engine.exists() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut proxy = Self {
            path: folder.path().join("engine.sock"),
            _folder: folder,
            engine,
            faults: Arc::default(),
            listener: None,
            connections: Arc::default(),
        };
        proxy.up();
        Some(proxy)
    }

    /// What leads here.
    pub(crate) fn environment(&self) -> EngineEnvironment {
        EngineEnvironment {
            docker_host: Some(format!("unix://{}", self.path.display())),
            ..EngineEnvironment::default()
        }
    }

    /// Nobody listens any more, and whoever was connected is no longer.
    pub(crate) fn down(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        let _ = std::fs::remove_file(&self.path);
        for (_, connection) in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// It listens.
    pub(crate) fn up(&mut self) {
        let listener = UnixListener::bind(&self.path).unwrap();
        let (engine, faults) = (self.engine.clone(), Arc::clone(&self.faults));
        let connections = Arc::clone(&self.connections);
        self.listener = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let events = Arc::new(AtomicBool::new(false));
                let task = serve(
                    client,
                    engine.clone(),
                    Arc::clone(&faults),
                    Arc::clone(&events),
                );
                let handle = tokio::spawn(task).abort_handle();
                connections.lock().unwrap().push((events, handle));
            }
        }));
    }

    /// Cuts off the events and nothing else, until they may be asked for again.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.faults.deaf.store(deaf, Ordering::Relaxed);
        if deaf {
            let connections = self.connections.lock().unwrap();
            let events = connections
                .iter()
                .filter(|(events, _)| events.load(Ordering::Relaxed));
            for (_, connection) in events {
                connection.abort();
            }
        }
    }

    /// No event comes through, on connections that seem to be fine.
    pub(crate) fn set_mute(&self, mute: bool) {
        self.faults.mute.store(mute, Ordering::Relaxed);
    }

    /// Waits until events are asked for, and the engine was told so.
    pub(crate) async fn heard(&self) {
        let is_open = || {
            let connections = self.connections.lock().unwrap();
            connections.iter().any(|(events, connection)| {
                events.load(Ordering::Relaxed) && !connection.is_finished()
            })
        };
        while !is_open() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        // It is on its way; it has to have been taken.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }

    /// What happened before the engine is asked for events is not told, as after its restart.
    pub(crate) fn set_forgetful(&self) {
        self.faults.forgetful.store(true, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.down();
    }
}

async fn serve(client: UnixStream, engine: PathBuf, faults: Arc<Faults>, events: Arc<AtomicBool>) {
    let Ok(server) = UnixStream::connect(engine).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (asked, limits) = (Arc::clone(&events), Arc::clone(&faults));
    let ask = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            let piece = &mut buffer[..read];
            if find(piece, b"/events?").is_some() {
                asked.store(true, Ordering::Relaxed);
                if limits.deaf.load(Ordering::Relaxed) {
                    return;
                }
                if limits.forgetful.load(Ordering::Relaxed) {
                    forget(piece);
                }
            }
            if to_server.write_all(piece).await.is_err() {
                return;
            }
        }
        // One direction may end before the other: streams of `exec` do so.
        let _ = to_server.shutdown().await;
        std::future::pending::<()>().await;
    };
    let answer = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            let silent = events.load(Ordering::Relaxed) && faults.mute.load(Ordering::Relaxed);
            if !silent && to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = ask => {}
        () = answer => {}
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Events are asked for from now on, whatever was asked for.
fn forget(request: &mut [u8]) {
    let Some(place) = find(request, b"since=") else {
        return;
    };
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // The rest of the second is left as it is: it is not worth more.
    let now = (seconds + 1).to_string();
    request[place + 6..place + 6 + now.len()].copy_from_slice(now.as_bytes());
}
