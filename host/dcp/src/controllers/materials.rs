//! Networks and volumes in the loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aspire_api::container::Mode;
use aspire_api::network::{ContainerNetwork, ContainerNetworkState, ContainerNetworkStatus};
use aspire_api::volume::{ContainerVolume, ContainerVolumeState, ContainerVolumeStatus};
use aspire_api::{Kind, Object, ObjectKey};
use tokio::sync::watch;

use super::made::{Effect, Facts, Wanted, step};
use super::workload::Work;
use super::{Controllers, has_finalizer};
use crate::context::{Context, Made, Message};
use crate::engine::{Engine, within};
use crate::identity;
use crate::records::Entry;
use crate::runtime::{EngineError, NetworkInfo, NetworkRequest};

/// For one call to make or remove something small.
const LIMIT: Duration = Duration::from_secs(30);

/// A network or volume that is known.
/// Looking at a network again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Look {
    #[default]
    Idle,
    Busy,
    /// Something happened since it began.
    Again,
}

#[derive(Debug, Default)]
pub(super) struct Material {
    facts: Facts,
    /// Its name, and what is known of it.
    ready: Option<(String, NetworkInfo)>,
    /// Somebody else is to make it, and hasn't yet.
    missing: bool,
    look: Look,
    gone: watch::Sender<bool>,
}

impl Material {
    pub(super) fn is_busy(&self) -> bool {
        self.facts.make == Work::Busy && self.facts.problem.is_none()
            || self.facts.unmake == Work::Busy
    }
}

/// What is missing of a network, in words.
pub(super) fn missing(network: &ContainerNetwork) -> Option<String> {
    let name = &network.metadata.name;
    match (network.status.state, network.status.message.as_str()) {
        (ContainerNetworkState::Running, _) => None,
        (ContainerNetworkState::FailedToStart, message) => {
            Some(format!("network {name}: failed to start ({message})"))
        }
        (_, "") => Some(format!("network {name}")),
        (_, message) => Some(format!("network {name} ({message})")),
    }
}

/// Why a volume isn't there yet, in words.
pub(super) fn missing_volume(volume: &ContainerVolume) -> Option<String> {
    let name = &volume.spec.name;
    match (volume.status.state, volume.status.message.as_str()) {
        (ContainerVolumeState::Ready, _) => None,
        (_, "") => Some(format!("volume {name}")),
        (_, message) => Some(format!("volume {name} ({message})")),
    }
}

impl Controllers {
    pub(super) fn on_made(&mut self, key: &ObjectKey, made: Made) {
        let Some(material) = self.materials.get_mut(key) else {
            return;
        };
        match made {
            Made::Ready(name, info) => {
                material.facts.make = Work::Done;
                material.facts.problem = None;
                material.missing = false;
                material.ready = Some((name, info));
            }
            Made::Later(problem) => {
                material.facts.problem = Some(problem);
                material.missing = false;
            }
            Made::Missing(problem) => {
                material.facts.problem = Some(problem);
                material.missing = true;
            }
            Made::Failed(problem) => {
                material.facts.make = Work::Done;
                material.facts.failed = Some(problem);
            }
        }
        self.queue.add(key.clone());
    }

    pub(super) fn on_unmade(&mut self, key: &ObjectKey) {
        if let Some(material) = self.materials.get_mut(key) {
            material.facts.unmake = Work::Done;
            self.queue.add(key.clone());
        }
    }

    /// Asks the engine again what it knows of a network: who is on it may have changed.
    pub(super) fn look_at(&mut self, key: &ObjectKey) {
        let Some(material) = self.materials.get_mut(key) else {
            return;
        };
        let Some((_, info)) = &material.ready else {
            return;
        };
        if material.look != Look::Idle {
            material.look = Look::Again;
            return;
        }
        material.look = Look::Busy;
        let (context, key, id) = (Arc::clone(&self.context), key.clone(), info.id.clone());
        let (shared, told) = (Arc::clone(&context), Message::Looked(key.clone(), None));
        let task = async move {
            let mut found = None;
            if let Some(engine) = &context.engine {
                let _turn = engine.turn().await;
                if let Ok(info) = within(LIMIT, engine.raw().inspect_network(&id)).await {
                    found = seen_from_here(engine, info).await.ok();
                }
            }
            context.send(Message::Looked(key, found));
        };
        let tasks = &self.context.tasks;
        tasks.spawn_or("look", task, move || shared.send(told));
    }

    pub(super) fn on_looked(&mut self, key: &ObjectKey, found: Option<NetworkInfo>) {
        let Some(material) = self.materials.get_mut(key) else {
            return;
        };
        if let (Some(found), Some((_, info))) = (found, &mut material.ready) {
            *info = found;
        }
        let again = std::mem::take(&mut material.look) == Look::Again;
        if again {
            self.look_at(key);
        }
        self.queue.add(key.clone());
    }

    pub(super) fn reconcile_material(&mut self, key: &ObjectKey) {
        let Ok(object) = self.context.store.get(key) else {
            self.materials.remove(key);
            return;
        };
        let containers = |object: &Arc<Object>| object.kind() == Kind::Container;
        let wanted = Wanted {
            finalizer: has_finalizer(&object),
            deleting: object.metadata().deletion_timestamp.is_some(),
            used: self.is_stopping() && self.context.store.list().0.iter().any(containers),
        };
        let material = self.materials.entry(key.clone()).or_default();
        if wanted.deleting {
            material.gone.send_replace(true);
        }
        let (facts, effects) = step(&material.facts, &wanted);
        material.facts = facts;
        let (facts, ready, missing) = (&material.facts, &material.ready, material.missing);
        let written = self.context.store.modify(key, |object| match object {
            Object::ContainerNetwork(network) => {
                network.status = network_status(facts, ready.as_ref(), missing);
            }
            Object::ContainerVolume(volume) => volume.status = volume_status(facts),
            _ => {}
        });
        if let Err(error) = written {
            tracing::debug!(%error, "a status was not written");
        }
        for effect in effects {
            match effect {
                Effect::AddFinalizer => self.add_finalizer(key),
                Effect::Release => self.release(key),
                Effect::Make => {
                    let (context, object) = (Arc::clone(&self.context), Arc::clone(&object));
                    let failed =
                        Message::Made(key.clone(), Made::Failed("the control plane failed".into()));
                    let shared = Arc::clone(&context);
                    let Some(material) = self.materials.get(key) else {
                        continue;
                    };
                    let task = make(context, object, material.gone.subscribe());
                    self.context
                        .tasks
                        .spawn_or("make", task, move || shared.send(failed));
                }
                Effect::Unmake => {
                    let (context, object) = (Arc::clone(&self.context), Arc::clone(&object));
                    let ready = self.materials.get(key).and_then(|made| made.ready.clone());
                    let (shared, gone) = (Arc::clone(&context), Message::Unmade(key.clone()));
                    let task = async move {
                        unmake(&context, &object, ready).await;
                        context.send(Message::Unmade(object.key()));
                    };
                    self.context
                        .tasks
                        .spawn_or("unmake", task, move || shared.send(gone));
                }
            }
        }
    }
}

fn network_status(
    facts: &Facts,
    ready: Option<&(String, NetworkInfo)>,
    missing: bool,
) -> ContainerNetworkStatus {
    let mut status = ContainerNetworkStatus::default();
    if let Some(problem) = facts.failed.as_ref() {
        status.state = ContainerNetworkState::FailedToStart;
        status.message.clone_from(problem);
    } else if let Some((name, info)) = ready {
        status.state = ContainerNetworkState::Running;
        status.id = Some(info.id.clone());
        status.network_name = Some(name.clone());
        status.driver = Some(info.driver.clone());
        status.ipv6 = info.ipv6;
        status.subnets.clone_from(&info.subnets);
        status.gateways.clone_from(&info.gateways);
        status.container_ids.clone_from(&info.containers);
    } else if let Some(problem) = &facts.problem {
        status.message.clone_from(problem);
        if missing {
            status.state = ContainerNetworkState::NotFound;
        }
    }
    if facts.unmake == Work::Done {
        status.state = ContainerNetworkState::Removed;
    }
    status
}

fn volume_status(facts: &Facts) -> ContainerVolumeStatus {
    let problem = facts.failed.as_ref().or(facts.problem.as_ref());
    ContainerVolumeStatus {
        state: match (facts.make, problem) {
            (_, Some(_)) => ContainerVolumeState::RuntimeUnhealthy,
            (Work::Done, None) => ContainerVolumeState::Ready,
            (_, None) => ContainerVolumeState::Pending,
        },
        message: problem.cloned().unwrap_or_default(),
        ..ContainerVolumeStatus::default()
    }
}

/// The labels of whatever this run makes in the engine.
pub(crate) fn labels(
    context: &Context,
    resource: &str,
    persistent: bool,
) -> BTreeMap<String, String> {
    let config = &context.config;
    let mut labels = BTreeMap::from([
        (identity::APP_LABEL.to_owned(), config.app.clone()),
        (identity::INSTANCE_LABEL.to_owned(), config.instance.clone()),
        (identity::RESOURCE_LABEL.to_owned(), resource.to_owned()),
    ]);
    if persistent {
        labels.insert(identity::PERSISTENT_LABEL.to_owned(), "true".to_owned());
    } else {
        let (host, creator) = context
            .creator
            .rsplit_once('/')
            .unwrap_or(("", &context.creator));
        labels.insert(identity::RUN_LABEL.to_owned(), config.run.clone());
        labels.insert(identity::HOST_LABEL.to_owned(), host.to_owned());
        labels.insert(identity::CREATOR_LABEL.to_owned(), creator.to_owned());
    }
    labels
}

/// A name in the engine that no other run uses.
pub(crate) fn session_name(context: &Context, name: &str) -> String {
    let config = &context.config;
    let run: String = config.run.chars().take(6).collect();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "_.-".contains(c) {
            c
        } else {
            '-'
        }
    };
    format!("aspire-{}-{name}-{run}", config.instance)
        .chars()
        .map(plain)
        .collect()
}

/// Makes it, however long the engine takes to come.
async fn make(context: Arc<Context>, object: Arc<Object>, mut gone: watch::Receiver<bool>) {
    let key = object.key();
    let Some(engine) = &context.engine else {
        let problem = "no container engine".to_owned();
        context.send(Message::Made(key, Made::Failed(problem)));
        return;
    };
    engine.harvested().await;
    let mut pause = Duration::from_millis(250);
    let mut stopping = context.stopping.subscribe();
    let mut attempts = 0;
    loop {
        let error = match try_make(&context, &object).await {
            Ok((name, info)) => {
                context.send(Message::Made(key, Made::Ready(name, info)));
                return;
            }
            Err(error) => error,
        };
        attempts += 1;
        let missing = matches!(error, EngineError::NotFound(_)) && !creates(&object);
        let again = missing
            || matches!(error, EngineError::Unreachable { .. })
            || is_exhausted(&error)
            || attempts < 3;
        if !again || *stopping.borrow() > 0 || *gone.borrow() {
            context.send(Message::Made(key, Made::Failed(error.to_string())));
            return;
        }
        let told = match missing {
            true => Made::Missing(error.to_string()),
            false => Made::Later(error.to_string()),
        };
        context.send(Message::Made(key.clone(), told));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.wait_for(|stage| *stage > 0) => {}
            _ = gone.wait_for(|gone| *gone) => {}
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Whether we make it, or somebody else does.
fn creates(object: &Object) -> bool {
    match object {
        Object::ContainerNetwork(network) => network.spec.effective_mode().creates(),
        _ => true,
    }
}

/// The engine has no more addresses; it has again when networks of others go.
fn is_exhausted(error: &EngineError) -> bool {
    let text = error.to_string();
    text.contains("address pool") || text.contains("non-overlapping")
}

async fn try_make(
    context: &Context,
    object: &Object,
) -> Result<(String, NetworkInfo), EngineError> {
    let engine = context
        .engine
        .as_ref()
        .ok_or_else(|| EngineError::Other("none".to_owned()))?;
    let resource = object.metadata().resource();
    match object {
        Object::ContainerNetwork(network) => {
            let spec = &network.spec;
            let name = match &spec.network_name {
                Some(name) => name.clone(),
                None => session_name(context, &network.metadata.name),
            };
            let mode = spec.effective_mode();
            if mode == Mode::Session {
                let entry = Entry::Network(name.clone());
                let noted = context.spawner.note(entry).await;
                noted.map_err(|error| EngineError::Other(error.to_string()))?;
            }
            let labels = labels(context, resource, mode == Mode::Persistent);
            let request = NetworkRequest {
                name: name.clone(),
                labels,
                ipv6: spec.ipv6,
            };
            let _turn = engine.turn().await;
            let made = if mode.creates() {
                within(LIMIT, engine.raw().ensure_network(&request)).await?
            } else {
                within(LIMIT, engine.raw().inspect_network(&name)).await?
            };
            let run = made.labels.get(identity::RUN_LABEL);
            if mode == Mode::Session && run != Some(&context.config.run) {
                let text = format!("a network named {name} exists, and it is not of this run");
                return Err(EngineError::Other(text));
            }
            if mode == Mode::Persistent {
                context.remember("network", &name, &made.id, None).await;
            }
            Ok((name, seen_from_here(engine, made).await?))
        }
        Object::ContainerVolume(volume) => {
            let labels = labels(context, resource, volume.spec.persistent);
            let _turn = engine.turn().await;
            within(
                LIMIT,
                engine.raw().ensure_volume(&volume.spec.name, &labels),
            )
            .await?;
            Ok((volume.spec.name.clone(), NetworkInfo::default()))
        }
        _ => Err(EngineError::Other(
            "neither a network nor a volume".to_owned(),
        )),
    }
}

/// An engine in a virtual machine has its gateways there, not here.
async fn seen_from_here(engine: &Engine, info: NetworkInfo) -> Result<NetworkInfo, EngineError> {
    let mut info = info;
    if !engine.info().await?.dials_containers {
        info.gateways.clear();
    }
    Ok(info)
}

/// Removes a network, whoever is still on it.
async fn remove_network(engine: &Engine, id: &str) -> Result<(), EngineError> {
    if within(LIMIT, engine.raw().remove_network(id)).await.is_ok() {
        return Ok(());
    }
    let found = match within(LIMIT, engine.raw().inspect_network(id)).await {
        Err(EngineError::NotFound(_)) => return Ok(()),
        found => found?,
    };
    for container in &found.containers {
        within(LIMIT, engine.raw().disconnect(id, container)).await?;
    }
    within(LIMIT, engine.raw().remove_network(id)).await
}

async fn unmake(context: &Context, object: &Object, ready: Option<(String, NetworkInfo)>) {
    let Some(engine) = &context.engine else {
        return;
    };
    let removed = match object {
        Object::ContainerNetwork(network) if network.spec.effective_mode().removes() => {
            // One to clean up is removed even if it was never found before.
            let cleanup = network.spec.effective_mode() == Mode::Cleanup;
            let name = network.spec.network_name.clone().filter(|_| cleanup);
            let removed = match ready.map(|(_, info)| info.id).or(name.clone()) {
                Some(id) => remove_network(engine, &id).await,
                None => Ok(()),
            };
            if let (Ok(()), Some(name)) = (&removed, name) {
                context.forget("network", name, None).await;
            }
            removed
        }
        Object::ContainerVolume(volume) if !volume.spec.persistent && ready.is_some() => {
            within(LIMIT, engine.raw().remove_volume(&volume.spec.name)).await
        }
        _ => Ok(()),
    };
    if let Err(error) = removed {
        tracing::warn!(object = %object.key(), %error, "not removed; the next run tries again");
    }
}
