//! The end of a container: told by the engine, or found by looking.

use std::time::Duration;

use aspire_api::ObjectKey;
use aspire_api::container::ProbeOutcome;
use tokio::sync::mpsc;

use super::events::Happening;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::controllers::health::{Attempt, ProbeState, RUNTIME, Schedule};
use crate::controllers::workload::{Ended, Report};
use crate::engine::{Engine, within};
use crate::processes::run::last_line;
use crate::runtime::{EngineError, Inspection};

/// For a look.
const QUICK: Duration = Duration::from_secs(30);

/// A container that runs.
pub(super) struct Running {
    pub(super) id: String,
    pub(super) happenings: mpsc::UnboundedReceiver<Happening>,
}

/// Stays with a container to its end.
pub(super) async fn until_end(
    context: &Context,
    engine: &Engine,
    key: &ObjectKey,
    mut running: Running,
) -> Ended {
    let id = &running.id;
    let mut told = ProbeState::default();
    while let Some(happening) = running.happenings.recv().await {
        let code = match happening {
            Happening::Paused(paused) => {
                context.tell(key, Report::Paused(paused));
                continue;
            }
            Happening::Died(code) => code,
            Happening::Look => None,
        };
        let at = Timestamp::now();
        let ended = match within(QUICK, engine.raw().inspect(id)).await {
            Ok(found) => {
                let checked = found.health.as_ref().map(|health| checked(health, at));
                if let Some(checked) = checked.filter(|checked| checked.is_news(&told)) {
                    told = checked.clone();
                    context.tell(key, Report::Probed(RUNTIME.to_owned(), checked));
                }
                end_of(&found, at, code)
            }
            Err(EngineError::NotFound(_)) => {
                let note = match code {
                    Some(_) => String::new(),
                    None => "removed from outside".to_owned(),
                };
                Some(Ended { at, code, note })
            }
            // The engine is away: what it runs runs on.
            Err(_) => code.map(|code| Ended {
                at,
                code: Some(code),
                note: String::new(),
            }),
        };
        if let Some(ended) = ended {
            engine.hub.forget(id);
            return ended;
        }
    }
    Ended {
        at: Timestamp::now(),
        code: None,
        note: String::new(),
    }
}

/// What the engine's own check of a container means.
fn checked((status, output): &(String, String), at: Timestamp) -> ProbeState {
    let outcome = match &**status {
        "healthy" => ProbeOutcome::Success,
        "unhealthy" => ProbeOutcome::Failure,
        _ => ProbeOutcome::Unknown,
    };
    let words = last_line(output);
    let reason = match (outcome, words.is_empty()) {
        (ProbeOutcome::Success, _) => String::new(),
        (_, true) => status.clone(),
        (_, false) => format!("{status}: {words}"),
    };
    let mut state = ProbeState::default();
    let attempt = Attempt { outcome, reason };
    state.observe(&Schedule::of_runtime(), attempt, Duration::ZERO, at);
    state
}

fn end_of(found: &Inspection, at: Timestamp, told: Option<i32>) -> Option<Ended> {
    if !matches!(found.state.as_str(), "exited" | "dead" | "stopped") {
        return None;
    }
    let code = found.exit_code.or(told);
    let note = match (code, found.out_of_memory, found.error.as_str()) {
        (_, true, _) => "killed for want of memory".to_owned(),
        (_, _, error) if !error.is_empty() => error.to_owned(),
        (Some(0) | None, ..) => String::new(),
        (Some(code), ..) => format!("ended with exit code {code}"),
    };
    Some(Ended { at, code, note })
}
