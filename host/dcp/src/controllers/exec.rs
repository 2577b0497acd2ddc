//! The life of a command in a container; pure.
//!
//! It waits for its container, runs once and ends; nothing starts it again.

use aspire_api::exec::ContainerExecStatus;
use aspire_api::executable::{EnvVar, ExecutableState};

use crate::clock::Timestamp;

/// How far it got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Run {
    /// Nothing happened yet.
    #[default]
    Idle,
    /// Being prepared; in words, what it waits for.
    Starting(String),
    /// It runs, since then.
    Running(Timestamp),
    /// It ended; since when it had run, and its exit code.
    Ended(Timestamp, Timestamp, Option<i32>, String),
    /// It never ran.
    Failed(String, Timestamp),
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) run: Run,
    pub(crate) aborting: bool,
    /// What was replaced, as it may be shown.
    pub(crate) env: Vec<EnvVar>,
    pub(crate) args: Vec<String>,
}

/// What effects tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// It waits for something, in words.
    Progress(String),
    /// It runs, with this environment and these arguments.
    Started(Timestamp, Vec<EnvVar>, Vec<String>),
    /// It ended.
    Ended(Timestamp, Option<i32>, String),
    /// It can't run.
    Failed(String, Timestamp),
}

/// The container that it runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// It may run later; in words.
    NotYet(String),
    /// It runs.
    Running,
    /// It has ended; in words.
    Over(String),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The object carries our finalizer.
    pub(crate) finalizer: bool,
    /// The object is to go away.
    pub(crate) deleting: bool,
    pub(crate) target: Target,
    pub(crate) now: Timestamp,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Put our finalizer on the object.
    AddFinalizer,
    /// Run it.
    Launch,
    /// End it.
    Abort,
    /// Take our finalizer off.
    Release,
}

impl Facts {
    /// Takes in what effects tell. What is over stays so.
    pub(crate) fn learn(&mut self, report: Report) {
        self.run = match (&self.run, report) {
            (Run::Starting(_), Report::Progress(note)) => Run::Starting(note),
            (Run::Starting(_), Report::Started(at, env, args)) => {
                self.env = env;
                self.args = args;
                Run::Running(at)
            }
            (Run::Running(since), Report::Ended(at, code, note)) => {
                Run::Ended(*since, at, code, note)
            }
            // It was not told that it runs: the engine refused it.
            (Run::Starting(_), Report::Ended(at, _, note)) => Run::Failed(note, at),
            (Run::Idle | Run::Starting(_), Report::Failed(note, at)) => Run::Failed(note, at),
            (Run::Running(since), Report::Failed(note, at)) => Run::Ended(*since, at, None, note),
            (now, _) => now.clone(),
        };
    }

    /// It won't run any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.run, Run::Ended(..) | Run::Failed(..))
    }

    /// The status that the facts make.
    pub(crate) fn status(&self, target: &Target) -> ContainerExecStatus {
        let mut status = ContainerExecStatus {
            effective_env: self.env.clone(),
            effective_args: self.args.clone(),
            ..ContainerExecStatus::default()
        };
        match &self.run {
            Run::Idle => {
                if let Target::NotYet(words) = target {
                    status.message = format!("waiting for {words}");
                }
            }
            Run::Starting(note) => {
                status.state = ExecutableState::Starting;
                status.message.clone_from(note);
            }
            Run::Running(since) => {
                status.state = ExecutableState::Running;
                status.startup_timestamp = Some(since.to_string());
            }
            Run::Ended(since, at, code, note) => {
                status.state = match (code, self.aborting) {
                    (_, true) => ExecutableState::Terminated,
                    (Some(_), false) => ExecutableState::Finished,
                    (None, false) => ExecutableState::Unknown,
                };
                status.startup_timestamp = Some(since.to_string());
                status.finish_timestamp = Some(at.to_string());
                status.exit_code = *code;
                status.message.clone_from(note);
            }
            Run::Failed(message, at) => {
                status.state = ExecutableState::FailedToStart;
                status.finish_timestamp = Some(at.to_string());
                status.message.clone_from(message);
            }
        }
        status
    }
}

/// What follows.
pub(crate) fn step(facts: &Facts, wanted: &Wanted) -> (Facts, Vec<Effect>) {
    let mut facts = facts.clone();
    let mut effects = Vec::new();
    if !wanted.finalizer {
        if !wanted.deleting {
            effects.push(Effect::AddFinalizer);
        }
        return (facts, effects);
    }
    match (&facts.run, wanted.deleting) {
        (Run::Idle | Run::Ended(..) | Run::Failed(..), true) => effects.push(Effect::Release),
        (Run::Starting(_) | Run::Running(_), true) if !facts.aborting => {
            facts.aborting = true;
            effects.push(Effect::Abort);
        }
        (Run::Idle, false) => match &wanted.target {
            Target::NotYet(_) => {}
            Target::Running => {
                facts.run = Run::Starting(String::new());
                effects.push(Effect::Launch);
            }
            Target::Over(words) => facts.run = Run::Failed(words.clone(), wanted.now),
        },
        _ => {}
    }
    (facts, effects)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(9_000_000);

    fn runs() -> [Run; 5] {
        [
            Run::Idle,
            Run::Starting(String::new()),
            Run::Running(NOW),
            Run::Ended(NOW, NOW, Some(3), "ended with exit code 3".into()),
            Run::Failed("no".into(), NOW),
        ]
    }

    #[test]
    fn the_whole_table() {
        let targets = [
            Target::NotYet("it".into()),
            Target::Running,
            Target::Over("it has ended".into()),
        ];
        for run in runs() {
            for target in &targets {
                for bits in 0..8u8 {
                    let (finalizer, deleting) = (bits & 1 != 0, bits & 2 != 0);
                    let facts = Facts {
                        run: run.clone(),
                        aborting: bits & 4 != 0,
                        ..Facts::default()
                    };
                    let wanted = Wanted {
                        finalizer,
                        deleting,
                        target: target.clone(),
                        now: NOW,
                    };
                    let (next, effects) = step(&facts, &wanted);
                    let live = matches!(run, Run::Starting(_) | Run::Running(_));
                    let expected = match (finalizer, deleting) {
                        (false, false) => vec![Effect::AddFinalizer],
                        (true, true) if live && facts.aborting => vec![],
                        (true, true) if live => vec![Effect::Abort],
                        (true, true) => vec![Effect::Release],
                        (true, false) if run == Run::Idle && *target == Target::Running => {
                            vec![Effect::Launch]
                        }
                        _ => vec![],
                    };
                    assert_eq!(effects, expected, "{facts:?} {wanted:?}");
                    let fails = finalizer && !deleting && run == Run::Idle;
                    if fails && let Target::Over(words) = target {
                        assert_eq!(next.run, Run::Failed(words.clone(), NOW));
                    }
                    let (again, repeated) = step(&next, &wanted);
                    assert_eq!(again, next);
                    let harmless = [Effect::AddFinalizer, Effect::Release];
                    assert!(repeated.iter().all(|effect| harmless.contains(effect)));
                }
            }
        }
    }

    #[test]
    fn what_is_over_stays_so() {
        let reports = [
            Report::Progress("x".into()),
            Report::Started(NOW, Vec::new(), Vec::new()),
            Report::Ended(NOW, Some(0), String::new()),
            Report::Failed("late".into(), NOW),
        ];
        for run in &runs()[3..] {
            for report in &reports {
                let mut facts = Facts {
                    run: run.clone(),
                    ..Facts::default()
                };
                facts.learn(report.clone());
                assert_eq!(facts.run, *run);
            }
        }
    }

    #[test]
    fn statuses() {
        let target = Target::NotYet("container db".into());
        let show = |run: Run, aborting| {
            let facts = Facts {
                run,
                aborting,
                ..Facts::default()
            };
            let status = facts.status(&target);
            (status.state, status.exit_code, status.message)
        };
        let waiting = "waiting for container db".to_owned();
        assert_eq!(
            show(Run::Idle, false),
            (ExecutableState::Initial, None, waiting)
        );
        let [_, starting, running, ended, failed] = runs();
        assert_eq!(show(starting, false).0, ExecutableState::Starting);
        assert_eq!(show(running, false).0, ExecutableState::Running);
        let note = "ended with exit code 3".to_owned();
        let finished = (ExecutableState::Finished, Some(3), note);
        assert_eq!(show(ended.clone(), false), finished);
        assert_eq!(show(ended, true).0, ExecutableState::Terminated);
        assert_eq!(
            show(failed, false),
            (ExecutableState::FailedToStart, None, "no".into())
        );
    }
}
