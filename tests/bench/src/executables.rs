//! (c) 1, 10, 50 and 200 executables, and `--version`.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::clock::{Ms, median, ms, now, stamps, until};
use crate::places::Places;
use crate::report::{Target, figure, times};
use crate::tools::Tool;
use crate::{Bench, Result, memory};

const COUNTS: [usize; 4] = [1, 10, 50, 200];
/// A start, and an end.
const LIMIT: Duration = Duration::from_secs(60);

/// What one start has shown.
#[derive(Debug, Clone, Copy)]
struct Start {
    to_first: Ms,
    first_to_last: Ms,
    megabytes: f64,
}

/// The quickest thing it can do.
pub(crate) fn version(bench: &mut Bench) -> Result<()> {
    let folder = bench.places.folder("version")?;
    let all = bench.repeat(|| {
        let mut command = bench.places.host(&folder, &["--version"]);
        let start = Instant::now();
        let status = command.status().map_err(|error| error.to_string())?;
        let time = ms(start.elapsed());
        if status.success() {
            Ok(time)
        } else {
            Err(format!("it ended with {status}"))
        }
    })?;
    bench.report.target(
        "--version",
        median(all),
        Target {
            limit: 10.0,
            unit: "ms",
        },
    );
    Ok(())
}

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let tools: Vec<Tool> = Tool::ALL
        .into_iter()
        .filter(|tool| match tool.missing(&bench.places) {
            Some(reason) => {
                bench.report.not_measured(tool.name(), &reason);
                false
            }
            None => true,
        })
        .collect();
    for count in COUNTS {
        bench.report.columns(&[
            "launch to first",
            "first to last",
            "to the floor",
            "launch to last",
            "PSS MB",
        ]);
        // The instance is made, the cache filled.
        once(&bench.places, Tool::Host, count)?;
        let rounds = bench.repeat(|| {
            tools
                .iter()
                .map(|tool| Ok((*tool, once(&bench.places, *tool, count)?)))
                .collect()
        })?;
        tell(bench, &tools, count, &rounds);
    }
    Ok(())
}

fn tell(bench: &mut Bench, tools: &[Tool], count: usize, rounds: &[Vec<(Tool, Start)>]) {
    let middle = |wanted: Tool, of: fn(&Start) -> f64| {
        let all = rounds.iter().flatten().filter(|(tool, _)| *tool == wanted);
        median(all.map(|(_, start)| of(start)))
    };
    let floor = middle(Tool::Floor, |start| start.first_to_last);
    for tool in tools {
        let spread = middle(*tool, |start| start.first_to_last);
        let to_floor = if count > 1 {
            times(spread, floor)
        } else {
            "-".to_owned()
        };
        bench.report.row(
            &format!("{count}: {}", tool.name()),
            &[
                figure(middle(*tool, |start| start.to_first)),
                figure(spread),
                to_floor,
                figure(middle(*tool, |start| start.to_first + start.first_to_last)),
                figure(middle(*tool, |start| start.megabytes)),
            ],
        );
    }
    let first = middle(Tool::Host, |start| start.to_first);
    let spread = middle(Tool::Host, |start| start.first_to_last);
    let megabytes = middle(Tool::Host, |start| start.megabytes);
    let report = &mut bench.report;
    report.target(
        &format!("{count}: launch to first spawn, warm"),
        first,
        Target {
            limit: 40.0,
            unit: "ms",
        },
    );
    if count > 1 {
        report.target(
            &format!("{count}: first spawn to last, to the floor"),
            spread / floor,
            Target {
                limit: 1.3,
                unit: "x",
            },
        );
    }
    report.target(
        &format!("{count}: memory, the shop's plugins loaded"),
        megabytes,
        Target {
            limit: 25.0,
            unit: "MB",
        },
    );
}

/// From the launch of the bare loop to the last of so many children.
pub(crate) fn floor(places: &Places, count: usize) -> Result<Ms> {
    let start = once(places, Tool::Floor, count)?;
    Ok(start.to_first + start.first_to_last)
}

/// One start of a tool, looked at and stopped.
fn once(places: &Places, tool: Tool, count: usize) -> Result<Start> {
    let folder = places
        .scratch
        .join(format!("{}-{count}", tool.name().replace(['/', ' '], "-")));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let marks = places.folder("stamps")?;
    let mut command = tool.command(places, count, &folder, &marks)?;
    let launch = now();
    let child = command.spawn().map_err(|error| error.to_string())?;
    let pid = child.id();
    let seen = stamps(&marks, count, LIMIT).map(|(first, last)| {
        // What a start has left to do is done by then.
        std::thread::sleep(Duration::from_millis(200));
        Start {
            to_first: first - launch,
            first_to_last: last - first,
            megabytes: memory::pss(pid, &places.mark, &places.stamp),
        }
    });
    let gone = stop(child, tool);
    let seen = seen.map_err(|error| format!("{}: {error}", tool.name()))?;
    gone.map_err(|error| format!("{}: {error}", tool.name()))?;
    Ok(seen)
}

/// Ctrl-C, or for the floor the end of its input; waits for the end.
fn stop(mut child: Child, tool: Tool) -> Result<()> {
    drop(child.stdin.take());
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or("it has no id")?;
    if tool != Tool::Floor {
        // One that has ended already needs no signal.
        let _ = kill_process(pid, Signal::INT);
    }
    let end = until(LIMIT, "the end after Ctrl-C", || {
        child.try_wait().ok().flatten()
    });
    if end.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    end.map(drop)
}
