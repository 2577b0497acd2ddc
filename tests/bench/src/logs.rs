//! (i) What workloads say: the rate at which four of them are heard that say 100,000 lines each,
//! kept whole and stamped on the disk, against the same four that append to files themselves; and
//! how long a line takes from a process to a client that follows its log.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::clock::{Ms, median, now};
use crate::memory::MARKER;
use crate::places::Places;
use crate::plane::{BASE, Client, Lines, Plane, executable, runtime};
use crate::report::{Target, figure, times};
use crate::talk::LINE;
use crate::{Bench, Result};

const WRITERS: usize = 4;
const LINES: usize = 100_000;
/// Lines whose way is timed.
const TICKS: usize = 50;

/// What one round has shown.
struct Round {
    /// From the first line said to the last one kept.
    kept: Ms,
    /// The same for files.
    appended: Ms,
    middle: Ms,
    slowest: Ms,
}

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let runtime = runtime()?;
    let places = &bench.places;
    let rounds = bench.repeat(|| {
        let appended = append(places)?;
        runtime.block_on(once(places, appended))
    })?;
    let middle = |of: fn(&Round) -> Ms| median(rounds.iter().map(of));
    let (kept, appended) = (middle(|round| round.kept), middle(|round| round.appended));
    bench
        .report
        .columns(&["400,000 lines", "lines a second", "rate to the floor"]);
    for (name, time) in [
        ("aspire-host: stamped, on disk", kept),
        ("direct append to files (floor)", appended),
    ] {
        let rate = 1e3 * 4e5 / time;
        bench
            .report
            .row(name, &[figure(time), figure(rate), times(appended, time)]);
    }
    bench.report.target(
        "their time to that of direct appends",
        kept / appended,
        Target {
            limit: 2.0,
            unit: "x",
        },
    );
    let cells = [figure(middle(|round| round.middle))];
    bench.report.columns(&["the middle one"]);
    bench.report.row("write to reader", &cells);
    bench.report.target(
        "write to reader, the slowest of 50",
        middle(|round| round.slowest),
        Target {
            limit: 20.0,
            unit: "ms",
        },
    );
    Ok(())
}

/// Stamps of first and last lines of all writers.
fn said(stamps: &Path) -> Result<(Ms, Ms)> {
    let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
    for index in 0..WRITERS {
        let text = fs::read_to_string(stamps.join(index.to_string()));
        let text = text.map_err(|error| format!("a writer's stamp: {error}"))?;
        let mut times = text.split_whitespace().filter_map(|word| word.parse().ok());
        first = first.min(times.next().unwrap_or(f64::NAN));
        last = last.max(times.next().unwrap_or(f64::NAN));
    }
    Ok((first, last))
}

fn words(stamps: &Path, index: usize) -> Vec<String> {
    let stamp = stamps.join(index.to_string()).display().to_string();
    let words = ["part", "talk", &LINES.to_string(), &stamp];
    words.map(str::to_owned).to_vec()
}

/// The floor.
fn append(places: &Places) -> Result<Ms> {
    let stamps = places.folder("stamps")?;
    let files = places.folder("appended")?;
    let mut children = Vec::new();
    for index in 0..WRITERS {
        let path: PathBuf = files.join(index.to_string());
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| error.to_string())?;
        let mut command = Command::new(&places.bench);
        command
            .args(words(&stamps, index))
            .env(MARKER, &places.mark)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::null());
        children.push(command.spawn().map_err(|error| error.to_string())?);
    }
    for child in &mut children {
        child.wait().map_err(|error| error.to_string())?;
    }
    let (first, last) = said(&stamps)?;
    Ok(last - first)
}

async fn once(places: &Places, appended: Ms) -> Result<Round> {
    let folder = places.folder("logs")?;
    let stamps = places.folder("stamps")?;
    let plane = Plane::start(places, &folder, &[])?;
    let client = plane.client().await?;
    let watch = format!("{BASE}/executables?watch=true&resourceVersion=0");
    let mut events = client.follow(&watch).await?;
    for index in 0..WRITERS {
        let object = executable(&format!("w{index}"), &places.bench, &words(&stamps, index));
        client.create("executables", &object).await?;
    }
    let end = finished(&mut events, WRITERS).await?;
    let (first, _) = said(&stamps)?;
    for index in 0..WRITERS {
        whole(&client, index).await?;
    }
    let (middle, slowest) = follow(places, &client).await?;
    Ok(Round {
        kept: end - first,
        appended,
        middle,
        slowest,
    })
}

/// When the last of so many has ended, which it has when everything that it said is kept.
async fn finished(events: &mut Lines, count: usize) -> Result<Ms> {
    let mut over = std::collections::BTreeSet::new();
    while over.len() < count {
        let event = events.event().await?;
        let object = &event["object"];
        match object["status"]["state"].as_str() {
            Some("Finished") => {
                over.insert(object["metadata"]["name"].to_string());
            }
            Some("FailedToStart" | "Terminated") => return Err(format!("a writer: {object}")),
            _ => {}
        }
    }
    Ok(now())
}

/// Every line has to be there, in its order and with a time.
async fn whole(client: &Client, index: usize) -> Result<()> {
    let path = format!("{BASE}/executables/w{index}/log?timestamps=true");
    let text = client.get(&path).await?;
    let mut count = 0;
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let end = format!("Z {number:06} {LINE}\n");
        if !line.ends_with(end.as_bytes()) {
            return Err(format!(
                "line {number} of w{index} is `{}`",
                String::from_utf8_lossy(line)
            ));
        }
        count += 1;
    }
    if count == LINES {
        Ok(())
    } else {
        Err(format!("{count} of {LINES} lines of w{index} were kept"))
    }
}

/// How long a line takes to a client that follows: the middle one, and the slowest.
async fn follow(places: &Places, client: &Client) -> Result<(Ms, Ms)> {
    let words = ["part", "tick", &TICKS.to_string()].map(str::to_owned);
    let object = executable("tick", &places.bench, &words);
    client.create("executables", &object).await?;
    let path = format!("{BASE}/executables/tick/log?follow=true");
    let mut lines = client.follow(&path).await?;
    let mut ways: Vec<Ms> = Vec::new();
    while let Some(line) = lines.next().await? {
        let arrived = now();
        let said: Option<Ms> = str::from_utf8(&line)
            .ok()
            .and_then(|line| line.trim().parse().ok());
        ways.push(arrived - said.ok_or("a line without a time")?);
    }
    if ways.len() != TICKS {
        return Err(format!("{} of {TICKS} lines were followed", ways.len()));
    }
    let slowest = ways.iter().copied().fold(0.0, f64::max);
    Ok((median(ways), slowest))
}
