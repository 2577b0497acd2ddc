//! One schedule: everything that may happen next, and what is picked by chance.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use aspire_api::container::ProbeOutcome;
use aspire_api::{Kind, Object, ObjectKey};

use super::Bug;
use super::checks::{asked, probes};
use super::world::{Chance, Thing, World};
use crate::clock::Timestamp;
use crate::controllers::health::{Attempt, ProbeState, Schedule};
use crate::controllers::made;
use crate::controllers::workload::{Facts, Report};

/// What has to happen in some schedule.
pub(super) const FAULTS: &[&str] = &[
    "abort",
    "again",
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
    "probe",
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

pub(super) struct Item {
    pub(super) object: Object,
    pub(super) facts: Facts,
    pub(super) cancel: bool,
    pub(super) serving: bool,
    pub(super) shown: String,
    pub(super) last: Option<String>,
}

#[derive(Default)]
pub(super) struct Network {
    pub(super) facts: made::Facts,
    pub(super) object: bool,
    pub(super) finalizer: bool,
    pub(super) deleting: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Task {
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
pub(super) enum Message {
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
    Again(String),
    Vanish(String),
    Pause(String),
    Probe(ObjectKey),
    Look,
    Tick,
}

/// A schedule.
pub(super) struct Simulation {
    pub(super) bug: Option<Bug>,
    pub(super) chance: Chance,
    pub(super) clock: i64,
    pub(super) items: BTreeMap<ObjectKey, Item>,
    pub(super) lineages: BTreeMap<ObjectKey, (u32, ObjectKey)>,
    pub(super) network: Network,
    pub(super) world: World,
    /// By container: the start that its watcher knows of, and whether that life is over.
    pub(super) watched: BTreeMap<ObjectKey, (u32, bool)>,
    pub(super) tasks: Vec<Task>,
    pub(super) inbox: VecDeque<Message>,
    pub(super) queue: BTreeSet<ObjectKey>,
    pub(super) made: usize,
    /// Once in so many times, what is created has a first gate, and once in so many a second.
    pub(super) gates: usize,
    /// What was created, by the object that it began with, as it was asked for.
    pub(super) asked: BTreeMap<ObjectKey, Object>,
    /// Objects so far: each has a uid of its own.
    pub(super) uids: usize,
    /// Starts that wait for an engine which stays away.
    pub(super) parked: BTreeSet<ObjectKey>,
    pub(super) calm: bool,
    pub(super) ending: bool,
    pub(super) moves: BTreeSet<(bool, String, String)>,
    pub(super) faults: BTreeSet<&'static str>,
    pub(super) story: Vec<String>,
}

pub(super) type Checked = Result<(), String>;

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
            watched: BTreeMap::new(),
            tasks: Vec::new(),
            inbox: VecDeque::new(),
            queue: BTreeSet::new(),
            made: 0,
            gates: 6,
            asked: BTreeMap::new(),
            uids: 0,
            parked: BTreeSet::new(),
            calm: false,
            ending: false,
            moves: BTreeSet::new(),
            faults: BTreeSet::new(),
            story: Vec::new(),
        }
    }

    /// Chaos, calm, the end.
    pub(super) fn whole(&mut self) -> Checked {
        self.until_calm(false)?;
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

    /// Chaos, then no more faults until nothing goes on. The engine may stay away.
    pub(super) fn until_calm(&mut self, engine_down: bool) -> Checked {
        for _ in 0..CHAOS {
            self.go()?;
        }
        self.calm = true;
        self.world.engine_down = engine_down;
        self.settle()
    }

    pub(super) fn note(&mut self, fault: &'static str) {
        self.faults.insert(fault);
    }

    /// A fault that happens by chance, never in calm.
    pub(super) fn fault(&mut self, name: &'static str, times: usize) -> bool {
        let happens = !self.calm && self.chance.once_in(times);
        if happens {
            self.note(name);
        }
        happens
    }

    /// Goes on until nothing but looking again is left to do.
    pub(super) fn settle(&mut self) -> Checked {
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
                Task::Launch { key, .. } => !self.is_parked(key),
                Task::Stop { .. } | Task::Clean { .. } => true,
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
            if item.serving && !probes(&item.object).is_empty() {
                acts.push(Act::Probe(key.clone()));
            }
        }
        for (name, thing) in &self.world.things {
            if thing.lives() {
                acts.push(Act::End(name.clone()));
            }
            if World::is_container(name) {
                if matches!(thing, Thing::Ended(_)) && self.world.can_start() {
                    acts.push(Act::Again(name.clone()));
                }
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

    /// A probe tells of an attempt.
    pub(super) fn probed(&mut self, key: &ObjectKey, name: String, outcome: ProbeOutcome) {
        let mut state = ProbeState::default();
        let attempt = Attempt {
            outcome,
            reason: "no answer".to_owned(),
        };
        let at = Timestamp(self.clock);
        state.observe(&Schedule::of_runtime(), attempt, Duration::ZERO, at);
        self.tell(key, Report::Probed(name, state));
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
            Act::Again(name) => {
                self.note("again");
                let told = !self.fault("event lost", 3);
                self.world.start(&name, told);
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
            Act::Probe(key) => {
                let mut names = probes(&self.items[&key].object);
                let name = names.swap_remove(self.chance.below(names.len()));
                let outcome = [ProbeOutcome::Failure, ProbeOutcome::Success][self.chance.below(2)];
                let fatal = name == "live" && outcome == ProbeOutcome::Failure;
                self.note(if fatal { "liveness" } else { "probe" });
                self.probed(&key, name, outcome);
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
}
