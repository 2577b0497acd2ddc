//! Objects come, change and go, as users want it.

use aspire_api::aspire::{Aspire, Gate, GateCondition, Probe, ProbeAction, Restart};
use aspire_api::container::{Container, ContainerBuild, RestartPolicy};
use aspire_api::executable::Executable;
use aspire_api::{Object, ObjectKey, ObjectMeta};

use super::checks::state;
use super::driver::{Item, Simulation};
use crate::clock::Timestamp;
use crate::controllers::first_key;
use crate::controllers::workload::Facts;

impl Simulation {
    pub(super) fn create(&mut self) {
        let container = self.chance.once_in(2);
        let name = format!("{}{}", if container { "c" } else { "e" }, self.made);
        self.made += 1;
        let mut aspire = Aspire::default();
        if self.chance.once_in(2) {
            let policy = [RestartPolicy::OnFailure, RestartPolicy::Always][self.chance.below(2)];
            let maximum = [None, Some(1), Some(2)][self.chance.below(3)];
            aspire.restart = Some(Restart { policy, maximum });
        }
        if self.chance.once_in(2) {
            let action = ProbeAction::Tcp {
                endpoint: "tcp".to_owned(),
            };
            let probe = Probe {
                action,
                interval: 1,
                timeout: 1,
                start_period: 0,
                retries: 1,
                liveness: true,
            };
            aspire.probes.insert("live".to_owned(), probe);
        }
        if self.chance.once_in(4)
            && let Some(object) = self.items.keys().next().cloned()
        {
            self.note("gate");
            use GateCondition::{Completed, Healthy, Started};
            aspire.waits.push(Gate {
                resource: object.name.clone(),
                object,
                condition: [Healthy, Started, Completed][self.chance.below(3)],
                exit_code: 0,
                probe: None,
            });
        }
        let start = !self.chance.once_in(4);
        let metadata = ObjectMeta::of(name.clone(), name);
        let object: Object = if container {
            let mut object = Container {
                metadata,
                ..Container::default()
            };
            object.spec.start = start;
            object.spec.aspire = Some(aspire);
            object.spec.build = self.chance.once_in(3).then(ContainerBuild::default);
            object.into()
        } else {
            let mut object = Executable {
                metadata,
                ..Executable::default()
            };
            object.spec.start = start;
            object.spec.aspire = Some(aspire);
            object.into()
        };
        self.add(object);
    }

    pub(super) fn add(&mut self, object: Object) {
        let key = object.key();
        let item = Item {
            shown: state(&object),
            object,
            facts: Facts::default(),
            cancel: false,
            serving: false,
            last: None,
        };
        self.items.insert(key, item);
        self.wake();
    }

    /// Whatever depends on anything is looked at again.
    pub(super) fn wake(&mut self) {
        self.queue.extend(self.items.keys().cloned());
    }

    pub(super) fn edit(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Object)) {
        if let Some(item) = self.items.get_mut(key) {
            change(&mut item.object);
            self.queue.insert(key.clone());
        }
    }

    pub(super) fn delete(&mut self, key: &ObjectKey) {
        let Some(item) = self.items.get_mut(key) else {
            return;
        };
        if item.object.metadata().finalizers.is_empty() {
            self.remove(key);
        } else {
            let now = Timestamp(self.clock).seconds();
            item.object.metadata_mut().deletion_timestamp = Some(now);
            self.queue.insert(key.clone());
        }
    }

    /// The object is gone, and what is left of its earlier attempts goes with it.
    pub(super) fn remove(&mut self, key: &ObjectKey) {
        let Some(item) = self.items.remove(key) else {
            return;
        };
        self.queue.remove(key);
        let first = first_key(&item.object);
        if self
            .lineages
            .get(&first)
            .is_some_and(|(_, last)| last == key)
        {
            self.lineages.remove(&first);
            let others = self.items.iter().filter(|(_, other)| {
                first_key(&other.object) == first && other.facts.successor.is_some()
            });
            let others: Vec<ObjectKey> = others.map(|(key, _)| key.clone()).collect();
            for other in others {
                self.delete(&other);
            }
        }
        self.wake();
    }
}
