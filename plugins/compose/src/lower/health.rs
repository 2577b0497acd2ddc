//! Health: one `healthcheck` for a workload and for what lives in it.
//!
//! A database's own probe is part of its server's, so that `service_healthy` means that the
//! database is there.

use aspire_sdk::serde_json::{Value as Json, json};
use aspire_sdk::{Construct, Grade, Probe, Shape};

use super::{Lowerer, script};

/// The host's defaults, in milliseconds.
const INTERVAL: u32 = 5_000;
const TIMEOUT: u32 = 3_000;
const RETRIES: u32 = 3;
/// Being unhealthy ends `up` for good in Compose; in run mode it only lasts until it is healthy.
const START_PERIOD: u32 = 60_000;

/// One thing to check.
enum Check {
    /// Lines of a shell, which may end with `exit`.
    Script(String),
    /// A program and its arguments.
    Command(Vec<Json>),
}

impl Lowerer<'_> {
    /// Whether the service gets a health check.
    pub(super) fn has_health(&self, workload: &str) -> bool {
        !self.probes(workload).is_empty()
    }

    /// Probes of a workload and of the values in it, each with its resource.
    fn probes(&self, workload: &str) -> Vec<(String, Probe)> {
        let mut probes = Vec::new();
        if let Some(probe) = self.model.probe(workload) {
            probes.push((workload.to_owned(), probe));
        }
        for child in self.model.children(workload) {
            if self.shape(&child) == Some(Shape::Value) && self.is_published(&child) {
                probes.extend(self.probes(&child));
            }
        }
        probes
    }

    /// Adds `healthcheck`.
    pub(super) fn health(&mut self, workload: &str, service: &mut Construct) {
        let probes = self.probes(workload);
        let mut checks = Vec::new();
        for (resource, probe) in &probes {
            if resource != workload {
                let reason = format!("part of the health check of `{workload}`");
                self.row(resource, "health", Grade::Adapted, reason);
            }
            checks.extend(self.check(workload, resource, probe));
        }
        if checks.is_empty() {
            return;
        }
        let or = |value: u32, default: u32| if value == 0 { default } else { value };
        let all = || probes.iter().map(|(_, probe)| probe);
        let interval = all().map(|probe| or(probe.interval, INTERVAL)).min();
        let timeout: u32 = all().map(|probe| or(probe.timeout, TIMEOUT)).sum();
        let start_period = all()
            .map(|probe| or(probe.start_period, START_PERIOD))
            .max();
        let retries = all().map(|probe| or(probe.retries, RETRIES)).max();
        if all().any(|probe| probe.start_period == 0) {
            let reason = "failures in the first minute don't count: in Compose they would end `up`";
            self.row(workload, "health", Grade::Adapted, reason);
        }
        let healthcheck = json!({
            "test": test(checks),
            "interval": duration(interval.unwrap_or(INTERVAL)),
            "timeout": duration(timeout),
            "start_period": duration(start_period.unwrap_or(START_PERIOD)),
            "retries": retries.unwrap_or(RETRIES),
        });
        service.properties.insert("healthcheck".into(), healthcheck);
    }

    fn check(&mut self, workload: &str, resource: &str, probe: &Probe) -> Option<Check> {
        if probe.kind == "command" {
            return Some(Check::Command(self.list(
                resource,
                "health",
                probe.command.clone(),
            )));
        }
        let found = [resource, workload].into_iter().find_map(|name| {
            let endpoint = self.model.endpoint(name, &probe.endpoint)?;
            Some((self.listens_on(name, &probe.endpoint, &endpoint)?, endpoint))
        });
        let Some((port, endpoint)) = found.filter(|(_, endpoint)| endpoint.protocol == "tcp")
        else {
            let message = format!(
                "the health check of `{resource}` looks at endpoint `{}`, which has no TCP port",
                probe.endpoint
            );
            let help = "name an endpoint with a port, or give it a `target-port`";
            self.error(resource, "compose:no-health-port", message, help);
            return None;
        };
        if probe.kind == "http" {
            let reason = "a script in the container, with curl, wget or bash; an image that has only a shell is healthy when it listens, and one without a shell needs `health.command`";
            self.row(resource, "health", Grade::Adapted, reason);
            let tls = endpoint.tls || endpoint.scheme == "https";
            let at = (tls, port, probe.path.clone(), probe.status);
            let script = self.scripts.entry(at).or_insert_with_key(|at| {
                let (tls, port, path, status) = at;
                script::http(*tls, *port, path, *status)
            });
            return Some(Check::Script(script.clone()));
        }
        let reason = "a script in the container looks whether the port is listened on; an image without a shell needs `health.command`";
        self.row(resource, "health", Grade::Adapted, reason);
        Some(Check::Script(script::listening(port)))
    }
}

/// Compose's `test` for all of them, one after the other.
fn test(mut checks: Vec<Check>) -> Json {
    if checks.len() == 1 {
        match checks.remove(0) {
            Check::Script(script) => return json!(["CMD-SHELL", script]),
            Check::Command(words) => {
                return std::iter::once(Json::from("CMD")).chain(words).collect();
            }
        }
    }
    // A word that isn't text yet is handed over as an argument: no quoting could be right for it.
    let mut arguments: Vec<Json> = Vec::new();
    let parts: Vec<String> = checks
        .into_iter()
        .map(|check| match check {
            Check::Script(script) => format!("(\n{script}\n)"),
            Check::Command(words) => {
                let words = words.into_iter().map(|word| match word {
                    Json::String(text) => script::quoted(&text),
                    word => {
                        arguments.push(word);
                        format!("\"${{{}}}\"", arguments.len())
                    }
                });
                words.collect::<Vec<_>>().join(" ")
            }
        })
        .collect();
    let script = parts.join(" &&\n");
    if arguments.is_empty() {
        return json!(["CMD-SHELL", script]);
    }
    let shell = ["CMD", "/bin/sh", "-c", &script, "sh"].map(Json::from);
    shell.into_iter().chain(arguments).collect()
}

/// As Compose writes durations.
fn duration(milliseconds: u32) -> String {
    if milliseconds.is_multiple_of(1_000) {
        format!("{}s", milliseconds / 1_000)
    } else {
        format!("{milliseconds}ms")
    }
}
