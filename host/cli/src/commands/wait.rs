//! `wait`: until resources of the running app are what somebody needs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use aspire_api::ObjectKey;
use serde_json::json;

use crate::args::{WaitArgs, WaitFor};
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::running::judge::{Verdict, judge};
use crate::running::plane::{Change, SHOWN};
use crate::running::workloads::{Workload, Workloads};
use crate::running::{self, Running, why};

/// How a wait ended.
pub(crate) enum Waited {
    /// It is so.
    Yes(Workloads),
    /// It won't become so.
    Never(Workloads),
    /// It is not so yet.
    TooLate(Workloads),
    /// The app ended.
    Over,
}

/// Waits.
pub(super) fn run(host: &Host, args: &WaitArgs) -> Result<Exit> {
    running::block_on(async {
        let begun = Instant::now();
        let running = match args.wanted {
            // What does not run has ended.
            WaitFor::Stopped => running::find(host).await?,
            _ => running::find_within(host, args.timeout).await?,
        };
        let Some(workloads) = settle(&running, args, begun).await? else {
            return Ok(Exit::Fine);
        };
        if host.ui.json() {
            let all: Vec<_> = workloads
                .select(&args.resources)?
                .into_iter()
                .map(|workload| workloads.json(workload))
                .collect();
            host.ui
                .out_json(&json!({ "for": args.wanted.word(), "resources": all }));
        } else {
            for workload in workloads.select(&args.resources)? {
                host.ui.note(workloads.line(workload));
            }
        }
        Ok(Exit::Fine)
    })
}

/// Waits, or says why it was in vain. None: the app ended, and that was waited for. The time that
/// somebody gave began then.
///
/// # Errors
/// It was in vain: exit code 1.
pub(crate) async fn settle(
    running: &Running,
    args: &WaitArgs,
    begun: Instant,
) -> Result<Option<Workloads>> {
    let word = args.wanted.word();
    let (workloads, how) = match until(running, args, begun).await? {
        Waited::Yes(workloads) => return Ok(Some(workloads)),
        Waited::Over if args.wanted == WaitFor::Stopped => return Ok(None),
        Waited::Over => bail!(Problem::app(format!(
            "`{}` ended before everything was {word}",
            running.owner.app
        ))),
        Waited::Never(workloads) => (workloads, format!("it will not become {word}")),
        Waited::TooLate(workloads) => {
            let limit = args.timeout.unwrap_or_default();
            (workloads, format!("not {word} within {limit:?}"))
        }
    };
    let lenient = args.resources.is_empty();
    let mut lines = Vec::new();
    for workload in workloads.select(&args.resources)? {
        if judge(workload, args.wanted, lenient) != Verdict::Yes {
            lines.push(explained(running, workload, &workloads).await);
        }
    }
    let lines = lines.iter().flat_map(|text| text.lines());
    let lines: String = lines.map(|line| format!("\n  {line}")).collect();
    bail!(Problem::app(format!("{how}:{lines}")))
}

/// Why, with last lines.
pub(crate) async fn explained(
    running: &Running,
    workload: &Workload,
    workloads: &Workloads,
) -> String {
    let mut tails = BTreeMap::new();
    for key in why::failed(workload, workloads) {
        tails.insert(
            key.clone(),
            super::logs::last_lines(running, &key, 10).await,
        );
    }
    why::why(workload, workloads, &tails).text()
}

/// Waits, without a word.
///
/// # Errors
/// A name that means nothing.
pub(crate) async fn until(running: &Running, args: &WaitArgs, begun: Instant) -> Result<Waited> {
    let far = Duration::from_secs(365 * 86_400);
    let end = tokio::time::Instant::from_std(begun) + args.timeout.unwrap_or(far);
    let mut changes = running.plane.watch(&SHOWN);
    let mut objects: BTreeMap<ObjectKey, aspire_api::Object> = BTreeMap::new();
    let mut listed = false;
    let mut known = false;
    loop {
        let change = tokio::select! {
            change = changes.recv() => change.unwrap_or(Change::Over),
            // Whoever waits no time at all asks how it is now.
            () = tokio::time::sleep_until(end), if listed => {
                let workloads = Workloads::of(objects.into_values().collect());
                return Ok(Waited::TooLate(workloads));
            }
        };
        match change {
            Change::Now(object) => drop(objects.insert(object.key(), *object)),
            Change::Removed(key) => drop(objects.remove(&key)),
            Change::Listed => listed = true,
            Change::Over => return Ok(Waited::Over),
        }
        if !listed {
            continue;
        }
        let workloads = Workloads::of(objects.values().cloned().collect());
        let selected = match workloads.select(&args.resources) {
            Ok(selected) => selected,
            // Being replaced.
            Err(_) if known => continue,
            Err(error) => return Err(error),
        };
        known = true;
        let lenient = args.resources.is_empty();
        let verdicts = selected.iter().map(|one| {
            if one.deleting && args.wanted != WaitFor::Stopped {
                Verdict::NotYet
            } else {
                judge(one, args.wanted, lenient)
            }
        });
        let verdicts: Vec<Verdict> = verdicts.collect();
        if verdicts.iter().all(|verdict| *verdict == Verdict::Yes) {
            return Ok(Waited::Yes(workloads));
        }
        if verdicts.contains(&Verdict::Never) {
            return Ok(Waited::Never(workloads));
        }
    }
}
