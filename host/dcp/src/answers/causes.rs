//! The chain of causes of a workload's state, down through the gates that keep it from starting.
//!
//! Pure. A gate is closed here when it is for the controllers: it is the same function.

use std::collections::BTreeSet;

use aspire_api::aspire::{Aspire, Gate, GateCondition};
use aspire_api::container::ContainerState;
use aspire_api::executable::ExecutableState;
use aspire_api::{Object, ObjectKey};

use crate::controllers::gates;

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

impl Standing {
    /// It changes by itself, without anybody's doing.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Coming | Self::Starting | Self::Again | Self::Stopping
        )
    }
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

/// What a status says, the same for both kinds.
enum Said {
    Before,
    Starting,
    NoEngine,
    Runs,
    Stopping,
    Over,
    Failed,
    Lost,
}

fn standing<'a>(
    object: &Object,
    gate: Option<&Gate>,
    current: &dyn Fn(&ObjectKey) -> Option<&'a Object>,
) -> Standing {
    let (said, start, stop, code, again, aspire, waiting) = match object {
        Object::Executable(it) => (
            of_executable(it.status.state),
            it.spec.start,
            it.spec.stop,
            it.status.exit_code,
            it.status.restart_timestamp.is_some() || it.status.replaced_by.is_some(),
            it.spec.aspire.as_ref(),
            &it.status.waiting_for,
        ),
        Object::Container(it) => (
            of_container(it.status.state),
            it.spec.start,
            it.spec.stop,
            it.status.exit_code,
            it.status.restart_timestamp.is_some() || it.status.replaced_by.is_some(),
            it.spec.aspire.as_ref(),
            &it.status.waiting_for,
        ),
        // Nothing that starts; a gate on it says so.
        _ => return Standing::Missing,
    };
    let going = object.metadata().deletion_timestamp.is_some();
    match said {
        _ if going => Standing::Stopping,
        Said::Over | Said::Lost | Said::Failed if again => Standing::Again,
        Said::Before if stop => Standing::Stopped,
        Said::Before if !start => Standing::Manual,
        Said::Before => waits(aspire, waiting, current),
        Said::Starting if stop => Standing::Stopping,
        Said::Starting => Standing::Starting,
        Said::NoEngine => Standing::NoEngine,
        Said::Runs => Standing::Runs(sick(object, gate)),
        Said::Stopping => Standing::Stopping,
        Said::Over | Said::Failed if stop => Standing::Stopped,
        Said::Over => Standing::Ended(code),
        Said::Failed => Standing::Failed,
        Said::Lost => Standing::Lost,
    }
}

fn of_executable(state: ExecutableState) -> Said {
    match state {
        ExecutableState::Initial => Said::Before,
        ExecutableState::NotFound | ExecutableState::Starting => Said::Starting,
        ExecutableState::Running => Said::Runs,
        ExecutableState::Stopping => Said::Stopping,
        ExecutableState::Terminated | ExecutableState::Finished => Said::Over,
        ExecutableState::FailedToStart => Said::Failed,
        ExecutableState::Unknown => Said::Lost,
    }
}

fn of_container(state: ContainerState) -> Said {
    match state {
        ContainerState::Pending => Said::Before,
        ContainerState::NotFound | ContainerState::Building | ContainerState::Starting => {
            Said::Starting
        }
        ContainerState::RuntimeUnhealthy => Said::NoEngine,
        ContainerState::Running | ContainerState::Paused => Said::Runs,
        ContainerState::Stopping => Said::Stopping,
        ContainerState::Exited => Said::Over,
        ContainerState::FailedToStart => Said::Failed,
        ContainerState::Unknown => Said::Lost,
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
