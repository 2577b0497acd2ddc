//! What is particular to processes: their status, and which task does what.

use std::sync::Arc;
use std::time::Duration;

use aspire_api::container::{HealthStatus, Mode};
use aspire_api::executable::{Executable, ExecutableState, ExecutableStatus};
use aspire_api::{Kind, ObjectKey};
use tokio::sync::watch;

use super::health;
use super::restart::Restarts;
use super::workload::{Ended, Facts, Launch, Report, Work};
use crate::clock::Timestamp;
use crate::containers::Page;
use crate::context::{Context, Live, Slot};
use crate::processes::launch;

/// The status that the facts make.
pub(super) fn status(
    facts: &Facts,
    waiting_for: Vec<String>,
    executable: &Executable,
) -> ExecutableStatus {
    let spec = &executable.spec;
    let probes = health::schedules(spec.aspire.as_ref(), &spec.health_probes);
    let (health, results) = health::overall(&probes, &facts.probes);
    let mut status = ExecutableStatus {
        waiting_for,
        health_status: Some(HealthStatus::Caution),
        restarts: executable.metadata.restarts(),
        ..ExecutableStatus::default()
    };
    match &facts.launch {
        Launch::Idle => {}
        Launch::Busy(_, note) => {
            // What is never started is there or isn't.
            if spec.effective_mode().creates() {
                status.state = ExecutableState::Starting;
            }
            status.message.clone_from(note);
        }
        Launch::Failed(message, at) => {
            status.state = ExecutableState::FailedToStart;
            status.message.clone_from(message);
            status.finish_timestamp = Some(at.to_string());
            status.health_status = Some(HealthStatus::Unhealthy);
        }
        Launch::Abandoned => {
            status.state = ExecutableState::Terminated;
            status.message = facts.abandoned();
        }
        // Only what never began may become `Terminated` without having run.
        Launch::Aborted => {
            status.state = ExecutableState::FailedToStart;
            status.message = facts.abandoned();
        }
        Launch::Done => {
            status.pid = facts.started.pid;
            status.execution_id = facts.started.pid.map(|pid| pid.to_string());
            status.startup_timestamp = Some(facts.started.at.to_string());
            status.effective_env.clone_from(&facts.started.env);
            status.effective_args.clone_from(&facts.started.args);
            if let Some([stdout, stderr]) = &facts.started.output {
                status.std_out_file = Some(stdout.clone());
                status.std_err_file = Some(stderr.clone());
            }
            status.health_probe_results = results;
            if let Some(ended) = &facts.ended {
                status.state = if facts.stop == Work::Idle {
                    ExecutableState::Finished
                } else {
                    ExecutableState::Terminated
                };
                status.finish_timestamp = Some(ended.at.to_string());
                status.exit_code = ended.code;
                status.message = facts.end_in_words(&probes, &executable.rule());
                status.restart_timestamp = facts.restart_time();
                status.replaced_by.clone_from(&facts.successor);
                if facts.stop == Work::Idle && ended.code != Some(0) || facts.condemned {
                    status.health_status = Some(HealthStatus::Unhealthy);
                }
            } else if facts.stuck {
                status.state = ExecutableState::Unknown;
                "it could not be stopped".clone_into(&mut status.message);
            } else if facts.stop != Work::Idle {
                status.state = ExecutableState::Stopping;
                status.message = facts.sentence(&probes);
            } else {
                status.state = ExecutableState::Running;
                status.health_status = Some(health);
            }
        }
    }
    status
}

/// The status with what is known of it beside its life.
pub(super) fn shown(page: Page, mut status: ExecutableStatus, mode: Mode) -> ExecutableStatus {
    let is_waited_for = status.state == ExecutableState::Initial && !mode.creates();
    if page.missing && is_waited_for {
        status.state = ExecutableState::NotFound;
    }
    if status.message.is_empty() && status.state == ExecutableState::Running {
        status.message = page.note;
    }
    status
}

/// Launches it in a task.
pub(super) fn launch(
    context: Arc<Context>,
    executable: &Executable,
    cancel: watch::Receiver<bool>,
    slot: Slot,
) {
    let executable = Arc::new(executable.clone());
    let key = ObjectKey::new(Kind::Executable, executable.metadata.name.clone());
    let task = launch::launch(Arc::clone(&context), executable, cancel, slot);
    context.work("process", key, Context::launch_failed(), task);
}

/// Stops it in a task. One that is kept runs on, unless it is asked to stop by itself.
pub(super) fn stop(context: Arc<Context>, executable: &Executable, facts: &Facts, slot: Slot) {
    let key = ObjectKey::new(Kind::Executable, executable.metadata.name.clone());
    let grace = context.grace(executable.spec.aspire.as_ref());
    let asked = executable.spec.stop || facts.condemned || facts.orphaned.is_some();
    if !executable.spec.effective_mode().removes() && !asked {
        let note = "left running".to_owned();
        let (at, code) = (Timestamp::now(), None);
        context.tell(&key, Report::Stopped(true));
        // It has not ended: nothing follows from how long it ran.
        let ran = Duration::ZERO;
        return context.tell(
            &key,
            Report::Ended(Ended {
                at,
                ran,
                code,
                note,
            }),
        );
    }
    let shared = Arc::clone(&context);
    context.work(
        "stop",
        key.clone(),
        vec![Report::Stopped(false)],
        async move {
            let mut force = shared.force.subscribe();
            let done = match slot.get() {
                Some(Live::Process(process)) => {
                    process.tree.end(&shared.scanner, grace, &mut force).await
                }
                _ => true,
            };
            shared.tell(&key, Report::Stopped(done));
        },
    );
}

/// Removes what is left of it, in a task.
pub(super) fn clean(context: Arc<Context>, executable: &Executable, slot: Slot, stopped: bool) {
    let key = ObjectKey::new(Kind::Executable, executable.metadata.name.clone());
    let (shared, executable) = (Arc::clone(&context), executable.clone());
    context.work("clean", key.clone(), vec![Report::Cleaned], async move {
        launch::clean(&shared, &key, &executable, &slot, stopped).await;
        shared.containers.forget(&key);
        shared.tell(&key, Report::Cleaned);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::workload::Stage;

    #[test]
    fn every_move_is_one_that_is_allowed() {
        let launches = [
            Launch::Idle,
            Launch::Busy(Stage::Starting, String::new()),
            Launch::Done,
            Launch::Failed("no".into(), Timestamp(1)),
            Launch::Abandoned,
            Launch::Aborted,
        ];
        let reports = [
            Report::Started(Default::default()),
            Report::Failed("no".into(), Timestamp(1)),
            Report::Ended(Ended {
                at: Timestamp(2),
                ran: std::time::Duration::ZERO,
                code: Some(1),
                note: String::new(),
            }),
            Report::Stopped(true),
            Report::Stopped(false),
        ];
        let state = |facts: &Facts| status(facts, vec![], &Executable::default()).state;
        for launch in launches {
            for aborting in [false, true] {
                for stop in [Work::Idle, Work::Busy] {
                    let facts = Facts {
                        launch: launch.clone(),
                        aborting,
                        stop,
                        ..Facts::default()
                    };
                    if facts.launch != Launch::Done && stop != Work::Idle {
                        continue;
                    }
                    for report in &reports {
                        let mut next = facts.clone();
                        next.learn(report.clone());
                        let (from, to) = (state(&facts), state(&next));
                        assert!(
                            from == to || from.can_become(to),
                            "{from:?} {report:?} {to:?}"
                        );
                    }
                }
            }
        }
    }
}
