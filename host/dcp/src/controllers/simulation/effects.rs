//! What effects do in the world, step by step, and what they tell.

use std::collections::BTreeMap;
use std::time::Duration;

use aspire_api::{Object, ObjectKey};

use super::driver::{Message, Simulation, Task};
use super::world::{Thing, World};
use crate::clock::Timestamp;
use crate::controllers::workload::{Ended, Report, Stage, Started};

impl Simulation {
    pub(super) fn tell(&mut self, key: &ObjectKey, report: Report) {
        self.inbox.push_back(Message::Work(key.clone(), report));
    }

    pub(super) fn fail(&mut self, key: &ObjectKey, why: &str) {
        self.tell(key, Report::Failed(why.to_owned(), Timestamp(self.clock)));
    }

    pub(super) fn task(&mut self, task: Task) {
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
                let fails = away || self.fault("stop fails", 3);
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

    pub(super) fn is_cancelled(&self, key: &ObjectKey) -> bool {
        self.items.get(key).is_some_and(|item| item.cancel)
    }

    /// Once nothing else happens, there is no point in asking an engine that stays away.
    pub(super) fn is_parked(&self, key: &ObjectKey) -> bool {
        let away = self.calm && self.world.engine_down;
        away && self.parked.contains(key) && !self.is_cancelled(key)
    }

    /// It is tried again once there is an engine.
    fn no_engine(&mut self, key: ObjectKey, tries: u8) {
        let down = Report::Progress(Stage::EngineDown, "no answer".to_owned());
        self.tell(&key, down);
        if self.calm {
            self.parked.insert(key.clone());
        }
        self.again(key, 0, tries);
    }

    pub(super) fn again(&mut self, key: ObjectKey, phase: u8, tries: u8) {
        self.tasks.push(Task::Launch { key, phase, tries });
    }

    /// It runs, or has already ended.
    pub(super) fn begin(&mut self, key: ObjectKey) {
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
        let starts = self.world.starts.entry(key.name.clone()).or_default();
        *starts += 1;
        self.watched.insert(key.clone(), (*starts, false));
        self.tasks.push(Task::Watch { key });
    }

    pub(super) fn launch_process(&mut self, key: ObjectKey, phase: u8, tries: u8) {
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

    pub(super) fn launch_container(&mut self, key: ObjectKey, phase: u8, tries: u8) {
        let away = self.world.engine_down;
        match phase {
            0 if self.is_cancelled(&key) => self.fail(&key, "stopped"),
            0 if away => self.no_engine(key, tries),
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
            1 if away => self.no_engine(key, tries),
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
                self.no_engine(key, tries);
            }
        }
    }

    pub(super) fn watch(&mut self, key: ObjectKey) {
        let container = World::is_container(&key.name);
        let thing = self.world.things.get(&key.name).copied();
        let (starts, over) = self.watched.get(&key).copied().unwrap_or_default();
        let now = self
            .world
            .starts
            .get(&key.name)
            .copied()
            .unwrap_or_default();
        let mut told = None;
        let mut goes_on = container;
        if container && self.world.engine_down {
            // Nobody can be asked.
        } else if thing.is_some_and(Thing::lives) {
            if over || starts != now {
                self.watched.insert(key.clone(), (now, false));
                told = Some(Report::Revived(Timestamp(self.clock), BTreeMap::new()));
            }
            goes_on = true;
        } else {
            let code = match thing {
                Some(Thing::Ended(code)) => Some(code),
                // A process can't go without having ended.
                None if !container => Some(137),
                _ => None,
            };
            goes_on &= thing.is_some();
            if !over && thing != Some(Thing::Created) {
                self.watched.insert(key.clone(), (now, true));
                told = Some(self.ended(&key, code));
            }
        }
        if goes_on {
            self.world.news.insert(key.name.clone(), false);
            self.tasks.push(Task::Watch { key: key.clone() });
        } else {
            self.world.news.remove(&key.name);
        }
        if let Some(report) = told {
            self.tell(&key, report);
        }
    }

    fn ended(&self, key: &ObjectKey, code: Option<i32>) -> Report {
        let at = Timestamp(self.clock);
        let begun = self.items.get(key).map_or(at, |item| item.facts.started.at);
        Report::Ended(Ended {
            at,
            ran: Duration::from_micros(u64::try_from(at.0 - begun.0).unwrap_or(0)),
            code,
            note: String::new(),
        })
    }
}
