//! The end of a container: told by the engine, or found by looking.

use std::time::Duration;

use aspire_api::ObjectKey;
use tokio::sync::mpsc;

use super::events::Happening;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::controllers::workload::{Ended, Report};
use crate::engine::{Engine, within};
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
            Ok(found) => end_of(&found, at, code),
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
