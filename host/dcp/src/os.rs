//! Everything that is particular to an operating system, behind one set of functions: starting a
//! process in its own session, noticing its end, signals, the table of processes, who holds a
//! port, users.
//!
//! Knows processes as the machine sees them. Doesn't know objects, records or what a process is
//! for. `linux` is complete; `other` compiles everywhere and says honestly what it can't do, so
//! that another system is one more file.

use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::*;

/// A process, told from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// Process id.
    pub(crate) pid: u32,
    /// Start, in the machine's own ticks since boot: independent of the wall clock.
    pub(crate) start: u64,
}

/// A line of the table of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Who it is.
    pub(crate) id: Identity,
    /// Its parent.
    pub(crate) parent: u32,
    /// Its process group.
    pub(crate) group: u32,
    /// Its session.
    pub(crate) session: u32,
    /// Ended, and only waits for its parent to notice.
    pub(crate) zombie: bool,
}

/// How urgently a process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// SIGTERM.
    Ask,
    /// SIGINT.
    Interrupt,
    /// SIGQUIT.
    Quit,
    /// SIGKILL.
    Force,
}

impl Urgency {
    /// By the name of a signal that asks for the end.
    pub(crate) fn named(signal: &str) -> Option<Self> {
        match signal.strip_prefix("SIG").unwrap_or(signal) {
            "TERM" => Some(Self::Ask),
            "INT" => Some(Self::Interrupt),
            "QUIT" => Some(Self::Quit),
            _ => None,
        }
    }
}

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// Name.
    pub(crate) name: String,
    /// User id.
    pub(crate) uid: u32,
    /// Main group.
    pub(crate) gid: u32,
    /// All groups.
    pub(crate) groups: Vec<u32>,
    /// Home folder.
    pub(crate) home: PathBuf,
}

/// A process to start: own session and process group, output to pipes.
#[derive(Debug, Clone)]
pub(crate) struct Spawn {
    /// Absolute path.
    pub(crate) program: PathBuf,
    /// What it sees as its name, then its arguments.
    pub(crate) args: Vec<OsString>,
    /// Its whole environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Where it starts.
    pub(crate) directory: PathBuf,
    /// A pipe as its standard input; otherwise there is nothing to read.
    pub(crate) stdin: bool,
    /// As whom; none: as ourselves.
    pub(crate) user: Option<User>,
    /// Files for its output, standard output first, instead of pipes: it is to outlive us, and
    /// inherits no mark of ours.
    pub(crate) files: Option<[PathBuf; 2]>,
}

/// How waiting for somebody's end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vigil {
    /// There is nothing to do.
    Dismissed,
    /// It ended without a word.
    Died,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Who it is.
    pub(crate) id: Identity,
    /// Its end.
    pub(crate) exit: Exit,
    /// The other end of its standard input.
    pub(crate) stdin: Option<Pipe>,
    /// The other end of its standard output.
    pub(crate) stdout: Pipe,
    /// The other end of its standard error.
    pub(crate) stderr: Pipe,
    /// The two pipes of its output, as in [`Prepared::pipes`].
    pub(crate) pipes: Vec<u64>,
}
