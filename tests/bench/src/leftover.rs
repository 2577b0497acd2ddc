//! (e) `kill -9` of the host with 100 executables, a third of them trees, a third double forks in
//! sessions of their own that have forgotten their environment and their output.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::clock::{Ms, median, ms, until};
use crate::memory::{processes, pss_of};
use crate::places::{Places, write};
use crate::report::Target;
use crate::{Bench, Result};

const COUNT: usize = 100;
const LIMIT: Duration = Duration::from_secs(60);
/// What they run, and how many of `sleep` come of each.
const SCRIPTS: [(&str, usize); 3] = [
    ("trap \"\" TERM; (sleep 1000 & sleep 1000) & sleep 1000", 3),
    (
        "env -i PATH=$PATH setsid --fork setsid --fork sleep 1000 >/dev/null 2>&1; sleep 1000",
        2,
    ),
    ("exec sleep 1000", 1),
];

/// What one end has shown.
struct End {
    gone: Ms,
    megabytes: f64,
}

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let rounds = bench.repeat(|| once(&bench.places))?;
    bench.report.target(
        "kill -9 with 100 executables to none left",
        median(rounds.iter().map(|end| end.gone)),
        Target {
            limit: 1000.0,
            unit: "ms",
        },
    );
    bench.report.target(
        "the watchdog's memory",
        median(rounds.iter().map(|end| end.megabytes)),
        Target {
            limit: 1.2,
            unit: "MB",
        },
    );
    Ok(())
}

fn once(places: &Places) -> Result<End> {
    let folder = places.folder("leftover")?;
    let mut text = "name = \"leftover\"\n".to_owned();
    for index in 0..COUNT {
        let (script, _) = SCRIPTS[index % SCRIPTS.len()];
        let _ = write!(
            text,
            "[resources.r{index}]\nkind = \"executable\"\ncommand = \"sh\"\nargs = [\"-c\", '{script}']\n"
        );
    }
    write(&folder.join("aspire.toml"), &text)?;
    let mut host = places.host(&folder, &["run", "--runtime", "native"]);
    let mut host = host
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let seen = killed(&mut host, &folder);
    let _ = host.kill();
    let _ = host.wait();
    seen
}

fn killed(host: &mut Child, folder: &Path) -> Result<End> {
    let sleeps: usize = (0..COUNT)
        .map(|index| SCRIPTS[index % SCRIPTS.len()].1)
        .sum();
    let all = until(LIMIT, "everything to run", || {
        let all = working_in(folder, host.id());
        let sleeping = all
            .iter()
            .filter(|pid| command(**pid) == "sleep\u{0}1000\u{0}");
        (sleeping.count() == sleeps).then_some(all)
    })?;
    let watchdog = processes()
        .into_iter()
        .find(|(pid, parent)| {
            *parent == host.id() && command(*pid).contains("\u{0}__watchdog\u{0}")
        })
        .ok_or("there is no watchdog")?
        .0;
    let megabytes = pss_of(watchdog);
    let begin = Instant::now();
    host.kill().map_err(|error| error.to_string())?;
    until(LIMIT, "none to be left", || {
        // Quick to ask, then all of it.
        let lives = |pid: &u32| Path::new(&format!("/proc/{pid}/cwd")).exists();
        (!all.iter().any(lives) && working_in(folder, host.id()).is_empty()).then_some(())
    })?;
    Ok(End {
        gone: ms(begin.elapsed()),
        megabytes,
    })
}

/// Living processes whose working folder this is, but the host.
fn working_in(folder: &Path, host: u32) -> BTreeSet<u32> {
    let here = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder);
    let all = processes().into_iter().map(|(pid, _)| pid);
    all.filter(|pid| *pid != host).filter(here).collect()
}

fn command(pid: u32) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
        .into_owned()
}
