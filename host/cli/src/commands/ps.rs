//! `ps`: what of the app runs, and how it is.

use std::collections::BTreeMap;

use anyhow::Result;
use aspire_api::container::{HealthStatus, ProbeOutcome};
use aspire_api::{Object, ObjectKey};
use serde_json::{Value as Json, json};

use crate::args::PsArgs;
use crate::columns;
use crate::error::Exit;
use crate::host::Host;
use crate::instance;
use crate::run::view::Phase;
use crate::running::plane::{Change, SHOWN};
use crate::running::workloads::{Workload, Workloads};
use crate::running::{self, Running, time};
use crate::ui::visible;

/// Shows it.
pub(super) fn run(host: &Host, args: &PsArgs) -> Result<Exit> {
    if args.all {
        return running::block_on(every_app(host));
    }
    running::with(host, async |running| {
        if args.watch {
            return watch(host, args, &running).await;
        }
        let workloads = running.workloads().await?;
        let shown = workloads.select(&args.resources)?;
        if host.ui.json() {
            host.ui.out_json(&json(&running, &workloads, &shown));
        } else {
            host.ui.out(table(&workloads, &shown, time::now()));
        }
        Ok(Exit::Fine)
    })
}

fn json(running: &Running, workloads: &Workloads, shown: &[&Workload]) -> Json {
    let owner = &running.owner;
    let resources: Vec<Json> = shown.iter().map(|one| workloads.json(one)).collect();
    json!({
        "app": owner.app,
        "instance": owner.instance,
        "folder": owner.folder,
        "pid": owner.pid,
        "kubeconfig": owner.kubeconfig,
        "resources": resources,
    })
}

fn table(workloads: &Workloads, shown: &[&Workload], now: time::Micros) -> String {
    let mut rows = Vec::new();
    for workload in shown {
        rows.push(row(workloads, workload, now));
        let children = workload.children();
        for (index, (name, outcome)) in children.iter().enumerate() {
            let branch = if index + 1 == children.len() {
                "└"
            } else {
                "├"
            };
            let health = match outcome {
                Some(ProbeOutcome::Success) => "healthy",
                Some(ProbeOutcome::Failure) => "not healthy",
                Some(ProbeOutcome::Unknown) | None => "",
            };
            let mut cells: [String; 7] = Default::default();
            cells[0] = format!("{branch} {name}");
            if !workload.probes(name) {
                // It is as its parent is.
                state(workload).clone_into(&mut cells[2]);
            }
            health.clone_into(&mut cells[3]);
            rows.push(cells);
        }
    }
    let head = [
        "RESOURCE", "KIND", "STATE", "HEALTH", "RESTARTS", "SINCE", "URL",
    ];
    columns::table(&head, &rows)
}

fn state(workload: &Workload) -> &'static str {
    match workload.row.phase {
        Phase::Finished if workload.row.stopped => "stopped",
        Phase::Waiting if workload.row.manual => "not started",
        phase => phase.word(),
    }
}

fn row(workloads: &Workloads, workload: &Workload, now: time::Micros) -> [String; 7] {
    let row = &workload.row;
    let health = match row.health {
        _ if row.phase != Phase::Running => "",
        None => "",
        Some(HealthStatus::Healthy) => "healthy",
        Some(HealthStatus::Caution) => "not yet",
        Some(HealthStatus::Unhealthy) => "unhealthy",
    };
    let since = row.since.as_deref().and_then(time::read);
    let last = match row.phase {
        Phase::Waiting if !row.waiting_for.is_empty() => {
            format!("waiting for {}", row.waiting_for.join(", "))
        }
        Phase::Running if row.health == Some(HealthStatus::Unhealthy) => row.message.clone(),
        Phase::Running => workloads.urls(workload).join(" "),
        _ => row.message.clone(),
    };
    [
        row.name.clone(),
        row.kind.clone(),
        state(workload).to_owned(),
        health.to_owned(),
        row.restarts.to_string(),
        since.map(|since| time::ago(since, now)).unwrap_or_default(),
        visible(last.lines().next().unwrap_or_default(), false),
    ]
}

/// One line for each change, until the app ends.
async fn watch(host: &Host, args: &PsArgs, running: &Running) -> Result<Exit> {
    let mut changes = running.plane.watch(&SHOWN);
    let mut objects: BTreeMap<ObjectKey, Object> = BTreeMap::new();
    let mut told: BTreeMap<ObjectKey, Json> = BTreeMap::new();
    let mut listed = false;
    while let Some(change) = changes.recv().await {
        match change {
            Change::Now(object) => drop(objects.insert(object.key(), *object)),
            Change::Removed(key) => drop(objects.remove(&key)),
            Change::Listed => listed = true,
            Change::Over => break,
        }
        if !listed {
            continue;
        }
        let workloads = Workloads::of(objects.values().cloned().collect());
        for workload in workloads.select(&args.resources)? {
            let json = workloads.json(workload);
            if told.get(&workload.key) == Some(&json) {
                continue;
            }
            told.insert(workload.key.clone(), json.clone());
            if host.ui.json() {
                host.ui.out(json.to_string());
            } else {
                host.ui.out(visible(&workloads.line(workload), false));
            }
        }
        let gone: Vec<ObjectKey> = told
            .keys()
            .filter(|key| !objects.contains_key(key))
            .cloned()
            .collect();
        for key in gone {
            told.remove(&key);
            if host.ui.json() {
                host.ui
                    .out(json!({ "name": key.name, "state": "removed" }).to_string());
            } else {
                host.ui.out(format!("{}: removed", key.name));
            }
        }
        if host.ui.is_closed() {
            break;
        }
    }
    Ok(Exit::Fine)
}

async fn every_app(host: &Host) -> Result<Exit> {
    let mut rows = Vec::new();
    let mut list = Vec::new();
    for owner in instance::running_instances()? {
        let found = running::connect(owner.clone()).await;
        let workloads = match &found {
            Ok(running) => running.workloads().await.ok(),
            Err(_) => None,
        };
        let count = |is: fn(&Workload) -> bool| {
            let all = workloads.iter().flat_map(Workloads::iter);
            all.filter(|workload| is(workload)).count()
        };
        let all = count(|_| true);
        let good = count(|workload| workload.is_healthy() || workload.row.phase == Phase::Finished);
        let failed = count(|workload| workload.row.phase == Phase::Failed);
        let state = match (&workloads, failed) {
            (None, _) => "does not answer".to_owned(),
            (_, 0) => format!("{good} of {all} ready"),
            (_, failed) => format!("{good} of {all} ready, {failed} failed"),
        };
        list.push(json!({
            "app": owner.app, "instance": owner.instance, "folder": owner.folder,
            "pid": owner.pid, "kubeconfig": owner.kubeconfig, "answers": workloads.is_some(),
            "resources": all, "ready": good, "failed": failed,
        }));
        rows.push([
            owner.app.clone(),
            owner.instance.clone(),
            owner.pid.to_string(),
            state,
            owner.folder.display().to_string(),
        ]);
    }
    if host.ui.json() {
        host.ui.out_json(&json!(list));
    } else if rows.is_empty() {
        host.ui.note("no app of yours runs");
    } else {
        let head = ["APP", "INSTANCE", "PID", "STATE", "FOLDER"];
        host.ui.out(columns::table(&head, &rows));
    }
    Ok(Exit::Fine)
}
