//! Processes and containers in the loop: what the pure step asks for is done here, what differs
//! between the two is in `executables` and `containers`.

use std::collections::BTreeMap;
use std::sync::Arc;

use aspire_api::aspire::Aspire;
use aspire_api::health::HealthProbe;
use aspire_api::meta::OwnerReference;
use aspire_api::service::{self, Endpoint, EndpointSpec};
use aspire_api::{GROUP, Kind, Object, ObjectKey, ObjectMeta, VERSION};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::restart::{Restarts, Rule};
use super::workload::{Again, Effect, Facts, Launch, Report, Wanted, Work, step};
use super::{
    Controllers, Failure, containers, executables, first_key, gates, has_finalizer, health,
};
use crate::context::{Context, Slot};
use crate::monitor::{self, Monitored};
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
    /// Waits for the end of the process that it is to end with.
    monitor: Option<AbortHandle>,
}

impl Drop for Workload {
    fn drop(&mut self) {
        for task in self.probes.drain(..).chain(self.monitor.take()) {
            task.abort();
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

/// What matters of the spec of a workload, whichever it is.
struct Spec<'a> {
    start: bool,
    stop: bool,
    rule: Rule,
    probes: &'a [HealthProbe],
    monitored: Option<Monitored>,
}

fn spec(object: &Object) -> Option<Spec<'_>> {
    match object {
        Object::Container(container) => Some(Spec {
            start: container.spec.start,
            stop: container.spec.stop,
            rule: container.rule(),
            probes: &container.spec.health_probes,
            monitored: Monitored::of(
                container.spec.monitor_pid,
                container.spec.monitor_timestamp.as_deref(),
            ),
        }),
        Object::Executable(executable) => Some(Spec {
            start: executable.spec.start,
            stop: executable.spec.stop,
            rule: executable.rule(),
            probes: &executable.spec.health_probes,
            monitored: Monitored::of(
                executable.spec.monitor_pid,
                executable.spec.monitor_timestamp.as_deref(),
            ),
        }),
        _ => None,
    }
}

/// The services that a workload serves.
pub(super) fn served(object: &Object) -> Vec<String> {
    let endpoints = service::endpoints(object.metadata(), aspire(object));
    endpoints
        .into_iter()
        .map(|endpoint| endpoint.service)
        .collect()
}

impl Workload {
    /// Stays informed about the process that it is to end with.
    fn mind(&mut self, context: &Arc<Context>, key: &ObjectKey, monitored: Option<Monitored>) {
        let Some(monitored) = monitored else { return };
        if self.monitor.is_some() || self.facts.orphaned.is_some() {
            return;
        }
        let pid = monitored.pid;
        let Some(id) = monitored.find() else {
            self.facts.learn(Report::Orphaned(pid));
            return;
        };
        let (shared, key) = (Arc::clone(context), key.clone());
        self.monitor = Some(context.tasks.spawn("monitor", async move {
            monitor::ended(id).await;
            shared.tell(&key, Report::Orphaned(pid));
        }));
    }
}

impl Controllers {
    pub(super) fn on_report(&mut self, key: ObjectKey, report: Report) {
        let Some(workload) = self.workloads.get_mut(&key) else {
            return;
        };
        if workload.facts.learn_milestone(report) {
            // What follows may come at once, and a status must not skip a state.
            self.write_status(&key, Vec::new());
        }
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
                let other = self.context.store.get(&self.current(&gate.object)).ok();
                gates::check(gate, other.as_deref()).err()
            })
            .chain(self.missing_materials(&object))
            .collect();
        let Some(spec) = spec(&object) else { return };
        let held = self.is_held(key);
        let ending = *self.context.stopping.borrow() > 0;
        let workload = self.workloads.entry(key.clone()).or_default();
        workload.mind(&self.context, key, spec.monitored);
        let probes = health::schedules(aspire(&object), spec.probes);
        let wanted = Wanted {
            finalizer: has_finalizer(&object),
            deleting: object.metadata().deletion_timestamp.is_some(),
            start: spec.start,
            stop: spec.stop,
            open: closed.is_empty(),
            held,
            unhealthy: health::lifeless(&probes, &workload.facts.probes).is_some(),
            ending,
            rule: spec.rule,
        };
        let (facts, effects) = step(&workload.facts, &wanted);
        workload.facts = facts;
        let waiting = if workload.facts.launch == Launch::Idle && spec.start {
            closed
        } else {
            Vec::new()
        };
        self.write_status(key, waiting);
        self.notice_failure(&object);
        for effect in effects {
            self.perform(&object, effect);
        }
    }

    fn write_status(&self, key: &ObjectKey, waiting: Vec<String>) {
        let Some(workload) = self.workloads.get(key) else {
            return;
        };
        let page = self.context.containers.page(key);
        let trouble = self.context.logs.trouble(key);
        let note = |message: &mut String| {
            if let (Some(why), true) = (&trouble, message.is_empty()) {
                *message = format!("its output is lost: {why}");
            }
        };
        let facts = &workload.facts;
        let written = self.context.store.modify(key, |object| match object {
            Object::Container(container) => {
                let status = containers::status(facts, waiting, container);
                container.status = containers::shown(page, status);
                note(&mut container.status.message);
            }
            Object::Executable(executable) => {
                let status = executables::status(facts, waiting, executable);
                let mode = executable.spec.effective_mode();
                executable.status = executables::shown(page, status, mode);
                note(&mut executable.status.message);
            }
            _ => {}
        });
        if let Err(error) = written {
            tracing::debug!(%error, "a status was not written");
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
        let first = match self.context.store.get(key) {
            Ok(object) => first_key(&object),
            Err(_) => key.clone(),
        };
        let dependents = self.dependents.get(&first).into_iter().flatten();
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
            (Launch::Done, Some(ended)) if facts.stop == Work::Idle || facts.condemned => {
                // What is started again has not failed yet, and what nobody wants never does.
                if facts.restarts() || facts.again == Again::Cancelled || !facts.failed() {
                    return;
                }
                let first = first_key(object);
                let expected = self
                    .dependents
                    .get(&first)
                    .into_iter()
                    .flatten()
                    .any(|dependent| {
                        let dependent = self.context.store.get(dependent).ok();
                        let waits = dependent
                            .as_deref()
                            .and_then(aspire)
                            .map(|aspire| &aspire.waits);
                        waits.into_iter().flatten().any(|gate| {
                            gate.object == first
                                && gate.condition == aspire_api::aspire::GateCondition::Completed
                                && Some(gate.exit_code) == ended.code
                        })
                    });
                if expected {
                    return;
                }
                let status = match self.context.store.get(&key).ok().as_deref() {
                    Some(Object::Container(container)) => container.status.message.clone(),
                    Some(Object::Executable(executable)) => executable.status.message.clone(),
                    _ => String::new(),
                };
                if status.is_empty() {
                    "ended".to_owned()
                } else {
                    status
                }
            }
            _ => return,
        };
        if !std::mem::replace(&mut workload.told, true) {
            let resource = object.metadata().resource().to_owned();
            let key = first_key(object);
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
            (Effect::Wait(pause), _) => {
                self.context.tasks.spawn("restart", async move {
                    tokio::time::sleep(pause).await;
                    context.tell(&key, Report::Due);
                });
            }
            (Effect::Succeed, _) => self.succeed(object),
            (Effect::Serve, _) => self.serve(object),
            (Effect::Unserve, _) => self.unserve(&key),
            (Effect::Stop, Object::Executable(executable)) => {
                executables::stop(context, executable, &workload.facts, slot);
            }
            (Effect::Stop, Object::Container(container)) => {
                containers::stop(context, container, &workload.facts);
            }
            (Effect::Clean, Object::Executable(executable)) => {
                let stopped = workload.facts.stop == Work::Done && !workload.facts.stuck;
                executables::clean(context, executable, slot, stopped);
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
        let (Some(spec), Some(workload)) = (spec(object), self.workloads.get_mut(&key)) else {
            return;
        };
        let addresses = workload.facts.started.addresses.clone();
        let mut services = BTreeMap::new();
        for endpoint in &service::endpoints(object.metadata(), aspire(object)) {
            let Some(address) = addresses.get(&endpoint.name) else {
                continue;
            };
            services.insert(endpoint.service.clone(), *address);
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
        for (name, probe) in probes::actions(aspire(object), spec.probes) {
            let target = probes::Target {
                key: key.clone(),
                addresses: addresses.clone(),
                services: services.clone(),
                slot: Arc::clone(&workload.slot),
            };
            let task = probes::watch(Arc::clone(&self.context), target, name, probe);
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
            .flat_map(|object| {
                let kind = object.kind();
                served(object)
                    .into_iter()
                    .map(move |service| (service, kind))
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
