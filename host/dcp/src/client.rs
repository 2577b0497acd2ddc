//! The handle through which everybody but the control plane itself works with objects.
//!
//! Its functions are those of a Kubernetes client; an implementation over HTTP can take its place.

use std::sync::Arc;

use aspire_api::{Kind, Object, ObjectKey};

use crate::store::{Event, Gone, Propagation, Store, StoreError, Watcher};

/// A client of the control plane; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    store: Arc<Store>,
}

impl Client {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Submits an object.
    ///
    /// # Errors
    /// It exists, is invalid, or the run is being stopped.
    pub async fn create(&self, object: impl Into<Object>) -> Result<Arc<Object>, StoreError> {
        self.store.create(object.into())
    }

    /// One object.
    ///
    /// # Errors
    /// It doesn't exist.
    pub async fn get(&self, key: &ObjectKey) -> Result<Arc<Object>, StoreError> {
        self.store.get(key)
    }

    /// All objects, or those of one kind, by kind and name; and the revision that they are of.
    pub async fn list(&self, kind: Option<Kind>) -> (Vec<Arc<Object>>, u64) {
        let (mut objects, revision) = self.store.list();
        objects.retain(|object| kind.is_none_or(|kind| object.kind() == kind));
        (objects, revision)
    }

    /// Replaces metadata and spec; the status stays.
    ///
    /// # Errors
    /// It doesn't exist, or was changed since it was read.
    pub async fn update(&self, object: impl Into<Object>) -> Result<Arc<Object>, StoreError> {
        self.store.update(object.into())
    }

    /// Asks for an object's end.
    ///
    /// # Errors
    /// It doesn't exist.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), StoreError> {
        self.store.delete(key)
    }

    /// The same, saying what becomes of its dependents.
    ///
    /// # Errors
    /// It doesn't exist.
    pub async fn delete_with(
        &self,
        key: &ObjectKey,
        propagation: Propagation,
    ) -> Result<(), StoreError> {
        self.store.delete_with(key, propagation)
    }

    /// Everything that happens after a revision; 0: from the beginning.
    pub fn watch(&self, after: u64) -> Watcher {
        self.store.watch(after)
    }

    /// Waits until something is true of an object, which may not exist yet.
    ///
    /// # Errors
    /// The object went away.
    pub async fn wait_for(
        &self,
        key: &ObjectKey,
        mut is_it: impl FnMut(&Object) -> bool,
    ) -> Result<Arc<Object>, StoreError> {
        let mut watcher = self.store.watch(self.store.list().1);
        let mut seen = false;
        loop {
            match self.store.get(key) {
                Ok(object) if is_it(&object) => return Ok(object),
                Ok(_) => seen = true,
                Err(error) if seen => return Err(error),
                Err(_) => {}
            }
            loop {
                match watcher.next().await {
                    Ok(Event { object, .. }) if object.key() == *key => break,
                    Ok(_) => {}
                    Err(Gone { .. }) => {
                        watcher = self.store.watch(self.store.list().1);
                        break;
                    }
                }
            }
        }
    }
}
