//! The writing side of a log.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::lines::{self, Lines};
use super::reader::LogReader;
use super::redact::{RedactStream, Redactor};
use super::segments::Segments;
use super::{LogLimits, LogRecord, lock};
use crate::clock::Timestamp;
use crate::os;
use crate::runtime::OutputStream;

/// The output of one workload.
#[derive(Debug)]
pub struct Log {
    state: Mutex<State>,
    redactor: Arc<Redactor>,
    written: watch::Sender<u64>,
    news: watch::Sender<u64>,
    /// Counts how often writing began to fail or to succeed again, in any log.
    troubles: watch::Sender<u64>,
    pumps: watch::Sender<usize>,
    thread: Handle,
}

#[derive(Debug)]
struct State {
    lanes: [Lane; 3],
    segments: Segments,
    /// Reused between writes.
    clean: Vec<u8>,
    batch: Vec<u8>,
}

#[derive(Debug, Default)]
struct Lane {
    redact: RedactStream,
    lines: Lines,
}

thread_local! {
    /// One for all pipes of the log thread: with many workloads, buffers would be most of our
    /// memory.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

impl Log {
    pub(super) fn new(
        folder: PathBuf,
        limits: LogLimits,
        redactor: Arc<Redactor>,
        (news, troubles): (watch::Sender<u64>, watch::Sender<u64>),
        thread: Handle,
    ) -> Self {
        let state = State {
            lanes: Default::default(),
            segments: Segments::new(folder, limits),
            clean: Vec::new(),
            batch: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            redactor,
            written: watch::Sender::new(0),
            news,
            troubles,
            pumps: watch::Sender::new(0),
            thread,
        }
    }

    /// Takes output as it comes.
    pub fn write(&self, stream: OutputStream, bytes: &[u8]) {
        self.put(stream, bytes, false);
    }

    /// Takes output, after which the stream begins anew.
    pub fn finish(&self, stream: OutputStream) {
        self.put(stream, &[], true);
    }

    /// Adds a remark of the control plane.
    pub fn system(&self, text: &str) {
        self.put(OutputStream::System, text.as_bytes(), true);
    }

    fn put(&self, stream: OutputStream, bytes: &[u8], last: bool) {
        let mut state = lock(&self.state);
        let State {
            lanes,
            segments,
            clean,
            batch,
        } = &mut *state;
        let lane = &mut lanes[match stream {
            OutputStream::Stdout => 0,
            OutputStream::Stderr => 1,
            OutputStream::System => 2,
        }];
        clean.clear();
        batch.clear();
        lane.redact.feed(&self.redactor, bytes, clean);
        let time = Timestamp::now().write();
        let mut records = 0;
        let mut line = |text: &[u8], continues: bool| {
            records += 1;
            lines::write(batch, &time, stream, continues, text);
        };
        if last {
            lane.redact.finish(&self.redactor, clean);
        }
        lane.lines.feed(clean, &mut line);
        if last {
            lane.lines.finish(&mut line);
        }
        let before = segments.trouble.is_some();
        if let Some(trouble) = &segments.trouble {
            let lost = match trouble.lost {
                1 => "1 line of output was lost".to_owned(),
                lost => format!("{lost} lines of output were lost"),
            };
            // Where the gap is.
            let rest = std::mem::take(batch);
            let remark = format!("{lost}: {}", trouble.why);
            lines::write(batch, &time, OutputStream::System, false, remark.as_bytes());
            batch.extend_from_slice(&rest);
        }
        segments.append(batch, records, before);
        let written = segments.written;
        let after = segments.trouble.is_some();
        clean.shrink_to(4096);
        batch.shrink_to(4096);
        drop(state);
        if before != after {
            self.troubles.send_modify(|count| *count += 1);
        }
        if records > 0 || before && !after {
            self.written.send_replace(written);
            self.news.send_modify(|count| *count += 1);
        }
    }

    /// Reads a pipe to its end, on the thread of the logs.
    pub(crate) fn pump(self: &Arc<Self>, stream: OutputStream, pipe: os::Pipe) {
        self.pumps.send_modify(|count| *count += 1);
        let log = Arc::clone(self);
        self.thread.spawn(async move {
            if let Ok(mut reader) = os::Reader::new(pipe) {
                while reader.ready().await.is_ok() {
                    let more = BUFFER.with_borrow_mut(|buffer| {
                        let read = reader.try_read(buffer)?;
                        log.write(stream, &buffer[..read]);
                        std::io::Result::Ok(read > 0)
                    });
                    match more {
                        Ok(true) => {}
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Ok(false) | Err(_) => break,
                    }
                }
            }
            log.finish(stream);
            log.pumps.send_modify(|count| *count -= 1);
        });
    }

    /// Marks that a stream is being read by somebody else until the guard is dropped.
    pub(crate) fn reading(self: &Arc<Self>) -> ReadingGuard {
        self.pumps.send_modify(|count| *count += 1);
        ReadingGuard(Arc::clone(self))
    }

    /// Waits until everything was read, but not for long: a grandchild may keep a pipe open.
    pub(crate) async fn drained(&self, patience: Duration) {
        let mut pumps = self.pumps.subscribe();
        let _ = tokio::time::timeout(patience, pumps.wait_for(|count| *count == 0)).await;
    }

    /// The last lines, and a reader that goes on after them.
    pub fn tail(self: &Arc<Self>, lines: usize) -> (Vec<LogRecord>, LogReader) {
        LogReader::tail(Arc::clone(self), self.written.subscribe(), lines)
    }

    /// A reader from the first byte that is still there.
    pub fn follow(self: &Arc<Self>) -> LogReader {
        LogReader::first(Arc::clone(self), self.written.subscribe())
    }

    /// Records that were dropped: too many, or they could not be written.
    pub fn dropped(&self) -> u64 {
        lock(&self.state).segments.dropped
    }

    /// Why output can't be written at the moment, in words.
    pub fn trouble(&self) -> Option<String> {
        let state = lock(&self.state);
        state.segments.trouble.as_ref().map(|it| it.why.clone())
    }

    pub(super) fn with_segments<T>(&self, look: impl FnOnce(&Segments) -> T) -> T {
        look(&lock(&self.state).segments)
    }
}

/// Somebody reads a stream of a log.
#[derive(Debug)]
pub(crate) struct ReadingGuard(Arc<Log>);

impl Drop for ReadingGuard {
    fn drop(&mut self) {
        self.0.pumps.send_modify(|count| *count -= 1);
    }
}
