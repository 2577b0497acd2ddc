//! What must hold.

use std::collections::BTreeMap;

use aspire_api::aspire::Aspire;
use aspire_api::executable::ExecutableState;
use aspire_api::{Kind, Object, ObjectKey};

use super::driver::{Checked, Simulation};
use super::world::World;
use crate::controllers::first_key;
use crate::controllers::restart::{Restarts, Rule};

impl Simulation {
    /// What must hold after every step.
    pub(super) fn check(&self) -> Checked {
        let mut alive: BTreeMap<ObjectKey, &String> = BTreeMap::new();
        for (name, thing) in &self.world.things {
            let container = World::is_container(name);
            let kind = if container {
                Kind::Container
            } else {
                Kind::Executable
            };
            let Some(item) = self.items.get(&ObjectKey::new(kind, name.clone())) else {
                return Err(format!("{name} is left behind"));
            };
            if item.object.metadata().finalizers.is_empty() {
                return Err(format!("{name} is there and nobody holds its object"));
            }
            if !thing.lives() {
                continue;
            }
            if container && !self.world.network {
                return Err(format!("{name} runs without its network"));
            }
            if let Some(other) = alive.insert(first_key(&item.object), name) {
                return Err(format!("{name} and {other} run at once"));
            }
        }
        for (key, item) in &self.items {
            if item.serving && !item.facts.is_running() && !self.queue.contains(key) {
                return Err(format!("{key} is published and does not run"));
            }
        }
        Ok(())
    }

    /// What must hold when nothing goes on any more.
    pub(super) fn settled(&self) -> Checked {
        for (key, item) in &self.items {
            let (start, stop) = asked(&item.object);
            let lives = self
                .world
                .things
                .get(&key.name)
                .is_some_and(|thing| thing.lives());
            let deleting = item.object.metadata().deletion_timestamp.is_some();
            let good = match &*item.shown {
                "Running" | "Paused" => lives && !stop,
                "-" | "Pending" => !lives && (!start || !self.closed(&item.object).is_empty()),
                // What could not be stopped may still be there.
                "Unknown" => true,
                "Terminated" | "Finished" | "FailedToStart" | "Exited" => {
                    let pending = item.facts.restarts() && item.facts.successor.is_none();
                    !lives && !pending
                }
                _ => false,
            };
            if !good || deleting || item.serving != item.facts.is_running() {
                let shown = &item.shown;
                return Err(format!(
                    "{key} did not settle: {shown}, lives: {lives}, stop: {stop}, deleting: {deleting}"
                ));
            }
        }
        Ok(())
    }
}

pub(super) fn state(object: &Object) -> String {
    match object {
        Object::Executable(object) if object.status.state == ExecutableState::Initial => "-".into(),
        Object::Executable(object) => format!("{:?}", object.status.state),
        Object::Container(object) => format!("{:?}", object.status.state),
        _ => String::new(),
    }
}

/// What an object says of its end, once it has come.
pub(super) fn end(object: &Object) -> Option<String> {
    match object {
        Object::Executable(object) if object.status.state.is_final() => {
            let status = &object.status;
            Some(format!(
                "{:?} {:?} {:?}",
                status.state, status.exit_code, status.finish_timestamp
            ))
        }
        Object::Container(object) if object.status.state.is_final() => {
            let status = &object.status;
            Some(format!(
                "{:?} {:?} {:?}",
                status.state, status.exit_code, status.finish_timestamp
            ))
        }
        _ => None,
    }
}

pub(super) fn spec(object: &Object) -> (Option<&Aspire>, Rule) {
    match object {
        Object::Executable(object) => (object.spec.aspire.as_ref(), object.rule()),
        Object::Container(object) => (object.spec.aspire.as_ref(), object.rule()),
        _ => (None, Rule::default()),
    }
}

/// Names of its probes.
pub(super) fn probes(object: &Object) -> Vec<String> {
    let aspire = spec(object).0;
    aspire.map_or(Vec::new(), |aspire| aspire.probes.keys().cloned().collect())
}

/// `spec.start` and `spec.stop`.
pub(super) fn asked(object: &Object) -> (bool, bool) {
    match object {
        Object::Executable(object) => (object.spec.start, object.spec.stop),
        Object::Container(object) => (object.spec.start, object.spec.stop),
        _ => (false, false),
    }
}
