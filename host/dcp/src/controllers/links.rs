//! Connections of containers to networks in the loop: `ContainerNetworkConnection` objects, and
//! `spec.networks` of containers that were changed after their creation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspire_api::container::Container;
use aspire_api::network::{ContainerNetworkConnectionStatus, ContainerNetworkState};
use aspire_api::{Kind, Object, ObjectKey};

use super::link::{Effect, Link, Place, learn, step};
use super::{Controllers, has_finalizer};
use crate::context::Message;
use crate::engine::within;
use crate::store::Event;

/// For one call.
const LIMIT: Duration = Duration::from_secs(30);
/// Before a connection that could not be made is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// All connections that we know of.
#[derive(Debug, Default)]
pub(super) struct Links {
    all: BTreeMap<Place, Link>,
    /// Containers whose first networks were taken in.
    introduced: BTreeSet<String>,
}

impl Links {
    pub(super) fn is_busy(&self) -> bool {
        let under_way = |link: &Link| matches!(link, Link::Joining | Link::Leaving);
        self.all.values().any(under_way)
    }
}

/// What stands for all of them in the queue.
pub(super) fn everything() -> ObjectKey {
    ObjectKey::new(Kind::ContainerNetworkConnection, "")
}

impl Controllers {
    /// Takes in an event that may change who is on which network.
    pub(super) fn notice_links(&mut self, event: &Event) {
        let before = event.before.as_deref();
        match event.object.as_ref() {
            Object::ContainerNetworkConnection(_) => self.queue.add(everything()),
            Object::ContainerNetwork(network) => {
                let same = matches!(before, Some(Object::ContainerNetwork(before))
                    if before.status.state == network.status.state);
                if !same {
                    self.queue.add(everything());
                }
            }
            Object::Container(container) => {
                let view = |it: &Container| {
                    let status = &it.status;
                    (status.container_id.clone(), status.state)
                };
                let (same, same_networks) = match before {
                    Some(Object::Container(before)) => (
                        view(before) == view(container),
                        before.spec.networks == container.spec.networks,
                    ),
                    _ => (false, false),
                };
                if !same_networks {
                    self.link(&event.object);
                }
                if !same || !same_networks {
                    self.queue.add(everything());
                    for network in container.spec.networks.iter().flatten() {
                        let name = network.name.clone();
                        self.look_at(&ObjectKey::new(Kind::ContainerNetwork, name));
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn on_linked(&mut self, place: &Place, result: Result<(), String>) {
        if let Err(problem) = &result {
            let (network, container) = place;
            tracing::debug!(network, container, problem, "a connection was not changed");
            self.wake_later(&everything(), AGAIN);
        }
        learn(&mut self.links.all, place, result);
        self.look_at(&ObjectKey::new(Kind::ContainerNetwork, place.0.clone()));
        self.queue.add(everything());
    }

    /// What failed may be tried again.
    pub(super) fn retry_links(&mut self) {
        let paused = |link: &Link| matches!(link, Link::Paused(_));
        self.links.all.retain(|_, link| !paused(link));
    }

    pub(super) fn reconcile_links(&mut self) {
        let (objects, _) = self.context.store.list();
        let (mut wanted, mut networks) = (BTreeMap::new(), BTreeMap::new());
        let (mut live, mut owners) = (BTreeSet::new(), BTreeMap::new());
        for object in &objects {
            match object.as_ref() {
                Object::ContainerNetwork(network)
                    if network.status.state == ContainerNetworkState::Running =>
                {
                    let id = network.status.id.clone().unwrap_or_default();
                    networks.insert(network.metadata.name.clone(), id);
                }
                Object::Container(container) => {
                    let key = object.key();
                    let status = &container.status;
                    let joined = self.context.containers.page(&key).joined;
                    let over = status.state.is_final() || status.container_id.is_none();
                    let Some((id, first)) =
                        joined.filter(|(id, _)| !over && status.container_id.as_ref() == Some(id))
                    else {
                        continue;
                    };
                    if self.links.introduced.insert(id.clone()) {
                        for network in first {
                            self.links.all.insert((network, id.clone()), Link::Joined);
                        }
                    }
                    live.insert(id.clone());
                    owners.insert(id.clone(), key);
                    for network in container.spec.networks.iter().flatten() {
                        let place = (network.name.clone(), id.clone());
                        wanted.insert(place, network.aliases.clone());
                    }
                }
                Object::ContainerNetworkConnection(connection) => {
                    let spec = &connection.spec;
                    // One that isn't ours may live; the engine will tell.
                    live.insert(spec.container_id.clone());
                    if connection.metadata.deletion_timestamp.is_none() {
                        let network = spec.container_network_name.clone();
                        let place = (network, spec.container_id.clone());
                        wanted.entry(place).or_insert_with(|| spec.aliases.clone());
                    }
                }
                _ => {}
            }
        }
        let there: BTreeSet<String> = networks.keys().cloned().collect();
        let (links, effects) = step(&self.links.all, &wanted, &there, &live);
        self.links.all = links;
        self.links.introduced.retain(|id| live.contains(id));
        for effect in effects {
            self.change_link(&networks, effect);
        }
        for (id, key) in owners {
            let on = self.links.all.iter().filter(|((_, container), link)| {
                *container == id && matches!(link, Link::Joined | Link::Leaving)
            });
            let on: Vec<String> = on.map(|((network, _), _)| network.clone()).collect();
            if self
                .context
                .containers
                .change(&key, |page| page.networks = on)
            {
                self.queue.add(key);
            }
        }
        for object in &objects {
            if let Object::ContainerNetworkConnection(connection) = object.as_ref() {
                let spec = &connection.spec;
                let place = (
                    spec.container_network_name.clone(),
                    spec.container_id.clone(),
                );
                self.show_connection(object, &place, wanted.contains_key(&place));
            }
        }
    }

    fn show_connection(&self, object: &Object, place: &Place, wanted: bool) {
        let key = object.key();
        let link = self.links.all.get(place);
        match (
            has_finalizer(object),
            object.metadata().deletion_timestamp.is_some(),
        ) {
            (false, false) => self.add_finalizer(&key),
            (true, true) if link.is_none() || wanted => return self.release(&key),
            _ => {}
        }
        let status = ContainerNetworkConnectionStatus {
            connected: matches!(link, Some(Link::Joined | Link::Leaving)),
            message: match link {
                Some(Link::Paused(problem)) => problem.clone(),
                None => format!("waiting for network {}", place.0),
                _ => String::new(),
            },
            ..ContainerNetworkConnectionStatus::default()
        };
        let written = self.context.store.modify(&key, |object| {
            if let Object::ContainerNetworkConnection(connection) = object {
                connection.status = status;
            }
        });
        if let Err(error) = written {
            tracing::debug!(%error, "a status was not written");
        }
    }

    fn change_link(&self, networks: &BTreeMap<String, String>, effect: Effect) {
        let (place, names) = match effect {
            Effect::Connect(place, names) => (place, Some(names)),
            Effect::Disconnect(place) => (place, None),
        };
        let network = networks.get(&place.0).cloned().unwrap_or_default();
        let context = Arc::clone(&self.context);
        let failed = Err("the control plane failed".to_owned());
        let (shared, told) = (Arc::clone(&context), place.clone());
        let task = async move {
            let Some(engine) = &context.engine else {
                return;
            };
            let _turn = engine.turn().await;
            let done = match &names {
                Some(names) => within(LIMIT, engine.raw().connect(&network, &place.1, names)).await,
                None => within(LIMIT, engine.raw().disconnect(&network, &place.1)).await,
            };
            let done = done.map_err(|error| error.to_string());
            context.send(Message::Linked(place, done));
        };
        self.context.tasks.spawn_or("connection", task, move || {
            shared.send(Message::Linked(told, failed));
        });
    }
}
