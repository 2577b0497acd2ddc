//! (m) What 100 resources cost that do nothing and aren't probed: the CPU's time, wake-ups and
//! memory of the host and its helpers.
//!
//! Time is what the scheduler has counted for each thread: the ticks of `/proc/PID/stat` are longer
//! than what is to be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::clock::{median, stamps, until};
use crate::memory::{family, pss_of};
use crate::places::write;
use crate::report::{Target, figure};
use crate::{Bench, Result};

const COUNT: usize = 100;
const LIMIT: Duration = Duration::from_secs(60);
/// How long it is looked at, each time.
const WINDOW: Duration = Duration::from_secs(10);
/// What this may take of the whole run's time.
const SHARE: Duration = Duration::from_secs(55);

/// What one look has shown.
struct Look {
    percent: f64,
    /// A second.
    wakeups: f64,
    megabytes: f64,
}

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let places = &bench.places;
    let folder = places.folder("idle")?;
    let marks = places.folder("stamps")?;
    let mut text = "name = \"idle\"\n".to_owned();
    for index in 0..COUNT {
        let (stamp, mark) = (places.stamp.display(), marks.join(index.to_string()));
        let _ = write!(
            text,
            "[resources.r{index}]\nkind = \"executable\"\ncommand = '{stamp}'\nargs = ['{}']\n",
            mark.display()
        );
    }
    write(&folder.join("aspire.toml"), &text)?;
    let mut host = places
        .host(&folder, &["run", "--runtime", "native"])
        .spawn()
        .map_err(|error| error.to_string())?;
    let looks = stamps(&marks, COUNT, LIMIT).and_then(|_| {
        // What a start has left to do is done by then.
        std::thread::sleep(Duration::from_secs(2));
        bench.repeat_within(SHARE, || {
            look(&family(host.id(), &places.mark, &places.stamp))
        })
    });
    if let Some(pid) = i32::try_from(host.id()).ok().and_then(Pid::from_raw) {
        // One that has ended already needs no signal.
        let _ = kill_process(pid, Signal::INT);
    }
    let end = until(LIMIT, "the end after Ctrl-C", || {
        host.try_wait().ok().flatten()
    });
    if end.is_err() {
        let _ = host.kill();
        let _ = host.wait();
    }
    let looks = looks?;
    end?;
    let middle = |of: fn(&Look) -> f64| median(looks.iter().map(of));
    bench.report.columns(&["wake-ups a second"]);
    let wakeups = figure(middle(|look| look.wakeups));
    bench.report.row("100 idle executables", &[wakeups]);
    let mut tell = |name: &str, value: f64, limit: f64, unit: &'static str| {
        bench.report.target(name, value, Target { limit, unit });
    };
    tell("the CPU's time", middle(|look| look.percent), 0.2, "%");
    tell("memory", middle(|look| look.megabytes), 60.0, "MB");
    Ok(())
}

fn look(family: &BTreeSet<u32>) -> Result<Look> {
    let all =
        || -> BTreeMap<PathBuf, (f64, f64)> { family.iter().flat_map(|pid| used(*pid)).collect() };
    let (start, before) = (Instant::now(), all());
    std::thread::sleep(WINDOW);
    let seconds = start.elapsed().as_secs_f64();
    if before.values().all(|(time, _)| *time <= 0.0) {
        return Err("the scheduler counts nothing".to_owned());
    }
    let (mut time, mut wakeups) = (0.0, 0.0);
    // A thread that has ended meanwhile had nothing to do.
    for (thread, now) in all() {
        let then = before.get(&thread).copied().unwrap_or_default();
        time += now.0 - then.0;
        wakeups += now.1 - then.1;
    }
    Ok(Look {
        percent: time / 1e7 / seconds,
        wakeups: wakeups / seconds,
        megabytes: family.iter().map(|pid| pss_of(*pid)).sum(),
    })
}

/// Nanoseconds on a CPU and wake-ups so far, by thread of a process.
fn used(pid: u32) -> Vec<(PathBuf, (f64, f64))> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let of = |folder: PathBuf| {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).unwrap_or(0.0);
        let time = number(read("schedstat").split_whitespace().next());
        let status = read("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let wakeups = number(line.map(str::trim));
        (folder, (time, wakeups))
    };
    threads.map(|thread| of(thread.path())).collect()
}
