//! The rules of the store, pure: revisions, generations, finalizers, spec and status, history.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use aspire_api::conditions;
use aspire_api::meta::ManagedFields;
use aspire_api::validate::{FieldError, validate, validate_update};
use aspire_api::{Object, ObjectKey};
use thiserror::Error;

use super::watch::{Event, EventKind, Gone, Rendered};
use crate::clock::Timestamp;

/// What the store refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No such object.
    #[error("{0} does not exist")]
    NotFound(ObjectKey),
    /// It is there already.
    #[error("{0} exists already")]
    Exists(ObjectKey),
    /// It was changed since it was read.
    #[error("{key} was changed meanwhile (is {is}, expected {expected})")]
    Conflict {
        /// The object.
        key: ObjectKey,
        /// Its resource version.
        is: String,
        /// The one that the writer had read.
        expected: String,
    },
    /// Not a valid object.
    #[error("{key} is invalid: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// The object.
        key: ObjectKey,
        /// By field.
        errors: Vec<FieldError>,
    },
    /// The run is being stopped.
    #[error("nothing can be created while the run is being stopped")]
    Sealed,
}

/// All objects and their recent history.
#[derive(Debug, Clone)]
pub struct Core {
    revision: u64,
    /// The revision that it began with.
    first: u64,
    objects: BTreeMap<ObjectKey, Arc<Object>>,
    history: VecDeque<Event>,
    capacity: usize,
    sealed: bool,
}

impl Core {
    /// Empty at a revision, keeping this many events.
    pub fn new(capacity: usize, first: u64) -> Self {
        Self {
            revision: first,
            first,
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            capacity,
            sealed: false,
        }
    }

    /// The last change's number.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The number that it began with.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Nothing may be created any more.
    pub fn seal(&mut self) {
        self.sealed = true;
    }

    /// One object.
    ///
    /// # Errors
    /// It doesn't exist.
    pub fn get(&self, key: &ObjectKey) -> Result<Arc<Object>, StoreError> {
        self.objects
            .get(key)
            .cloned()
            .ok_or_else(|| StoreError::NotFound(key.clone()))
    }

    /// All of them, by kind and name.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// Every object as it was at a revision, by kind and name.
    ///
    /// # Errors
    /// The history doesn't reach back so far.
    pub fn objects_at(&self, revision: u64) -> Result<Vec<Arc<Object>>, Gone> {
        let mut objects = self.objects.clone();
        for event in self.events_after(revision)?.iter().rev() {
            match &event.before {
                Some(before) => objects.insert(before.key(), Arc::clone(before)),
                None => objects.remove(&event.object.key()),
            };
        }
        Ok(objects.into_values().collect())
    }

    /// Events with a higher number than this one; 0: from the beginning.
    ///
    /// # Errors
    /// Some of them were forgotten already.
    pub fn events_after(&self, revision: u64) -> Result<Vec<Event>, Gone> {
        let revision = if revision == 0 { self.first } else { revision };
        let oldest = self
            .history
            .front()
            .map_or(self.revision + 1, |event| event.revision);
        if revision + 1 < oldest {
            return Err(Gone { oldest });
        }
        let start = self
            .history
            .partition_point(|event| event.revision <= revision);
        Ok(self.history.range(start..).cloned().collect())
    }

    /// Adds an object.
    ///
    /// # Errors
    /// It exists, is invalid, or the store is sealed.
    pub fn create(
        &mut self,
        mut object: Object,
        uid: String,
        now: Timestamp,
    ) -> Result<Arc<Object>, StoreError> {
        let key = object.key();
        if self.sealed {
            return Err(StoreError::Sealed);
        }
        if self.objects.contains_key(&key) {
            return Err(StoreError::Exists(key));
        }
        let errors = validate(&object);
        if !errors.is_empty() {
            return Err(StoreError::Invalid { key, errors });
        }
        object.set_status(None);
        let metadata = object.metadata_mut();
        metadata.uid = uid;
        metadata.generation = 1;
        metadata.creation_timestamp = Some(now.seconds());
        metadata.deletion_timestamp = None;
        Ok(self.commit(EventKind::Added, object, None))
    }

    /// Replaces metadata and spec.
    ///
    /// # Errors
    /// It doesn't exist, was changed since the given resource version, or is invalid.
    pub fn update(
        &mut self,
        mut object: Object,
        now: Timestamp,
    ) -> Result<Arc<Object>, StoreError> {
        let old = self.expected(&object)?;
        let errors = validate_update(&old, &object);
        if !errors.is_empty() {
            let key = object.key();
            return Err(StoreError::Invalid { key, errors });
        }
        object.set_status(Some(&old));
        Ok(self.store(object, &old, now))
    }

    /// Replaces the status.
    ///
    /// # Errors
    /// It doesn't exist, or was changed since the given resource version.
    pub fn update_status(
        &mut self,
        object: Object,
        now: Timestamp,
    ) -> Result<Arc<Object>, StoreError> {
        let old = self.expected(&object)?;
        let mut new = old.as_ref().clone();
        new.set_status(Some(&object));
        // Who set which field of the status is metadata.
        if !object.metadata().managed_fields.is_empty() {
            let managed = object.metadata().managed_fields.clone();
            new.metadata_mut().managed_fields = managed;
        }
        Ok(self.store(new, &old, now))
    }

    /// Replaces all of it; for the control plane itself.
    ///
    /// # Errors
    /// It doesn't exist, or was changed since the given resource version.
    pub fn replace(&mut self, object: Object, now: Timestamp) -> Result<Arc<Object>, StoreError> {
        let old = self.expected(&object)?;
        Ok(self.store(object, &old, now))
    }

    /// Asks for an object's end.
    ///
    /// # Errors
    /// It doesn't exist.
    pub fn delete(&mut self, key: &ObjectKey, now: Timestamp) -> Result<(), StoreError> {
        let old = self.get(key)?;
        if old.metadata().finalizers.is_empty() {
            self.remove(&old);
        } else if old.metadata().deletion_timestamp.is_none() {
            let mut new = old.as_ref().clone();
            let metadata = new.metadata_mut();
            metadata.deletion_timestamp = Some(now.seconds());
            metadata.deletion_grace_period_seconds = Some(0);
            metadata.generation += 1;
            self.commit(EventKind::Modified, new, Some(old));
        }
        Ok(())
    }

    /// The stored object, if it is the one that the writer had read.
    fn expected(&self, object: &Object) -> Result<Arc<Object>, StoreError> {
        let key = object.key();
        let old = self.get(&key)?;
        let (is, expected) = (
            &old.metadata().resource_version,
            &object.metadata().resource_version,
        );
        if !expected.is_empty() && is != expected {
            return Err(StoreError::Conflict {
                key,
                is: is.clone(),
                expected: expected.clone(),
            });
        }
        Ok(old)
    }

    fn store(&mut self, mut new: Object, old: &Arc<Object>, now: Timestamp) -> Arc<Object> {
        // What only the store decides.
        let metadata = new.metadata_mut();
        let kept = old.metadata();
        metadata.uid.clone_from(&kept.uid);
        metadata.resource_version.clone_from(&kept.resource_version);
        metadata.generation = kept.generation;
        metadata
            .creation_timestamp
            .clone_from(&kept.creation_timestamp);
        metadata
            .deletion_timestamp
            .clone_from(&kept.deletion_timestamp);
        metadata.deletion_grace_period_seconds = kept.deletion_grace_period_seconds;
        if new.common().conditions.is_empty() {
            // Written by somebody who doesn't know of them.
            *new.common_mut() = old.common().clone();
        }
        if same_but_for_times(&new, old) {
            return Arc::clone(old);
        }
        if !new.same_spec(old) {
            new.metadata_mut().generation += 1;
        }
        if !new.same_status(old) {
            conditions::refresh(&mut new, &old.common().conditions, &now.seconds());
        }
        if new.metadata().deletion_timestamp.is_some() && new.metadata().finalizers.is_empty() {
            // The writer gets what he wrote; the end has a version of its own.
            let last = Arc::new(new);
            self.remove(&last);
            return last;
        }
        self.commit(EventKind::Modified, new, Some(Arc::clone(old)))
    }

    fn remove(&mut self, last: &Arc<Object>) -> Arc<Object> {
        self.commit(
            EventKind::Deleted,
            last.as_ref().clone(),
            Some(Arc::clone(last)),
        )
    }

    fn commit(
        &mut self,
        kind: EventKind,
        mut object: Object,
        before: Option<Arc<Object>>,
    ) -> Arc<Object> {
        self.revision += 1;
        object.metadata_mut().resource_version = self.revision.to_string();
        let (key, object) = (object.key(), Arc::new(object));
        match kind {
            EventKind::Deleted => self.objects.remove(&key),
            EventKind::Added | EventKind::Modified => self.objects.insert(key, Arc::clone(&object)),
        };
        while self.history.len() >= self.capacity.max(1) {
            self.history.pop_front();
        }
        let stored = Arc::clone(&object);
        self.history.push_back(Event {
            revision: self.revision,
            kind,
            object,
            before,
            rendered: Rendered::default(),
        });
        stored
    }
}

/// Whether a write says nothing new but when it was: then nothing is written, or a client that
/// applies the same thing again and again would be told of a change each time.
fn same_but_for_times(new: &Object, old: &Object) -> bool {
    if new == old {
        return true;
    }
    let timeless = |object: &Object| {
        let mut owners = object.metadata().managed_fields.clone();
        for owner in &mut owners {
            owner.time = None;
        }
        // They are in the order of their times.
        owners.sort_by(|a, b| {
            let key = |owner: &ManagedFields| {
                (
                    owner.operation.clone(),
                    owner.manager.clone(),
                    owner.subresource.clone(),
                )
            };
            key(a).cmp(&key(b))
        });
        owners
    };
    if timeless(new) != timeless(old) {
        return false;
    }
    let mut new = new.clone();
    let owners = &old.metadata().managed_fields;
    new.metadata_mut().managed_fields.clone_from(owners);
    new == *old
}
