//! Looks at `/proc`: which processes belong to a project, what stands in argument lists.
//!
//! A process belongs to a project when its environment carries the project's marker, which
//! everything inherits that the host starts, however often it forks; or when it works in one of the
//! project's folders, since a server that gives itself a title (Redis) writes it over its
//! environment.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// The variable that marks what a test has started. (Those that begin with `ASPIRE_HOST_` are the
/// host's own and not handed on.)
pub const MARKER: &str = "BLACKBOX_PROJECT";
/// The variable that the host puts into everything that it starts.
pub const RUN: &str = "ASPIRE_HOST_RUN";

/// A process that was alive when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// Clock ticks from boot to its start: with the id, its identity.
    pub started: u64,
    /// Its parent.
    pub parent: u32,
    /// Where it works.
    pub folder: PathBuf,
}

impl Process {
    /// The process of an id; none where it is gone or a zombie.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        if matches!(*fields.first()?, "Z" | "X") {
            return None;
        }
        let env = words(&fs::read(format!("/proc/{pid}/environ")).unwrap_or_default());
        Some(Self {
            pid,
            command: words(&fs::read(format!("/proc/{pid}/cmdline")).ok()?),
            env: env
                .iter()
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            started: fields.get(19)?.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            folder: fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default(),
        })
    }

    /// A variable of its environment.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether this very process is still alive.
    pub fn lives(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Ends it, if it is still the same.
    pub fn kill(&self) {
        if self.lives() {
            signal(self.pid, Signal::KILL);
        }
    }

    /// For messages, without the environment.
    pub fn describe(&self) -> String {
        format!("{} {}", self.pid, self.command.join(" "))
    }
}

fn words(bytes: &[u8]) -> Vec<String> {
    bytes
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// Every process.
pub fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Process::of)
        .collect()
}

/// Processes with a project's marker, or working below its folder.
pub fn of_project(marker: &str, folder: &Path) -> Vec<Process> {
    let ours = |one: &Process| one.var(MARKER) == Some(marker) || one.folder.starts_with(folder);
    all().into_iter().filter(ours).collect()
}

/// Those that run a program and whose parent does not: where signals of a user go.
pub fn all_of(program: &Path, among: &[Process]) -> Vec<Process> {
    let runs = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    among
        .iter()
        .filter(|one| runs(one.pid) && !runs(one.parent))
        .cloned()
        .collect()
}

/// The watchdogs of a host.
pub fn watchdogs(host: u32) -> Vec<Process> {
    let ours =
        |one: &Process| one.parent == host && one.command.iter().any(|word| word == "__watchdog");
    all().into_iter().filter(ours).collect()
}

/// Sends a signal; a process that is gone is none to complain about.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}
