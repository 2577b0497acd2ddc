//! Replica sets in the loop: what the pure step of `replicas` asks for is done here.

use std::time::Duration;

use aspire_api::container::HealthStatus;
use aspire_api::executable::Executable;
use aspire_api::replicas::ExecutableReplicaSet;
use aspire_api::{Object, ObjectKey, ObjectMeta};

use super::replicas::{Effect, Replica, Wanted, status, step};
use super::workloads::owner;
use super::{Controllers, has_finalizer};
use crate::clock::{Timestamp, uptime};
use crate::context::Message;
use crate::store::StoreError;

/// Annotation: `active`, or `inactive` once it is retired.
const STATE: &str = "executable-replica-set.usvc-dev.developer.microsoft.com/replica-state";
/// Annotation: the set's name and the replica's number.
const DISPLAY_NAME: &str = "executable-replica-set.usvc-dev.developer.microsoft.com/display-name";
/// Annotation: what its name ends with.
const ID: &str = "executable-replica-set.usvc-dev.developer.microsoft.com/replica-id";
/// Annotation: the set's name.
const SET: &str = "executable-replica-set.usvc-dev.developer.microsoft.com/replica-set-name";
/// Annotation: what telemetry calls it.
const INSTANCE: &str = "otel-service-instance-id";
/// After a creation that failed.
const AGAIN: Duration = Duration::from_secs(2);

impl Controllers {
    pub(super) fn reconcile_set(&mut self, key: &ObjectKey) {
        let object = self.context.store.get(key).ok();
        let Some(Object::ExecutableReplicaSet(set)) = object.as_deref() else {
            self.sets.remove(key);
            return;
        };
        let all = self.replicas(&set.metadata.uid);
        let replicas = usize::try_from(set.spec.replicas).unwrap_or_default();
        let wanted = Wanted {
            finalizer: object.as_deref().is_some_and(has_finalizer),
            deleting: set.metadata.deletion_timestamp.is_some(),
            replicas,
            retire: set.spec.stop_on_scale_down,
            now: Timestamp::now(),
            uptime: uptime(),
        };
        let facts = self.sets.entry(key.clone()).or_default();
        let (next, effects) = step(facts, &wanted, &all);
        *facts = next;
        let status = status(facts, replicas, &all);
        let written = self.context.store.modify(key, |object| {
            if let Object::ExecutableReplicaSet(set) = object {
                set.status = status;
            }
        });
        if let Err(error) = written {
            tracing::debug!(%error, "a status was not written");
        }
        for effect in effects {
            match effect {
                Effect::AddFinalizer => self.add_finalizer(key),
                Effect::Release => self.release(key),
                Effect::Create(number) => self.create_replica(key, set, number),
                Effect::Later(pause) => self.wake_later(key, pause),
                // It may have gone by itself.
                Effect::Delete(name) => drop(self.context.store.delete(&replica_key(&name))),
                Effect::Retire(name) => {
                    let retired = self.context.store.modify(&replica_key(&name), retire);
                    if let Err(error) = retired {
                        tracing::debug!(%error, "gone already");
                    }
                }
            }
        }
    }

    /// The replicas of a set, the oldest first.
    fn replicas(&self, uid: &str) -> Vec<Replica> {
        let mut found = Vec::new();
        for key in self.owned.of(uid) {
            let Ok(object) = self.context.store.get(key) else {
                continue;
            };
            let Object::Executable(executable) = object.as_ref() else {
                continue;
            };
            let metadata = &executable.metadata;
            let retired = metadata
                .annotations
                .get(STATE)
                .is_some_and(|it| it == "inactive");
            let number = metadata.annotations.get(DISPLAY_NAME);
            let number = number.and_then(|name| name.rsplit('-').next()?.parse::<u32>().ok());
            let status = &executable.status;
            let replica = Replica {
                name: metadata.name.clone(),
                active: !retired,
                deleting: metadata.deletion_timestamp.is_some(),
                state: status.state,
                healthy: status.health_status == Some(HealthStatus::Healthy),
            };
            found.push((number.unwrap_or_default(), replica));
        }
        found.sort_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, replica)| replica).collect()
    }

    fn create_replica(&self, key: &ObjectKey, set: &ExecutableReplicaSet, number: u32) {
        let name = &set.metadata.name;
        let id = unique();
        let mut annotations = set.spec.template.annotations.clone();
        annotations.extend(
            [
                (STATE, "active".to_owned()),
                (DISPLAY_NAME, format!("{name}-{number}")),
                (ID, id.clone()),
                (SET, name.clone()),
                (INSTANCE, id.clone()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let replica = Executable {
            metadata: ObjectMeta {
                name: format!("{name}-{id}"),
                labels: set.spec.template.labels.clone(),
                annotations,
                owner_references: vec![owner(&Object::ExecutableReplicaSet(set.clone()))],
                ..ObjectMeta::default()
            },
            spec: set.spec.template.spec.clone(),
            ..Executable::default()
        };
        match self.context.store.create(replica.into()) {
            Ok(_) | Err(StoreError::Sealed) => {}
            Err(error) => {
                tracing::warn!(%key, %error, "a replica was not created");
                self.wake_later(key, AGAIN);
            }
        }
    }

    /// Looks at an object again after a while.
    pub(super) fn wake_later(&self, key: &ObjectKey, pause: Duration) {
        let (key, messages) = (key.clone(), self.context.messages.clone());
        self.context.tasks.spawn("wake", async move {
            tokio::time::sleep(pause).await;
            // The loop is gone: nobody wants to be woken.
            let _ = messages.send(Message::Wake(key));
        });
    }
}

fn replica_key(name: &str) -> ObjectKey {
    ObjectKey::new(aspire_api::Kind::Executable, name)
}

fn retire(object: &mut Object) {
    let annotations = &mut object.metadata_mut().annotations;
    annotations.insert(STATE.to_owned(), "inactive".to_owned());
    if let Object::Executable(executable) = object {
        executable.spec.stop = true;
    }
}

/// Six random bytes in base32hex, lower-case, as DCP's names end.
fn unique() -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let bytes: [u8; 6] = rand::random();
    // Two bits more, to make it a multiple of five.
    let bits = bytes
        .iter()
        .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
        << 2;
    (0..10)
        .rev()
        .map(|place| char::from(DIGITS[usize::try_from(bits >> (place * 5) & 31).unwrap_or(0)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_differ() {
        let (one, other) = (unique(), unique());
        assert_eq!(one.len(), 10);
        assert_ne!(one, other);
        assert!(
            one.bytes()
                .all(|byte| b"0123456789abcdefghijklmnopqrstuv".contains(&byte))
        );
    }
}
