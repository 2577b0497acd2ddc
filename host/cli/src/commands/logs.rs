//! `logs`: what resources of the running app say, in the order of time.

mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Result;
use aspire_api::{Object, ObjectKey};
use serde_json::json;

use crate::args::LogsArgs;
use crate::error::Exit;
use crate::host::Host;
use crate::run::view::Phase;
use crate::running::merge::{Line, Merger};
use crate::running::plane::{Change, LogPart, SHOWN};
use crate::running::workloads::{Workload, Workloads};
use crate::running::{self, Running};
use crate::ui::{prefix, visible};
use streams::{Said, Streams};

/// For somebody who replaces a resource: so long after the end of the old one, a new one counts.
const REPLACED: Duration = Duration::from_secs(2);

/// Shows it.
pub(super) fn run(host: &Host, args: &LogsArgs) -> Result<Exit> {
    running::with(host, async |running| {
        let part = LogPart {
            follow: args.follow,
            // What is left out below must not count.
            tail: args
                .tail
                .filter(|lines| *lines > 0 && args.grep.is_none() && args.since.is_none()),
        };
        let mut show = Show {
            host,
            args,
            streams: Streams::new(running.plane.clone(), part),
            merger: Merger::new(args.follow, Instant::now()),
            objects: BTreeMap::new(),
            ended_at: None,
        };
        if args.follow {
            show.follow(&running).await?;
        } else {
            show.once(&running).await?;
        }
        Ok(Exit::Fine)
    })
}

/// The last lines of an object, whatever they were written to; none where it cannot be found out.
pub(crate) async fn last_lines(running: &Running, key: &ObjectKey, lines: u32) -> Vec<String> {
    let said = last(running, key, lines, |_| true).await;
    said.into_iter()
        .map(|said| String::from_utf8_lossy(&said.text).into_owned())
        .collect()
}

/// The last remarks of the control plane about an object, each after its time.
pub(crate) async fn last_system_lines(
    running: &Running,
    key: &ObjectKey,
    lines: u32,
) -> Vec<String> {
    let said = last(running, key, lines, |said| said.stream == "system").await;
    said.into_iter()
        .map(|said| format!("{} {}", said.stamp, String::from_utf8_lossy(&said.text)))
        .collect()
}

async fn last(
    running: &Running,
    key: &ObjectKey,
    lines: u32,
    is_wanted: impl Fn(&Said) -> bool,
) -> Vec<Said> {
    let part = LogPart {
        follow: false,
        tail: Some(lines),
    };
    let mut streams = Streams::new(running.plane.clone(), part);
    let mut merger = Merger::new(false, Instant::now());
    for source in streams.open(key, key) {
        merger.open(source, Instant::now());
    }
    loop {
        if let Some(all) = merger.first(Instant::now()) {
            let mut said: Vec<Said> = all.into_iter().map(|line| line.what).collect();
            said.retain(&is_wanted);
            let skipped = said.len().saturating_sub(lines as usize);
            return said.split_off(skipped);
        }
        streams.next(&mut merger).await;
    }
}

struct Show<'a> {
    host: &'a Host,
    args: &'a LogsArgs,
    streams: Streams,
    merger: Merger<Said>,
    objects: BTreeMap<ObjectKey, Object>,
    /// Since when everything has ended.
    ended_at: Option<Instant>,
}

impl Show<'_> {
    /// What there is.
    async fn once(&mut self, running: &Running) -> Result<()> {
        let workloads = running.workloads().await?;
        for workload in workloads.select(&self.args.resources)? {
            self.open(workload);
        }
        loop {
            if let Some(lines) = self.merger.first(Instant::now()) {
                self.first(lines);
                return Ok(());
            }
            self.streams.next(&mut self.merger).await;
        }
    }

    /// What there is and what comes, until all have ended.
    async fn follow(&mut self, running: &Running) -> Result<()> {
        let mut changes = running.plane.watch(&SHOWN);
        let (mut listed, mut over) = (false, false);
        loop {
            let now = Instant::now();
            if listed && let Some(lines) = self.merger.first(now) {
                self.first(lines);
            }
            for line in self.merger.ready(now) {
                self.print(&line);
            }
            if self.host.ui.is_closed() || (listed && self.is_over(over, now)) {
                return Ok(());
            }
            let mut look = self.merger.next_look(now);
            if self.ended_at.is_some() {
                let soon = now + REPLACED / 10;
                look = Some(look.map_or(soon, |look| look.min(soon)));
            }
            let look = look.unwrap_or(now + Duration::from_secs(3600));
            tokio::select! {
                () = self.streams.next(&mut self.merger) => {}
                change = changes.recv(), if !over => match change.unwrap_or(Change::Over) {
                    Change::Now(object) => {
                        self.objects.insert(object.key(), *object);
                        if listed {
                            self.open_all()?;
                        }
                    }
                    Change::Removed(key) => drop(self.objects.remove(&key)),
                    Change::Listed => {
                        listed = true;
                        let workloads = self.workloads();
                        workloads.select(&self.args.resources)?;
                        self.open_all()?;
                    }
                    Change::Over => over = true,
                },
                () = tokio::time::sleep_until(look.into()) => {}
            }
        }
    }

    fn workloads(&self) -> Workloads {
        Workloads::of(self.objects.values().cloned().collect())
    }

    /// Opens the logs of what is new, or runs again.
    fn open_all(&mut self) -> Result<()> {
        let workloads = self.workloads();
        // A name that means nothing for the moment is being replaced.
        let Ok(selected) = workloads.select(&self.args.resources) else {
            return Ok(());
        };
        for workload in selected {
            let idle = workload.row.phase == Phase::Waiting && workload.row.manual;
            let lane = workload.first();
            let is_new = self.streams.uid(&lane) != Some(workload.uid.as_str());
            let again = !workload.has_ended() && !self.streams.is_open(&lane);
            if !idle && !workload.deleting && (is_new || again) {
                self.open(workload);
            }
        }
        Ok(())
    }

    fn open(&mut self, workload: &Workload) {
        let lane = workload.first();
        self.streams.know(&lane, &workload.uid);
        // What it said under an earlier name or before it was replaced is in the same log.
        for source in self.streams.close(&lane) {
            self.merger.close(source);
        }
        for source in self.streams.open(&workload.key, &lane) {
            self.merger.open(source, Instant::now());
        }
    }

    /// Everything that was asked for has ended and was told. `over`: the app has, too.
    fn is_over(&mut self, over: bool, now: Instant) -> bool {
        let workloads = self.workloads();
        let all_ended = match workloads.select(&self.args.resources) {
            Ok(selected) => selected.iter().all(|one| one.has_ended()),
            Err(_) => true,
        };
        if !self.merger.is_empty() || !(all_ended || over) {
            self.ended_at = None;
            return false;
        }
        let since = *self.ended_at.get_or_insert(now);
        over || now >= since + REPLACED
    }

    /// The lines that there were; of each log only the last ones, where that was asked for.
    fn first(&mut self, mut lines: Vec<Line<Said>>) {
        lines.retain(|line| self.is_wanted(line));
        if let Some(tail) = self.args.tail {
            let mut left: BTreeMap<String, u32> = BTreeMap::new();
            let mut kept: BTreeSet<usize> = BTreeSet::new();
            for (index, line) in lines.iter().enumerate().rev() {
                let left = left.entry(line.what.name.clone()).or_insert(tail);
                if *left > 0 {
                    *left -= 1;
                    kept.insert(index);
                }
            }
            let mut index = 0;
            lines.retain(|_| {
                index += 1;
                kept.contains(&(index - 1))
            });
        }
        for line in &lines {
            self.print(line);
        }
    }

    fn is_wanted(&self, line: &Line<Said>) -> bool {
        let young = self.args.since.is_none_or(|since| line.time >= since);
        let text = String::from_utf8_lossy(&line.what.text);
        young
            && self
                .args
                .grep
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(&text))
    }

    fn print(&self, line: &Line<Said>) {
        if !self.is_wanted(line) {
            return;
        }
        let Said {
            name,
            stream,
            stamp,
            text,
        } = &line.what;
        let ui = &self.host.ui;
        if ui.json() {
            let text = String::from_utf8_lossy(text);
            ui.out(
                json!({ "type": "log", "name": name, "stream": stream, "time": stamp, "text": text })
                    .to_string(),
            );
            return;
        }
        let colour = ui.out_is_terminal && ui.colour;
        let mut bytes = prefix(name, colour).into_bytes();
        if ui.out_is_terminal {
            bytes.extend_from_slice(visible(&String::from_utf8_lossy(text), colour).as_bytes());
        } else {
            // Whoever reads a pipe gets what the workload wrote.
            bytes.extend_from_slice(text);
        }
        bytes.push(b'\n');
        ui.raw(&bytes);
    }
}
