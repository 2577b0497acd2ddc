//! Processes and containers in the loop: what the pure step asks for is done here, what differs
//! between the two is in `executables` and `containers`.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspire_api::aspire::Aspire;
use aspire_api::meta::OwnerReference;
use aspire_api::service::{Endpoint, EndpointSpec};
use aspire_api::{GROUP, Kind, Object, ObjectKey, ObjectMeta, VERSION};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::workload::{Effect, Facts, Launch, Report, Wanted, Work, step};
use super::{Controllers, Failure, containers, executables, gates, has_finalizer};
use crate::context::Slot;
use crate::probes;

/// A workload that is known.
#[derive(Debug, Default)]
pub(super) struct Workload {
    pub(super) facts: Facts,
    cancel: watch::Sender<bool>,
    pub(super) slot: Slot,
    probes: Vec<AbortHandle>,
    endpoints: Vec<ObjectKey>,
    told: bool,
}

impl Drop for Workload {
    fn drop(&mut self) {
        for probe in self.probes.drain(..) {
            probe.abort();
        }
    }
}

/// `spec.aspire` of a workload.
pub(super) fn aspire(object: &Object) -> Option<&Aspire> {
    match object {
        Object::Container(container) => container.spec.aspire.as_ref(),
        Object::Executable(executable) => executable.spec.aspire.as_ref(),
        _ => None,
    }
}

impl Controllers {
    pub(super) fn on_report(&mut self, key: ObjectKey, report: Report) {
        let Some(workload) = self.workloads.get_mut(&key) else {
            return;
        };
        workload.facts.learn(report);
        self.queue.add(key);
    }

    pub(super) fn reconcile_workload(&mut self, key: &ObjectKey) {
        let Ok(object) = self.context.store.get(key) else {
            self.workloads.remove(key);
            return;
        };
        let closed: Vec<String> = aspire(&object)
            .into_iter()
            .flat_map(|aspire| &aspire.waits)
            .filter_map(|gate| {
                let other = self.context.store.get(&gate.object).ok();
                gates::check(gate, other.as_deref()).err()
            })
            .chain(self.missing_materials(&object))
            .collect();
        let (start, stop) = match object.as_ref() {
            Object::Container(container) => (container.spec.start, container.spec.stop),
            Object::Executable(executable) => (executable.spec.start, executable.spec.stop),
            _ => return,
        };
        let wanted = Wanted {
            finalizer: has_finalizer(&object),
            deleting: object.metadata().deletion_timestamp.is_some(),
            start,
            stop,
            open: closed.is_empty(),
            held: self.is_held(key),
        };
        let workload = self.workloads.entry(key.clone()).or_default();
        let (facts, effects) = step(&workload.facts, &wanted);
        workload.facts = facts;
        let waiting = if workload.facts.launch == Launch::Idle && start {
            closed
        } else {
            Vec::new()
        };
        let page = self.context.containers.page(key);
        let facts = &workload.facts;
        let written = self.context.store.modify(key, |object| match object {
            Object::Container(container) => {
                let status = containers::status(facts, waiting, &container.spec);
                container.status = containers::shown(page, status);
            }
            Object::Executable(executable) => {
                executable.status = executables::status(facts, waiting, &executable.spec);
            }
            _ => {}
        });
        if let Err(error) = written {
            tracing::debug!(%error, "a status was not written");
        }
        self.notice_failure(&object);
        for effect in effects {
            self.perform(&object, effect);
        }
    }

    /// Networks and volumes that a container needs and that are not there yet, in words.
    fn missing_materials(&self, object: &Object) -> Vec<String> {
        let Object::Container(container) = object else {
            return Vec::new();
        };
        let networks = container
            .spec
            .networks
            .iter()
            .flatten()
            .filter_map(|attachment| {
                let key = ObjectKey::new(Kind::ContainerNetwork, attachment.name.clone());
                match self.context.store.get(&key).ok().as_deref() {
                    Some(Object::ContainerNetwork(network)) => super::materials::missing(network),
                    _ => Some(format!("network {} (not created yet)", attachment.name)),
                }
            });
        let mut missing: Vec<String> = networks.collect();
        if container.spec.volume_mounts.is_empty() {
            return missing;
        }
        // One that is no object is the engine's business.
        for object in self.context.store.list().0 {
            if let Object::ContainerVolume(volume) = object.as_ref()
                && container
                    .spec
                    .volume_mounts
                    .iter()
                    .any(|mount| mount.source == volume.spec.name)
            {
                missing.extend(super::materials::missing_volume(volume));
            }
        }
        missing
    }

    /// Whether something that depends on it still runs while everything is being stopped.
    fn is_held(&self, key: &ObjectKey) -> bool {
        if *self.context.stopping.borrow() != 1 {
            return false;
        }
        let dependents = self.dependents.get(key).into_iter().flatten();
        dependents
            .filter_map(|dependent| self.workloads.get(dependent))
            .any(|dependent| {
                let began = matches!(dependent.facts.launch, Launch::Busy(..) | Launch::Done);
                began && dependent.facts.clean != Work::Done
            })
    }

    /// Tells the outside, once, that a workload failed.
    fn notice_failure(&mut self, object: &Object) {
        let key = object.key();
        let Some(workload) = self.workloads.get_mut(&key) else {
            return;
        };
        let facts = &workload.facts;
        let message = match (&facts.launch, &facts.ended) {
            (Launch::Failed(message, _), _) => message.clone(),
            (Launch::Done, Some(ended)) if facts.stop == Work::Idle => {
                let expected = self
                    .dependents
                    .get(&key)
                    .into_iter()
                    .flatten()
                    .any(|dependent| {
                        let dependent = self.context.store.get(dependent).ok();
                        let waits = dependent
                            .as_deref()
                            .and_then(aspire)
                            .map(|aspire| &aspire.waits);
                        waits.into_iter().flatten().any(|gate| {
                            gate.object == key
                                && gate.condition == aspire_api::aspire::GateCondition::Completed
                                && Some(gate.exit_code) == ended.code
                        })
                    });
                if expected || ended.code == Some(0) {
                    return;
                }
                if ended.note.is_empty() {
                    "ended".to_owned()
                } else {
                    ended.note.clone()
                }
            }
            _ => return,
        };
        if !std::mem::replace(&mut workload.told, true) {
            let resource = object.metadata().resource().to_owned();
            self.failures.send_modify(|all| {
                all.push(Failure {
                    key,
                    resource,
                    message,
                });
            });
            if self.context.config.fail_fast {
                self.context.stopping.send_if_modified(|stage| {
                    let first = *stage == 0;
                    *stage = (*stage).max(1);
                    first
                });
                self.context.store.seal();
            }
        }
    }

    fn perform(&mut self, object: &Arc<Object>, effect: Effect) {
        let key = object.key();
        let context = Arc::clone(&self.context);
        let Some(workload) = self.workloads.get_mut(&key) else {
            return;
        };
        let slot = Arc::clone(&workload.slot);
        match (effect, object.as_ref()) {
            (Effect::AddFinalizer, _) => self.add_finalizer(&key),
            (Effect::Release, _) => self.release(&key),
            (Effect::Launch, Object::Executable(executable)) => {
                let cancel = workload.cancel.subscribe();
                executables::launch(context, executable, cancel, slot);
            }
            (Effect::Launch, Object::Container(container)) => {
                let cancel = workload.cancel.subscribe();
                containers::launch(context, container, cancel, slot);
            }
            (Effect::Abort, _) => {
                workload.cancel.send_replace(true);
            }
            (Effect::Serve, _) => self.serve(object),
            (Effect::Unserve, _) => self.unserve(&key),
            (Effect::Stop, Object::Executable(executable)) => {
                executables::stop(context, executable, slot);
            }
            (Effect::Stop, Object::Container(container)) => {
                containers::stop(context, container, &workload.facts);
            }
            (Effect::Clean, Object::Executable(_)) => {
                let stopped = workload.facts.stop == Work::Done && !workload.facts.stuck;
                executables::clean(context, key, slot, stopped);
            }
            (Effect::Clean, Object::Container(container)) => {
                containers::clean(context, container, &workload.facts);
            }
            _ => {}
        }
    }

    /// Publishes the endpoints of a running workload and starts its probes.
    fn serve(&mut self, object: &Object) {
        let key = object.key();
        let (Some(aspire), Some(workload)) = (aspire(object), self.workloads.get_mut(&key)) else {
            return;
        };
        let addresses = workload.facts.started.addresses.clone();
        for endpoint in &aspire.endpoints {
            let Some(address) = addresses.get(&endpoint.name) else {
                continue;
            };
            let name = format!("{}-{}", key.name, endpoint.name);
            let published = Endpoint {
                metadata: ObjectMeta {
                    owner_references: vec![owner(object)],
                    ..ObjectMeta::of(name.clone(), object.metadata().resource())
                },
                spec: EndpointSpec {
                    service_name: endpoint.service.clone(),
                    address: address.ip().to_string(),
                    port: address.port(),
                    ..EndpointSpec::default()
                },
                ..Endpoint::default()
            };
            match self.context.store.create(published.into()) {
                Ok(_) => workload
                    .endpoints
                    .push(ObjectKey::new(Kind::Endpoint, name)),
                Err(error) => tracing::debug!(%error, "an endpoint is not published"),
            }
        }
        for (name, probe) in &aspire.probes {
            let target = probes::Target {
                key: key.clone(),
                addresses: addresses.clone(),
                slot: Arc::clone(&workload.slot),
            };
            let task = probes::watch(
                Arc::clone(&self.context),
                target,
                name.clone(),
                probe.clone(),
            );
            workload
                .probes
                .push(self.context.tasks.spawn("probe", task));
        }
    }

    fn unserve(&mut self, key: &ObjectKey) {
        let Some(workload) = self.workloads.get_mut(key) else {
            return;
        };
        for probe in workload.probes.drain(..) {
            probe.abort();
        }
        for endpoint in workload.endpoints.drain(..) {
            // Somebody else may have removed it.
            let _ = self.context.store.delete(&endpoint);
        }
    }

    /// Who produces which service.
    pub(super) fn producers(&self) -> BTreeMap<String, Kind> {
        let (objects, _) = self.context.store.list();
        objects
            .iter()
            .filter_map(|object| Some((object.kind(), aspire(object)?)))
            .flat_map(|(kind, aspire)| {
                aspire
                    .endpoints
                    .iter()
                    .map(move |endpoint| (endpoint.service.clone(), kind))
            })
            .collect()
    }
}

pub(super) fn owner(object: &Object) -> OwnerReference {
    OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: format!("{:?}", object.kind()),
        name: object.metadata().name.clone(),
        uid: object.metadata().uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
