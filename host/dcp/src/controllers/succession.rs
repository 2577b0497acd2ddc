//! Workloads that are started again: what ended stays ended, and another object takes its place.
//!
//! Knows names and objects of a lineage. When it happens is `restart`'s and `workload`'s business.

use aspire_api::meta::{
    ATTEMPT_ANNOTATION, BUILT_ANNOTATION, FIRST_ANNOTATION, RESTARTS_ANNOTATION,
};
use aspire_api::{Object, ObjectKey, ObjectMeta};

use super::workload::{Again, Report};
use super::{Controllers, first_key};

impl Controllers {
    /// The object that a workload goes on in, after it was started again.
    pub(super) fn current(&self, key: &ObjectKey) -> ObjectKey {
        self.lineages
            .get(key)
            .map_or_else(|| key.clone(), |(_, current)| current.clone())
    }

    /// Makes the object that takes the place of one that ended. That one stays, for whoever wants
    /// to know how it ended, until it has happened once more.
    pub(super) fn succeed(&mut self, object: &Object) {
        let key = object.key();
        let Some(workload) = self.workloads.get(&key) else {
            return;
        };
        let Again::Begun { attempt } = workload.facts.again else {
            return;
        };
        let old = object.metadata();
        let first = first_key(object);
        let restarts = old.restarts().saturating_add(1);
        let mut metadata = ObjectMeta {
            labels: old.labels.clone(),
            annotations: old.annotations.clone(),
            owner_references: old.owner_references.clone(),
            ..ObjectMeta::default()
        };
        metadata.annotations.remove(BUILT_ANNOTATION);
        metadata.annotations.extend([
            (FIRST_ANNOTATION.to_owned(), first.name.clone()),
            (RESTARTS_ANNOTATION.to_owned(), restarts.to_string()),
            (ATTEMPT_ANNOTATION.to_owned(), attempt.to_string()),
        ]);
        // Somebody may use that name already.
        let made = (restarts..restarts.saturating_add(100)).find_map(|number| {
            metadata.name = format!("{}-r{number}", first.name);
            let successor = ObjectKey::new(key.kind, metadata.name.clone());
            if self.context.store.get(&successor).is_ok() {
                return None;
            }
            let mut next = object.clone();
            *next.metadata_mut() = metadata.clone();
            self.context.logs.share(successor.clone(), &first);
            Some(self.context.store.create(next).map(|_| successor))
        });
        let successor = match made {
            Some(Ok(successor)) => successor,
            Some(Err(error)) => {
                tracing::debug!(%error, "it is not started again");
                return self.on_report(key, Report::Succeeded(None));
            }
            None => return self.on_report(key, Report::Succeeded(None)),
        };
        let number = restarts.to_string();
        self.context
            .log(&key)
            .system(&format!("started again ({number})"));
        self.lineages
            .insert(first.clone(), (restarts, successor.clone()));
        // Whoever owned it owns the new one; what is left is a record.
        let released = self.context.store.modify(&key, |object| {
            object.metadata_mut().owner_references.clear();
        });
        if let Err(error) = released {
            tracing::debug!(%error, "gone already");
        }
        for object in self.context.store.list().0 {
            let (other, metadata) = (object.key(), object.metadata());
            let is_older = metadata.first() == first.name && metadata.restarts() < old.restarts();
            if is_older && other.kind == key.kind && is_replaced(&object) {
                let _ = self.context.store.delete(&other);
            }
        }
        self.on_report(key, Report::Succeeded(Some(successor.name)));
    }

    /// After the end of a workload: what was kept of its earlier attempts goes, too.
    pub(super) fn forget_lineage(&mut self, object: &Object) {
        let key = object.key();
        let first = first_key(object);
        self.context.logs.unshare(&key);
        let is_current = self
            .lineages
            .get(&first)
            .is_some_and(|(_, current)| *current == key);
        if is_current {
            self.lineages.remove(&first);
            for other in self.context.store.list().0 {
                let same = other.kind() == key.kind && first_key(&other) == first;
                if same && is_replaced(&other) {
                    let _ = self.context.store.delete(&other.key());
                }
            }
        }
    }
}

/// Whether another object took its place.
fn is_replaced(object: &Object) -> bool {
    match object {
        Object::Container(container) => container.status.replaced_by.is_some(),
        Object::Executable(executable) => executable.status.replaced_by.is_some(),
        _ => false,
    }
}
