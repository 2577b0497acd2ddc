//! Linux: pidfds, /proc, child subreaper.

mod beside;
mod mark;
mod memory;
mod ports;
mod spawn;
mod users;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    pidfd_send_signal, waitid,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncWrite, Interest};
use tokio::net::unix::pipe;

pub(crate) use beside::{Leash, keep_vigil, settle, spawn_beside};
pub(crate) use mark::{mark, mark_of};
pub(crate) use memory::give_back;
pub(crate) use ports::{ephemeral_ports, port_holder};
pub(crate) use spawn::{Prepared, spawn};
pub(crate) use users::{find_user, give_to, is_root, may_traverse};

use super::{Entry, Identity, Urgency};

/// One end of a pipe.
pub(crate) type Pipe = OwnedFd;

/// Enough, and not so many that a child that closes them all one by one takes long.
const FILES: u64 = 16_384;

/// Children whose end somebody waits for; the reaper of orphans leaves them alone.
static TRACKED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn tracked() -> MutexGuard<'static, BTreeSet<u32>> {
    TRACKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of a child; noticed through its pidfd, without polling. Dropped before, the child is
/// left to the reaper of orphans.
#[derive(Debug)]
pub(crate) struct Exit {
    fd: OwnedFd,
    tracked: Tracked,
}

#[derive(Debug)]
struct Tracked(Option<u32>);

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            tracked().remove(&pid);
        }
    }
}

impl Exit {
    /// Waits for the end; the exit code, or 128 + signal.
    pub(crate) async fn wait(self) -> io::Result<i32> {
        let Self {
            fd,
            tracked: mut mine,
        } = self;
        let fd = readable(fd)?;
        loop {
            let mut ready = fd.readable().await?;
            let mut known = tracked();
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            if let Some(status) = waitid(WaitId::PidFd(rustix::fd::AsFd::as_fd(&fd)), options)? {
                // Before the lock is let go: the number may be given away again at once.
                if let Some(pid) = mine.0.take() {
                    known.remove(&pid);
                }
                return Ok(status
                    .exit_status()
                    .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
                    .unwrap_or(-1));
            }
            drop(known);
            ready.clear_ready();
        }
    }
}

/// Becomes readable when the process of a pidfd ends.
#[expect(
    unsafe_code,
    reason = "tokio asks for a promise about the file descriptor"
)]
fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, is always the same descriptor, and is closed by nobody but
    // its owner, which is the `AsyncFd` from here on; that deregisters it first.
    Ok(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?)
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// Waits until a process, child or not, has ended.
pub(crate) async fn gone(id: Identity) {
    let Some(fd) = open(id) else { return };
    if let Ok(fd) = readable(fd) {
        let _ = fd.readable().await;
    }
}

/// A handle on exactly this process.
fn open(id: Identity) -> Option<OwnedFd> {
    let fd = pidfd_open(pid(id.pid)?, PidfdFlags::NONBLOCK).ok()?;
    // Only now is the number known to stay with whoever has it.
    (entry(id.pid)?.id == id).then_some(fd)
}

fn signal(urgency: Urgency) -> Signal {
    match urgency {
        Urgency::Ask => Signal::TERM,
        Urgency::Interrupt => Signal::INT,
        Urgency::Quit => Signal::QUIT,
        Urgency::Force => Signal::KILL,
    }
}

/// Asks or forces exactly this process to end.
pub(crate) fn end(id: Identity, urgency: Urgency) {
    if let Some(fd) = open(id) {
        let _ = pidfd_send_signal(fd, signal(urgency));
    }
}

/// Asks or forces the process group of a leader that is still there to end.
pub(crate) fn end_group(leader: Identity, urgency: Urgency) {
    if let (Some(number), Some(_held)) = (pid(leader.pid), open(leader)) {
        let _ = kill_process_group(number, signal(urgency));
    }
}

/// Whether exactly this process is there (a zombie isn't).
pub(crate) fn is_alive(id: Identity) -> bool {
    entry(id.pid).is_some_and(|entry| entry.id == id && !entry.zombie)
}

/// This process.
pub(crate) fn myself() -> Identity {
    let pid = std::process::id();
    Identity {
        pid,
        start: entry(pid).map_or(0, |entry| entry.id.start),
    }
}

/// One line of the table.
pub(crate) fn entry(pid: u32) -> Option<Entry> {
    parse_stat(pid, &read_at_once(&format!("/proc/{pid}/stat"), 1 << 10)?)
}

/// A file of the kernel's, whose size nobody knows before; most aren't longer than expected. Read
/// in one go: many small pieces are most of the cost of looking at all processes.
fn read_at_once(path: &str, expected: usize) -> Option<Vec<u8>> {
    let mut file = fs::File::open(path).ok()?;
    let mut text = vec![0; expected];
    let mut length = 0;
    loop {
        match file.read(&mut text[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        if length == text.len() {
            text.resize(2 * length, 0);
        }
    }
    text.truncate(length);
    Some(text)
}

fn parse_stat(pid: u32, text: &[u8]) -> Option<Entry> {
    // The name may contain anything, parentheses too; the last one closes it.
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(close + 2..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
    let unsigned = |index: usize| Some(u32::try_from(number(index)?).unwrap_or(0));
    Some(Entry {
        id: Identity {
            pid,
            start: u64::try_from(number(19)?).ok()?,
        },
        parent: unsigned(1)?,
        group: unsigned(2)?,
        session: unsigned(3)?,
        zombie: matches!(*fields.first()?, "Z" | "X"),
    })
}

/// The table of processes.
pub(crate) fn table() -> Vec<Entry> {
    let Ok(folder) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder
        .filter_map(|file| entry(file.ok()?.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// A process's environment, as far as we may see it: `NAME=VALUE`, each ended by a zero byte.
pub(crate) fn environment_of(pid: u32) -> Option<Vec<u8>> {
    read_at_once(&format!("/proc/{pid}/environ"), 8 << 10)
}

/// Which pipes are a process's standard output and standard error.
pub(crate) fn output_pipes(pid: u32) -> Vec<u64> {
    let pipe = |fd: u32| {
        let target = fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
        target
            .to_str()?
            .strip_prefix("pipe:[")?
            .strip_suffix(']')?
            .parse()
            .ok()
    };
    [1, 2].into_iter().filter_map(pipe).collect()
}

/// Whether a process is an orphan that came to us: our child, but not one that we started, nor
/// one of another part of this program (those share our session).
pub(crate) fn is_adopted(entry: &Entry) -> bool {
    entry.parent == std::process::id()
        && Some(entry.session) != own_session()
        && !tracked().contains(&entry.id.pid)
}

/// Our session, 0 when its leader is outside our namespace (the first process of a container that
/// joined its starter's session), which is why this isn't asked with `getsid`: a [`Pid`] can't be 0.
fn own_session() -> Option<u32> {
    entry(std::process::id()).map(|entry| entry.session)
}

fn first_line(path: &str) -> Option<String> {
    Some(
        fs::read_to_string(path)
            .ok()?
            .lines()
            .next()?
            .trim()
            .to_owned(),
    )
}

/// This boot of the machine.
pub(crate) fn boot_id() -> &'static str {
    static ID: LazyLock<String> =
        LazyLock::new(|| first_line("/proc/sys/kernel/random/boot_id").unwrap_or_default());
    &ID
}

/// When a process started, in microseconds since boot.
pub(crate) fn since_boot(id: Identity) -> Option<u64> {
    let second = rustix::param::clock_ticks_per_second();
    id.start.checked_mul(1_000_000)?.checked_div(second)
}

/// When the machine was booted, in microseconds since 1970, by its clock as it is now.
pub(crate) fn boot_time() -> i64 {
    let of = |clock| {
        let time = rustix::time::clock_gettime(clock);
        time.tv_sec.saturating_mul(1_000_000) + time.tv_nsec / 1000
    };
    of(rustix::time::ClockId::Realtime) - of(rustix::time::ClockId::Boottime)
}

/// This machine and the namespace that its process numbers belong to.
pub(crate) fn machine() -> &'static str {
    static ID: LazyLock<String> = LazyLock::new(|| {
        let machine = first_line("/etc/machine-id").filter(|id| !id.is_empty());
        let namespace = fs::read_link("/proc/self/ns/pid").ok();
        let namespace = namespace
            .as_deref()
            .and_then(Path::to_str)
            .unwrap_or_default();
        let digits: String = namespace.chars().filter(char::is_ascii_digit).collect();
        // A machine without an id has its host name.
        let machine = machine
            .or_else(|| first_line("/proc/sys/kernel/hostname"))
            .unwrap_or_else(|| "unknown".to_owned());
        format!("{machine}-{digits}")
    });
    &ID
}

/// Allows as many open files as many workloads need: five for each, beside its connections.
pub(crate) fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted),
                maximum,
            },
        );
    }
}

/// From now on orphans among our descendants become our children, so that a tree of processes
/// can always be walked from its parent.
pub(crate) fn adopt_orphans() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Buries adopted orphans that have ended. Leaves tracked children, and whatever other parts of
/// this program started (they share our session, ours never do).
pub(crate) fn bury_orphans() {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return;
    };
    let known = tracked();
    let session = own_session();
    for task in tasks.flatten() {
        let Ok(children) = fs::read_to_string(task.path().join("children")) else {
            continue;
        };
        for child in children
            .split_ascii_whitespace()
            .filter_map(|text| text.parse().ok())
        {
            let ended = entry(child).filter(|entry| entry.zombie && Some(entry.session) != session);
            if let (Some(_), false, Some(number)) = (ended, known.contains(&child), pid(child)) {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                let _ = waitid(WaitId::Pid(number), options);
            }
        }
    }
}

/// Runs for ever: buries adopted orphans some time after they ended.
pub(crate) async fn undertaker() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut ended) = signal(SignalKind::child()) else {
        return;
    };
    while ended.recv().await.is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        bury_orphans();
    }
}

/// The reading end of a pipe, for the runtime that it is made in.
#[derive(Debug)]
pub(crate) struct Reader(pipe::Receiver);

impl Reader {
    /// Takes a pipe.
    pub(crate) fn new(pipe: Pipe) -> io::Result<Self> {
        pipe::Receiver::from_owned_fd(pipe).map(Self)
    }

    /// Waits until there is something to read.
    pub(crate) async fn ready(&mut self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Reads what is there; 0 at the end.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

/// The writing end of a pipe, for the runtime that it is called in.
pub(crate) fn writer(pipe: Pipe) -> io::Result<impl AsyncWrite + Send + Unpin + use<>> {
    pipe::Sender::from_owned_fd(pipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_of_a_hostile_name() {
        let line = b"42 (a) b) (c) S 1 40 41 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 777 1 2 3";
        assert_eq!(
            parse_stat(42, line),
            Some(Entry {
                id: Identity {
                    pid: 42,
                    start: 777
                },
                parent: 1,
                group: 40,
                session: 41,
                zombie: false
            })
        );
        assert_eq!(parse_stat(42, b"42 (x"), None);
    }

    #[test]
    fn burying_spares_what_is_tracked() {
        bury_orphans();
        assert!(!is_adopted(&entry(std::process::id()).unwrap()));
    }

    /// As the first process of a container that joined its starter's session is placed.
    #[test]
    #[allow(clippy::print_stderr, reason = "a skipped test says so")]
    fn a_session_led_from_outside_our_namespace() {
        let inside = |command: &[&str]| {
            let mut unshare = std::process::Command::new("unshare");
            unshare
                .args(["--pid", "--fork", "--mount-proc"])
                .args(command);
            unshare.output()
        };
        if !inside(&["true"]).is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no namespace of processes can be made here");
            return;
        }
        let this = std::env::current_exe().unwrap();
        let test = "os::linux::tests::burying_spares_what_is_tracked";
        let output = inside(&[this.to_str().unwrap(), "--exact", test]).unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }

    #[test]
    fn i_am_in_the_table() {
        let me = myself();
        assert!(is_alive(me));
        assert!(table().iter().any(|entry| entry.id == me));
        assert!(!is_alive(Identity {
            start: me.start + 1,
            ..me
        }));
        assert!(!boot_id().is_empty());
        assert!(machine().contains('-'));
    }
}
