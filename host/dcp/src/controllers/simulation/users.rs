//! Objects come, change and go, as users want it.

use aspire_api::aspire::{Aspire, Gate, GateCondition, Probe, ProbeAction, Restart};
use aspire_api::container::{Container, ContainerBuild, RestartPolicy};
use aspire_api::executable::Executable;
use aspire_api::meta::MANUAL_ANNOTATION;
use aspire_api::{Object, ObjectKey, ObjectMeta};

use super::checks::{probes, state};
use super::driver::{Item, Simulation};
use crate::clock::Timestamp;
use crate::controllers::first_key;
use crate::controllers::workload::Facts;

fn probe(liveness: bool) -> Probe {
    Probe {
        action: ProbeAction::Tcp {
            endpoint: "tcp".to_owned(),
        },
        interval: 1,
        timeout: 1,
        start_period: 0,
        retries: 1,
        liveness,
    }
}

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
        for (name, times) in [("live", 2), ("ready", 4), ("orders", 4)] {
            if self.chance.once_in(times) {
                aspire.probes.insert(name.to_owned(), probe(name == "live"));
            }
        }
        for _ in 0..2 {
            if self.chance.once_in(self.gates) {
                let gate = self.gate();
                let known = |gate: &Gate| aspire.waits.iter().any(|it| it.object == gate.object);
                aspire.waits.extend(gate.filter(|gate| !known(gate)));
            }
        }
        let start = !self.chance.once_in(4);
        let mut metadata = ObjectMeta::of(name.clone(), name);
        if !start {
            let annotations = &mut metadata.annotations;
            annotations.insert(MANUAL_ANNOTATION.to_owned(), "true".to_owned());
        }
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
        self.asked.insert(object.key(), object.clone());
        self.add(object);
    }

    /// On something that is there.
    fn gate(&mut self) -> Option<Gate> {
        use GateCondition::{Completed, Healthy, Started};
        let all: Vec<&Object> = self.items.values().map(|item| &item.object).collect();
        let object = *all.get(self.chance.below(all.len()))?;
        let (key, probes) = (first_key(object), probes(object));
        let child = self.chance.once_in(2) && probes.contains(&"orders".to_owned());
        self.note("gate");
        Some(Gate {
            resource: key.name.clone(),
            object: key,
            condition: [Healthy, Started, Completed][self.chance.below(3)],
            exit_code: 0,
            probe: child.then(|| "orders".to_owned()),
        })
    }

    pub(super) fn add(&mut self, mut object: Object) {
        let key = object.key();
        self.uids += 1;
        object.metadata_mut().uid = self.uids.to_string();
        self.parked.remove(&key);
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
