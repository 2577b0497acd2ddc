//! Objects that go away with others, as their owner references say.
//!
//! Every owner's uid leads to its dependents. An object all of whose owners are gone is deleted;
//! an owner that is deleted in the foreground stays until its dependents are gone, one that is
//! deleted as `Orphan` leaves them behind (`crate::store::Propagation`). Owners of kinds that
//! aren't ours are taken to exist.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspire_api::meta::OwnerReference;
use aspire_api::{Kind, Object, ObjectKey};

use super::Controllers;
use crate::store::{Event, EventKind, FOREGROUND, ORPHAN};

/// Dependents by their owners' uids.
#[derive(Debug, Default)]
pub(super) struct Owned(BTreeMap<String, BTreeSet<ObjectKey>>);

impl Owned {
    /// Those of one owner.
    pub(super) fn of(&self, uid: &str) -> impl Iterator<Item = &ObjectKey> {
        self.0.get(uid).into_iter().flatten()
    }

    fn add(&mut self, object: &Object) {
        for owner in &object.metadata().owner_references {
            let all = self.0.entry(owner.uid.clone()).or_default();
            all.insert(object.key());
        }
    }

    fn remove(&mut self, object: &Object) {
        for owner in &object.metadata().owner_references {
            if let Some(all) = self.0.get_mut(&owner.uid) {
                all.remove(&object.key());
                if all.is_empty() {
                    self.0.remove(&owner.uid);
                }
            }
        }
    }
}

fn key_of(owner: &OwnerReference) -> Option<ObjectKey> {
    let mut kinds = Kind::ALL.iter().copied();
    let kind = kinds.find(|kind| kind.name() == owner.kind)?;
    Some(ObjectKey::new(kind, owner.name.clone()))
}

impl Controllers {
    /// Takes in what happened to an object that owns or is owned.
    pub(super) fn collect(&mut self, event: &Event) {
        let object = &event.object;
        if let Some(before) = &event.before {
            self.owned.remove(before);
        }
        if event.kind != EventKind::Deleted {
            self.owned.add(object);
        }
        match event.kind {
            EventKind::Added => self.collect_one(object),
            EventKind::Modified => self.finish_owner(object),
            EventKind::Deleted => {
                let uid = &object.metadata().uid;
                let dependents: Vec<ObjectKey> = self.owned.of(uid).cloned().collect();
                for key in dependents {
                    if let Ok(dependent) = self.context.store.get(&key) {
                        self.collect_one(&dependent);
                    }
                }
            }
        }
        for owner in &object.metadata().owner_references {
            let Some(key) = key_of(owner) else { continue };
            if event.kind == EventKind::Deleted
                && let Ok(owner) = self.context.store.get(&key)
            {
                self.finish_owner(&owner);
            }
            // Its controller may count them.
            self.queue.add(key);
        }
    }

    /// After the history was lost.
    pub(super) fn recollect(&mut self, objects: &[Arc<Object>]) {
        self.owned = Owned::default();
        for object in objects {
            self.owned.add(object);
        }
        for object in objects {
            self.collect_one(object);
            self.finish_owner(object);
        }
    }

    /// Deletes an object all of whose owners are gone.
    fn collect_one(&self, object: &Object) {
        let owners = &object.metadata().owner_references;
        let gone = |owner: &OwnerReference| {
            key_of(owner).is_some_and(|key| {
                let found = self.context.store.get(&key).ok();
                found.is_none_or(|found| found.metadata().uid != owner.uid)
            })
        };
        let deleting = object.metadata().deletion_timestamp.is_some();
        if !owners.is_empty() && !deleting && owners.iter().all(gone) {
            // It may have gone by itself.
            let _ = self.context.store.delete(&object.key());
        }
    }

    /// Does what the way of an owner's deletion asks for, and lets it go then.
    fn finish_owner(&self, owner: &Object) {
        let metadata = owner.metadata();
        let has = |name: &str| metadata.finalizers.iter().any(|known| known == name);
        if metadata.deletion_timestamp.is_none() || !has(FOREGROUND) && !has(ORPHAN) {
            return;
        }
        let mut blocked = false;
        for key in self.owned.of(&metadata.uid) {
            if has(ORPHAN) {
                let _ = self.context.store.modify(key, |object| {
                    let owners = &mut object.metadata_mut().owner_references;
                    owners.retain(|owner| owner.uid != metadata.uid);
                });
            } else if let Ok(dependent) = self.context.store.get(key) {
                let blocks = dependent.metadata().owner_references.iter().any(|owner| {
                    owner.uid == metadata.uid && owner.block_owner_deletion == Some(true)
                });
                blocked |= blocks;
                if dependent.metadata().deletion_timestamp.is_none() {
                    let _ = self.context.store.delete(key);
                    blocked &= self.context.store.get(key).is_ok() || !blocks;
                }
            }
        }
        if !blocked {
            let _ = self.context.store.modify(&owner.key(), |object| {
                let finalizers = &mut object.metadata_mut().finalizers;
                finalizers.retain(|name| name != FOREGROUND && name != ORPHAN);
            });
        }
    }
}
