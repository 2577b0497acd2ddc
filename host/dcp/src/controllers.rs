//! The controllers: one loop that turns what objects ask for and what effects tell into statuses
//! and further effects.
//!
//! Each key is handled alone and quickly: pure steps (`workload`, `made`, `service::plan`) decide,
//! effects run in tasks and tell the loop how they went. The loop acts at once on the first event
//! and looks at a key again whenever something that the key depends on changes; nothing is polled
//! but the engine, slowly. Objects are read from the store, so whoever else writes them (an API
//! server, later) needs no other way in.

mod containers;
mod executables;
pub(crate) mod gates;
pub(crate) mod health;
mod made;
mod materials;
mod queue;
mod restart;
mod service;
mod services;
#[cfg(test)]
mod simulation;
mod succession;
pub(crate) mod workload;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspire_api::{Kind, Object, ObjectKey};
use tokio::sync::{mpsc, watch};

use crate::context::{Context, Message};
use crate::store::{Event, EventKind, Watcher};
use materials::Material;
pub(crate) use materials::{labels, session_name};
use queue::Queue;
pub(crate) use restart::in_words;
use services::Served;
use workloads::Workload;

/// What our finalizer is called.
pub(crate) const FINALIZER: &str = "aspire-host.dev/control-plane";

/// A workload that didn't do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The object; where it was started again, the one that it began with.
    pub key: ObjectKey,
    /// The resource that it was lowered from.
    pub resource: String,
    /// What happened.
    pub message: String,
}

/// The loop.
pub(crate) struct Controllers {
    context: Arc<Context>,
    watcher: Watcher,
    inbox: mpsc::UnboundedReceiver<Message>,
    queue: Queue<ObjectKey>,
    workloads: BTreeMap<ObjectKey, Workload>,
    materials: BTreeMap<ObjectKey, Material>,
    served: BTreeMap<String, Served>,
    /// Who has to be looked at again when an object changes.
    dependents: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// By the object that a workload began with: how often it was started again, and the object
    /// that it goes on in.
    lineages: BTreeMap<ObjectKey, (u32, ObjectKey)>,
    idle: watch::Sender<Option<u64>>,
    failures: watch::Sender<Vec<Failure>>,
    stopping: watch::Receiver<u8>,
}

/// What the loop shows to the outside.
pub(crate) struct Shown {
    pub(crate) idle: watch::Sender<Option<u64>>,
    pub(crate) failures: watch::Sender<Vec<Failure>>,
}

impl Controllers {
    pub(crate) fn new(
        context: Arc<Context>,
        inbox: mpsc::UnboundedReceiver<Message>,
        shown: Shown,
    ) -> Self {
        let watcher = context.store.watch(0);
        let stopping = context.stopping.subscribe();
        Self {
            context,
            watcher,
            inbox,
            queue: Queue::default(),
            workloads: BTreeMap::new(),
            materials: BTreeMap::new(),
            served: BTreeMap::new(),
            dependents: BTreeMap::new(),
            lineages: BTreeMap::new(),
            idle: shown.idle,
            failures: shown.failures,
            stopping,
        }
    }

    /// Runs until the run is being stopped and everything is gone.
    pub(crate) async fn run(mut self) {
        loop {
            self.settle();
            // What sweeping asks for may be done at once, and then there is more to sweep.
            while self.is_stopping() {
                let before = self.watcher.position();
                if self.sweep() {
                    return;
                }
                self.settle();
                if self.watcher.position() == before {
                    break;
                }
            }
            let revision = self.watcher.position();
            self.idle.send_replace(self.is_idle().then_some(revision));
            tokio::select! {
                event = self.watcher.next() => match event {
                    Ok(event) => self.on_event(&event),
                    Err(_) => self.relist(),
                },
                Some(message) = self.inbox.recv() => self.on_message(message),
                Ok(()) = self.stopping.changed() => self.relist(),
            }
        }
    }

    fn is_stopping(&self) -> bool {
        *self.context.stopping.borrow() > 0
    }

    /// Handles everything that is there to be handled.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            loop {
                match self.watcher.try_next() {
                    Ok(Some(event)) => self.on_event(&event),
                    Ok(None) => break,
                    Err(_) => self.relist(),
                }
                quiet = false;
            }
            while let Ok(message) = self.inbox.try_recv() {
                self.on_message(message);
                quiet = false;
            }
            while let Some(key) = self.queue.take() {
                self.reconcile(&key);
                quiet = false;
            }
            if quiet {
                return;
            }
        }
    }

    /// Looks at everything anew.
    fn relist(&mut self) {
        let (objects, revision) = self.context.store.list();
        self.watcher = self.context.store.watch(revision);
        for object in objects {
            self.link(&object);
            self.queue.add(object.key());
        }
        let known = self.workloads.keys().chain(self.materials.keys()).cloned();
        let known: Vec<ObjectKey> = known.collect();
        for key in known {
            self.queue.add(key);
        }
        for name in self.served.keys() {
            self.queue.add(ObjectKey::new(Kind::Service, name.clone()));
        }
    }

    fn on_event(&mut self, event: &Event) {
        let key = event.object.key();
        if event.kind == EventKind::Added {
            self.link(&event.object);
        }
        self.queue.add(key.clone());
        self.wake_dependents(&first_key(&event.object));
        match event.object.as_ref() {
            Object::Endpoint(endpoint) => {
                self.queue.add(ObjectKey::new(
                    Kind::Service,
                    endpoint.spec.service_name.clone(),
                ));
            }
            Object::ContainerVolume(_) => {
                // Containers name volumes as the engine does, not as objects.
                let containers = self
                    .workloads
                    .keys()
                    .filter(|key| key.kind == Kind::Container);
                let containers: Vec<ObjectKey> = containers.cloned().collect();
                for key in containers {
                    self.queue.add(key);
                }
            }
            Object::ContainerNetwork(_) => {
                for name in self.served.keys() {
                    self.queue.add(ObjectKey::new(Kind::Service, name.clone()));
                }
            }
            _ => {}
        }
        if event.kind != EventKind::Modified {
            // Whether containers have to reach a service depends on who serves it.
            for service in workloads::served(&event.object) {
                self.queue.add(ObjectKey::new(Kind::Service, service));
            }
        }
        if event.kind == EventKind::Deleted {
            self.unlink(&event.object);
        }
        if event.kind == EventKind::Deleted && self.is_stopping() {
            // Whatever it depended on may be waiting for its end.
            for dependency in dependencies(&event.object) {
                self.queue.add(dependency);
            }
        }
    }

    fn wake_dependents(&mut self, key: &ObjectKey) {
        for dependent in self.dependents.get(key).into_iter().flatten() {
            self.queue.add(dependent.clone());
        }
    }

    /// Remembers what an object depends on, and whose place it took.
    fn link(&mut self, object: &Object) {
        let key = object.key();
        let (first, restarts) = (first_key(object), object.metadata().restarts());
        if first != key {
            let known = self.lineages.get(&first);
            if known.is_none_or(|(newest, _)| *newest < restarts) {
                self.lineages.insert(first, (restarts, key.clone()));
            }
        }
        for dependency in dependencies(object) {
            self.dependents
                .entry(dependency)
                .or_default()
                .insert(key.clone());
        }
    }

    /// Forgets an object that is gone.
    fn unlink(&mut self, object: &Object) {
        let key = object.key();
        for dependency in dependencies(object) {
            if let Some(dependents) = self.dependents.get_mut(&dependency) {
                dependents.remove(&key);
                if dependents.is_empty() {
                    self.dependents.remove(&dependency);
                }
            }
        }
        if matches!(key.kind, Kind::Executable | Kind::Container) {
            self.forget_lineage(object);
        }
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Workload(key, report) => self.on_report(key, report),
            Message::Made(key, made) => self.on_made(&key, made),
            Message::Unmade(key) => self.on_unmade(&key),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey) {
        match key.kind {
            Kind::Executable | Kind::Container => self.reconcile_workload(key),
            Kind::ContainerNetwork | Kind::ContainerVolume => self.reconcile_material(key),
            Kind::Service => self.reconcile_service(&key.name),
            // Nothing but an address; the service has been told.
            Kind::Endpoint => {}
            Kind::ExecutableReplicaSet
            | Kind::ContainerExec
            | Kind::ContainerNetworkConnection
            | Kind::ContainerNetworkTunnelProxy => {}
        }
    }

    /// While stopping: workloads go first, then what they used. True: nothing is left.
    fn sweep(&mut self) -> bool {
        let (objects, _) = self.context.store.list();
        let is_workload =
            |object: &Object| matches!(object.kind(), Kind::Executable | Kind::Container);
        let workloads_left = objects.iter().any(|object| is_workload(object));
        for object in &objects {
            let due = is_workload(object) || !workloads_left;
            if due && object.metadata().deletion_timestamp.is_none() {
                // It may have gone by itself.
                let _ = self.context.store.delete(&object.key());
            }
        }
        objects.is_empty()
    }

    /// Nothing is under way but what waits for others.
    fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.inbox.is_empty()
            && self
                .workloads
                .values()
                .all(|workload| !workload.facts.is_busy())
            && self.materials.values().all(|material| !material.is_busy())
    }

    fn add_finalizer(&self, key: &ObjectKey) {
        let added = self.context.store.modify(key, |object| {
            object.metadata_mut().finalizers.push(FINALIZER.to_owned());
        });
        if let Err(error) = added {
            tracing::debug!(%error, "gone before it began");
        }
    }

    fn release(&self, key: &ObjectKey) {
        let released = self.context.store.modify(key, |object| {
            object
                .metadata_mut()
                .finalizers
                .retain(|name| name != FINALIZER);
        });
        if let Err(error) = released {
            tracing::debug!(%error, "gone already");
        }
    }
}

/// Objects whose state decides about this one.
fn dependencies(object: &Object) -> Vec<ObjectKey> {
    let (aspire, networks) = match object {
        Object::Container(container) => (
            container.spec.aspire.as_ref(),
            container.spec.networks.as_deref().unwrap_or_default(),
        ),
        Object::Executable(executable) => (executable.spec.aspire.as_ref(), Default::default()),
        _ => return Vec::new(),
    };
    let gates = aspire
        .into_iter()
        .flat_map(|aspire| &aspire.waits)
        .map(|gate| gate.object.clone());
    let networks = networks
        .iter()
        .map(|network| ObjectKey::new(Kind::ContainerNetwork, network.name.clone()));
    gates.chain(networks).collect()
}

/// The object that a workload began with, before it was started again.
fn first_key(object: &Object) -> ObjectKey {
    ObjectKey::new(object.kind(), object.metadata().first())
}

fn has_finalizer(object: &Object) -> bool {
    object
        .metadata()
        .finalizers
        .iter()
        .any(|name| name == FINALIZER)
}
