//! Steps from what runs to what is wanted, made.
//!
//! Knows how an object is removed together with those that took its place. Doesn't know why
//! anything has to change.

use std::collections::BTreeMap;

use aspire_api::meta::{BUILT_ANEW, BUILT_ANNOTATION};
use aspire_api::{Object, ObjectKey};
use aspire_dcp::Client;
use aspire_dcp::answers::{Move, Step, changed, fresh, moves};
use aspire_dcp::store::{EventKind, Gone, StoreError};

use super::view::is_replaced;

/// Attempts at a change that somebody else comes in between.
const ATTEMPTS: usize = 5;

/// Makes the steps, and waits for the end of what has to end; what could not be made, with the
/// reason.
pub(super) async fn apply(
    client: &Client,
    steps: &[Step],
    wanted: &[Object],
) -> BTreeMap<ObjectKey, String> {
    let mut failed = BTreeMap::new();
    for next in moves(steps, wanted) {
        let (key, done) = match next {
            Move::End(keys) => {
                for key in &keys {
                    ask_for_end(client, key).await;
                }
                for key in keys {
                    remove(client, key).await;
                }
                continue;
            }
            Move::Create(new) => (new.key(), create(client, new).await),
            Move::Change(step, new) => (new.key(), change(client, step, new).await),
        };
        match done {
            Ok(()) => {}
            // The run is being stopped.
            Err(StoreError::Sealed) => break,
            Err(error) => drop(failed.insert(key, error.to_string())),
        }
    }
    failed
}

async fn create(client: &Client, new: &Object) -> Result<(), StoreError> {
    match client.create(new.clone()).await {
        // Left from an edit that could not be made as a whole.
        Err(StoreError::Exists(key)) => {
            remove(client, &key).await;
            client.create(new.clone()).await.map(drop)
        }
        done => done.map(drop),
    }
}

/// The object and those that took its place when it was started again.
async fn lineage(client: &Client, key: &ObjectKey) -> (Vec<ObjectKey>, u64) {
    let (objects, revision) = client.list(Some(key.kind)).await;
    let is_of_it = |object: &&std::sync::Arc<Object>| object.metadata().first() == key.name;
    let keys = objects.iter().filter(is_of_it).map(|object| object.key());
    (keys.collect(), revision)
}

async fn ask_for_end(client: &Client, key: &ObjectKey) {
    for one in lineage(client, key).await.0 {
        // One that is gone meanwhile needs no end.
        let _ = client.delete(&one).await;
    }
}

/// Ends it and waits until nothing of it is left.
async fn remove(client: &Client, key: &ObjectKey) {
    loop {
        let (left, revision) = lineage(client, key).await;
        if left.is_empty() {
            return;
        }
        let mut watcher = client.watch(revision);
        for one in left {
            let _ = client.delete(&one).await;
        }
        loop {
            match watcher.next().await {
                Ok(event)
                    if event.kind == EventKind::Deleted
                        && event.object.kind() == key.kind
                        && event.object.metadata().first() == key.name =>
                {
                    break;
                }
                Ok(_) => {}
                Err(Gone { .. }) => break,
            }
        }
    }
}

/// When what a workload is made of was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Built {
    /// Before it was started the last time.
    Before,
    /// Since then.
    Anew,
}

/// Ends a workload and makes one like it, as `aspire-host restart` does; what somebody has stopped,
/// or is to start, is left alone. `built`: the next start needs no build, and whether there was one.
pub(super) async fn restart(
    client: &Client,
    first: &ObjectKey,
    built: Option<Built>,
) -> Result<(), StoreError> {
    let mut newest = None;
    for key in lineage(client, first).await.0 {
        let object = client.get(&key).await.ok();
        newest = object.filter(|object| !is_replaced(object)).or(newest);
    }
    let Some(old) = newest.filter(|object| is_wanted(object)) else {
        return Ok(());
    };
    let mut new = fresh(Object::clone(&old));
    if let Some(built) = built {
        let word = match built {
            Built::Before => "before",
            Built::Anew => BUILT_ANEW,
        };
        let annotations = &mut new.metadata_mut().annotations;
        annotations.insert(BUILT_ANNOTATION.to_owned(), word.to_owned());
    }
    remove(client, first).await;
    match client.create(new).await {
        // Somebody else has started it again; or the run is being stopped.
        Ok(_) | Err(StoreError::Exists(_) | StoreError::Sealed) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Nobody has stopped it, and nobody is to start it.
fn is_wanted(object: &Object) -> bool {
    match object {
        Object::Container(container) => container.spec.start && !container.spec.stop,
        Object::Executable(executable) => executable.spec.start && !executable.spec.stop,
        _ => false,
    }
}

/// Changes it where it is.
async fn change(client: &Client, step: &Step, new: &Object) -> Result<(), StoreError> {
    let mut last = Ok(());
    for _ in 0..ATTEMPTS {
        let (lineage, _) = lineage(client, &new.key()).await;
        for key in lineage {
            let Ok(present) = client.get(&key).await else {
                continue;
            };
            last = client.update(changed(&present, new, step)).await.map(drop);
        }
        if !matches!(last, Err(StoreError::Conflict { .. })) {
            break;
        }
    }
    last
}
