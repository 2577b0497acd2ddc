//! The reading side of a log: each reader has a position in the files; it is woken when there is
//! more, and costs the writer nothing.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use aspire_api::ObjectKey;
use bytes::Bytes;
use memchr::{memchr_iter, memrchr_iter};
use tokio::sync::watch;

use super::lines::{self, LogRecord};
use super::segments::Segment;
use super::{Log, Logs};

/// How much is read at once; at least one record, however long it is.
const CHUNK: usize = 256 << 10;

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogItem {
    /// Output.
    Record(LogRecord),
    /// Output that was dropped before it could be read: this reader was slow.
    Dropped,
}

/// A reader of one log.
#[derive(Debug)]
pub struct LogReader {
    log: Arc<Log>,
    written: watch::Receiver<u64>,
    segment: u64,
    offset: u64,
    /// Kept open, so that a file that is dropped meanwhile is still read to its end.
    file: Option<File>,
}

impl LogReader {
    pub(super) fn first(log: Arc<Log>, written: watch::Receiver<u64>) -> Self {
        let segment = log.with_segments(|all| all.files.front().map_or(0, |first| first.number));
        Self {
            log,
            written,
            segment,
            offset: 0,
            file: None,
        }
    }

    pub(super) fn tail(
        log: Arc<Log>,
        written: watch::Receiver<u64>,
        wanted: usize,
    ) -> (Vec<LogRecord>, Self) {
        let files: Vec<Segment> = log.with_segments(|all| all.files.iter().cloned().collect());
        let (segment, offset) = files
            .last()
            .map_or((0, 0), |last| (last.number, last.bytes));
        let mut records = Vec::new();
        for file in files.iter().rev() {
            let missing = wanted - records.len();
            if missing == 0 {
                break;
            }
            // A file that was dropped meanwhile is no longer among the last lines anyway.
            let mut earlier = last_records(file, missing).unwrap_or_default();
            earlier.append(&mut records);
            records = earlier;
        }
        (
            records,
            Self {
                log,
                written,
                segment,
                offset,
                file: None,
            },
        )
    }

    /// The next output, as soon as there is some.
    pub async fn next(&mut self) -> Vec<LogItem> {
        loop {
            let items = self.try_next();
            if !items.is_empty() {
                return items;
            }
            if self.written.changed().await.is_err() {
                // The log is held by us, so its sender can't have gone.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether something was written since the last look.
    fn has_news(&self) -> bool {
        self.written.has_changed().unwrap_or(false)
    }

    /// The output that is there already, a bounded part of it at once.
    pub fn try_next(&mut self) -> Vec<LogItem> {
        self.written.borrow_and_update();
        let mut items = Vec::new();
        while items.is_empty() {
            let (oldest, here, is_last) = self.log.with_segments(|all| {
                let here = all
                    .files
                    .iter()
                    .find(|file| file.number == self.segment)
                    .cloned();
                let last = all
                    .files
                    .back()
                    .is_none_or(|last| last.number <= self.segment);
                (all.files.front().map(|first| first.number), here, last)
            });
            if self.file.is_none() {
                match (&here, oldest) {
                    (Some(segment), _) => self.file = File::open(&segment.path).ok(),
                    (None, Some(oldest)) if oldest > self.segment => {
                        self.segment = oldest;
                        self.offset = 0;
                        items.push(LogItem::Dropped);
                        continue;
                    }
                    _ => {}
                }
            }
            let Some(file) = &mut self.file else { break };
            let read = read_records(file, self.offset, here.map(|segment| segment.bytes));
            let (read, bytes) = read.unwrap_or_default();
            self.offset += bytes;
            items.extend(read.into_iter().map(LogItem::Record));
            if bytes == 0 {
                if is_last {
                    break;
                }
                self.segment += 1;
                self.offset = 0;
                self.file = None;
            }
        }
        if !items.is_empty() {
            // There may be more in the files; look again even if nothing new is written.
            self.written.mark_changed();
        }
        items
    }
}

/// Reads whole records from an offset on, up to a known end; how many bytes they are.
fn read_records(
    file: &mut File,
    offset: u64,
    end: Option<u64>,
) -> io::Result<(Vec<LogRecord>, u64)> {
    let end = match end {
        Some(end) => end,
        None => file.metadata()?.len(),
    };
    let size = usize::try_from(end.saturating_sub(offset))
        .unwrap_or(CHUNK)
        .min(CHUNK);
    let mut bytes = vec![0; size];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut bytes)?;
    let Some(whole) = memchr::memrchr(b'\n', &bytes) else {
        return Ok((Vec::new(), 0));
    };
    bytes.truncate(whole + 1);
    let length = bytes.len() as u64;
    Ok((parse(&Bytes::from(bytes)), length))
}

fn parse(bytes: &Bytes) -> Vec<LogRecord> {
    let mut start = 0;
    memchr_iter(b'\n', bytes)
        .filter_map(|end| lines::read(&bytes.slice(std::mem::replace(&mut start, end + 1)..end)))
        .collect()
}

/// The last records of a file.
fn last_records(segment: &Segment, wanted: usize) -> io::Result<Vec<LogRecord>> {
    let mut file = File::open(&segment.path)?;
    let mut start = segment.bytes;
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let step = start.min(64 << 10);
        start -= step;
        let mut block = vec![0; usize::try_from(step).unwrap_or(0)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        block.append(&mut bytes);
        bytes = block;
        // One line end more: it belongs to the record before the wanted ones.
        if let Some(before) = memrchr_iter(b'\n', &bytes).nth(wanted) {
            return Ok(parse(&Bytes::from(bytes.split_off(before + 1))));
        }
        if start == 0 {
            return Ok(parse(&Bytes::from(bytes)));
        }
    }
}

/// A reader of all logs of a run.
#[derive(Debug)]
pub struct LogFollower {
    logs: Arc<Logs>,
    news: watch::Receiver<u64>,
    readers: Vec<(ObjectKey, LogReader)>,
    turn: usize,
}

impl LogFollower {
    pub(super) fn new(logs: Arc<Logs>, news: watch::Receiver<u64>) -> Self {
        Self {
            logs,
            news,
            readers: Vec::new(),
            turn: 0,
        }
    }

    /// The next output of any workload. Can be dropped and called again without loss.
    pub async fn next(&mut self) -> (ObjectKey, Vec<LogItem>) {
        loop {
            if let Some(found) = self.try_next() {
                return found;
            }
            if self.news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Output that is there already.
    pub fn try_next(&mut self) -> Option<(ObjectKey, Vec<LogItem>)> {
        self.news.borrow_and_update();
        for (key, log) in self.logs.since(self.readers.len()) {
            let mut reader = log.follow();
            reader.written.mark_changed();
            self.readers.push((key, reader));
        }
        // In turn, so that one that never stops talking doesn't keep others from being heard.
        for step in 0..self.readers.len() {
            let place = (self.turn + step) % self.readers.len();
            let (key, reader) = &mut self.readers[place];
            if reader.has_news() {
                let items = reader.try_next();
                if !items.is_empty() {
                    self.turn = place + 1;
                    return Some((key.clone(), items));
                }
            }
        }
        None
    }
}
