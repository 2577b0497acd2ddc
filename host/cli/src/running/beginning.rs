//! Waiting for a run that is about to begin, or has begun and cannot be spoken to yet.
//!
//! Looks when something happens in the folders in which a run leaves its traces, and now and then
//! whether its process still lives. Doesn't know how a run is found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// A process that ends leaves no trace in a folder; nor does anything where none can be watched.
const LOOK: Duration = Duration::from_millis(250);

/// What happens in some folders.
pub(super) struct Traces {
    events: mpsc::UnboundedReceiver<()>,
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
}

impl Traces {
    pub(super) fn new() -> Self {
        let (send, events) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let is_reading = |event: &notify::Event| matches!(event.kind, EventKind::Access(_));
            if !event.is_ok_and(|event| is_reading(&event)) {
                // Nobody waits any more.
                let _ = send.send(());
            }
        });
        Self {
            events,
            watcher: watcher.ok(),
            watched: Vec::new(),
        }
    }

    /// Watches these from now on, too, as far as they are there.
    pub(super) fn watch(&mut self, folders: &[PathBuf]) {
        for folder in folders {
            if self.watched.contains(folder) {
                continue;
            }
            if let Some(watcher) = &mut self.watcher
                && watcher.watch(folder, RecursiveMode::NonRecursive).is_ok()
            {
                self.watched.push(folder.clone());
            }
        }
    }

    /// Waits until something has happened, or may have; false: it is later than that.
    pub(super) async fn next(&mut self, end: Instant) -> bool {
        if Instant::now() >= end {
            return false;
        }
        let look = (Instant::now() + LOOK).min(end);
        tokio::select! {
            Some(()) = self.events.recv() => {}
            () = tokio::time::sleep_until(look) => {}
        }
        while self.events.try_recv().is_ok() {}
        true
    }
}

/// The folders that lead to a file, from one of them on.
pub(super) fn leading(from: &Path, file: &Path) -> Vec<PathBuf> {
    let above = file.ancestors().skip(1);
    above
        .take_while(|folder| folder.starts_with(from))
        .map(Path::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_file() {
        let found = leading(
            Path::new("/app"),
            Path::new("/app/.aspire-host/x/kubeconfig"),
        );
        let expected = ["/app/.aspire-host/x", "/app/.aspire-host", "/app"];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[tokio::test]
    async fn what_appears_is_seen_and_waiting_ends() {
        let folder = tempfile::tempdir().unwrap();
        let mut traces = Traces::new();
        traces.watch(&[folder.path().to_owned(), folder.path().join("none")]);
        assert_eq!(traces.watched.len(), 1);
        std::fs::write(folder.path().join("kubeconfig"), "here").unwrap();
        let far = Instant::now() + Duration::from_secs(60);
        assert!(traces.next(far).await);
        assert!(!traces.next(Instant::now()).await);
    }
}
