//! What the loop of the controllers does with the pure steps.

use aspire_api::meta::{ATTEMPT_ANNOTATION, FIRST_ANNOTATION, RESTARTS_ANNOTATION};
use aspire_api::{Kind, Object, ObjectKey};

use super::checks::{asked, end, spec, state};
use super::driver::{Checked, Message, Network, Simulation, Task};
use super::{Bug, tables};
use crate::controllers::workload::{
    Again, Effect, Facts, Launch, Report, Stage, Wanted, Work, step,
};
use crate::controllers::{FINALIZER, containers, executables, first_key, gates, health, made};

impl Simulation {
    pub(super) fn deliver(&mut self) -> Checked {
        match self.inbox.pop_front() {
            Some(Message::Work(key, report)) => {
                self.story.push(format!("    {key} {report:?}"));
                let bug = self.bug;
                let Some(item) = self.items.get_mut(&key) else {
                    return Ok(());
                };
                if let (Report::Ended(ended), Some(Bug::EndChanges)) = (&report, bug) {
                    item.facts.ended = Some(ended.clone());
                }
                let ignored = bug == Some(Bug::RevivalIgnored);
                let ignored = ignored && matches!(report, Report::Revived(..));
                if !ignored && item.facts.learn_milestone(report) {
                    self.show(&key, Vec::new())?;
                }
                self.queue.insert(key);
            }
            Some(Message::Made(true)) => {
                self.network.facts.make = Work::Done;
                self.wake();
            }
            Some(Message::Made(false)) => self.network.facts.problem = Some("not now".to_owned()),
            Some(Message::Unmade) => self.network.facts.unmake = Work::Done,
            None => {}
        }
        Ok(())
    }

    pub(super) fn reconcile(&mut self, key: &ObjectKey) -> Checked {
        let Some(item) = self.items.get(key) else {
            return Ok(());
        };
        let object = item.object.clone();
        let closed = self.closed(&object);
        let held = self.is_held(&object);
        let (start, stop) = asked(&object);
        let (aspire, rule) = spec(&object);
        let probes = health::schedules(aspire, &[]);
        let wanted = Wanted {
            finalizer: !object.metadata().finalizers.is_empty(),
            deleting: object.metadata().deletion_timestamp.is_some(),
            start,
            stop,
            open: closed.is_empty(),
            held,
            unhealthy: health::lifeless(&probes, &item.facts.probes).is_some(),
            ending: self.ending,
            rule,
        };
        let (facts, effects) = self.step(&item.facts, &wanted);
        let waiting = if facts.launch == Launch::Idle && start {
            closed
        } else {
            Vec::new()
        };
        match (item.facts.again, facts.again) {
            (Again::No, Again::GivenUp(_)) => self.note("given up"),
            (before, Again::Cancelled) if before != Again::Cancelled => {
                self.note("restart cancelled");
            }
            _ => {}
        }
        if let Some(item) = self.items.get_mut(key) {
            item.facts = facts;
        }
        self.show(key, waiting)?;
        for effect in effects {
            self.story.push(format!("    {effect:?}"));
            self.perform(key, effect)?;
        }
        Ok(())
    }

    /// The real step, or one with a mistake.
    pub(super) fn step(&self, facts: &Facts, wanted: &Wanted) -> (Facts, Vec<Effect>) {
        let mut wanted = *wanted;
        let busy = matches!(facts.launch, Launch::Busy(..));
        let end = wanted.stop || wanted.deleting;
        match self.bug {
            Some(Bug::NoFinalizer) if !wanted.finalizer && wanted.start && !wanted.deleting => {
                let mut facts = facts.clone();
                let mut effects = Vec::new();
                if facts.launch == Launch::Idle && wanted.open {
                    facts.launch = Launch::Busy(Stage::Pending, String::new());
                    effects.push(Effect::Launch);
                }
                return (facts, effects);
            }
            Some(Bug::AbortForgotten) if busy && end => {
                let mut facts = facts.clone();
                facts.launch = Launch::Aborted;
                return (facts, Vec::new());
            }
            Some(Bug::RestartAfterStop) if facts.ended.is_some() => wanted.stop = false,
            Some(Bug::EndedStartsAgain)
                if facts.failed() && !end && facts.again == Again::No && wanted.start =>
            {
                let again = Facts {
                    launch: Launch::Busy(Stage::Starting, String::new()),
                    ..Facts::default()
                };
                return (again, vec![Effect::Launch]);
            }
            _ => {}
        }
        let (mut facts, mut effects) = step(facts, &wanted);
        if self.bug == Some(Bug::ReleasedUncleaned) && wanted.deleting {
            for effect in &mut effects {
                if *effect == Effect::Clean {
                    facts.clean = Work::Done;
                    *effect = Effect::Release;
                }
            }
        }
        (facts, effects)
    }

    /// What it waits for, in words.
    pub(super) fn closed(&self, object: &Object) -> Vec<String> {
        let waits = spec(object).0.map(|aspire| aspire.waits.clone());
        let mut closed: Vec<String> = waits
            .iter()
            .flatten()
            .filter_map(|gate| gates::check(gate, self.current(&gate.object)).err())
            .collect();
        let ready = self.network.object && self.network.facts.make == Work::Done;
        if object.kind() == Kind::Container && (!ready || self.network.deleting) {
            closed.push("network app".to_owned());
        }
        closed
    }

    /// The object that a key means: where a workload was started again, the one that goes on.
    pub(super) fn current(&self, key: &ObjectKey) -> Option<&Object> {
        let last = self.lineages.get(key).map(|(_, last)| last);
        let item = self.items.get(last.unwrap_or(key));
        item.map(|item| &item.object)
    }

    pub(super) fn is_held(&self, object: &Object) -> bool {
        let first = first_key(object);
        self.ending
            && self.items.values().any(|other| {
                let waits = spec(&other.object).0.map(|aspire| &aspire.waits);
                let depends = waits.into_iter().flatten().any(|gate| gate.object == first);
                let began = matches!(other.facts.launch, Launch::Busy(..) | Launch::Done);
                depends && began && other.facts.clean != Work::Done
            })
    }

    /// Writes a status and looks at it.
    pub(super) fn show(&mut self, key: &ObjectKey, waiting: Vec<String>) -> Checked {
        let Some(item) = self.items.get_mut(key) else {
            return Ok(());
        };
        let (facts, before) = (&item.facts, item.object.clone());
        match &mut item.object {
            Object::Container(container) => {
                container.status = containers::status(facts, waiting, container);
            }
            Object::Executable(executable) => {
                executable.status = executables::status(facts, waiting, executable);
            }
            _ => {}
        }
        let (from, to) = (item.shown.clone(), state(&item.object));
        let container = key.kind == Kind::Container;
        if from != to {
            self.story.push(format!("    {key}: {from} -> {to}"));
            let step = (from.clone(), to.clone());
            if !tables::moves(container).contains(&step) {
                return Err(format!("{key}: no move of the table: {from} -> {to}"));
            }
            self.moves.insert((container, from, to.clone()));
            if to == "Running" {
                // Another life.
                item.last = None;
            }
            item.shown = to;
        }
        if let Some(end) = end(&item.object) {
            match &item.last {
                Some(last) if *last != end => {
                    return Err(format!("{key} changed after its end: {last} -> {end}"));
                }
                _ => item.last = Some(end),
            }
        }
        let changed = before != item.object;
        if changed {
            self.wake();
        }
        Ok(())
    }

    pub(super) fn perform(&mut self, key: &ObjectKey, effect: Effect) -> Checked {
        let Some(item) = self.items.get_mut(key) else {
            return Ok(());
        };
        let key = key.clone();
        match effect {
            Effect::AddFinalizer => {
                let metadata = item.object.metadata_mut();
                metadata.finalizers.push(FINALIZER.to_owned());
                self.queue.insert(key);
            }
            Effect::Release => {
                if self.world.things.contains_key(&key.name) {
                    return Err(format!("{key} is left behind"));
                }
                self.remove(&key);
            }
            Effect::Launch => self.tasks.push(Task::Launch {
                key,
                phase: 0,
                tries: 0,
            }),
            Effect::Abort => {
                item.cancel = true;
                self.note("abort");
            }
            Effect::Serve => item.serving = true,
            Effect::Unserve => item.serving = false,
            Effect::Stop => self.tasks.push(Task::Stop { key, done: None }),
            Effect::Clean => self.tasks.push(Task::Clean { key }),
            Effect::Wait(pause) => {
                let due = self.clock + i64::try_from(pause.as_micros()).unwrap_or(0);
                self.tasks.push(Task::Wait { key, due });
            }
            Effect::Succeed => self.succeed(&key)?,
        }
        Ok(())
    }

    pub(super) fn succeed(&mut self, key: &ObjectKey) -> Checked {
        self.note("restart");
        let item = &self.items[key];
        let (start, stop) = asked(&item.object);
        let old = item.object.metadata();
        if !start || stop || old.deletion_timestamp.is_some() || self.ending {
            return Err(format!("{key} is started again although nobody wants it"));
        }
        let Again::Begun { attempt } = item.facts.again else {
            return Err(format!("{key} is started again out of turn"));
        };
        let (first, restarts) = (first_key(&item.object), old.restarts() + 1);
        let mut next = item.object.clone();
        next.set_status(None);
        let name = format!("{}-r{restarts}", first.name);
        let metadata = next.metadata_mut();
        metadata.name.clone_from(&name);
        metadata.finalizers.clear();
        metadata.annotations.extend([
            (FIRST_ANNOTATION.to_owned(), first.name.clone()),
            (RESTARTS_ANNOTATION.to_owned(), restarts.to_string()),
            (ATTEMPT_ANNOTATION.to_owned(), attempt.to_string()),
        ]);
        let successor = next.key();
        self.lineages.insert(first.clone(), (restarts, successor));
        self.add(next);
        let older = self.items.iter().filter(|(_, other)| {
            let same = first_key(&other.object) == first;
            let replaced = other.facts.successor.is_some();
            same && replaced && other.object.metadata().restarts() + 1 < restarts
        });
        let older: Vec<ObjectKey> = older.map(|(key, _)| key.clone()).collect();
        for other in older {
            self.delete(&other);
        }
        if let Some(item) = self.items.get_mut(key) {
            item.facts.learn(Report::Succeeded(Some(name)));
        }
        self.queue.insert(key.clone());
        Ok(())
    }

    pub(super) fn network_step(&self) -> (made::Facts, bool, Vec<made::Effect>) {
        let used = self.ending && self.items.keys().any(|key| key.kind == Kind::Container);
        let wanted = made::Wanted {
            finalizer: self.network.finalizer,
            deleting: self.network.deleting,
            used: used && self.bug != Some(Bug::UnmadeWhileUsed),
        };
        let (facts, effects) = made::step(&self.network.facts, &wanted);
        (facts, !effects.is_empty(), effects)
    }

    pub(super) fn reconcile_network(&mut self) {
        let (facts, _, effects) = self.network_step();
        self.network.facts = facts;
        for effect in effects {
            match effect {
                made::Effect::AddFinalizer => self.network.finalizer = true,
                made::Effect::Make => self.tasks.push(Task::Make),
                made::Effect::Unmake => self.tasks.push(Task::Unmake),
                made::Effect::Release => self.network = Network::default(),
            }
        }
        self.wake();
    }
}
