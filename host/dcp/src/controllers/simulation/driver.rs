//! One schedule: what the loop of the controllers does with the pure steps, as a state machine
//! whose every next step is picked by chance.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use aspire_api::aspire::{Aspire, Gate, GateCondition, Probe, ProbeAction, Restart};
use aspire_api::container::{Container, ContainerBuild, ProbeOutcome, RestartPolicy};
use aspire_api::executable::{Executable, ExecutableState};
use aspire_api::meta::{ATTEMPT_ANNOTATION, FIRST_ANNOTATION, RESTARTS_ANNOTATION};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};

use super::Bug;
use super::tables;
use super::world::{Chance, Thing, World};
use crate::clock::Timestamp;
use crate::controllers::health::{self, Attempt, ProbeState, Schedule};
use crate::controllers::restart::{Restarts, Rule};
use crate::controllers::workload::{
    Again, Effect, Ended, Facts, Launch, Report, Stage, Started, Wanted, Work, step,
};
use crate::controllers::{FINALIZER, containers, executables, first_key, gates, made};

/// What has to happen in some schedule.
pub(super) const FAULTS: &[&str] = &[
    "abort",
    "build",
    "create fails",
    "delete",
    "edit",
    "end",
    "ending",
    "engine down",
    "event lost",
    "exit at once",
    "gate",
    "given up",
    "killed",
    "late",
    "liveness",
    "make fails",
    "pause",
    "pull fails",
    "recovered",
    "restart",
    "restart cancelled",
    "resync",
    "start",
    "start fails",
    "stop",
    "stop fails",
    "vanish",
];

/// Steps of chaos in a schedule.
const CHAOS: usize = 120;
/// Steps after which a schedule that doesn't settle never will.
const PATIENCE: usize = 4000;

struct Item {
    object: Object,
    facts: Facts,
    cancel: bool,
    serving: bool,
    shown: String,
    last: Option<String>,
}

#[derive(Default)]
struct Network {
    facts: made::Facts,
    object: bool,
    finalizer: bool,
    deleting: bool,
}

#[derive(Debug, Clone)]
enum Task {
    Launch {
        key: ObjectKey,
        phase: u8,
        tries: u8,
    },
    Watch {
        key: ObjectKey,
    },
    Stop {
        key: ObjectKey,
        done: Option<bool>,
    },
    Clean {
        key: ObjectKey,
    },
    Wait {
        key: ObjectKey,
        due: i64,
    },
    Make,
    Unmake,
}

#[derive(Debug)]
enum Message {
    Work(ObjectKey, Report),
    Made(bool),
    Unmade,
}

#[derive(Debug, Clone)]
enum Act {
    Create,
    CreateNetwork,
    Start(ObjectKey),
    Stop(ObjectKey),
    Delete(ObjectKey),
    Edit(ObjectKey),
    Task(usize),
    Deliver,
    Reconcile(ObjectKey),
    ReconcileNetwork,
    Engine,
    End(String),
    Vanish(String),
    Pause(String),
    Unhealthy(ObjectKey),
    Look,
    Tick,
}

/// A schedule.
pub(super) struct Simulation {
    bug: Option<Bug>,
    chance: Chance,
    clock: i64,
    items: BTreeMap<ObjectKey, Item>,
    lineages: BTreeMap<ObjectKey, (u32, ObjectKey)>,
    network: Network,
    world: World,
    tasks: Vec<Task>,
    inbox: VecDeque<Message>,
    queue: BTreeSet<ObjectKey>,
    made: usize,
    calm: bool,
    ending: bool,
    pub(super) moves: BTreeSet<(bool, String, String)>,
    pub(super) faults: BTreeSet<&'static str>,
    pub(super) story: Vec<String>,
}

type Checked = Result<(), String>;

impl Simulation {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self {
            bug,
            chance: Chance::new(seed),
            clock: 1_000_000,
            items: BTreeMap::new(),
            lineages: BTreeMap::new(),
            network: Network::default(),
            world: World::default(),
            tasks: Vec::new(),
            inbox: VecDeque::new(),
            queue: BTreeSet::new(),
            made: 0,
            calm: false,
            ending: false,
            moves: BTreeSet::new(),
            faults: BTreeSet::new(),
            story: Vec::new(),
        }
    }

    /// Chaos, calm, the end.
    pub(super) fn whole(&mut self) -> Checked {
        for _ in 0..CHAOS {
            self.go()?;
        }
        self.calm = true;
        self.world.engine_down = false;
        self.settle()?;
        self.settled()?;
        self.ending = self.chance.once_in(2);
        if self.ending {
            self.note("ending");
            self.network.deleting = self.network.object;
        }
        let keys: Vec<ObjectKey> = self.items.keys().cloned().collect();
        for key in keys {
            self.delete(&key);
        }
        self.settle()?;
        self.network.deleting = self.network.object;
        self.settle()?;
        let left = (&self.items.keys(), &self.world.things, self.world.network);
        if self.items.is_empty() && self.world.things.is_empty() && !self.world.network {
            return Ok(());
        }
        Err(format!("left behind at the end: {left:?}"))
    }

    fn note(&mut self, fault: &'static str) {
        self.faults.insert(fault);
    }

    /// A fault that happens by chance, never in calm.
    fn fault(&mut self, name: &'static str, times: usize) -> bool {
        let happens = !self.calm && self.chance.once_in(times);
        if happens {
            self.note(name);
        }
        happens
    }

    /// Goes on until nothing but looking again is left to do.
    fn settle(&mut self) -> Checked {
        let mut looked = false;
        for _ in 0..PATIENCE {
            if self.acts().is_empty() {
                if looked || self.bug == Some(Bug::NeverLooks) {
                    return Ok(());
                }
                looked = true;
                self.world.look();
                continue;
            }
            self.go()?;
        }
        Err("did not settle: it goes on for ever".to_owned())
    }

    /// Everything that may happen next.
    fn acts(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        for (index, task) in self.tasks.iter().enumerate() {
            let may = match task {
                Task::Watch { key } if World::is_container(&key.name) => {
                    self.world.news.get(&key.name) == Some(&true)
                }
                Task::Watch { key } => {
                    let thing = self.world.things.get(&key.name);
                    thing.is_none_or(|thing| !thing.lives())
                }
                Task::Wait { due, .. } => *due <= self.clock,
                Task::Clean { key } if World::is_container(&key.name) => !self.world.engine_down,
                Task::Make | Task::Unmake => !self.world.engine_down,
                Task::Launch { .. } | Task::Stop { .. } | Task::Clean { .. } => true,
            };
            if may {
                acts.push(Act::Task(index));
            }
        }
        if !self.inbox.is_empty() {
            acts.push(Act::Deliver);
        }
        acts.extend(self.queue.iter().cloned().map(Act::Reconcile));
        if self.network.object && self.network_step().1 {
            acts.push(Act::ReconcileNetwork);
        }
        let waits = |task: &Task| matches!(task, Task::Wait { due, .. } if *due > self.clock);
        if self.tasks.iter().any(waits) {
            acts.push(Act::Tick);
        }
        if self.calm {
            return acts;
        }
        if self.made < 6 {
            acts.push(Act::Create);
        }
        if !self.network.object && self.made > 1 {
            acts.push(Act::CreateNetwork);
        }
        for (key, item) in &self.items {
            let (start, stop) = asked(&item.object);
            if !start {
                acts.push(Act::Start(key.clone()));
            }
            if !stop {
                acts.push(Act::Stop(key.clone()));
            }
            acts.push(Act::Delete(key.clone()));
            acts.push(Act::Edit(key.clone()));
            if item.serving && has_probe(&item.object) {
                acts.push(Act::Unhealthy(key.clone()));
            }
        }
        for (name, thing) in &self.world.things {
            if thing.lives() {
                acts.push(Act::End(name.clone()));
            }
            if World::is_container(name) {
                acts.push(Act::Vanish(name.clone()));
                if thing.lives() {
                    acts.push(Act::Pause(name.clone()));
                }
            }
        }
        acts.extend([Act::Engine, Act::Look, Act::Tick]);
        acts
    }

    /// One step.
    fn go(&mut self) -> Checked {
        let acts = self.acts();
        let mut act = acts[self.chance.below(acts.len())].clone();
        // Users and faults are slower than everything else, mostly.
        let works = |act: &Act| {
            matches!(
                act,
                Act::Task(_) | Act::Deliver | Act::Reconcile(_) | Act::ReconcileNetwork
            )
        };
        if !works(&act) && self.chance.below(4) > 0 {
            let work: Vec<&Act> = acts.iter().filter(|act| works(act)).collect();
            if !work.is_empty() {
                act = work[self.chance.below(work.len())].clone();
            }
        }
        self.story.push(format!("{act:?}"));
        if let Act::Task(index) = act {
            let task = self.tasks.swap_remove(index);
            self.story.push(format!("    {task:?}"));
            self.task(task);
        } else {
            self.act(act)?;
        }
        self.check()
    }

    fn act(&mut self, act: Act) -> Checked {
        match act {
            Act::Create => self.create(),
            Act::CreateNetwork => {
                self.note("late");
                self.network.object = true;
            }
            Act::Start(key) => {
                self.note("start");
                self.edit(&key, |object| match object {
                    Object::Executable(object) => object.spec.start = true,
                    Object::Container(object) => object.spec.start = true,
                    _ => {}
                });
            }
            Act::Stop(key) => {
                self.note("stop");
                self.edit(&key, |object| match object {
                    Object::Executable(object) => object.spec.stop = true,
                    Object::Container(object) => object.spec.stop = true,
                    _ => {}
                });
            }
            Act::Delete(key) => {
                self.note("delete");
                self.delete(&key);
            }
            Act::Edit(key) => {
                self.note("edit");
                self.edit(&key, |object| {
                    let labels = &mut object.metadata_mut().labels;
                    labels.insert("edited".to_owned(), labels.len().to_string());
                });
            }
            Act::Deliver => self.deliver()?,
            Act::Reconcile(key) => {
                self.queue.remove(&key);
                self.reconcile(&key)?;
            }
            Act::ReconcileNetwork => self.reconcile_network(),
            Act::Engine => {
                self.world.engine_down = !self.world.engine_down;
                let down = self.world.engine_down;
                self.note(if down { "engine down" } else { "recovered" });
            }
            Act::End(name) => {
                let told = !self.fault("event lost", 3);
                let code = [0, 0, 1, 137][self.chance.below(4)];
                self.note(if code == 137 { "killed" } else { "end" });
                self.world.end(&name, code, told);
            }
            Act::Vanish(name) => {
                self.note("vanish");
                self.world.things.remove(&name);
                let told = !self.fault("event lost", 3);
                if let Some(news) = self.world.news.get_mut(&name) {
                    *news |= told;
                }
            }
            Act::Pause(name) => {
                self.note("pause");
                let paused = self.world.things.get(&name) == Some(&Thing::Running);
                let thing = if paused {
                    Thing::Paused
                } else {
                    Thing::Running
                };
                self.world.things.insert(name.clone(), thing);
                let key = ObjectKey::new(Kind::Container, name);
                let report = Report::Paused(paused);
                self.inbox.push_back(Message::Work(key, report));
            }
            Act::Unhealthy(key) => {
                self.note("liveness");
                let mut state = ProbeState::default();
                let failure = Attempt {
                    outcome: ProbeOutcome::Failure,
                    reason: "no answer".to_owned(),
                };
                let at = Timestamp(self.clock);
                state.observe(&Schedule::of_runtime(), failure, Duration::ZERO, at);
                let report = Report::Probed("live".to_owned(), state);
                self.inbox.push_back(Message::Work(key, report));
            }
            Act::Look => {
                self.note("resync");
                if self.bug != Some(Bug::NeverLooks) {
                    self.world.look();
                }
            }
            Act::Tick => {
                self.clock += 1 + 700_000 * i64::try_from(self.chance.below(4)).unwrap_or(0);
            }
            Act::Task(_) => {}
        }
        Ok(())
    }

    fn create(&mut self) {
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

    fn add(&mut self, object: Object) {
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
    fn wake(&mut self) {
        self.queue.extend(self.items.keys().cloned());
    }

    fn edit(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Object)) {
        if let Some(item) = self.items.get_mut(key) {
            change(&mut item.object);
            self.queue.insert(key.clone());
        }
    }

    fn delete(&mut self, key: &ObjectKey) {
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
    fn remove(&mut self, key: &ObjectKey) {
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

    fn deliver(&mut self) -> Checked {
        match self.inbox.pop_front() {
            Some(Message::Work(key, report)) => {
                self.story.push(format!("    {key} {report:?}"));
                let bug = self.bug;
                let Some(item) = self.items.get_mut(&key) else {
                    return Ok(());
                };
                let before = item.facts.stage();
                if let (Report::Ended(ended), Some(Bug::EndChanges)) = (&report, bug) {
                    item.facts.ended = Some(ended.clone());
                }
                item.facts.learn(report);
                if item.facts.stage() != before {
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

    fn reconcile(&mut self, key: &ObjectKey) -> Checked {
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
    fn step(&self, facts: &Facts, wanted: &Wanted) -> (Facts, Vec<Effect>) {
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
    fn closed(&self, object: &Object) -> Vec<String> {
        let waits = spec(object).0.map(|aspire| aspire.waits.clone());
        let mut closed: Vec<String> = waits
            .iter()
            .flatten()
            .filter_map(|gate| {
                let current = self.lineages.get(&gate.object).map(|(_, last)| last);
                let other = self.items.get(current.unwrap_or(&gate.object));
                gates::check(gate, other.map(|other| &other.object)).err()
            })
            .collect();
        let ready = self.network.object && self.network.facts.make == Work::Done;
        if object.kind() == Kind::Container && (!ready || self.network.deleting) {
            closed.push("network app".to_owned());
        }
        closed
    }

    fn is_held(&self, object: &Object) -> bool {
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
    fn show(&mut self, key: &ObjectKey, waiting: Vec<String>) -> Checked {
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

    fn perform(&mut self, key: &ObjectKey, effect: Effect) -> Checked {
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

    fn succeed(&mut self, key: &ObjectKey) -> Checked {
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

    fn network_step(&self) -> (made::Facts, bool, Vec<made::Effect>) {
        let used = self.ending && self.items.keys().any(|key| key.kind == Kind::Container);
        let wanted = made::Wanted {
            finalizer: self.network.finalizer,
            deleting: self.network.deleting,
            used: used && self.bug != Some(Bug::UnmadeWhileUsed),
        };
        let (facts, effects) = made::step(&self.network.facts, &wanted);
        (facts, !effects.is_empty(), effects)
    }

    fn reconcile_network(&mut self) {
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

    fn tell(&mut self, key: &ObjectKey, report: Report) {
        self.inbox.push_back(Message::Work(key.clone(), report));
    }

    fn fail(&mut self, key: &ObjectKey, why: &str) {
        self.tell(key, Report::Failed(why.to_owned(), Timestamp(self.clock)));
    }

    fn task(&mut self, task: Task) {
        match task {
            Task::Launch { key, phase, tries } => {
                if World::is_container(&key.name) {
                    self.launch_container(key, phase, tries);
                } else {
                    self.launch_process(key, phase, tries);
                }
            }
            Task::Watch { key } => self.watch(key),
            Task::Stop {
                key,
                done: Some(done),
            } => self.tell(&key, Report::Stopped(done)),
            Task::Stop { key, done: None } => {
                let away = World::is_container(&key.name) && self.world.engine_down;
                let fails = away || self.fault("stop fails", 6);
                if !fails {
                    self.world.end(&key.name, 143, true);
                }
                self.tasks.push(Task::Stop {
                    key,
                    done: Some(!fails),
                });
            }
            Task::Clean { key } => {
                self.world.things.remove(&key.name);
                if let Some(news) = self.world.news.get_mut(&key.name) {
                    *news = true;
                }
                self.tell(&key, Report::Cleaned);
            }
            Task::Wait { key, .. } => self.tell(&key, Report::Due),
            Task::Make => {
                let made = !self.fault("make fails", 3);
                self.world.network |= made;
                if !made {
                    self.tasks.push(Task::Make);
                }
                self.inbox.push_back(Message::Made(made));
            }
            Task::Unmake => {
                self.world.network = false;
                self.inbox.push_back(Message::Unmade);
            }
        }
    }

    fn is_cancelled(&self, key: &ObjectKey) -> bool {
        self.items.get(key).is_some_and(|item| item.cancel)
    }

    fn again(&mut self, key: ObjectKey, phase: u8, tries: u8) {
        self.tasks.push(Task::Launch { key, phase, tries });
    }

    /// It runs, or has already ended.
    fn begin(&mut self, key: ObjectKey) {
        let at_once = self.fault("exit at once", 5);
        let code = i32::from(self.chance.once_in(2));
        let thing = if at_once {
            Thing::Ended(code)
        } else {
            Thing::Running
        };
        self.world.things.insert(key.name.clone(), thing);
        let started = Started {
            at: Timestamp(self.clock),
            ..Started::default()
        };
        self.tell(&key, Report::Started(started));
        if World::is_container(&key.name) {
            self.world.news.insert(key.name.clone(), true);
        }
        self.tasks.push(Task::Watch { key });
    }

    fn launch_process(&mut self, key: ObjectKey, phase: u8, tries: u8) {
        if phase > 0 {
            if self.fault("start fails", 8) {
                return self.fail(&key, "no such program");
            }
            return self.begin(key);
        }
        if self.is_cancelled(&key) {
            return self.fail(&key, "stopped");
        }
        let note = "preparing".to_owned();
        self.tell(&key, Report::Progress(Stage::Starting, note));
        self.again(key, 1, tries);
    }

    fn launch_container(&mut self, key: ObjectKey, phase: u8, tries: u8) {
        let away = self.world.engine_down;
        let down = Report::Progress(Stage::EngineDown, "no answer".to_owned());
        match phase {
            0 if self.is_cancelled(&key) => self.fail(&key, "stopped"),
            0 if away => {
                self.tell(&key, down);
                self.again(key, 0, tries);
            }
            0 => {
                let builds = matches!(
                    self.items.get(&key).map(|item| &item.object),
                    Some(Object::Container(found)) if found.spec.build.is_some()
                );
                let stage = if builds {
                    Stage::Building
                } else {
                    Stage::Starting
                };
                self.tell(&key, Report::Progress(stage, "image".to_owned()));
                if builds {
                    self.note("build");
                }
                match self.fault("pull fails", 6) {
                    true if tries >= 2 => self.fail(&key, "no image"),
                    true => self.again(key, 0, tries + 1),
                    false => self.again(key, 1, tries),
                }
            }
            1 if away => {
                self.tell(&key, down);
                self.again(key, 0, tries);
            }
            1 => {
                let there = self.world.things.contains_key(&key.name);
                if there || self.fault("create fails", 8) {
                    return self.fail(&key, "not created");
                }
                self.world.things.insert(key.name.clone(), Thing::Created);
                self.tell(&key, Report::Progress(Stage::Starting, String::new()));
                let name = key.name.clone();
                self.tell(&key, Report::Created(name.clone(), name));
                self.again(key, 2, tries);
            }
            _ => {
                let there = self.world.things.contains_key(&key.name);
                let cancelled = self.is_cancelled(&key);
                if there && !away && !cancelled && !self.fault("start fails", 8) {
                    return self.begin(key);
                }
                if !away {
                    self.world.things.remove(&key.name);
                    return self.fail(&key, "not started");
                }
                if cancelled {
                    return self.fail(&key, "stopped");
                }
                self.tell(&key, down);
                self.again(key, 0, tries);
            }
        }
    }

    fn watch(&mut self, key: ObjectKey) {
        let container = World::is_container(&key.name);
        let thing = self.world.things.get(&key.name).copied();
        if container && self.world.engine_down {
            self.world.news.insert(key.name.clone(), false);
            return self.tasks.push(Task::Watch { key });
        }
        let code = match thing {
            Some(Thing::Ended(code)) => Some(code),
            Some(_) => {
                self.world.news.insert(key.name.clone(), false);
                return self.tasks.push(Task::Watch { key });
            }
            // A process can't go without having ended.
            None if !container => Some(137),
            None => None,
        };
        self.world.news.remove(&key.name);
        let at = Timestamp(self.clock);
        let note = String::new();
        self.tell(&key, Report::Ended(Ended { at, code, note }));
    }

    /// What must hold after every step.
    fn check(&self) -> Checked {
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
    fn settled(&self) -> Checked {
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

fn state(object: &Object) -> String {
    match object {
        Object::Executable(object) if object.status.state == ExecutableState::Initial => "-".into(),
        Object::Executable(object) => format!("{:?}", object.status.state),
        Object::Container(object) => format!("{:?}", object.status.state),
        _ => String::new(),
    }
}

/// What an object says of its end, once it has come.
fn end(object: &Object) -> Option<String> {
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

fn spec(object: &Object) -> (Option<&Aspire>, Rule) {
    match object {
        Object::Executable(object) => (object.spec.aspire.as_ref(), object.rule()),
        Object::Container(object) => (object.spec.aspire.as_ref(), object.rule()),
        _ => (None, Rule::default()),
    }
}

fn has_probe(object: &Object) -> bool {
    spec(object)
        .0
        .is_some_and(|aspire| !aspire.probes.is_empty())
}

/// `spec.start` and `spec.stop`.
fn asked(object: &Object) -> (bool, bool) {
    match object {
        Object::Executable(object) => (object.spec.start, object.spec.stop),
        Object::Container(object) => (object.spec.start, object.spec.stop),
        _ => (false, false),
    }
}
