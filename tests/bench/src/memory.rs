//! Memory and families of processes, as `/proc` tells them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::Duration;

use crate::Result;

/// The variable that marks what a benchmark starts.
pub(crate) const MARKER: &str = "ASPIRE_HOST_BENCH";

/// PSS in megabytes of a tool and its helpers.
pub(crate) fn pss(tool: u32, mark: &str, child: &Path) -> f64 {
    family(tool, mark, child).into_iter().map(pss_of).sum()
}

/// PSS in megabytes of one process; 0 of one that is gone.
pub(crate) fn pss_of(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    kilobytes(&text, "Pss:").unwrap_or_default() / 1024.0
}

/// A tool and its helpers: its descendants and whatever carries its mark, but none that runs the
/// program `child`.
pub(crate) fn family(tool: u32, mark: &str, child: &Path) -> BTreeSet<u32> {
    let all = processes();
    let mut family = BTreeSet::from([tool]);
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|(pid, parent)| family.contains(parent) && !family.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            break;
        }
        family.extend(more);
    }
    let marked = format!("{MARKER}={mark}");
    for (pid, _) in &all {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|pair| pair == marked.as_bytes())
        {
            family.insert(*pid);
        }
    }
    let runs_child =
        |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program == child);
    family.retain(|pid| !runs_child(pid));
    family
}

/// Waits for the end of a process; its peak of resident memory in megabytes.
pub(crate) fn peak(mut process: Child) -> Result<f64> {
    let file = format!("/proc/{}/status", process.id());
    let mut peak: f64 = 0.0;
    loop {
        // It only ever grows, so the last look before the end is what counts.
        if let Some(now) = fs::read_to_string(&file)
            .ok()
            .and_then(|text| kilobytes(&text, "VmHWM:"))
        {
            peak = peak.max(now);
        }
        match process.try_wait() {
            Ok(None) => thread::sleep(Duration::from_micros(500)),
            Ok(Some(status)) if status.success() => return Ok(peak / 1024.0),
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Every process with its parent.
pub(crate) fn processes() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat
                .rsplit_once(')')?
                .1
                .split_whitespace()
                .nth(1)?
                .parse()
                .ok()?;
            Some((pid, parent))
        })
        .collect()
}

fn kilobytes(text: &str, key: &str) -> Option<f64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::clock::until;

    #[test]
    fn children_are_no_helpers() {
        let own = std::process::id();
        let mut child = Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("every machine has it");
        let program = until(Duration::from_secs(5), "the child's program", || {
            let program = fs::read_link(format!("/proc/{}/exe", child.id())).ok()?;
            (Some(&program) != std::env::current_exe().ok().as_ref()).then_some(program)
        });
        let program = program.expect("it runs");
        let with = family(own, "nobody carries this", Path::new("/nothing"));
        let without = family(own, "nobody carries this", &program);
        child
            .kill()
            .and_then(|()| child.wait())
            .expect("it can be ended");
        assert!(with.contains(&own) && with.contains(&child.id()));
        assert!(without.contains(&own) && !without.contains(&child.id()));
    }

    #[test]
    fn a_process_has_memory_and_a_parent() {
        let own = std::process::id();
        assert!(pss(own, "nobody carries this", Path::new("/nothing")) > 0.1);
        assert!(processes().iter().any(|(pid, _)| *pid == own));
        assert_eq!(kilobytes("Rss: 1 kB\nPss:  42 kB\n", "Pss:"), Some(42.0));
    }
}
