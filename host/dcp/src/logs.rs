//! What the workloads of a run say: captured from the first byte, kept in bounded files, pushed
//! to whoever reads.
//!
//! One [`Log`] for each workload with one writer and any number of readers. Bytes go through
//! [`redact`] before they are written or pushed anywhere, then through `lines`, then into
//! `segments`. Output pipes are read on a thread of their own, so that a workload that talks a
//! lot delays nothing else. Doesn't know what a workload is.

mod lines;
mod reader;
pub mod redact;
mod segments;
mod sink;

pub use lines::LogRecord;
pub use reader::{LogFollower, LogItem, LogReader};
pub use redact::Redactor;
pub use sink::Log;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aspire_api::ObjectKey;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// How much is kept of each workload's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of each workload; the oldest go first.
    pub bytes: u64,
    /// Files that they are spread over.
    pub segments: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            segments: 4,
        }
    }
}

/// All logs of a run.
#[derive(Debug)]
pub struct Logs {
    folder: PathBuf,
    limits: LogLimits,
    redactor: Arc<Redactor>,
    logs: Mutex<Vec<(ObjectKey, Arc<Log>)>>,
    by_key: Mutex<BTreeMap<ObjectKey, usize>>,
    news: watch::Sender<u64>,
    troubles: watch::Sender<u64>,
    thread: Handle,
    _end: tokio::sync::oneshot::Sender<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Logs {
    /// Starts with empty logs in a folder; what an earlier run left there is removed.
    ///
    /// # Errors
    /// The folder cannot be made, or the thread cannot be started.
    pub fn new(folder: PathBuf, limits: LogLimits, redactor: Arc<Redactor>) -> io::Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let thread = runtime.handle().clone();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(ended);
            })?;
        Ok(Self {
            folder,
            limits,
            redactor,
            logs: Mutex::default(),
            by_key: Mutex::default(),
            news: watch::Sender::new(0),
            troubles: watch::Sender::new(0),
            thread,
            _end: end,
        })
    }

    /// The log of a workload; made when it is asked for.
    pub fn of(&self, key: &ObjectKey) -> Arc<Log> {
        let mut index = lock(&self.by_key);
        let mut logs = lock(&self.logs);
        let place = *index.entry(key.clone()).or_insert_with(|| {
            // Not the name itself: it may be longer or stranger than a file system likes.
            let name = format!("{:04}-{}", logs.len(), file_name(&key.name));
            let log = Log::new(
                self.folder.join(name),
                self.limits,
                Arc::clone(&self.redactor),
                (self.news.clone(), self.troubles.clone()),
                self.thread.clone(),
            );
            logs.push((key.clone(), Arc::new(log)));
            logs.len() - 1
        });
        Arc::clone(&logs[place].1)
    }

    /// One workload goes on in the log of another one.
    pub(crate) fn share(&self, key: ObjectKey, with: &ObjectKey) {
        let _ = self.of(with);
        let mut index = lock(&self.by_key);
        if let Some(place) = index.get(with).copied() {
            index.insert(key, place);
        }
    }

    /// Forgets a workload that went on in the log of another one.
    pub(crate) fn unshare(&self, key: &ObjectKey) {
        let mut index = lock(&self.by_key);
        let logs = lock(&self.logs);
        let place = index.get(key).and_then(|place| logs.get(*place));
        if place.is_some_and(|(owner, _)| owner != key) {
            index.remove(key);
        }
    }

    /// The log of a workload, if it has one.
    pub fn find(&self, key: &ObjectKey) -> Option<Arc<Log>> {
        let place = *lock(&self.by_key).get(key)?;
        Some(Arc::clone(&lock(&self.logs)[place].1))
    }

    /// The last lines of a workload.
    pub fn tail(&self, key: &ObjectKey, lines: usize) -> Vec<LogRecord> {
        self.find(key)
            .map(|log| log.tail(lines).0)
            .unwrap_or_default()
    }

    /// Everything that all workloads say and have said, those that don't exist yet too.
    pub fn follow_all(self: &Arc<Self>) -> LogFollower {
        LogFollower::new(Arc::clone(self), self.news.subscribe())
    }

    /// Why the output of a workload can't be written at the moment, in words.
    pub(crate) fn trouble(&self, key: &ObjectKey) -> Option<String> {
        // None: as long as nothing ever went wrong.
        if *self.troubles.borrow() == 0 {
            return None;
        }
        self.find(key)?.trouble()
    }

    /// Changes whenever a log can't be written any more, or can again.
    pub(crate) fn troubles(&self) -> watch::Receiver<u64> {
        self.troubles.subscribe()
    }

    /// All workloads that have a log.
    pub(crate) fn keys(&self) -> Vec<ObjectKey> {
        lock(&self.by_key).keys().cloned().collect()
    }

    /// Logs from this place in the order of their making on.
    fn since(&self, place: usize) -> Vec<(ObjectKey, Arc<Log>)> {
        lock(&self.logs).get(place..).unwrap_or_default().to_vec()
    }
}

fn file_name(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    text.chars().map(plain).take(60).collect()
}

#[cfg(test)]
mod tests;
