//! What is shown of a container beside its life: its key, why it was made anew, its networks.
//!
//! Written by whoever launches it and by the controller of connections; read for its status.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aspire_api::ObjectKey;

/// A container's entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// What decides whether it is kept; persistent ones only.
    pub(crate) lifecycle_key: Option<String>,
    /// Why it was made anew, or how it came to us.
    pub(crate) note: String,
    /// Somebody else is to make it, and hasn't yet.
    pub(crate) missing: bool,
    /// Its id, and the networks (objects) that we put it on when it was created.
    pub(crate) joined: Option<(String, Vec<String>)>,
    /// The networks (objects) that it is on.
    pub(crate) networks: Vec<String>,
}

/// All containers of a run.
#[derive(Debug, Default)]
pub(crate) struct ContainerBook(Mutex<BTreeMap<ObjectKey, Page>>);

impl ContainerBook {
    fn pages(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Page>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a container.
    pub(crate) fn page(&self, key: &ObjectKey) -> Page {
        self.pages().get(key).cloned().unwrap_or_default()
    }

    /// Changes what is known; tells whether that made a difference.
    pub(crate) fn change(&self, key: &ObjectKey, change: impl FnOnce(&mut Page)) -> bool {
        let mut pages = self.pages();
        let page = pages.entry(key.clone()).or_default();
        let before = page.clone();
        change(page);
        *page != before
    }

    /// Its object is gone.
    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.pages().remove(key);
    }
}
