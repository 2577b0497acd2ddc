//! What the user sees of a run: one row for each workload, made from its object.
//!
//! Pure. Knows objects and words for their states. Doesn't know terminals or where events come
//! from.

use std::collections::{BTreeMap, BTreeSet};

use aspire_api::ObjectKey;
use aspire_api::aspire::{Aspire, WorkloadEndpoint};
use aspire_api::container::{ContainerState, HealthStatus, ProbeOutcome, ProbeResult};
use aspire_api::executable::ExecutableState;
use aspire_api::object::Object;
use aspire_api::service::ServiceState;
use serde_json::{Value as Json, json};

/// How far a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Not started: it waits, or nobody asked for it.
    Waiting,
    /// On its way.
    Starting,
    /// Running.
    Running,
    /// On its way out.
    Stopping,
    /// Ended as it should.
    Finished,
    /// Ended as it should not, or never started.
    Failed,
}

impl Phase {
    /// For people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }

    /// Something is there that runs or will.
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}

/// One workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The name of its object, or of the one that it began with.
    pub(crate) name: String,
    /// The resource that it was lowered from.
    pub(crate) resource: String,
    /// The declared kind.
    pub(crate) kind: String,
    /// How far it is.
    pub(crate) phase: Phase,
    /// None: it has no probes.
    pub(crate) health: Option<HealthStatus>,
    /// What it waits for.
    pub(crate) waiting_for: Vec<String>,
    /// What is going on, or what went wrong.
    pub(crate) message: String,
    /// Exit code, once it ended.
    pub(crate) exit_code: Option<i32>,
    /// It starts only when somebody asks.
    pub(crate) manual: bool,
    /// Somebody asked for its end.
    pub(crate) stopped: bool,
    /// Times that it was started again after it ended by itself.
    pub(crate) restarts: u32,
    /// RFC 3339: when it ended, or else when it started; none: it hasn't.
    pub(crate) since: Option<String>,
    endpoints: Vec<WorkloadEndpoint>,
}

impl Row {
    /// What it waits for, without how far that is.
    pub(crate) fn waits(&self) -> impl Iterator<Item = &str> {
        self.waiting_for.iter().map(|wait| {
            wait.split_once(" (")
                .map_or(wait.as_str(), |(what, _)| what)
        })
    }
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    rows: BTreeMap<ObjectKey, Row>,
    /// What the control plane calls failures; told and not told yet.
    marks: BTreeMap<ObjectKey, String>,
    told: BTreeSet<ObjectKey>,
    uids: BTreeMap<ObjectKey, String>,
    services: BTreeMap<String, (String, u16)>,
    /// Everything is being stopped.
    pub(crate) stopping: bool,
}

impl View {
    /// Takes an object's present form; the row, when something that the user sees has changed.
    pub(crate) fn apply(&mut self, object: &Object) -> Option<&Row> {
        if is_replaced(object) {
            // The row goes on with the object that took its place.
            return None;
        }
        let mut row = match object {
            Object::Container(container) => {
                let status = &container.status;
                let aspire = container.spec.aspire.clone().unwrap_or_default();
                Row {
                    phase: match status.restart_timestamp {
                        Some(_) => Phase::Starting,
                        None => container_phase(status.state),
                    },
                    health: status.health_status.filter(|_| !aspire.probes.is_empty()),
                    waiting_for: status.waiting_for.clone(),
                    message: message(
                        &status.message,
                        status.health_status,
                        &status.health_probe_results,
                    ),
                    exit_code: status.exit_code,
                    manual: !container.spec.start,
                    stopped: container.spec.stop,
                    restarts: status.restarts,
                    since: since(
                        status.startup_timestamp.as_ref(),
                        status.finish_timestamp.as_ref(),
                    ),
                    ..base(&container.metadata, aspire)
                }
            }
            Object::Executable(executable) => {
                let status = &executable.status;
                let aspire = executable.spec.aspire.clone().unwrap_or_default();
                Row {
                    phase: match status.restart_timestamp {
                        Some(_) => Phase::Starting,
                        None => process_phase(status.state),
                    },
                    health: status.health_status.filter(|_| !aspire.probes.is_empty()),
                    waiting_for: status.waiting_for.clone(),
                    message: message(
                        &status.message,
                        status.health_status,
                        &status.health_probe_results,
                    ),
                    exit_code: status.exit_code,
                    manual: !executable.spec.start,
                    stopped: executable.spec.stop,
                    restarts: status.restarts,
                    since: since(
                        status.startup_timestamp.as_ref(),
                        status.finish_timestamp.as_ref(),
                    ),
                    ..base(&executable.metadata, aspire)
                }
            }
            Object::Service(service) => {
                let status = &service.status;
                if let (ServiceState::Ready, Some(port)) = (status.state, status.effective_port) {
                    let address = status.effective_address.clone();
                    let address = address.unwrap_or_else(|| "localhost".to_owned());
                    self.services
                        .insert(service.metadata.name.clone(), (shown_host(address), port));
                }
                return None;
            }
            _ => return None,
        };
        row.waiting_for.retain(|wait| is_shown(wait));
        // One that was started again is still the same to the user.
        let key = row_key(object);
        let (own, uid) = (object.key(), &object.metadata().uid);
        if self.uids.get(&own).is_some_and(|known| known != uid) {
            // Another one under the same name: what befell the first is not its fault.
            self.marks.remove(&key);
            self.told.remove(&key);
        }
        self.uids.insert(own, uid.clone());
        if let Some(message) = self.marks.get(&key) {
            fail(&mut row, message);
        }
        let changed = self.rows.get(&key) != Some(&row);
        self.rows.insert(key.clone(), row);
        if changed { self.rows.get(&key) } else { None }
    }

    /// The control plane calls it a failure; an end with an exit code that somebody waits for is
    /// none. True, when that is news.
    pub(crate) fn fail(&mut self, key: &ObjectKey, message: &str) -> bool {
        self.mark(key, message);
        self.told.insert(key.clone())
    }

    /// The same, before anybody was told.
    pub(crate) fn mark(&mut self, key: &ObjectKey, message: &str) {
        self.marks.insert(key.clone(), message.to_owned());
        if let Some(row) = self.rows.get_mut(key) {
            fail(row, message);
        }
    }

    /// It is gone, while the others go on; the key of its row, which went with it. What was left of
    /// one that was started again has none.
    pub(crate) fn forget(&mut self, object: &Object) -> Option<ObjectKey> {
        if is_replaced(object) {
            return None;
        }
        let key = row_key(object);
        self.rows.remove(&key);
        self.marks.remove(&key);
        self.told.remove(&key);
        Some(key)
    }

    /// The row of a workload.
    pub(crate) fn row(&self, key: &ObjectKey) -> Option<&Row> {
        self.rows.get(key)
    }

    /// All rows, in order of kind and name.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// Address and port of a service.
    pub(crate) fn service(&self, name: &str) -> Option<(String, u16)> {
        self.services.get(name).cloned()
    }

    /// Where a workload can be reached from this machine.
    pub(crate) fn urls(&self, row: &Row) -> Vec<String> {
        row.endpoints
            .iter()
            .filter_map(|endpoint| {
                let (host, port) = self.services.get(&endpoint.service)?;
                Some(format!("{}://{host}:{port}", endpoint.scheme))
            })
            .collect()
    }

    /// Every workload is where it should be.
    pub(crate) fn is_ready(&self) -> bool {
        self.rows.values().all(|row| match row.phase {
            Phase::Running => matches!(row.health, None | Some(HealthStatus::Healthy)),
            Phase::Finished => true,
            Phase::Waiting => row.manual,
            Phase::Starting | Phase::Stopping | Phase::Failed => false,
        })
    }

    /// Nothing runs, and nothing is on its way. What somebody stopped by hand may be started again.
    pub(crate) fn is_over(&self) -> bool {
        self.rows
            .values()
            .all(|row| !row.phase.is_active() && !row.stopped)
    }

    /// Workloads that never came to run although somebody asked for them.
    pub(crate) fn stuck(&self) -> impl Iterator<Item = &Row> {
        self.rows
            .values()
            .filter(|row| row.phase == Phase::Waiting && !row.manual)
    }

    /// How far a workload is, for people.
    pub(crate) fn word(&self, row: &Row) -> &'static str {
        match row.phase {
            Phase::Finished if self.stopping => "stopped",
            phase => phase.word(),
        }
    }

    /// A state change as one line.
    pub(crate) fn line(&self, row: &Row) -> String {
        let Row { name, .. } = row;
        match row.phase {
            Phase::Waiting if row.waiting_for.is_empty() => format!("{name}: not started"),
            Phase::Finished if self.stopping => format!("{name}: {}", self.word(row)),
            Phase::Waiting => format!("{name}: waiting for {}", row.waiting_for.join(", ")),
            Phase::Running => {
                let health = match row.health {
                    None => "running",
                    Some(HealthStatus::Healthy) => "healthy",
                    Some(HealthStatus::Caution) => "running, not healthy yet",
                    Some(HealthStatus::Unhealthy) => "unhealthy",
                };
                let urls = self.urls(row);
                match (urls.is_empty(), row.message.is_empty()) {
                    (false, _) if row.health != Some(HealthStatus::Unhealthy) => {
                        format!("{name}: {health} at {}", urls.join(", "))
                    }
                    (_, false) => format!("{name}: {health}: {}", row.message),
                    _ => format!("{name}: {health}"),
                }
            }
            Phase::Failed => format!("{name}: {}", failure(row)),
            phase if row.message.is_empty() => format!("{name}: {}", phase.word()),
            phase => format!("{name}: {}: {}", phase.word(), row.message),
        }
    }

    /// A row for programs.
    pub(crate) fn json(&self, row: &Row) -> Json {
        json!({
            "name": row.name,
            "resource": row.resource,
            "kind": row.kind,
            "state": row.phase.word(),
            "health": row.health,
            "waitingFor": row.waiting_for,
            "message": row.message,
            "exitCode": row.exit_code,
            "restarts": row.restarts,
            "since": row.since,
            "urls": self.urls(row),
        })
    }
}

/// How a workload failed.
pub(crate) fn failure(row: &Row) -> String {
    match (row.exit_code, row.message.as_str()) {
        (Some(code), "") => format!("failed with exit code {code}"),
        (_, "") => "failed".to_owned(),
        (_, message) => format!("failed: {message}"),
    }
}

/// What there is to say: the status's own words, else why an unhealthy workload is that.
fn message(own: &str, health: Option<HealthStatus>, results: &[ProbeResult]) -> String {
    if !own.is_empty() || health != Some(HealthStatus::Unhealthy) {
        return own.to_owned();
    }
    let failed: Vec<String> = results
        .iter()
        .filter(|result| result.outcome == ProbeOutcome::Failure)
        .map(|result| format!("probe {}: {}", result.probe_name, result.reason))
        .collect();
    failed.join("; ")
}

fn since(started: Option<&String>, finished: Option<&String>) -> Option<String> {
    finished.or(started).cloned()
}

fn fail(row: &mut Row, message: &str) {
    if !row.phase.is_active() || row.phase == Phase::Failed {
        row.phase = Phase::Failed;
        if row.message.is_empty() {
            message.clone_into(&mut row.message);
        }
    }
}

fn base(metadata: &aspire_api::ObjectMeta, aspire: Aspire) -> Row {
    Row {
        name: metadata.first().to_owned(),
        resource: metadata.resource().to_owned(),
        kind: aspire.kind,
        phase: Phase::Waiting,
        health: None,
        waiting_for: Vec::new(),
        message: String::new(),
        exit_code: None,
        manual: false,
        stopped: false,
        restarts: 0,
        since: None,
        endpoints: aspire.endpoints,
    }
}

/// Networks and volumes are nobody's resources; one that fails is worth telling all the same.
fn is_shown(wait: &str) -> bool {
    wait.contains("fail") || !(wait.starts_with("network ") || wait.starts_with("volume "))
}

fn shown_host(address: String) -> String {
    if matches!(address.as_str(), "127.0.0.1" | "::1") {
        "localhost".to_owned()
    } else {
        address
    }
}

/// One that was started again is still the same to the user.
pub(crate) fn row_key(object: &Object) -> ObjectKey {
    ObjectKey::new(object.kind(), object.metadata().first())
}

/// Another object took its place.
pub(crate) fn is_replaced(object: &Object) -> bool {
    match object {
        Object::Container(container) => container.status.replaced_by.is_some(),
        Object::Executable(executable) => executable.status.replaced_by.is_some(),
        _ => false,
    }
}

fn container_phase(state: ContainerState) -> Phase {
    match state {
        ContainerState::Pending | ContainerState::NotFound => Phase::Waiting,
        ContainerState::RuntimeUnhealthy | ContainerState::Building | ContainerState::Starting => {
            Phase::Starting
        }
        ContainerState::Running | ContainerState::Paused => Phase::Running,
        ContainerState::Stopping => Phase::Stopping,
        ContainerState::Exited => Phase::Finished,
        ContainerState::FailedToStart | ContainerState::Unknown => Phase::Failed,
    }
}

fn process_phase(state: ExecutableState) -> Phase {
    match state {
        ExecutableState::Initial | ExecutableState::NotFound => Phase::Waiting,
        ExecutableState::Starting => Phase::Starting,
        ExecutableState::Running => Phase::Running,
        ExecutableState::Stopping => Phase::Stopping,
        ExecutableState::Terminated | ExecutableState::Finished => Phase::Finished,
        ExecutableState::FailedToStart | ExecutableState::Unknown => Phase::Failed,
    }
}

#[cfg(test)]
mod tests;
