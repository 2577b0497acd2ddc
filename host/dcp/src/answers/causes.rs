//! The chain of causes of a workload's state, down through the gates that keep it from starting.
//!
//! Pure. A gate is closed here when it is for the controllers: it is the same function.

use std::collections::BTreeSet;

use aspire_api::aspire::{Aspire, Gate, GateCondition};
use aspire_api::{Object, ObjectKey};

use crate::controllers::gates::{self, Stage};

/// One link of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The workload: where it was started again, the object that goes on. Of one that is not
    /// there, the object that a gate names.
    pub key: ObjectKey,
    /// Its resource.
    pub resource: String,
    /// How it is.
    pub standing: Standing,
    /// What that is due to: one for each closed gate, none where it is its own doing.
    pub because: Vec<Self>,
}

/// How a workload is, as far as anybody who waits for it cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is no such object.
    Missing,
    /// Its chain is told further up.
    Above,
    /// Nobody has asked for it to start.
    Manual,
    /// It can't start yet.
    Waits {
        /// The gates that are closed.
        gates: Vec<Gate>,
        /// What it needs beside other workloads, in the controllers' words: networks, volumes.
        others: Vec<String>,
    },
    /// Nothing is in its way: it is about to start.
    Coming,
    /// It is being built or started.
    Starting,
    /// It can't be started because the container engine doesn't answer; it is tried again.
    NoEngine,
    /// It failed or ended and is started again in a while.
    Again,
    /// It runs. The probes that are not fine, of those that matter to who asks.
    Runs(Vec<String>),
    /// It is being stopped.
    Stopping,
    /// Somebody has stopped it.
    Stopped,
    /// It has ended by itself, with an exit code where that is known.
    Ended(Option<i32>),
    /// It could not be started.
    Failed,
    /// It was lost sight of, or could not be stopped.
    Lost,
}

/// The chain that ends in a workload. `current` gives the object that a key means: where a
/// workload was started again, the one that goes on.
pub fn cause<'a>(object: &Object, current: &dyn Fn(&ObjectKey) -> Option<&'a Object>) -> Cause {
    follow(object, None, current, &mut BTreeSet::new())
}

fn follow<'a>(
    object: &Object,
    gate: Option<&Gate>,
    current: &dyn Fn(&ObjectKey) -> Option<&'a Object>,
    seen: &mut BTreeSet<ObjectKey>,
) -> Cause {
    let mut cause = Cause {
        key: object.key(),
        resource: object.metadata().resource().to_owned(),
        standing: Standing::Above,
        because: Vec::new(),
    };
    let standing = standing(object, gate, current);
    // What waits is told once; whether another is fine depends on who asks.
    if matches!(standing, Standing::Waits { .. }) && !seen.insert(object.key()) {
        return cause;
    }
    if let Standing::Waits { gates, .. } = &standing {
        cause.because = gates
            .iter()
            .map(|gate| match current(&gate.object) {
                Some(other) => follow(other, Some(gate), current, seen),
                None => Cause {
                    key: gate.object.clone(),
                    resource: gate.resource.clone(),
                    standing: Standing::Missing,
                    because: Vec::new(),
                },
            })
            .collect();
    }
    cause.standing = standing;
    cause
}

fn standing<'a>(
    object: &Object,
    gate: Option<&Gate>,
    current: &dyn Fn(&ObjectKey) -> Option<&'a Object>,
) -> Standing {
    // Of what is nothing that starts, a gate says so.
    let Some(view) = gates::view(object) else {
        return Standing::Missing;
    };
    let (start, stop) = view.asked;
    let going = object.metadata().deletion_timestamp.is_some();
    match view.stage {
        _ if going => Standing::Stopping,
        Stage::Ended | Stage::Unknown | Stage::Failed if view.restarts => Standing::Again,
        Stage::Before if stop => Standing::Stopped,
        Stage::Before if !start => Standing::Manual,
        Stage::Before => waits(view.aspire, view.waiting_for, current),
        Stage::Starting if stop => Standing::Stopping,
        Stage::Starting => Standing::Starting,
        Stage::EngineDown => Standing::NoEngine,
        Stage::Running => Standing::Runs(sick(object, gate)),
        Stage::Stopping => Standing::Stopping,
        Stage::Ended | Stage::Failed if stop => Standing::Stopped,
        Stage::Ended => Standing::Ended(view.exit_code),
        Stage::Failed => Standing::Failed,
        Stage::Unknown => Standing::Lost,
    }
}

fn waits<'a>(
    aspire: Option<&Aspire>,
    waiting: &[String],
    current: &dyn Fn(&ObjectKey) -> Option<&'a Object>,
) -> Standing {
    let all = aspire.map_or(&[][..], |aspire| &aspire.waits);
    let closed = |gate: &&Gate| gates::check(gate, current(&gate.object)).is_err();
    let gates: Vec<Gate> = all.iter().filter(closed).cloned().collect();
    // What the controllers wrote of gates is as old as the status.
    let of_gate = |wait: &str| {
        let mut names = all.iter().map(|gate| gate.resource.as_str());
        names.any(|name| {
            wait.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(": "))
        })
    };
    let others = waiting.iter().filter(|wait| !of_gate(wait));
    let others: Vec<String> = others.cloned().collect();
    if gates.is_empty() && others.is_empty() {
        return Standing::Coming;
    }
    Standing::Waits { gates, others }
}

/// The probes that are not fine: of all of them, or of those that a gate looks at.
fn sick(object: &Object, gate: Option<&Gate>) -> Vec<String> {
    match gate {
        None => gates::sick_of_all(object),
        Some(gate) if gate.condition == GateCondition::Healthy => gates::sick(gate, object),
        Some(_) => Vec::new(),
    }
}
