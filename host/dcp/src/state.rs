//! What hosts of one user share and what outlasts them: records of persistent resources, and
//! leases, so that two hosts never make one resource twice.
//!
//! A lease is a lock on a file of its own. The kernel gives it back when its holder ends, however
//! that happens: nothing has to be found stale, no clock and no process id is trusted. The file
//! says who holds it, for people. Records are in a small database, which can be open in one
//! process at a time, so it is opened for one operation, behind a lock of its own.

mod records;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::watch;

pub use records::{Record, StateError};

use crate::identity::Creator;

/// Between two attempts to take a lock that somebody else has. Locks tell nobody when they are
/// free; a holder needs seconds, so this costs nothing that matters.
const PAUSE: Duration = Duration::from_millis(20);
/// Whoever makes a container may take minutes, with its files; after this, something is wrong.
const PATIENCE: Duration = Duration::from_secs(600);

/// The shared state of a user.
#[derive(Debug, Clone)]
pub struct State {
    folder: PathBuf,
}

/// The right to make or remove one resource; given back when it is dropped, or with its process.
#[derive(Debug)]
pub struct Lease {
    _file: File,
}

impl State {
    /// In a folder, which is made when it is needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Waits for the right to make or remove a resource.
    ///
    /// # Errors
    /// In words: the wait was cancelled, took ten minutes, or the folder can't be used.
    pub async fn lease(
        &self,
        what: &str,
        cancel: &mut watch::Receiver<bool>,
    ) -> Result<Lease, String> {
        let folder = self.folder.join("leases");
        let path = folder.join(file_name(what));
        let problem = |error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(&folder).map_err(problem)?;
        let started = tokio::time::Instant::now();
        loop {
            if let Some(lease) = try_lease(&path).map_err(problem)? {
                return Ok(lease);
            }
            if started.elapsed() > PATIENCE {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                return Err(format!("{what} is being made by another host ({holder})"));
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = cancel.wait_for(|cancel| *cancel) => {
                    return Err("stopped before it was started".to_owned());
                }
            }
        }
    }
}

fn try_lease(path: &Path) -> io::Result<Option<Lease>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    write!(&file, "process:start:boot {}", Creator::myself())?;
    Ok(Some(Lease { _file: file }))
}

/// Not the name itself: it may be longer or stranger than a file system likes.
fn file_name(what: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let readable: String = what.chars().map(plain).take(40).collect();
    let digest = Sha256::digest(what.as_bytes());
    let digits = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
    format!("{readable}-{}", digits.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_only_of_one_thing() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::new(folder.path());
        let (stop, mut cancel) = watch::channel(false);
        let held = state.lease("container a", &mut cancel).await.unwrap();
        state.lease("container b", &mut cancel).await.unwrap();
        let waits = state.lease("container a", &mut cancel);
        let waited = tokio::time::timeout(Duration::from_millis(100), waits).await;
        assert!(waited.is_err(), "it is held");
        let path = folder.path().join("leases").join(file_name("container a"));
        let holder = fs::read_to_string(path).unwrap();
        assert!(holder.contains(&std::process::id().to_string()), "{holder}");
        stop.send_replace(true);
        let cancelled = state.lease("container a", &mut cancel).await.unwrap_err();
        assert_eq!(cancelled, "stopped before it was started");
        drop(held);
        state.lease("container a", &mut cancel).await.unwrap();
    }
}
