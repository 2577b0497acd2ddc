//! The log subresource: what a workload says, as text (reference/dcp.md 2.3).

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aspire_api::container::ContainerState;
use aspire_api::{Kind, Object, ObjectKey};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, timeout_at};

use super::parameters::Query;
use super::route::{Call, resource};
use super::{Api, answer};
use crate::clock::Timestamp;
use crate::logs::{Log, LogItem, LogReader, LogRecord};
use crate::machinery::status::Status;
use crate::runtime::OutputStream;
use crate::store::{EventKind, Watcher};

/// After the end of a workload, for its last output to arrive.
const STRAGGLERS: Duration = Duration::from_millis(300);
/// The most lines that `tail` may ask for.
const MOST: u64 = 1_000_000;
/// Parameters of the subresource.
const PARAMETERS: [&str; 9] = [
    "follow",
    "source",
    "timestamps",
    "line_numbers",
    "limit",
    "tail",
    "skip",
    "timeoutSeconds",
    "pretty",
];

/// What of a log is wanted, and how.
#[derive(Debug, Clone, Default)]
pub(super) struct LogOptions {
    pub(super) follow: bool,
    /// Which streams; none: all of them.
    pub(super) streams: BTreeSet<OutputStream>,
    pub(super) timestamps: bool,
    pub(super) line_numbers: bool,
    pub(super) limit: Option<u64>,
    pub(super) tail: Option<u64>,
    pub(super) skip: Option<u64>,
    pub(super) since: Option<Timestamp>,
    pub(super) limit_bytes: Option<u64>,
}

impl LogOptions {
    fn read(query: &Query) -> Result<Self, Status> {
        if let Some(name) = query.names().find(|name| !PARAMETERS.contains(name)) {
            return Err(Status::bad_request(format!(
                "there is no parameter `{name}`"
            )));
        }
        let stream = match query.get("source") {
            None | Some("" | "stdout") => OutputStream::Stdout,
            Some("stderr") => OutputStream::Stderr,
            // What happened before it ran is told by the control plane.
            Some("system" | "startup_stdout" | "startup_stderr") => OutputStream::System,
            Some(other) => {
                return Err(Status::bad_request(format!(
                    "source: `{other}` is none of stdout, stderr, startup_stdout, startup_stderr, system"
                )));
            }
        };
        let options = Self {
            follow: query.flag("follow")?,
            streams: BTreeSet::from([stream]),
            timestamps: query.flag("timestamps")?,
            line_numbers: query.flag("line_numbers")?,
            limit: query.number("limit")?,
            tail: query.number("tail")?,
            skip: query.number("skip")?,
            ..Self::default()
        };
        let wrong = if options.limit == Some(0) {
            "limit: must be positive"
        } else if options.limit.is_some() && options.follow {
            "limit: not together with follow"
        } else if options.tail.is_some_and(|tail| tail == 0 || tail > MOST) {
            "tail: must be between 1 and 1000000"
        } else if options.tail.is_some() && options.skip.is_some() {
            "tail: not together with skip"
        } else {
            return Ok(options);
        };
        Err(Status::bad_request(wrong))
    }
}

/// GET on the subresource.
pub(super) async fn of_object(
    api: &Api,
    call: &Call,
    kind: Kind,
    name: &str,
) -> Result<Response, Status> {
    let key = ObjectKey::new(kind, name);
    let found = api.store.get(&key);
    let object = found.map_err(|_| Status::not_found(resource(kind), name))?;
    let options = LogOptions::read(&call.query)?;
    if object.metadata().deletion_timestamp.is_some() {
        return Err(Status::bad_request(format!("{key} is being deleted")));
    }
    if let Object::Container(container) = object.as_ref()
        && container.status.state == ContainerState::Unknown
        && api.logs.find(&key).is_none()
    {
        return Err(Status::bad_request(format!("nobody knows where {key} is")));
    }
    Ok(stream_of(api, key, options))
}

/// The log of an object as a body.
pub(super) fn stream_of(api: &Api, key: ObjectKey, options: LogOptions) -> Response {
    let (_, revision) = api.store.list();
    let log = api.logs.of(&key);
    let (backlog, reader) = backlog(&log, &options);
    let mut form = Form {
        options,
        line: 0,
        bytes: 0,
        open: BTreeSet::new(),
    };
    let mut ready = VecDeque::new();
    let mut piece = Vec::new();
    let mut full = false;
    for record in &backlog {
        full = full || !form.write(record, &mut piece);
    }
    if !piece.is_empty() {
        ready.push_back(Bytes::from(piece));
    }
    let following = Following {
        ends: !form.options.follow || full,
        over: None,
        watcher: api.store.watch(revision),
        store: api.clone(),
        key,
        reader,
        form,
        ready,
    };
    let body = Body::from_stream(stream::unfold(following, |mut following| async move {
        let piece = following.next().await?;
        Some((Ok::<_, Infallible>(piece), following))
    }));
    answer::text(200, body)
}

/// What is there already, and a reader that goes on after it.
fn backlog(log: &Arc<Log>, options: &LogOptions) -> (Vec<LogRecord>, LogReader) {
    let (mut records, reader) = log.tail(usize::MAX);
    records.retain(|record| {
        (options.streams.is_empty() || options.streams.contains(&record.stream))
            && options.since.is_none_or(|since| record.time >= since)
    });
    // Pieces of a line count as one.
    let lines = records.iter().filter(|record| !record.continues).count();
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let skipped = match (options.tail, options.skip) {
        (Some(tail), _) => lines.saturating_sub(count(tail)),
        (_, Some(skip)) => count(skip),
        _ => 0,
    };
    let mut begun = 0;
    records.retain(|record| {
        let keep = begun >= skipped;
        begun += usize::from(!record.continues);
        keep
    });
    (records, reader)
}

/// How records become text.
struct Form {
    options: LogOptions,
    line: u64,
    bytes: u64,
    /// Streams whose last line goes on.
    open: BTreeSet<OutputStream>,
}

impl Form {
    /// Appends a record; false: nothing more is wanted.
    fn write(&mut self, record: &LogRecord, text: &mut Vec<u8>) -> bool {
        let options = &self.options;
        if !options.streams.is_empty() && !options.streams.contains(&record.stream) {
            return true;
        }
        if options.since.is_some_and(|since| record.time < since) {
            return true;
        }
        let begins = !self.open.contains(&record.stream);
        if begins {
            if options.limit.is_some_and(|limit| self.line >= limit) {
                return false;
            }
            self.line += 1;
            if options.line_numbers {
                text.extend_from_slice(format!("{} ", self.line).as_bytes());
            }
            if options.timestamps {
                text.extend_from_slice(&record.time.write());
                text.push(b' ');
            }
        }
        text.extend_from_slice(&record.text);
        if record.continues {
            self.open.insert(record.stream);
        } else {
            self.open.remove(&record.stream);
            text.push(b'\n');
        }
        if let Some(limit) = options.limit_bytes {
            let left = usize::try_from(limit.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
            text.truncate(left.min(text.len()));
            if text.len() >= left {
                return false;
            }
        }
        true
    }
}

/// A log that is being read.
struct Following {
    store: Api,
    key: ObjectKey,
    reader: LogReader,
    watcher: Watcher,
    form: Form,
    ready: VecDeque<Bytes>,
    /// Nothing comes after what is ready.
    ends: bool,
    /// The workload ended; until then, stragglers are waited for.
    over: Option<Instant>,
}

impl Following {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over.is_none() && self.is_over() {
            self.over = Some(Instant::now() + STRAGGLERS);
        }
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(piece);
            }
            if self.ends {
                return None;
            }
            let far = Instant::now() + Duration::from_secs(86_400);
            let until = self.over.unwrap_or(far);
            tokio::select! {
                items = timeout_at(until, self.reader.next()) => match items {
                    Ok(items) => self.take(&items),
                    Err(_) if self.over.is_some() => self.ends = true,
                    Err(_) => {}
                },
                event = self.watcher.next(), if self.over.is_none() => {
                    let concerns = match event {
                        Ok(event) => {
                            event.object.key() == self.key
                                && (event.kind == EventKind::Deleted || self.is_over())
                        }
                        Err(_) => {
                            let (_, revision) = self.store.store.list();
                            self.watcher = self.store.store.watch(revision);
                            self.is_over()
                        }
                    };
                    if concerns {
                        self.over = Some(Instant::now() + STRAGGLERS);
                    }
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        match self.store.store.get(&self.key).as_deref() {
            Ok(Object::Container(container)) => container.status.state.is_final(),
            Ok(Object::Executable(executable)) => executable.status.state.is_final(),
            Ok(Object::ContainerExec(exec)) => exec.status.state.is_final(),
            Ok(_) | Err(_) => true,
        }
    }

    fn take(&mut self, items: &[LogItem]) {
        let mut piece = Vec::new();
        for item in items {
            let goes_on = match item {
                LogItem::Record(record) => self.form.write(record, &mut piece),
                LogItem::Dropped => true,
            };
            if !goes_on {
                self.ends = true;
                break;
            }
        }
        if !piece.is_empty() {
            self.form.bytes += piece.len() as u64;
            self.ready.push_back(piece.into());
        }
    }
}
