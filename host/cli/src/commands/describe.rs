//! `describe`: everything of a resource that runs or waits to.

use anyhow::Result;
use aspire_api::container::ProbeOutcome;
use serde_json::json;

use crate::args::ResourceArgs;
use crate::error::Exit;
use crate::host::Host;
use crate::running::environment::{self, Real, Variable};
use crate::running::why::{probe_words, why};
use crate::running::workloads::{Workload, Workloads};
use crate::running::{self, Running, time};
use crate::ui::visible;

/// Lines of the control plane's remarks.
const EVENTS: u32 = 10;

/// Shows it.
pub(super) fn run(host: &Host, args: &ResourceArgs) -> Result<Exit> {
    running::with(host, async |running| {
        let workloads = running.workloads().await?;
        workloads.one(&args.resource)?;
        let mut list = Vec::new();
        for workload in workloads.named(&args.resource) {
            if host.ui.json() {
                list.push(json(&workloads, workload));
                continue;
            }
            let text = text(&running, &workloads, workload).await;
            for line in text.lines() {
                host.ui.out(visible(line, false));
            }
        }
        if host.ui.json() {
            host.ui.out_json(&json!(list));
        }
        Ok(Exit::Fine)
    })
}

fn json(all: &Workloads, workload: &Workload) -> serde_json::Value {
    let mut value = all.json(workload);
    let env = given(workload);
    let env: serde_json::Map<String, serde_json::Value> = env
        .into_iter()
        .map(|variable| (variable.name, variable.value.into()))
        .collect();
    value["object"] = json!(workload.key.to_string());
    value["runs"] = json!(workload.what);
    value["args"] = json!(workload.args);
    value["env"] = json!(env);
    value["mounts"] = json!(workload.mounts);
    value["probes"] = json!(workload.probes);
    value["waits"] = json!(workload.aspire.waits);
    value["started"] = json!(workload.started);
    value["finished"] = json!(workload.finished);
    value["origin"] = json!(workload.aspire.origin);
    value["why"] = why(workload, all, &Default::default()).json();
    value
}

fn given(workload: &Workload) -> Vec<Variable> {
    let real = Real {
        process: environment::text_of_process(workload.pid),
        secrets: None,
    };
    environment::given(workload, &real, false)
}

/// Sections, each with its lines; empty ones are left out.
struct Sheet(String);

impl Sheet {
    fn line(&mut self, title: &str, value: impl AsRef<str>) {
        let value = value.as_ref();
        if !value.is_empty() {
            self.0.push_str(&format!("{title:<11} {value}\n"));
        }
    }

    fn list(&mut self, title: &str, values: impl IntoIterator<Item = String>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        self.0.push_str(&format!("{title}\n"));
        for value in values {
            self.0.push_str(&format!("  {value}\n"));
        }
    }
}

async fn text(running: &Running, all: &Workloads, workload: &Workload) -> String {
    let row = &workload.row;
    let now = time::now();
    let when = |stamp: &Option<String>| {
        let stamp = stamp.as_deref().unwrap_or_default();
        match time::read(stamp) {
            Some(then) => format!("{stamp} ({} ago)", time::ago(then, now)),
            None => String::new(),
        }
    };
    let mut sheet = Sheet(String::new());
    sheet.line("Resource", &row.resource);
    sheet.line("Object", workload.key.to_string());
    sheet.line("Kind", &row.kind);
    sheet.line(
        "Declared",
        workload.aspire.origin.as_deref().unwrap_or_default(),
    );
    sheet.line("State", why(workload, all, &Default::default()).line());
    sheet.line("Started", when(&workload.started));
    sheet.line("Ended", when(&workload.finished));
    if row.restarts > 0 {
        sheet.line("Restarts", row.restarts.to_string());
    }
    sheet.line(
        "Process",
        workload.pid.map(|pid| pid.to_string()).unwrap_or_default(),
    );
    sheet.line(
        "Container",
        workload.container.as_deref().unwrap_or_default(),
    );
    sheet.line("Runs", &workload.what);
    sheet.line("Arguments", workload.args.join(" "));
    sheet.line("Folder", workload.folder.as_deref().unwrap_or_default());
    sheet.list("Endpoints", endpoints(all, workload));
    sheet.list(
        "Probes",
        workload.aspire.probes.iter().map(|(name, probe)| {
            let last = match workload.result(name) {
                None => "not tried yet".to_owned(),
                Some(result) => {
                    let word = match result.outcome {
                        ProbeOutcome::Success => "succeeded",
                        ProbeOutcome::Failure => "failed",
                        ProbeOutcome::Unknown => "not tried yet",
                    };
                    let ago = time::read(&result.timestamp)
                        .map(|then| format!(" {} ago", time::ago(then, now)));
                    let reason = match result.reason.as_str() {
                        "" => String::new(),
                        reason => format!(": {reason}"),
                    };
                    format!("{word}{}{reason}", ago.unwrap_or_default())
                }
            };
            format!(
                "{name}: {} every {} ms; {last}",
                probe_words(&probe.action),
                probe.interval
            )
        }),
    );
    let env = given(workload);
    sheet.list(
        "Environment",
        env.into_iter()
            .map(|variable| format!("{}={}", variable.name, variable.value)),
    );
    sheet.list("Mounts", workload.mounts.iter().cloned());
    sheet.list(
        "Waits for",
        workload.aspire.waits.iter().map(|gate| {
            let begin = format!("{}: ", gate.resource);
            let closed = row.waiting_for.iter().find(|wait| wait.starts_with(&begin));
            let state = match closed {
                Some(wait) => wait[begin.len()..].to_owned(),
                None => "done".to_owned(),
            };
            format!("{}: {state}", gate.resource)
        }),
    );
    let events = super::logs::last_system_lines(running, &workload.key, EVENTS).await;
    sheet.list("Events", events);
    sheet.0
}

fn endpoints(all: &Workloads, workload: &Workload) -> Vec<String> {
    let ends = workload.aspire.endpoints.iter();
    ends.map(|endpoint| {
        let url = all.service_url(endpoint);
        let url = url.as_deref().unwrap_or("no address yet");
        let target = endpoint
            .target_port
            .map(|port| format!(" -> port {port}"))
            .unwrap_or_default();
        let external = if endpoint.external { ", external" } else { "" };
        format!(
            "{}: {url}{target} ({}{external})",
            endpoint.name, endpoint.protocol
        )
    })
    .collect()
}
