//! The end of a container, and its next life where somebody else starts it again: told by the
//! engine, or found by looking.

use std::time::Duration;

use aspire_api::ObjectKey;
use aspire_api::container::ProbeOutcome;
use tokio::sync::mpsc;

use super::events::Happening;
use crate::clock::{Timestamp, uptime};
use crate::context::Context;
use crate::controllers::health::{Attempt, ProbeState, RUNTIME, Schedule};
use crate::controllers::workload::{Ended, Report};
use crate::engine::{Engine, within};
use crate::processes::run::last_line;
use crate::runtime::{EngineError, Inspection};

/// For a look.
const QUICK: Duration = Duration::from_secs(30);
/// Exit code of one that was killed.
const KILLED: i32 = 137;

/// A container that was started.
pub(super) struct Running {
    pub(super) id: String,
    pub(super) happenings: mpsc::UnboundedReceiver<Happening>,
    /// When it was started last, in the engine's words; none: it could not be asked.
    pub(super) began: Option<String>,
    /// When that was, as we count.
    pub(super) since: Duration,
    /// It has ended.
    pub(super) over: bool,
    /// With what, as far as it was told.
    died: Option<i32>,
    /// The engine doesn't have it any more, and that has not been told yet.
    gone: bool,
    /// What its own check told last.
    pub(super) checked: ProbeState,
}

impl Running {
    /// One that was found running, or started just now.
    pub(super) fn new(
        id: String,
        happenings: mpsc::UnboundedReceiver<Happening>,
        began: Option<String>,
    ) -> Self {
        Self {
            id,
            happenings,
            began,
            since: uptime(),
            over: false,
            died: None,
            gone: false,
            checked: ProbeState::default(),
        }
    }
}

/// What became of a container.
pub(super) enum Turn {
    /// It ended.
    Ended(Ended),
    /// Somebody else started it again, perhaps before anybody saw it ended.
    Began(Box<Inspection>),
    /// It was removed by somebody else, some time after it ended.
    Gone,
    /// Nobody asks any more.
    Done,
}

/// Stays with a container until its life takes a turn.
///
/// Whatever is told is only a reason to look: events come late, twice or not at all.
pub(super) async fn next_turn(
    context: &Context,
    engine: &Engine,
    key: &ObjectKey,
    running: &mut Running,
) -> Turn {
    while let Some(happening) = running.happenings.recv().await {
        let code = match happening {
            Happening::Paused(paused) => {
                context.tell(key, Report::Paused(paused));
                continue;
            }
            Happening::Died(code) => {
                running.died = code;
                code
            }
            Happening::Look => None,
        };
        let at = Timestamp::now();
        let ran = uptime().saturating_sub(running.since);
        let plainly = |code, note: &str| Ended {
            at,
            ran,
            code,
            note: note.to_owned(),
        };
        let ended = match within(QUICK, engine.raw().inspect(&running.id)).await {
            Ok(found) => {
                if is_another_life(running, &found) {
                    (running.over, running.died) = (false, None);
                    running.since = uptime();
                    running.began = Some(found.began.clone());
                    running.checked = ProbeState::default();
                    return Turn::Began(Box::new(found));
                }
                if let Some(health) = &found.health
                    && !running.over
                {
                    let checked = checked(health, at, ran);
                    if checked.is_news(&running.checked) {
                        running.checked = checked.clone();
                        context.tell(key, Report::Probed(RUNTIME.to_owned(), checked));
                    }
                }
                end_of(&found, code).map(|(code, note)| plainly(code, &note))
            }
            Err(EngineError::NotFound(_)) => {
                // It won't come back.
                engine.hub.forget(&running.id);
                running.gone = true;
                // Whoever removes one that runs kills it first, and that says nothing about it.
                let ours = *context.force.borrow();
                let code = running.died.filter(|code| ours || *code != KILLED);
                let note = code.map_or("removed from outside", |_| "");
                Some(plainly(code, note))
            }
            // The engine is away: what it runs runs on.
            Err(_) => code.map(|code| plainly(Some(code), "")),
        };
        if let Some(ended) = ended
            && !running.over
        {
            running.over = true;
            return Turn::Ended(ended);
        }
    }
    if std::mem::take(&mut running.gone) {
        return Turn::Gone;
    }
    if running.over {
        return Turn::Done;
    }
    running.over = true;
    Turn::Ended(Ended {
        at: Timestamp::now(),
        ran: uptime().saturating_sub(running.since),
        code: None,
        note: String::new(),
    })
}

/// Whether it runs, and not since when we last knew it to.
fn is_another_life(running: &mut Running, found: &Inspection) -> bool {
    if !matches!(&*found.state, "running" | "paused" | "restarting") {
        return false;
    }
    let known = running.began.get_or_insert_with(|| found.began.clone());
    running.over || *known != found.began
}

/// What the engine's own check of a container means.
fn checked((status, output): &(String, String), at: Timestamp, ran: Duration) -> ProbeState {
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
    state.observe(&Schedule::of_runtime(), attempt, ran, at);
    state
}

/// Exit code and words, of one that ended.
fn end_of(found: &Inspection, told: Option<i32>) -> Option<(Option<i32>, String)> {
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
    Some((code, note))
}
