//! A watcher that has begun to listen and then takes nothing any more.
//!
//! A client would go on reading for it, so it is a relay between client and server that falls
//! asleep.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use crate::Result;
use crate::plane::{Lines, Plane};

/// What it takes of the server's bytes: the handshake and the answer's head.
const TAKEN: usize = 4 << 10;

/// Sleeps until it is dropped.
pub(super) struct Sleeper {
    ends: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
    _watch: Lines,
}

impl Sleeper {
    /// Watches a plane, and falls asleep.
    pub(super) async fn of(plane: &Plane, path: &str) -> Result<Self> {
        let said = |error: io::Error| error.to_string();
        let listener = TcpListener::bind("127.0.0.1:0").map_err(said)?;
        let port = listener.local_addr().map_err(said)?.port();
        let server = TcpStream::connect(("127.0.0.1", plane.port()?)).map_err(said)?;
        let accepting = thread::spawn(move || listener.accept());
        // The client's connection is made while its first request waits.
        let client = plane.client_through(port).await?;
        let watching = client.follow(path);
        let forward = async {
            let accepted = tokio::task::spawn_blocking(move || accepting.join());
            let accepted = accepted.await.map_err(|error| error.to_string())?;
            let (client, _) = accepted.map_err(|_| "a thread panicked")?.map_err(said)?;
            let copy = |stream: &TcpStream| stream.try_clone().map_err(said);
            let ends = vec![copy(&client)?, copy(&server)?];
            let (from, to) = (copy(&client)?, copy(&server)?);
            let threads = vec![
                thread::spawn(move || pass(from, to, usize::MAX)),
                thread::spawn(move || pass(server, client, TAKEN)),
            ];
            Ok::<_, String>((ends, threads))
        };
        let (watch, (ends, threads)) = tokio::try_join!(watching, forward)?;
        Ok(Self {
            ends,
            threads,
            _watch: watch,
        })
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        for end in &self.ends {
            // One that is closed already needs no end.
            let _ = end.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            // Nothing is left to be told.
            let _ = thread.join();
        }
    }
}

/// Passes bytes on, up to so many.
fn pass(mut from: TcpStream, mut to: TcpStream, most: usize) {
    let mut buffer = [0; 1 << 10];
    let mut passed = 0;
    while passed < most {
        match from.read(&mut buffer) {
            Ok(length @ 1..) if to.write_all(&buffer[..length]).is_ok() => passed += length,
            _ => break,
        }
    }
}
