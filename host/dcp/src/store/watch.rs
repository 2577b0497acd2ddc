//! Reading what happens: each watcher has a position and pulls from it.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use aspire_api::Object;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::watch as signal;

use super::Store;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It is new.
    Added,
    /// It changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number; also the object's resource version.
    pub revision: u64,
    /// What happened.
    pub kind: EventKind,
    /// The object afterwards; its last form, when it is gone.
    pub object: Arc<Object>,
    /// The object before; none: it is new.
    pub before: Option<Arc<Object>>,
    /// The object afterwards as text, made once for all watchers.
    pub rendered: Rendered,
}

/// Text of an event that whoever needs it first makes for everybody.
#[derive(Debug, Clone, Default)]
pub struct Rendered(Arc<OnceLock<Bytes>>);

impl Rendered {
    /// The text.
    pub fn get(&self, make: impl FnOnce() -> Bytes) -> Bytes {
        self.0.get_or_init(make).clone()
    }
}

/// It says nothing that the event doesn't.
impl PartialEq for Rendered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Rendered {}

/// The position is older than the history: list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the history begins at revision {oldest}; list again")]
pub struct Gone {
    /// The oldest event that is kept.
    pub oldest: u64,
}

/// A reader of the history. It costs a writer nothing, however slow it is.
#[derive(Debug)]
pub struct Watcher {
    store: Arc<Store>,
    signal: signal::Receiver<u64>,
    position: u64,
    ready: VecDeque<Event>,
}

impl Watcher {
    pub(super) fn new(store: Arc<Store>, signal: signal::Receiver<u64>, position: u64) -> Self {
        Self {
            store,
            signal,
            position,
            ready: VecDeque::new(),
        }
    }

    /// The next event, as soon as there is one. Can be dropped and called again without loss.
    ///
    /// # Errors
    /// The reader was too slow.
    pub async fn next(&mut self) -> Result<Event, Gone> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            if self.signal.changed().await.is_err() {
                // The store itself is held by us, so its sender can't have gone.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The last event that was given out.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next event, if there is one already.
    ///
    /// # Errors
    /// The reader was too slow.
    pub fn try_next(&mut self) -> Result<Option<Event>, Gone> {
        if self.ready.is_empty() {
            self.signal.borrow_and_update();
            self.ready.extend(self.store.events_after(self.position)?);
        }
        let event = self.ready.pop_front();
        if let Some(event) = &event {
            self.position = event.revision;
        }
        Ok(event)
    }
}
