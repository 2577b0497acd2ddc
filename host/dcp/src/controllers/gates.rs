//! What has to be true of others before a workload starts; pure.
//!
//! A closed gate says in words what it waits for. One on a thing that failed or ended never opens
//! and says so.

use std::collections::BTreeSet;

use aspire_api::Object;
use aspire_api::aspire::{Aspire, Gate, GateCondition};
use aspire_api::container::{ContainerState, ProbeOutcome, ProbeResult};
use aspire_api::executable::ExecutableState;
use aspire_api::health::HealthProbe;

use super::health::RUNTIME;

/// The name of a workload's own probe.
pub(crate) const READY: &str = "ready";

/// Where a workload is, as far as anybody cares who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Before,
    Starting,
    EngineDown,
    Running,
    Stopping,
    Ended,
    Failed,
    Unknown,
}

/// What a gate has to know of the other object, whatever its kind.
pub(crate) struct View<'a> {
    pub(crate) stage: Stage,
    /// Somebody has asked for its start, and for its end.
    pub(crate) asked: (bool, bool),
    pub(crate) waiting_for: &'a [String],
    message: &'a str,
    pub(crate) exit_code: Option<i32>,
    probes: &'a [ProbeResult],
    pub(crate) aspire: Option<&'a Aspire>,
    /// DCP's probes, all of which are the workload's own.
    dcp: &'a [HealthProbe],
    /// It will be started again.
    pub(crate) restarts: bool,
}

/// None: it is nothing that starts.
pub(crate) fn view(object: &Object) -> Option<View<'_>> {
    match object {
        Object::Executable(executable) => {
            let status = &executable.status;
            Some(View {
                stage: match status.state {
                    ExecutableState::Initial => Stage::Before,
                    ExecutableState::NotFound | ExecutableState::Starting => Stage::Starting,
                    ExecutableState::Running => Stage::Running,
                    ExecutableState::Stopping => Stage::Stopping,
                    ExecutableState::Terminated | ExecutableState::Finished => Stage::Ended,
                    ExecutableState::FailedToStart => Stage::Failed,
                    ExecutableState::Unknown => Stage::Unknown,
                },
                message: &status.message,
                exit_code: status.exit_code,
                probes: &status.health_probe_results,
                asked: (executable.spec.start, executable.spec.stop),
                waiting_for: &status.waiting_for,
                aspire: executable.spec.aspire.as_ref(),
                dcp: &executable.spec.health_probes,
                restarts: status.restart_timestamp.is_some() || status.replaced_by.is_some(),
            })
        }
        Object::Container(container) => {
            let status = &container.status;
            Some(View {
                stage: match status.state {
                    ContainerState::Pending => Stage::Before,
                    ContainerState::NotFound
                    | ContainerState::Building
                    | ContainerState::Starting => Stage::Starting,
                    ContainerState::RuntimeUnhealthy => Stage::EngineDown,
                    ContainerState::Running | ContainerState::Paused => Stage::Running,
                    ContainerState::Stopping => Stage::Stopping,
                    ContainerState::Exited => Stage::Ended,
                    ContainerState::FailedToStart => Stage::Failed,
                    ContainerState::Unknown => Stage::Unknown,
                },
                message: &status.message,
                exit_code: status.exit_code,
                probes: &status.health_probe_results,
                asked: (container.spec.start, container.spec.stop),
                waiting_for: &status.waiting_for,
                aspire: container.spec.aspire.as_ref(),
                dcp: &container.spec.health_probes,
                restarts: status.restart_timestamp.is_some() || status.replaced_by.is_some(),
            })
        }
        _ => None,
    }
}

/// Whether a gate is open, or in words what it waits for.
pub(crate) fn check(gate: &Gate, object: Option<&Object>) -> Result<(), String> {
    look(gate, object).map_err(|words| format!("{}: {words}", gate.resource))
}

fn look(gate: &Gate, object: Option<&Object>) -> Result<(), String> {
    let condition = match gate.condition {
        GateCondition::Healthy => "healthy",
        GateCondition::Started => "started",
        GateCondition::Completed => "completed",
    };
    let Some(object) = object else {
        return Err(format!("{condition} (not created yet)"));
    };
    let Some(view) = view(object) else {
        return Err(format!("{} is nothing that starts", object.key()));
    };
    let why = |text: &str| {
        if view.message.is_empty() {
            text.to_owned()
        } else {
            format!("{text} ({})", view.message)
        }
    };
    match (view.stage, gate.condition) {
        (Stage::Ended, GateCondition::Completed) if view.exit_code == Some(gate.exit_code) => {
            Ok(())
        }
        (Stage::Ended | Stage::Unknown, _) if view.restarts => Err(why(condition)),
        (Stage::Failed, _) => Err("failed to start".to_owned()),
        (Stage::Unknown, _) => Err(why("its state is unknown")),
        (Stage::EngineDown, _) => Err(why(condition)),
        (Stage::Before | Stage::Starting, _) => Err(why(condition)),
        (Stage::Ended, GateCondition::Completed) => match view.exit_code {
            Some(code) => Err(format!(
                "ended with exit code {code}, not {}",
                gate.exit_code
            )),
            None => Err("ended, its exit code is not known".to_owned()),
        },
        (Stage::Ended, _) => Err(match view.exit_code {
            Some(code) => format!("ended with exit code {code}"),
            None => "ended".to_owned(),
        }),
        (Stage::Stopping, _) => Err("is being stopped".to_owned()),
        (Stage::Running, GateCondition::Started) => Ok(()),
        (Stage::Running, GateCondition::Completed) => Err("completed (running)".to_owned()),
        (Stage::Running, GateCondition::Healthy) => {
            for probe in required(&view, gate) {
                probed(&view, probe)?;
            }
            Ok(())
        }
    }
}

/// The probes that have to succeed before a gate on health opens.
fn required<'a>(view: &View<'a>, gate: &'a Gate) -> impl Iterator<Item = &'a str> {
    let has_own = view
        .aspire
        .is_some_and(|aspire| aspire.probes.contains_key(READY));
    let own = has_own.then_some(READY);
    let runtime = view.probes.iter().map(|result| &*result.probe_name);
    let runtime = runtime.filter(|name| *name == RUNTIME);
    let dcp = view.dcp.iter().map(|probe| &*probe.name);
    let all = own.into_iter().chain(runtime).chain(dcp);
    all.chain(gate.probe.as_deref())
}

/// The probes for which a gate on a running workload's health is closed.
pub(crate) fn sick(gate: &Gate, object: &Object) -> Vec<String> {
    let Some(view) = view(object) else {
        return Vec::new();
    };
    let closed = required(&view, gate).filter(|probe| probed(&view, probe).is_err());
    closed.map(str::to_owned).collect()
}

/// All probes of a workload that have not succeeded.
pub(crate) fn sick_of_all(object: &Object) -> Vec<String> {
    let Some(view) = view(object) else {
        return Vec::new();
    };
    let own = view
        .aspire
        .into_iter()
        .flat_map(|aspire| aspire.probes.keys());
    let dcp = view.dcp.iter().map(|probe| &probe.name);
    let told = view.probes.iter().map(|result| &result.probe_name);
    let names: BTreeSet<&String> = own.chain(dcp).chain(told).collect();
    let sick = names
        .into_iter()
        .filter(|probe| probed(&view, probe).is_err());
    sick.cloned().collect()
}

fn probed(view: &View<'_>, probe: &str) -> Result<(), String> {
    let Some(result) = view.probes.iter().find(|result| result.probe_name == probe) else {
        return Err(format!("healthy (probe {probe}: not tried yet)"));
    };
    match result.outcome {
        ProbeOutcome::Success => Ok(()),
        ProbeOutcome::Unknown => Err(format!("healthy (probe {probe}: {})", result.reason)),
        ProbeOutcome::Failure => {
            let retries = view.aspire.and_then(|aspire| aspire.probes.get(probe));
            let count = match retries.map(|probe| probe.retries) {
                Some(retries) if result.failures > 0 && result.failures <= retries => {
                    format!(", {} of {retries}", result.failures)
                }
                _ => String::new(),
            };
            Err(format!("healthy (probe {probe}: {}{count})", result.reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use aspire_api::aspire::{Probe, ProbeAction};
    use aspire_api::container::Container;
    use aspire_api::executable::Executable;
    use aspire_api::{Kind, ObjectKey, ObjectMeta};

    use super::*;

    fn gate(condition: GateCondition) -> Gate {
        Gate {
            resource: "db".into(),
            object: ObjectKey::new(Kind::Executable, "db"),
            condition,
            exit_code: 0,
            probe: None,
        }
    }

    fn executable(state: ExecutableState, exit_code: Option<i32>) -> Executable {
        let mut object = Executable {
            metadata: ObjectMeta::of("db", "db"),
            ..Executable::default()
        };
        object.status.state = state;
        object.status.exit_code = exit_code;
        object
    }

    fn says(gate: &Gate, object: Executable) -> String {
        match check(gate, Some(&object.into())) {
            Ok(()) => "open".into(),
            Err(words) => words,
        }
    }

    #[test]
    fn every_state_with_every_condition() {
        use ExecutableState as S;
        use GateCondition::{Completed, Healthy, Started};
        let table = [
            (
                S::Initial,
                None,
                "db: healthy",
                "db: started",
                "db: completed",
            ),
            (
                S::Starting,
                None,
                "db: healthy",
                "db: started",
                "db: completed",
            ),
            (S::Running, None, "open", "open", "db: completed (running)"),
            (
                S::Stopping,
                None,
                "db: is being stopped",
                "db: is being stopped",
                "db: is being stopped",
            ),
            (
                S::Finished,
                Some(0),
                "db: ended with exit code 0",
                "db: ended with exit code 0",
                "open",
            ),
            (
                S::Finished,
                Some(3),
                "db: ended with exit code 3",
                "db: ended with exit code 3",
                "db: ended with exit code 3, not 0",
            ),
            (
                S::Terminated,
                Some(143),
                "db: ended with exit code 143",
                "db: ended with exit code 143",
                "db: ended with exit code 143, not 0",
            ),
            (
                S::Terminated,
                None,
                "db: ended",
                "db: ended",
                "db: ended, its exit code is not known",
            ),
            (
                S::FailedToStart,
                None,
                "db: failed to start",
                "db: failed to start",
                "db: failed to start",
            ),
            (
                S::Unknown,
                None,
                "db: its state is unknown",
                "db: its state is unknown",
                "db: its state is unknown",
            ),
        ];
        for (state, code, healthy, started, completed) in table {
            for (condition, expected) in [
                (Healthy, healthy),
                (Started, started),
                (Completed, completed),
            ] {
                let found = says(&gate(condition), executable(state, code));
                assert_eq!(found, expected, "{state:?} {condition:?}");
            }
        }
        assert_eq!(
            check(&gate(Healthy), None).unwrap_err(),
            "db: healthy (not created yet)"
        );
        let mut completed = gate(Completed);
        completed.exit_code = 3;
        assert_eq!(says(&completed, executable(S::Finished, Some(3))), "open");
    }

    #[test]
    fn probes() {
        let probe = |endpoint: &str| Probe {
            action: ProbeAction::Tcp {
                endpoint: endpoint.into(),
            },
            interval: 1000,
            timeout: 1000,
            start_period: 0,
            retries: 5,
            liveness: false,
        };
        let mut object = executable(ExecutableState::Running, None);
        let probes = [
            (READY.to_owned(), probe("tcp")),
            ("orders".to_owned(), probe("tcp")),
        ];
        object.spec.aspire = Some(Aspire {
            probes: probes.into(),
            ..Aspire::default()
        });
        let mut gate = gate(GateCondition::Healthy);
        assert_eq!(
            says(&gate, object.clone()),
            "db: healthy (probe ready: not tried yet)"
        );
        let mut result = ProbeResult {
            probe_name: READY.into(),
            outcome: ProbeOutcome::Failure,
            timestamp: String::new(),
            reason: "connection refused at 127.0.0.1:5432".into(),
            failures: 3,
        };
        object.status.health_probe_results = vec![result.clone()];
        assert_eq!(
            says(&gate, object.clone()),
            "db: healthy (probe ready: connection refused at 127.0.0.1:5432, 3 of 5)"
        );
        result.outcome = ProbeOutcome::Success;
        object.status.health_probe_results = vec![result];
        assert_eq!(says(&gate, object.clone()), "open");
        gate.probe = Some("orders".into());
        assert_eq!(
            says(&gate, object),
            "db: healthy (probe orders: not tried yet)"
        );
    }

    #[test]
    fn what_is_started_again_is_waited_for() {
        use GateCondition::{Completed, Healthy};
        let mut object = executable(ExecutableState::Finished, Some(1));
        object.status.restart_timestamp = Some("soon".into());
        object.status.message = "restarting in 4 s (exit code 1, attempt 3)".into();
        assert_eq!(
            says(&gate(Healthy), object.clone()),
            "db: healthy (restarting in 4 s (exit code 1, attempt 3))"
        );
        assert_eq!(
            says(&gate(Completed), object.clone()),
            "db: completed (restarting in 4 s (exit code 1, attempt 3))"
        );
        object.status.exit_code = Some(0);
        assert_eq!(says(&gate(Completed), object), "open");
    }

    #[test]
    fn probes_of_dcp() {
        let mut object = executable(ExecutableState::Running, None);
        object.spec.health_probes = vec![HealthProbe {
            name: "live".into(),
            ..HealthProbe::default()
        }];
        let gate = gate(GateCondition::Healthy);
        assert_eq!(
            says(&gate, object.clone()),
            "db: healthy (probe live: not tried yet)"
        );
        object.status.health_probe_results = vec![ProbeResult {
            probe_name: "live".into(),
            outcome: ProbeOutcome::Unknown,
            timestamp: String::new(),
            reason: "HTTP 302".into(),
            failures: 0,
        }];
        assert_eq!(
            says(&gate, object.clone()),
            "db: healthy (probe live: HTTP 302)"
        );
        object.status.health_probe_results[0].outcome = ProbeOutcome::Success;
        assert_eq!(says(&gate, object), "open");
    }

    #[test]
    fn containers() {
        let mut container = Container::default();
        container.status.state = ContainerState::RuntimeUnhealthy;
        container.status.message = "no engine answers".into();
        let found = check(
            &gate(GateCondition::Started),
            Some(&container.clone().into()),
        );
        assert_eq!(found.unwrap_err(), "db: started (no engine answers)");
        container.status.state = ContainerState::Paused;
        assert!(check(&gate(GateCondition::Started), Some(&container.into())).is_ok());
    }
}
