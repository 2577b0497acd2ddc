//! Watching: what happens, as lines of JSON, for as long as the client reads.
//!
//! Each watch has a position in the store's history and pulls from it, so a client that stops
//! reading costs the writers nothing; when it has fallen behind the history it is told 410.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aspire_api::{GROUP, Kind, Object, VERSION};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::list::{Selection, version};
use super::route::Call;
use super::{Api, answer, columns};
use crate::machinery::negotiate::{Negotiated, Representation};
use crate::machinery::options::{ListOptions, parse_resource_version};
use crate::machinery::status::Status;
use crate::machinery::table::{Column, IncludeObject, partial_object_metadata, table};
use crate::machinery::watch_filter::{Change, translate};
use crate::store::{Event, EventKind, Watcher};

/// Between two bookmarks of a watch that wants them.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// Where the client names no time: between this and twice as long, as kube-apiserver does.
const SHORTEST: Duration = Duration::from_secs(1800);

/// How an object of a watch looks.
struct View {
    negotiated: Negotiated,
    include: IncludeObject,
    columns: Vec<Column<'static>>,
    /// Only the first table of a watch has its columns' definitions.
    with_columns: bool,
    api_version: String,
    kind: String,
}

impl View {
    /// A line of the stream.
    fn line(&mut self, event: &str, object: &Value) -> Bytes {
        let shown = match self.negotiated.representation {
            Representation::Object => return plain(event, &object.to_string().into()),
            Representation::Table(version) => {
                let first = std::mem::replace(&mut self.with_columns, false);
                let metadata = &object["metadata"];
                table(
                    &self.columns,
                    [object],
                    metadata,
                    self.include,
                    version,
                    first,
                )
            }
            other => partial_object_metadata(object, version(other)),
        };
        plain(event, &shown.to_string().into())
    }

    /// A bookmark: how far the client has read.
    fn bookmark(&self, revision: u64, ends_initial_events: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if ends_initial_events {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.negotiated.representation {
            Representation::Object => json!({
                "kind": self.kind, "apiVersion": self.api_version, "metadata": metadata,
            }),
            Representation::Table(version) => json!({
                "kind": "Table", "apiVersion": version.api_version(), "metadata": {
                    "resourceVersion": revision.to_string()},
                "columnDefinitions": null, "rows": [{"cells": null, "object": {
                    "kind": "PartialObjectMetadata", "apiVersion": version.api_version(),
                    "metadata": metadata}}],
            }),
            other => json!({
                "kind": "PartialObjectMetadata", "apiVersion": version(other).api_version(),
                "metadata": metadata,
            }),
        };
        plain("BOOKMARK", &object.to_string().into())
    }
}

fn plain(event: &str, object: &Bytes) -> Bytes {
    let mut line = Vec::with_capacity(object.len() + 32);
    line.extend_from_slice(b"{\"type\":\"");
    line.extend_from_slice(event.as_bytes());
    line.extend_from_slice(b"\",\"object\":");
    line.extend_from_slice(object);
    line.extend_from_slice(b"}\n");
    line.into()
}

fn error(status: &Status) -> Bytes {
    plain("ERROR", &status.to_value().to_string().into())
}

/// Turns what happens in the store into what a client sees: none, one or several objects of the
/// store may stand behind one of the client's.
pub(super) trait Projection: Send + Sync + 'static {
    /// The object as the client sees it; none: it isn't of the client's kind.
    fn project(&self, object: &Object) -> Option<Value>;
    /// The text of the event's object, where it is the same for all clients.
    fn text(&self, event: &Event) -> Option<Bytes>;
}

/// Objects of a kind as they are.
struct Itself(Kind);

impl Projection for Itself {
    fn project(&self, object: &Object) -> Option<Value> {
        (object.kind() == self.0).then(|| object.write())
    }

    fn text(&self, event: &Event) -> Option<Bytes> {
        let make = || Bytes::from(event.object.text());
        (event.object.kind() == self.0).then(|| event.rendered.get(make))
    }
}

/// A watch on the objects of a kind.
pub(super) fn of_kind(
    api: &Api,
    call: &Call,
    kind: Kind,
    options: &ListOptions<'_>,
    selection: Selection,
    negotiated: Negotiated,
) -> Result<Response, Status> {
    let what = Watched {
        projection: Arc::new(Itself(kind)),
        columns: columns::of(kind),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: kind.name().to_owned(),
    };
    start(api, call, what, options, selection, negotiated)
}

/// What is watched.
pub(super) struct Watched {
    pub(super) projection: Arc<dyn Projection>,
    pub(super) columns: Vec<Column<'static>>,
    pub(super) api_version: String,
    pub(super) kind: String,
}

/// A watch.
pub(super) fn start(
    api: &Api,
    call: &Call,
    what: Watched,
    options: &ListOptions<'_>,
    selection: Selection,
    negotiated: Negotiated,
) -> Result<Response, Status> {
    let mut view = View {
        negotiated,
        include: IncludeObject::parse(call.query.get("includeObject"))?,
        columns: what.columns,
        with_columns: true,
        api_version: what.api_version,
        kind: what.kind,
    };
    let seconds: Option<u64> = call.query.number("timeoutSeconds")?;
    let limit = match seconds {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => SHORTEST.mul_f64(1.0 + rand::random::<f64>()),
    };
    let bookmarks = call.query.flag("allowWatchBookmarks")?;
    let wanted = parse_resource_version(options.resource_version)?;
    let (objects, current) = api.store.list();
    let mut ready = VecDeque::new();
    let initial = options.send_initial_events == Some(true)
        || (options.send_initial_events.is_none() && wanted.unwrap_or(0) == 0);
    let position = match wanted {
        // A revision that this server never had: of another one, whose client has to list again.
        Some(revision) if revision > current => {
            ready.push_back(error(&Status::too_old(revision, current)));
            return Ok(stream_of(stream::iter(ready)));
        }
        Some(revision) if revision > 0 && !initial => revision,
        _ => current,
    };
    if initial {
        for object in &objects {
            if let Some(shown) = what.projection.project(object)
                && selection.matches_value(&shown)
            {
                ready.push_back(view.line("ADDED", &shown));
            }
        }
        if options.send_initial_events == Some(true) && bookmarks {
            ready.push_back(view.bookmark(current, true));
        }
    }
    let running = Running {
        watcher: api.store.watch(position),
        projection: what.projection,
        selection,
        view,
        ready,
        until: Instant::now() + limit,
        next_bookmark: bookmarks.then(|| Instant::now() + BOOKMARKS),
        bookmarks,
        ended: false,
    };
    Ok(stream_of(stream::unfold(
        running,
        |mut running| async move {
            let line = running.next().await?;
            Some((line, running))
        },
    )))
}

fn stream_of(lines: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Response {
    use futures_util::StreamExt as _;
    let body = Body::from_stream(lines.map(Ok::<_, Infallible>));
    answer::bytes(200, "application/json", body)
}

/// A watch under way.
struct Running {
    watcher: Watcher,
    projection: Arc<dyn Projection>,
    selection: Selection,
    view: View,
    ready: VecDeque<Bytes>,
    until: Instant,
    next_bookmark: Option<Instant>,
    bookmarks: bool,
    ended: bool,
}

impl Running {
    /// The next lines; none: the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(self.together(line));
            }
            if self.ended {
                return None;
            }
            let bookmark = self.next_bookmark.unwrap_or(self.until);
            tokio::select! {
                event = self.watcher.next() => match event {
                    Ok(event) => self.take(&event),
                    Err(gone) => {
                        let status = Status::too_old(self.watcher.position(), gone.oldest);
                        self.ready.push_back(error(&status));
                        self.ended = true;
                    }
                },
                () = sleep_until(self.until) => {
                    if self.bookmarks {
                        let line = self.view.bookmark(self.watcher.position(), false);
                        self.ready.push_back(line);
                    }
                    self.ended = true;
                }
                () = sleep_until(bookmark), if self.next_bookmark.is_some() => {
                    self.next_bookmark = Some(Instant::now() + BOOKMARKS);
                    let line = self.view.bookmark(self.watcher.position(), false);
                    self.ready.push_back(line);
                }
            }
        }
    }

    /// One piece of the body out of what is there already, up to a size.
    fn together(&mut self, first: Bytes) -> Bytes {
        const PIECE: usize = 64 << 10;
        while self.ready.is_empty() && first.len() < PIECE {
            match self.watcher.try_next() {
                Ok(Some(event)) => self.take(&event),
                // Told by the next turn.
                Ok(None) | Err(_) => break,
            }
        }
        if self.ready.is_empty() {
            return first;
        }
        let mut piece = first.to_vec();
        loop {
            while let Some(line) = self.ready.pop_front() {
                piece.extend_from_slice(&line);
            }
            if piece.len() >= PIECE {
                return piece.into();
            }
            match self.watcher.try_next() {
                Ok(Some(event)) => self.take(&event),
                Ok(None) | Err(_) => return piece.into(),
            }
        }
    }

    fn take(&mut self, event: &Event) {
        let change = match event.kind {
            EventKind::Added => Change::Created,
            EventKind::Modified => Change::Changed,
            EventKind::Deleted => Change::Removed,
        };
        let plainly = self.view.negotiated.representation == Representation::Object;
        if self.selection.is_empty()
            && plainly
            && let Some(text) = self.projection.text(event)
        {
            let kind = translate(change, true, true).map_or("", |told| told.event.as_str());
            return self.ready.push_back(plain(kind, &text));
        }
        let after = self.projection.project(&event.object);
        let before = event
            .before
            .as_ref()
            .and_then(|object| self.projection.project(object));
        let (Some(shown), before) = (after.or_else(|| before.clone()), before) else {
            return;
        };
        let matched = before
            .as_ref()
            .is_some_and(|before| self.selection.matches_value(before));
        let matches = self.selection.matches_value(&shown);
        let Some(told) = translate(change, matched, matches) else {
            return;
        };
        let mut object = match before {
            Some(before) if told.shows_previous => before,
            _ => shown,
        };
        object["metadata"]["resourceVersion"] = json!(event.revision.to_string());
        let line = self.view.line(told.event.as_str(), &object);
        self.ready.push_back(line);
    }
}
