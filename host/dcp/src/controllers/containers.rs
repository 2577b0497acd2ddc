//! What is particular to containers: their status, and which task does what.

use std::sync::Arc;
use std::time::Duration;

use aspire_api::container::{Container, ContainerState, ContainerStatus, HealthStatus, Mode};
use aspire_api::{Kind, ObjectKey};
use tokio::sync::watch;

use super::health;
use super::restart::Restarts;
use super::workload::{Ended, Facts, Launch, Report, Stage, Work};
use crate::clock::Timestamp;
use crate::containers::{Happening, Page, launch};
use crate::context::{Context, Slot};
use crate::engine::{Engine, within};
use crate::runtime::EngineError;

/// To remove a container, beside what stopping it takes.
const LIMIT: Duration = Duration::from_secs(30);

/// The status that the facts make.
pub(super) fn status(
    facts: &Facts,
    waiting_for: Vec<String>,
    container: &Container,
) -> ContainerStatus {
    let spec = &container.spec;
    let probes = health::schedules(spec.aspire.as_ref(), &spec.health_probes);
    let (health, results) = health::overall(&probes, &facts.probes);
    let mut status = ContainerStatus {
        waiting_for,
        health_status: Some(HealthStatus::Caution),
        container_id: facts.container.as_ref().map(|(id, _)| id.clone()),
        container_name: facts.container.as_ref().map(|(_, name)| name.clone()),
        restarts: container.metadata.restarts(),
        ..ContainerStatus::default()
    };
    match &facts.launch {
        Launch::Idle => {}
        Launch::Busy(stage, note) => {
            status.state = match stage {
                Stage::Pending => ContainerState::Pending,
                Stage::Starting => ContainerState::Starting,
                Stage::Building => ContainerState::Building,
                Stage::EngineDown => {
                    status.health_status = Some(HealthStatus::Unhealthy);
                    ContainerState::RuntimeUnhealthy
                }
            };
            status.message.clone_from(note);
        }
        Launch::Failed(message, at) => {
            status.state = ContainerState::FailedToStart;
            status.message.clone_from(message);
            status.finish_timestamp = Some(at.to_string());
            status.health_status = Some(HealthStatus::Unhealthy);
        }
        Launch::Abandoned | Launch::Aborted => {
            status.state = ContainerState::FailedToStart;
            status.message = facts.abandoned();
        }
        Launch::Done => {
            status.startup_timestamp = Some(facts.started.at.to_string());
            status.effective_env.clone_from(&facts.started.env);
            status.effective_args.clone_from(&facts.started.args);
            status.health_probe_results = results;
            if let Some(ended) = &facts.ended {
                let lost = ended.code.is_none() && facts.stop == Work::Idle;
                status.state = if lost {
                    ContainerState::Unknown
                } else {
                    ContainerState::Exited
                };
                status.finish_timestamp = Some(ended.at.to_string());
                status.exit_code = ended.code;
                status.message = facts.end_in_words(&probes, &container.rule());
                status.restart_timestamp = facts.restart_time();
                status.replaced_by.clone_from(&facts.successor);
                // As in DCP: only an exit code that is known and not 0 says that something is wrong.
                if lost || ended.code.is_some_and(|code| code != 0) || facts.condemned {
                    status.health_status = Some(HealthStatus::Unhealthy);
                }
            } else if facts.stuck {
                status.state = ContainerState::Unknown;
                "it could not be stopped".clone_into(&mut status.message);
            } else if facts.stop != Work::Idle {
                status.state = ContainerState::Stopping;
                status.message = facts.sentence(&probes);
            } else {
                status.state = if facts.paused {
                    ContainerState::Paused
                } else {
                    ContainerState::Running
                };
                status.health_status = Some(health);
            }
        }
    }
    status
}

/// The status with what is known of it beside its life.
pub(super) fn shown(page: Page, mut status: ContainerStatus) -> ContainerStatus {
    if page.missing && status.state == ContainerState::Starting {
        status.state = ContainerState::NotFound;
    }
    if status.message.is_empty() && status.state == ContainerState::Running {
        status.message = page.note;
    }
    status.lifecycle_key = page.lifecycle_key;
    status.networks = page.networks;
    status
}

/// Launches it in a task.
pub(super) fn launch(
    context: Arc<Context>,
    container: &Container,
    cancel: watch::Receiver<bool>,
    slot: Slot,
) {
    let task = launch::launch(
        Arc::clone(&context),
        Arc::new(container.clone()),
        cancel,
        slot,
    );
    let key = ObjectKey::new(Kind::Container, container.metadata.name.clone());
    context.work("container", key, Context::launch_failed(), task);
}

/// Stops it in a task. One that is kept runs on, unless it is asked to stop by itself.
pub(super) fn stop(context: Arc<Context>, container: &Container, facts: &Facts) {
    let key = ObjectKey::new(Kind::Container, container.metadata.name.clone());
    let grace = context.grace(container.spec.aspire.as_ref());
    let removes = container.spec.effective_mode().removes();
    let asked = container.spec.stop || facts.condemned || facts.orphaned.is_some();
    let kept = !removes && !asked;
    let id = facts.container.as_ref().map(|(id, _)| id.clone());
    let shared = Arc::clone(&context);
    context.work(
        "stop",
        key.clone(),
        vec![Report::Stopped(false)],
        async move {
            let (Some(engine), Some(id)) = (&shared.engine, id) else {
                return shared.tell(&key, Report::Stopped(true));
            };
            if kept {
                engine.hub.forget(&id);
                let note = "left running".to_owned();
                let ended = Ended {
                    at: Timestamp::now(),
                    ran: Duration::ZERO,
                    code: None,
                    note,
                };
                shared.tell(&key, Report::Stopped(true));
                return shared.tell(&key, Report::Ended(ended));
            }
            let mut force = shared.force.subscribe();
            let forced = async { drop(force.wait_for(|force| *force).await) };
            let orderly = tokio::select! {
                stopped = within(grace + LIMIT, engine.raw().stop(&id, grace)) => Some(stopped),
                () = forced => None,
            };
            let stopped = match orderly {
                Some(stopped) => stopped,
                None => within(LIMIT, engine.raw().remove(&id)).await,
            };
            // Somebody removed it meanwhile.
            let stopped = match stopped {
                Err(EngineError::NotFound(_)) => Ok(()),
                stopped => stopped,
            };
            if let Err(error) = &stopped {
                shared
                    .log(&key)
                    .system(&format!("it could not be stopped: {error}"));
            }
            shared.tell(&key, Report::Stopped(stopped.is_ok()));
            // Its end is told by the engine; should that get lost, a look will find it.
            engine.hub.tell(&id, Happening::Look);
        },
    );
}

/// Removes what is left of it, in a task.
pub(super) fn clean(context: Arc<Context>, container: &Container, facts: &Facts) {
    let key = ObjectKey::new(Kind::Container, container.metadata.name.clone());
    let id = facts.container.as_ref().map(|(id, _)| id.clone());
    let mode = container.spec.effective_mode();
    // One to clean up is removed even if it was never found before.
    let name = container.spec.container_name.clone();
    let named = name.clone();
    let id = id.or(name.filter(|_| mode == Mode::Cleanup));
    let shared = Arc::clone(&context);
    context.work("clean", key.clone(), vec![Report::Cleaned], async move {
        if let (Some(engine), Some(id)) = (&shared.engine, &id) {
            engine.hub.forget(id);
        }
        if let (Some(engine), Some(id), true) = (&shared.engine, id, mode.removes()) {
            let id = match mode {
                Mode::Cleanup => within(LIMIT, engine.raw().inspect(&id))
                    .await
                    .map_or(id, |found| found.id),
                _ => id,
            };
            remove(&shared, engine, &key, &id).await;
            if let (Mode::Cleanup, Some(name)) = (mode, named) {
                shared.forget("container", name, None).await;
            }
        }
        shared.containers.forget(&key);
        shared.tell(&key, Report::Cleaned);
    });
}

/// Removes a container. An engine that is away is waited for; at the end of the run not for long.
async fn remove(context: &Context, engine: &Engine, key: &ObjectKey, id: &str) {
    let mut pause = Duration::from_millis(250);
    let mut attempts = 3;
    loop {
        let removed = {
            let _turn = engine.turn().await;
            within(LIMIT, engine.raw().remove(id)).await
        };
        let Err(error) = removed else { return };
        let is_away = matches!(error, EngineError::Unreachable { .. });
        if *context.stopping.borrow() > 0 || !is_away {
            attempts -= 1;
        }
        if attempts == 0 || *context.force.borrow() {
            tracing::warn!(%key, %error, "a container stays; the next run tries again");
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}
