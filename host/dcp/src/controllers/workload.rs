//! The life of a process or container; pure.
//!
//! [`Facts`] is what effects have told so far, [`Wanted`] what the object and its surroundings ask
//! for; [`step`] says what follows. Everything that a status shows is derived from the facts, so a
//! lost event can't leave a status behind, and nothing here can start what has ended. A container
//! can be started again by somebody else; then it runs again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use aspire_api::executable::EnvVar;

use crate::clock::Timestamp;

use super::health::ProbeState;
use super::restart::{Rule, Verdict, decide};

/// What a launch is doing, in the order in which statuses may show it: the states of DCP know no
/// way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Waiting for what it needs.
    Pending,
    /// The engine doesn't answer; it is tried again.
    EngineDown,
    /// Its image is being built.
    Building,
    /// Being prepared, created or started.
    Starting,
}

/// How far it got towards running.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Launch {
    /// Nothing happened yet.
    #[default]
    Idle,
    /// Under way.
    Busy(Stage, String),
    /// It ran.
    Done,
    /// It can't be started.
    Failed(String, Timestamp),
    /// It was stopped before anything was begun.
    Abandoned,
    /// It was stopped while it was being started.
    Aborted,
}

/// A finite effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Work {
    /// Not asked for.
    #[default]
    Idle,
    /// Under way.
    Busy,
    /// Done.
    Done,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// When.
    pub(crate) at: Timestamp,
    /// How long it ran, whatever was done to the clock meanwhile.
    pub(crate) ran: Duration,
    /// Exit code; none: not to be found out.
    pub(crate) code: Option<i32>,
    /// In words, where there is more to say.
    pub(crate) note: String,
}

/// What a launch that succeeded tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Started {
    /// When.
    pub(crate) at: Timestamp,
    /// Process id.
    pub(crate) pid: Option<u32>,
    /// Where its endpoints are, by name.
    pub(crate) addresses: BTreeMap<String, SocketAddr>,
    /// The variables that its object and its files gave it, secrets masked.
    pub(crate) env: Vec<EnvVar>,
    /// Its arguments, secrets masked.
    pub(crate) args: Vec<String>,
    /// Files of its output, standard output first; none: nobody but the log has it.
    pub(crate) output: Option<[String; 2]>,
}

/// Whether it is started again: by another object, since what ended stays ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Again {
    /// It is not, as far as is known.
    #[default]
    No,
    /// After a pause.
    Waiting {
        /// When.
        due: Timestamp,
        /// The pause.
        pause: Duration,
        /// For which time in a row.
        attempt: u32,
    },
    /// As soon as nothing is left of it.
    Due {
        /// For which time in a row.
        attempt: u32,
    },
    /// Its successor was asked for.
    Begun {
        /// For which time in a row.
        attempt: u32,
    },
    /// Somebody wants it to be stopped.
    Cancelled,
    /// So many times in a row are enough.
    GivenUp(u32),
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) launch: Launch,
    pub(crate) aborting: bool,
    pub(crate) started: Started,
    /// Id and name in the engine.
    pub(crate) container: Option<(String, String)>,
    pub(crate) ended: Option<Ended>,
    pub(crate) paused: bool,
    pub(crate) stop: Work,
    /// It could not be stopped.
    pub(crate) stuck: bool,
    /// It is stopped because it was unhealthy.
    pub(crate) condemned: bool,
    /// The process that it is to end with has ended.
    pub(crate) orphaned: Option<u32>,
    /// Endpoints are published and probes run.
    pub(crate) serving: bool,
    /// They are those of an earlier life.
    pub(crate) outdated: bool,
    /// Somebody else started it again while it was being stopped.
    pub(crate) revival: Option<(Timestamp, BTreeMap<String, SocketAddr>)>,
    pub(crate) clean: Work,
    pub(crate) probes: BTreeMap<String, ProbeState>,
    pub(crate) again: Again,
    /// Name of the object that took its place.
    pub(crate) successor: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    /// The object carries our finalizer.
    pub(crate) finalizer: bool,
    /// The object is to go away.
    pub(crate) deleting: bool,
    /// `spec.start`.
    pub(crate) start: bool,
    /// `spec.stop`.
    pub(crate) stop: bool,
    /// Every gate is open.
    pub(crate) open: bool,
    /// Others that depend on it still run, and should stop first.
    pub(crate) held: bool,
    /// A probe of its liveness fails.
    pub(crate) unhealthy: bool,
    /// The run ends.
    pub(crate) ending: bool,
    /// Whether it is to be started again after it ended.
    pub(crate) rule: Rule,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// Put our finalizer on the object.
    AddFinalizer,
    /// Start it.
    Launch,
    /// Give up starting it.
    Abort,
    /// Publish endpoints, start probes.
    Serve,
    /// The opposite.
    Unserve,
    /// Stop it.
    Stop,
    /// Remove what is left of it.
    Clean,
    /// Tell when a time has passed.
    Wait(Duration),
    /// Make the object that takes its place.
    Succeed,
    /// Take our finalizer off.
    Release,
}

/// What effects tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// A launch goes on.
    Progress(Stage, String),
    /// The engine has it.
    Created(String, String),
    /// A launch succeeded.
    Started(Started),
    /// A launch failed.
    Failed(String, Timestamp),
    /// It ended.
    Ended(Ended),
    /// Somebody else started it again: when, and where its endpoints are now.
    Revived(Timestamp, BTreeMap<String, SocketAddr>),
    /// It was paused or went on.
    Paused(bool),
    /// The process that it is to end with has ended.
    Orphaned(u32),
    /// Stopping is over; whether it succeeded.
    Stopped(bool),
    /// Cleaning is over.
    Cleaned,
    /// A probe has a new state.
    Probed(String, ProbeState),
    /// The pause before it is started again is over.
    Due,
    /// This object took its place; none: it could not be made.
    Succeeded(Option<String>),
}

impl Facts {
    /// Takes what an effect tells.
    pub(crate) fn learn(&mut self, report: Report) {
        let busy = matches!(self.launch, Launch::Busy(..));
        match report {
            Report::Progress(stage, note) => {
                if let Launch::Busy(before, _) = self.launch {
                    self.launch = Launch::Busy(stage.max(before), note);
                }
            }
            Report::Created(id, name) => self.container = Some((id, name)),
            Report::Started(started) if busy => {
                self.launch = Launch::Done;
                self.started = started;
            }
            Report::Failed(..) if busy && self.aborting => self.launch = Launch::Aborted,
            Report::Failed(message, at) if busy => self.launch = Launch::Failed(message, at),
            // A finished state stays finished, and so does one that nothing is known of any more,
            // unless somebody else starts it again.
            // Before it ran, it is the end of an earlier workload with the same name.
            Report::Ended(ended) if self.is_running() => {
                self.ended = Some(ended);
                self.revival = None;
            }
            Report::Revived(at, addresses) if self.can_revive() => {
                self.revival = Some((at, addresses));
                self.revive();
            }
            Report::Paused(paused) => self.paused = paused,
            Report::Orphaned(pid) => self.orphaned = Some(pid),
            Report::Stopped(done) => {
                self.stop = Work::Done;
                self.stuck |= !done && self.ended.is_none();
                self.revive();
            }
            Report::Cleaned => self.clean = Work::Done,
            Report::Probed(name, state) if self.serving => {
                self.probes.insert(name, state);
            }
            Report::Due => {
                if let Again::Waiting { attempt, .. } = self.again {
                    self.again = Again::Due { attempt };
                }
            }
            Report::Succeeded(Some(name)) => self.successor = Some(name),
            Report::Succeeded(None) => self.again = Again::Cancelled,
            // That life is over, too.
            Report::Ended(_) => self.revival = None,
            Report::Started(_) | Report::Failed(..) | Report::Revived(..) | Report::Probed(..) => {}
        }
    }

    /// It has run, and is neither being removed nor replaced.
    fn can_revive(&self) -> bool {
        self.launch == Launch::Done && self.clean == Work::Idle && !self.restarts()
    }

    /// It runs again, unless it is just being stopped: how that went has to be known first.
    fn revive(&mut self) {
        if self.stop == Work::Busy || !self.can_revive() {
            return;
        }
        let Some((at, addresses)) = self.revival.take() else {
            return;
        };
        self.started.at = at;
        self.started.addresses = addresses;
        self.ended = None;
        self.stop = Work::Idle;
        self.stuck = false;
        self.condemned = false;
        self.paused = false;
        self.again = Again::No;
        self.outdated = self.serving;
        self.probes.clear();
    }

    /// Takes what an effect tells; whether that has to be seen before anything follows from it: a
    /// launch got further, or what was over runs again.
    pub(crate) fn learn_milestone(&mut self, report: Report) -> bool {
        let stage = |facts: &Self| match facts.launch {
            Launch::Busy(stage, _) => Some(stage),
            _ => None,
        };
        let before = (stage(self), self.is_over());
        self.learn(report);
        stage(self) != before.0 || before.1 && !self.is_over()
    }

    /// It runs, as far as we know.
    pub(crate) fn is_running(&self) -> bool {
        self.launch == Launch::Done && self.ended.is_none() && !self.stuck
    }

    /// It won't run any more.
    pub(crate) fn is_over(&self) -> bool {
        match self.launch {
            Launch::Idle | Launch::Busy(..) => false,
            Launch::Done => self.ended.is_some() || self.stuck,
            Launch::Failed(..) | Launch::Abandoned | Launch::Aborted => true,
        }
    }

    /// It ended in a way that its restart policy calls a failure.
    pub(crate) fn failed(&self) -> bool {
        self.condemned
            || self
                .ended
                .as_ref()
                .is_some_and(|ended| ended.code != Some(0))
    }

    /// It will be started again.
    pub(crate) fn restarts(&self) -> bool {
        matches!(
            self.again,
            Again::Waiting { .. } | Again::Due { .. } | Again::Begun { .. }
        )
    }

    /// A finite effect is under way.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.launch, Launch::Busy(..))
            || self.stop == Work::Busy
            || self.clean == Work::Busy
    }
}

/// What follows: the facts with the effects begun, and the effects, in order.
pub(crate) fn step(facts: &Facts, wanted: &Wanted) -> (Facts, Vec<Effect>) {
    let mut facts = facts.clone();
    let mut effects = Vec::new();
    // First the finalizer, later everything that would have to be undone.
    if !wanted.finalizer {
        if !wanted.deleting {
            effects.push(Effect::AddFinalizer);
        }
        return (facts, effects);
    }
    let end = wanted.stop || wanted.deleting || facts.orphaned.is_some();
    match &facts.launch {
        Launch::Idle if end => facts.launch = Launch::Abandoned,
        Launch::Idle if wanted.start && wanted.open => {
            facts.launch = Launch::Busy(Stage::Pending, String::new());
            effects.push(Effect::Launch);
        }
        Launch::Busy(..) if end && !facts.aborting => {
            facts.aborting = true;
            effects.push(Effect::Abort);
        }
        Launch::Done if facts.is_running() && facts.stop == Work::Idle => {
            let condemned = wanted.unhealthy && !end && !wanted.ending;
            if end && !wanted.held || condemned {
                facts.condemned = condemned;
                facts.stop = Work::Busy;
                effects.push(Effect::Stop);
            }
        }
        _ => {}
    }
    let serve = facts.is_running() && facts.stop == Work::Idle;
    if std::mem::take(&mut facts.outdated) && serve && facts.serving {
        effects.extend([Effect::Unserve, Effect::Serve]);
    }
    if serve != facts.serving {
        facts.serving = serve;
        effects.push(if serve {
            Effect::Serve
        } else {
            Effect::Unserve
        });
    }
    again(&mut facts, wanted, &mut effects);
    let over = facts.is_over() && facts.stop != Work::Busy;
    // What takes its place must find its ports and names free.
    if over && (wanted.deleting || facts.restarts()) && facts.clean == Work::Idle {
        facts.clean = Work::Busy;
        effects.push(Effect::Clean);
    }
    if over && wanted.deleting && facts.clean == Work::Done {
        effects.push(Effect::Release);
    }
    (facts, effects)
}

/// Starting it again.
fn again(facts: &mut Facts, wanted: &Wanted, effects: &mut Vec<Effect>) {
    let Some(ended) = &facts.ended else {
        return;
    };
    let by_itself = facts.stop == Work::Idle || facts.condemned;
    if facts.launch != Launch::Done || facts.stop == Work::Busy || !by_itself {
        return;
    }
    let orphaned = facts.orphaned.is_some();
    let end = wanted.stop || wanted.deleting || wanted.ending || orphaned;
    match facts.again {
        Again::Waiting { .. } | Again::Due { .. } if end => facts.again = Again::Cancelled,
        Again::No if !end => match decide(&wanted.rule, facts.failed(), ended.ran) {
            Verdict::Never => {}
            Verdict::GivenUp(count) => facts.again = Again::GivenUp(count),
            Verdict::After(attempt, pause) => {
                let micros = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
                let due = Timestamp(ended.at.0.saturating_add(micros));
                facts.again = Again::Waiting {
                    due,
                    pause,
                    attempt,
                };
                effects.push(Effect::Wait(pause));
            }
        },
        Again::Due { attempt } if facts.clean == Work::Done => {
            facts.again = Again::Begun { attempt };
            effects.push(Effect::Succeed);
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "workload_tests.rs"]
mod tests;
