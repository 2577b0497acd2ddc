//! The objects of a run: one revision counter, an event history, and watchers that pull from it.
//!
//! [`Core`] is pure: no clock, no randomness, no locks. [`Store`] puts a lock and a wake-up around
//! it. A writer never waits for a reader: it appends to a ring, and a reader that comes too late
//! is told that it is [`Gone`]. Knows nothing of what the objects mean.

mod propagation;
mod state;
mod watch;

pub use propagation::{FOREGROUND, ORPHAN, Propagation};
pub use state::{Core, StoreError};
pub use watch::{Event, EventKind, Gone, Rendered, Watcher};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aspire_api::{Object, ObjectKey};
use tokio::sync::watch as signal;

use crate::clock::Timestamp;

/// Events that are kept for watchers.
const HISTORY: usize = 2048;

/// The shared store.
#[derive(Debug)]
pub struct Store {
    core: Mutex<Core>,
    revision: signal::Sender<u64>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(HISTORY, 0)
    }
}

impl Store {
    /// Empty at a revision, keeping this many events.
    pub fn new(history: usize, first: u64) -> Self {
        Self {
            core: Mutex::new(Core::new(history, first)),
            revision: signal::Sender::new(first),
        }
    }

    /// Empty, with revisions that no earlier run had: they begin with the milliseconds since 1970,
    /// and no run writes more often. A client that comes back with a revision of an earlier run is
    /// told that it is gone.
    pub fn of_now() -> Self {
        let now = Timestamp::now().0 / 1000;
        Self::new(HISTORY, u64::try_from(now).unwrap_or(1))
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        // A panic while it is held is a bug that ends the run; until then, reading is harmless.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(
        &self,
        change: impl FnOnce(&mut Core) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut core = self.core();
        let result = change(&mut core)?;
        let revision = core.revision();
        self.revision
            .send_if_modified(|known| std::mem::replace(known, revision) != revision);
        Ok(result)
    }

    /// Adds an object.
    ///
    /// # Errors
    /// It exists, is invalid, or the store takes no more objects.
    pub fn create(&self, object: Object) -> Result<Arc<Object>, StoreError> {
        let uid = uid();
        self.write(|core| core.create(object, uid, Timestamp::now()))
    }

    /// Replaces an object's metadata and spec; its status stays.
    ///
    /// # Errors
    /// It doesn't exist, or was changed since the given resource version.
    pub fn update(&self, object: Object) -> Result<Arc<Object>, StoreError> {
        self.write(|core| core.update(object, Timestamp::now()))
    }

    /// Replaces an object's status; everything else stays.
    ///
    /// # Errors
    /// It doesn't exist, or was changed since the given resource version.
    pub fn update_status(&self, object: Object) -> Result<Arc<Object>, StoreError> {
        self.write(|core| core.update_status(object, Timestamp::now()))
    }

    /// Reads, changes and writes in one step.
    ///
    /// # Errors
    /// It doesn't exist.
    pub fn modify(
        &self,
        key: &ObjectKey,
        change: impl FnOnce(&mut Object),
    ) -> Result<Arc<Object>, StoreError> {
        self.write(|core| {
            let mut object = core.get(key)?.as_ref().clone();
            change(&mut object);
            core.replace(object, Timestamp::now())
        })
    }

    /// Asks for an object's end: at once, or when its last finalizer goes.
    ///
    /// # Errors
    /// It doesn't exist.
    pub fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        self.write(|core| core.delete(key, Timestamp::now()))
    }

    /// The same, saying what becomes of its dependents.
    ///
    /// # Errors
    /// It doesn't exist.
    pub fn delete_with(&self, key: &ObjectKey, propagation: Propagation) -> Result<(), StoreError> {
        self.write(|core| core.delete_with(key, propagation, Timestamp::now()))
    }

    /// One object.
    ///
    /// # Errors
    /// It doesn't exist.
    pub fn get(&self, key: &ObjectKey) -> Result<Arc<Object>, StoreError> {
        self.core().get(key)
    }

    /// All objects by kind and name, and the revision that they are of.
    pub fn list(&self) -> (Vec<Arc<Object>>, u64) {
        let core = self.core();
        (core.objects().cloned().collect(), core.revision())
    }

    /// Every object as it was at a revision.
    ///
    /// # Errors
    /// The history doesn't reach back so far.
    pub fn list_at(&self, revision: u64) -> Result<Vec<Arc<Object>>, Gone> {
        self.core().objects_at(revision)
    }

    /// What a change would do, without doing it.
    ///
    /// # Errors
    /// Those of the change.
    pub fn rehearse<T>(
        &self,
        change: impl FnOnce(&mut Core) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut copy = self.core().clone();
        change(&mut copy)
    }

    /// Does several things in one step.
    ///
    /// # Errors
    /// Those of the change; what it did before stays.
    pub fn transact<T>(
        &self,
        change: impl FnOnce(&mut Core) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write(change)
    }

    /// From now on nothing is created any more.
    pub fn seal(&self) {
        self.core().seal();
    }

    /// Everything that happens after a revision.
    pub fn watch(self: &Arc<Self>, after: u64) -> Watcher {
        // The beginning has a number, so that a watcher knows how far it is before anything happens.
        let after = if after == 0 {
            self.core().first()
        } else {
            after
        };
        Watcher::new(Arc::clone(self), self.revision.subscribe(), after)
    }

    pub(crate) fn events_after(&self, revision: u64) -> Result<Vec<Event>, Gone> {
        self.core().events_after(revision)
    }
}

/// A random UUID (version 4).
pub(crate) fn uid() -> String {
    let bits: u128 = rand::random();
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests;
