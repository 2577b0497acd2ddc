//! A system that nobody has written down yet: everything compiles, containers work, and starting
//! a process says that it can't.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncWrite, Empty};

use super::{Entry, Identity, Spawn, Spawned, Urgency, User, Vigil};

/// One end of a pipe; there is none.
pub(crate) type Pipe = Infallible;

/// The end of a child; there is none.
#[derive(Debug)]
pub(crate) struct Exit(Infallible);

impl Exit {
    /// Waits for the end.
    #[expect(clippy::unused_async, reason = "the interface of every system")]
    pub(crate) async fn wait(self) -> io::Result<i32> {
        match self.0 {}
    }
}

fn unsupported() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!(
            "processes are not supported on {} yet; run containers",
            std::env::consts::OS
        ),
    )
}

/// The pipes of a process that is about to be started; there are none.
#[derive(Debug)]
pub(crate) struct Prepared(Infallible);

impl Prepared {
    /// Makes them.
    pub(crate) fn new(_: &Spawn) -> io::Result<Self> {
        Err(unsupported())
    }

    /// What the pipes of its output are called.
    pub(crate) fn pipes(&self) -> Vec<u64> {
        match self.0 {}
    }
}

/// Starts a process.
pub(crate) fn spawn(_: &Spawn, prepared: Prepared) -> io::Result<Spawned> {
    match prepared.0 {}
}

/// The way to tell a process that stands beside us to go; there is none.
#[derive(Debug)]
pub(crate) struct Leash {
    /// Who it is.
    pub(crate) id: Identity,
}

impl Leash {
    /// Tells it to go.
    pub(crate) fn dismiss(&self) {}
}

/// Starts a process that stands beside us.
pub(crate) fn spawn_beside(
    _: &Path,
    _: Vec<OsString>,
    _: Option<(&str, &str)>,
) -> io::Result<(Exit, Leash)> {
    Err(unsupported())
}

/// What a process that stands beside another does first.
pub(crate) fn settle(_: &std::ffi::CStr) {}

/// Waits until a process has ended: not to be found out, so it counts as not ended.
pub(crate) fn keep_vigil(_: Identity) -> Vigil {
    Vigil::Dismissed
}

/// Marks this process and all that it will start.
pub(crate) fn mark() -> Option<u64> {
    None
}

/// The mark of a process.
pub(crate) fn mark_of(_: u32) -> Option<u64> {
    None
}

/// Waits until a process has ended.
pub(crate) async fn gone(_: Identity) {}

/// Asks or forces a process to end.
pub(crate) fn end(_: Identity, _: Urgency) {}

/// Asks or forces a process group to end.
pub(crate) fn end_group(_: Identity, _: Urgency) {}

/// Whether a process is there: not to be found out, so nothing is ever taken for dead.
pub(crate) fn is_alive(_: Identity) -> bool {
    true
}

/// This process.
pub(crate) fn myself() -> Identity {
    Identity {
        pid: std::process::id(),
        start: 0,
    }
}

/// The table of processes.
pub(crate) fn table() -> Vec<Entry> {
    Vec::new()
}

/// A process's environment.
pub(crate) fn environment_of(_: u32) -> Option<Vec<u8>> {
    None
}

/// Which pipes are a process's output.
pub(crate) fn output_pipes(_: u32) -> Vec<u64> {
    Vec::new()
}

/// Whether a process is an orphan that came to us.
pub(crate) fn is_adopted(_: &Entry) -> bool {
    false
}

/// This boot of the machine.
pub(crate) fn boot_id() -> &'static str {
    "unknown"
}

/// This machine.
pub(crate) fn machine() -> &'static str {
    "unknown"
}

/// Allows as many open files as many workloads need.
pub(crate) fn allow_files() {}

/// Gives back memory that was needed for a moment; the system does what it does.
pub(crate) fn give_back() {}

/// Orphans among our descendants become our children.
pub(crate) fn adopt_orphans() {}

/// Buries adopted orphans.
pub(crate) async fn undertaker() {
    std::future::pending().await
}

/// The reading end of a pipe.
#[derive(Debug)]
pub(crate) struct Reader(Infallible);

impl Reader {
    /// Takes a pipe.
    pub(crate) fn new(pipe: Pipe) -> io::Result<Self> {
        match pipe {}
    }

    /// Waits until there is something to read.
    pub(crate) async fn ready(&mut self) -> io::Result<()> {
        match self.0 {}
    }

    /// Reads what is there.
    pub(crate) fn try_read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

/// The writing end of a pipe.
pub(crate) fn writer(pipe: Pipe) -> io::Result<impl AsyncWrite + Send + Unpin + use<>> {
    match pipe {}
    #[expect(
        unreachable_code,
        reason = "there is no pipe, but the type has to be known"
    )]
    Ok::<Empty, io::Error>(tokio::io::empty())
}

/// When a process started.
pub(crate) fn since_boot(_: Identity) -> Option<u64> {
    None
}

/// When the machine was booted.
pub(crate) fn boot_time() -> i64 {
    0
}

/// Ports that outgoing connections may get at any time.
pub(crate) fn ephemeral_ports() -> RangeInclusive<u16> {
    49_152..=65_535
}

/// Who listens on a port.
pub(crate) fn port_holder(_: u16, _: bool) -> Option<String> {
    None
}

/// Whether we may become somebody else.
pub(crate) fn is_root() -> bool {
    false
}

/// A user.
pub(crate) fn find_user(_: &str) -> Option<User> {
    None
}

/// Makes a user the owner of a file or folder.
pub(crate) fn give_to(_: &Path, _: &User) -> io::Result<()> {
    Err(unsupported())
}

/// The first folder above a path that a user may not pass through.
pub(crate) fn may_traverse(_: &Path, _: &User) -> Result<(), PathBuf> {
    Ok(())
}
