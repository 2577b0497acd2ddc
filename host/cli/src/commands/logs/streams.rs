//! Logs that are being read, each on its own task.
//!
//! Knows that a log outlives the object that it is of: what was told before a restart is not told
//! again. Doesn't know what is shown.

use std::collections::BTreeMap;
use std::time::Instant;

use aspire_api::ObjectKey;
use futures_util::AsyncBufReadExt as _;
use tokio::sync::mpsc;

use crate::running::merge::{Line, Merger, Source};
use crate::running::plane::{LogPart, Plane};
use crate::running::time;

/// What a workload writes to, and what the control plane tells about it.
const STREAMS: [&str; 3] = ["system", "stdout", "stderr"];

/// A line and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The workload.
    pub(super) name: String,
    /// `stdout`, `stderr` or `system`.
    pub(super) stream: &'static str,
    /// Its time, as the control plane writes it.
    pub(super) stamp: String,
    /// The line without its end: any bytes.
    pub(super) text: Vec<u8>,
}

enum News {
    Line(Source, Vec<u8>),
    End(Source),
}

struct Reading {
    lane: ObjectKey,
    stream: &'static str,
    is_open: bool,
}

/// Logs that are being read.
pub(super) struct Streams {
    plane: Plane,
    part: LogPart,
    readings: Vec<Reading>,
    uids: BTreeMap<ObjectKey, String>,
    /// Of each log the time of the last line.
    last: BTreeMap<(ObjectKey, &'static str), time::Micros>,
    /// Up to where a log was told when it was opened again.
    told: BTreeMap<Source, time::Micros>,
    sender: mpsc::UnboundedSender<News>,
    news: mpsc::UnboundedReceiver<News>,
}

impl Streams {
    pub(super) fn new(plane: Plane, part: LogPart) -> Self {
        let (sender, news) = mpsc::unbounded_channel();
        Self {
            plane,
            part,
            readings: Vec::new(),
            uids: BTreeMap::new(),
            last: BTreeMap::new(),
            told: BTreeMap::new(),
            sender,
            news,
        }
    }

    /// Which object of that name was read last.
    pub(super) fn uid(&self, key: &ObjectKey) -> Option<&str> {
        self.uids.get(key).map(String::as_str)
    }

    /// This one is read now.
    pub(super) fn know(&mut self, key: &ObjectKey, uid: &str) {
        self.uids.insert(key.clone(), uid.to_owned());
    }

    /// Whether it is being read.
    pub(super) fn is_open(&self, lane: &ObjectKey) -> bool {
        self.readings
            .iter()
            .any(|reading| reading.is_open && reading.lane == *lane)
    }

    /// Gives up what is being read of a workload; those logs.
    pub(super) fn close(&mut self, lane: &ObjectKey) -> Vec<Source> {
        let mut sources = Vec::new();
        for (source, reading) in self.readings.iter_mut().enumerate() {
            if reading.is_open && reading.lane == *lane {
                reading.is_open = false;
                sources.push(source);
            }
        }
        sources
    }

    /// Begins to read the logs of an object. `lane`: the one that it began with, whose log it has.
    pub(super) fn open(&mut self, key: &ObjectKey, lane: &ObjectKey) -> Vec<Source> {
        let mut sources = Vec::new();
        for stream in STREAMS {
            let source = self.readings.len();
            self.readings.push(Reading {
                lane: lane.clone(),
                stream,
                is_open: true,
            });
            let mut part = self.part;
            if let Some(last) = self.last.get(&(lane.clone(), stream)) {
                self.told.insert(source, *last);
                // Lines that were not told yet may be more than these.
                part.tail = None;
            }
            let (plane, key, sender) = (self.plane.clone(), key.clone(), self.sender.clone());
            tokio::spawn(async move {
                if let Ok(mut reader) = plane.log(&key, stream, part).await {
                    let mut line = Vec::new();
                    while reader
                        .read_until(b'\n', &mut line)
                        .await
                        .is_ok_and(|n| n > 0)
                    {
                        if line.last() == Some(&b'\n') {
                            line.pop();
                        }
                        if sender
                            .send(News::Line(source, std::mem::take(&mut line)))
                            .is_err()
                        {
                            return;
                        }
                    }
                }
                let _ = sender.send(News::End(source));
            });
            sources.push(source);
        }
        sources
    }

    /// Waits for something to be said, and hands it on.
    pub(super) async fn next(&mut self, merger: &mut Merger<Said>) {
        match self.news.recv().await {
            Some(News::Line(source, line)) => self.take(source, line, merger),
            Some(News::End(source)) => {
                self.readings[source].is_open = false;
                merger.close(source);
            }
            None => {}
        }
    }

    fn take(&mut self, source: Source, line: Vec<u8>, merger: &mut Merger<Said>) {
        let reading = &self.readings[source];
        if !reading.is_open {
            return;
        }
        let lane = (reading.lane.clone(), reading.stream);
        let end = line.iter().position(|byte| *byte == b' ');
        let stamp = String::from_utf8_lossy(&line[..end.unwrap_or(line.len())]).into_owned();
        let (time, stamp, text) = match (time::read(&stamp), end) {
            (Some(time), Some(end)) => (time, stamp, line[end + 1..].to_vec()),
            (Some(time), None) => (time, stamp, Vec::new()),
            // No time: with the one before it.
            (None, _) => (
                self.last.get(&lane).copied().unwrap_or_default(),
                String::new(),
                line,
            ),
        };
        if self.told.get(&source).is_some_and(|told| time <= *told) {
            return;
        }
        self.last.insert(lane, time);
        let what = Said {
            name: reading.lane.name.clone(),
            stream: reading.stream,
            stamp,
            text,
        };
        merger.push(source, Line { time, what }, Instant::now());
    }
}
