//! Why a workload is in the state that it is in: the chain of causes, down through what it waits
//! for.
//!
//! Pure. The chain is the control plane's; this finds the words. Doesn't know where the last lines
//! of a log come from.

use std::collections::BTreeMap;

use aspire_api::ObjectKey;
use aspire_api::aspire::{Gate, GateCondition, ProbeAction};
use aspire_api::container::{HealthStatus, ProbeOutcome};
use aspire_dcp::answers::{self, Standing};
use serde_json::{Value as Json, json};

use crate::run::view::{Phase, Row};
use crate::running::workloads::{Workload, Workloads};

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// The workload.
    pub(crate) key: ObjectKey,
    /// Its name for people.
    pub(crate) name: String,
    /// Its state, and why, as far as it is its own doing.
    pub(crate) says: Vec<String>,
    /// The last lines of its output, where it failed.
    pub(crate) last_lines: Vec<String>,
    /// What that is due to.
    pub(crate) because: Vec<Self>,
}

/// The chain that ends in a workload. `tails`: last lines of output of what failed.
pub(crate) fn why(
    workload: &Workload,
    all: &Workloads,
    tails: &BTreeMap<ObjectKey, Vec<String>>,
) -> Cause {
    let current = |key: &ObjectKey| all.get(key).map(|workload| &workload.object);
    told(&answers::cause(&workload.object, &current), all, tails)
}

/// The workloads whose output says why something failed.
pub(crate) fn failed(workload: &Workload, all: &Workloads) -> Vec<ObjectKey> {
    let mut keys = Vec::new();
    gather(&why(workload, all, &BTreeMap::new()), all, &mut keys);
    keys
}

fn gather(cause: &Cause, all: &Workloads, keys: &mut Vec<ObjectKey>) {
    let is_failed = all
        .get(&cause.key)
        .is_some_and(|workload| workload.row.phase == Phase::Failed);
    if is_failed && !keys.contains(&cause.key) {
        keys.push(cause.key.clone());
    }
    for cause in &cause.because {
        gather(cause, all, keys);
    }
}

/// A chain in words.
fn told(
    cause: &answers::Cause,
    all: &Workloads,
    tails: &BTreeMap<ObjectKey, Vec<String>>,
) -> Cause {
    let workload = all.get(&cause.key);
    let is_failed = workload.is_some_and(|workload| workload.row.phase == Phase::Failed);
    let last_lines = tails.get(&cause.key).filter(|_| is_failed);
    Cause {
        key: cause.key.clone(),
        name: workload
            .map_or(&cause.resource, |workload| &workload.row.name)
            .clone(),
        says: match workload {
            Some(workload) => own(&cause.standing, workload),
            None => vec!["does not exist".to_owned()],
        },
        last_lines: last_lines.cloned().unwrap_or_default(),
        because: cause
            .because
            .iter()
            .map(|cause| told(cause, all, tails))
            .collect(),
    }
}

/// What a workload says of itself.
fn own(standing: &Standing, workload: &Workload) -> Vec<String> {
    let row = &workload.row;
    let with_message = |text: &str| match row.message.as_str() {
        "" => text.to_owned(),
        message => format!("{text}: {message}"),
    };
    let says = match standing {
        Standing::Missing => "does not exist".to_owned(),
        Standing::Above => "see above".to_owned(),
        Standing::Manual => format!("is started by hand: `aspire-host start {}`", row.resource),
        Standing::Waits { gates, others } => {
            let gates = gates
                .iter()
                .map(|gate| format!("waits for {} ({})", gate.resource, condition(gate)));
            let others = others.iter().map(|wait| format!("waits for {wait}"));
            return gates.chain(others).collect();
        }
        Standing::Coming => with_message("is about to start"),
        Standing::Starting | Standing::NoEngine | Standing::Again => with_message("is starting"),
        Standing::Runs(probes) => return running(workload, probes),
        Standing::Stopping => with_message("is being stopped"),
        Standing::Stopped => format!(
            "was stopped by hand: `aspire-host start {}` starts it again",
            row.resource
        ),
        Standing::Ended(_) | Standing::Failed | Standing::Lost if row.phase == Phase::Failed => {
            failure(row)
        }
        Standing::Ended(Some(code)) => format!("ended with exit code {code}"),
        Standing::Ended(None) | Standing::Failed | Standing::Lost => with_message("ended"),
    };
    vec![says]
}

fn failure(row: &Row) -> String {
    match (row.exit_code, row.message.as_str()) {
        (Some(code), message) if message.contains(&format!("exit code {code}")) => {
            format!("failed: {message}")
        }
        (Some(code), "") => format!("failed with exit code {code}"),
        (Some(code), message) => format!("failed with exit code {code}: {message}"),
        (None, "") => "failed".to_owned(),
        (None, message) => format!("failed: {message}"),
    }
}

/// `probes`: those that are not fine.
fn running(workload: &Workload, probes: &[String]) -> Vec<String> {
    let row = &workload.row;
    let mut says: Vec<String> = probes
        .iter()
        .map(|name| match workload.result(name) {
            None => format!("runs; probe {name}: not tried yet"),
            Some(result) => match result.outcome {
                ProbeOutcome::Success | ProbeOutcome::Unknown if result.reason.is_empty() => {
                    format!("runs; probe {name}: not tried yet")
                }
                ProbeOutcome::Success | ProbeOutcome::Unknown => {
                    format!("runs; probe {name}: {}", result.reason)
                }
                ProbeOutcome::Failure => {
                    let retries = workload.aspire.probes.get(name);
                    let count = match (result.failures, retries.map(|probe| probe.retries)) {
                        (0, _) => String::new(),
                        (failures, Some(retries)) if failures <= retries => {
                            format!(" {failures} of {retries} times")
                        }
                        (failures, _) => format!(" {failures} times in a row"),
                    };
                    format!("probe {name} failed{count}: {}", result.reason)
                }
            },
        })
        .collect();
    if says.is_empty() {
        let health = match row.health {
            Some(HealthStatus::Healthy) => "runs and is healthy",
            Some(HealthStatus::Caution) => "runs, not healthy yet",
            Some(HealthStatus::Unhealthy) => "runs and is unhealthy",
            None => "runs",
        };
        says.push(match row.message.as_str() {
            "" => health.to_owned(),
            message => format!("{health}: {message}"),
        });
    }
    if row.restarts > 0 {
        let times = if row.restarts == 1 { "time" } else { "times" };
        says.push(format!("was started again {} {times}", row.restarts));
    }
    says
}

fn condition(gate: &Gate) -> String {
    match gate.condition {
        GateCondition::Healthy => "healthy".to_owned(),
        GateCondition::Started => "started".to_owned(),
        GateCondition::Completed if gate.exit_code == 0 => "completed".to_owned(),
        GateCondition::Completed => format!("completed with exit code {}", gate.exit_code),
    }
}

/// A probe in words: `GET /health of http`.
pub(crate) fn probe_words(action: &ProbeAction) -> String {
    match action {
        ProbeAction::Http { endpoint, path, .. } => format!("GET {path} of {endpoint}"),
        ProbeAction::Tcp { endpoint } => format!("connect to {endpoint}"),
        ProbeAction::Command { command } => format!("run {}", command.join(" ")),
    }
}

impl Cause {
    /// For people: a line for each link, deeper ones indented.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    fn write(&self, text: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        for says in &self.says {
            let joint = if is_sentence(says) { " " } else { ": " };
            text.push_str(&format!("{indent}{}{joint}{says}\n", self.name));
        }
        for line in &self.last_lines {
            text.push_str(&format!("{indent}  | {line}\n"));
        }
        for cause in &self.because {
            cause.write(text, depth + 1);
        }
    }

    /// In one line: `web waits for api (healthy); api waits for …`.
    pub(crate) fn line(&self) -> String {
        let mut parts = Vec::new();
        self.parts(&mut parts);
        parts.join("; ")
    }

    fn parts(&self, parts: &mut Vec<String>) {
        for says in &self.says {
            let joint = if is_sentence(says) { " " } else { ": " };
            parts.push(format!("{}{joint}{says}", self.name));
        }
        for cause in &self.because {
            cause.parts(parts);
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> Json {
        json!({
            "name": self.name,
            "says": self.says,
            "lastLines": self.last_lines,
            "because": self.because.iter().map(Self::json).collect::<Vec<_>>(),
        })
    }
}

/// Whether it goes on after the name without a colon.
fn is_sentence(says: &str) -> bool {
    const VERBS: [&str; 6] = ["waits ", "is ", "runs", "was ", "ended", "does "];
    VERBS.iter().any(|verb| says.starts_with(verb))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::workloads::samples;
    use aspire_api::Object;
    use aspire_api::container::ProbeResult;
    use aspire_api::executable::{Executable, ExecutableState};
    use insta::assert_snapshot;

    fn waits(name: &str, others: &[&str], says: &[&str]) -> Object {
        samples::process(name, |e| {
            e.spec.aspire.as_mut().unwrap().waits =
                others.iter().map(|other| samples::gate(other)).collect();
            e.status.waiting_for = says.iter().map(|text| (*text).to_owned()).collect();
        })
    }

    fn probed(e: &mut Executable, outcome: ProbeOutcome, failures: u32) {
        let probes = &mut e.spec.aspire.as_mut().unwrap().probes;
        probes.insert("ready".into(), samples::probe());
        e.status.state = ExecutableState::Running;
        e.status.health_status = Some(HealthStatus::Caution);
        e.status.health_probe_results = vec![ProbeResult {
            probe_name: "ready".into(),
            outcome,
            timestamp: String::new(),
            reason: "connection refused at 127.0.0.1:5432".into(),
            failures,
        }];
    }

    fn chain(objects: Vec<Object>, name: &str, tails: &[(&str, &str)]) -> Cause {
        let all = samples::of(objects);
        let tails = tails
            .iter()
            .map(|(name, line)| {
                let key = ObjectKey::new(aspire_api::Kind::Executable, *name);
                (key, vec![(*line).to_owned()])
            })
            .collect();
        why(all.one(name).unwrap(), &all, &tails)
    }

    #[test]
    fn down_to_the_probe() {
        let objects = vec![
            waits("web", &["api"], &["api: healthy"]),
            waits("api", &["db"], &["db: healthy (probe ready: …)"]),
            samples::process("db", |e| probed(e, ProbeOutcome::Failure, 3)),
        ];
        let cause = chain(objects, "web", &[]);
        assert_eq!(
            cause.line(),
            "web waits for api (healthy); api waits for db (healthy); \
             db: probe ready failed 3 of 5 times: connection refused at 127.0.0.1:5432"
        );
        assert_snapshot!(cause.text(), @r"
        web waits for api (healthy)
          api waits for db (healthy)
            db: probe ready failed 3 of 5 times: connection refused at 127.0.0.1:5432
        ");
    }

    #[test]
    fn down_to_what_failed() {
        let failed = samples::process("migrate", |e| {
            e.status.state = ExecutableState::Finished;
            e.status.exit_code = Some(3);
        });
        let objects = vec![
            waits(
                "web",
                &["migrate", "db"],
                &["migrate: ended with exit code 3", "db: healthy"],
            ),
            failed,
            samples::process("db", |e| {
                e.status.state = ExecutableState::FailedToStart;
                e.status.message = "no program `postgres`".into();
            }),
        ];
        let tails = [("migrate", "no such table: orders"), ("web", "not shown")];
        let all = samples::of(objects.clone());
        let keys = super::failed(all.one("web").unwrap(), &all);
        let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["migrate", "db"]);
        assert_snapshot!(chain(objects, "web", &tails).text(), @r"
        web waits for migrate (healthy)
        web waits for db (healthy)
          migrate: failed: ended with exit code 3
            | no such table: orders
          db: failed: no program `postgres`
        ");
    }

    #[test]
    fn whatever_the_state() {
        let says = |change: &dyn Fn(&mut Executable)| {
            chain(vec![samples::process("api", change)], "api", &[]).line()
        };
        type Change<'a> = &'a dyn Fn(&mut Executable);
        let table: [(Change<'_>, &str); 9] = [
            (&|_| {}, "api is about to start"),
            (
                &|e| e.spec.start = false,
                "api is started by hand: `aspire-host start api`",
            ),
            (
                &|e| e.status.waiting_for = vec!["volume data (not created yet)".into()],
                "api waits for volume data (not created yet)",
            ),
            (
                &|e| {
                    e.status.state = ExecutableState::Starting;
                    e.status.message = "building".into();
                },
                "api is starting: building",
            ),
            (&|e| e.status.state = ExecutableState::Running, "api runs"),
            (
                &|e| probed(e, ProbeOutcome::Unknown, 0),
                "api runs; probe ready: connection refused at 127.0.0.1:5432",
            ),
            (
                &|e| probed(e, ProbeOutcome::Failure, 7),
                "api: probe ready failed 7 times in a row: connection refused at 127.0.0.1:5432",
            ),
            (
                &|e| {
                    e.status.state = ExecutableState::Running;
                    e.status.restarts = 2;
                },
                "api runs; api was started again 2 times",
            ),
            (
                &|e| {
                    e.status.state = ExecutableState::Terminated;
                    e.spec.stop = true;
                },
                "api was stopped by hand: `aspire-host start api` starts it again",
            ),
        ];
        for (change, expected) in table {
            assert_eq!(says(change), expected);
        }
    }

    #[test]
    fn what_is_not_there_and_what_turns_in_a_circle() {
        let objects = vec![waits(
            "web",
            &["gone"],
            &["gone: healthy (not created yet)"],
        )];
        assert_eq!(
            chain(objects, "web", &[]).line(),
            "web waits for gone (healthy); gone does not exist"
        );
        let objects = vec![
            waits("one", &["two"], &["two: healthy"]),
            waits("two", &["one"], &["one: healthy"]),
        ];
        assert_eq!(
            chain(objects, "one", &[]).line(),
            "one waits for two (healthy); two waits for one (healthy); one: see above"
        );
    }
}
