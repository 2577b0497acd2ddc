//! A process that stands beside this program and outlives it: how it is started, told to go, and
//! what it does first.
//!
//! Doesn't know what it is for.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open as open_file};
use rustix::io::{Errno, read, write};
use rustix::stdio::stdin;

use super::spawn::{pipe, spawn_plain};
use super::{Exit, Identity, open};
use crate::os::{Spawn, Vigil};

/// What is written to it when there is nothing to do.
const GO: u8 = b'.';

/// Signals that mean this program, and not what stands beside it.
const UNHEARD: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// The way to tell a process that stands beside us to go. Dropped, that one only learns of our end.
#[derive(Debug)]
pub(crate) struct Leash {
    /// Who it is.
    pub(crate) id: Identity,
    word: OwnedFd,
}

impl Leash {
    /// Tells it to go.
    pub(crate) fn dismiss(&self) {
        // Should it be gone already, so much the better.
        let _ = write(&self.word, &[GO]);
    }
}

/// Starts a process that stands beside us: in a session of its own, in the root folder, with our
/// environment and some more, no output, and deaf to what a terminal or a service manager tells everybody.
pub(crate) fn spawn_beside(
    program: &Path,
    args: Vec<OsString>,
    more: Option<(&str, &str)>,
) -> io::Result<(Exit, Leash)> {
    let more = more.map(|(name, value)| (name.into(), value.into()));
    let request = Spawn {
        program: program.to_owned(),
        args,
        env: std::env::vars_os().chain(more).collect(),
        directory: "/".into(),
        stdin: true,
        user: None,
        files: None,
    };
    let (ear, word) = pipe()?;
    let nowhere = open_file(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // As low as our own missing standard output, it would be closed on the way.
    let nowhere = rustix::io::fcntl_dupfd_cloexec(&nowhere, 3)?;
    let (id, exit) = spawn_plain(&request, &ear, &nowhere, &UNHEARD)?;
    Ok((exit, Leash { id, word }))
}

/// What a process that stands beside another does first: holds on to nothing that isn't its own.
pub(crate) fn settle(name: &std::ffi::CStr) {
    close_inherited();
    let _ = rustix::process::chdir(c"/");
    let _ = rustix::thread::set_name(name);
    super::mark::unmark();
}

#[expect(unsafe_code, reason = "file descriptors are closed by number")]
fn close_inherited() {
    // SAFETY: the first thing that this program does. Nothing of it has opened a file yet, so
    // whatever is open above standard error was inherited, and nobody here owns it.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Waits, without a timer, until a process has ended or says through our standard input that there
/// is nothing to do.
pub(crate) fn keep_vigil(over: Identity) -> Vigil {
    // It may be dead already. Somebody else with its number is not it.
    let Some(life) = open(over) else {
        return if hears_go(&mut true, true) {
            Vigil::Dismissed
        } else {
            Vigil::Died
        };
    };
    let mut listening = true;
    super::memory::forget_code();
    loop {
        // Nothing allocated: as little code as can be is touched again.
        let mut sources =
            [life.as_fd(), stdin()].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let count = if listening { 2 } else { 1 };
        match poll(&mut sources[..count], None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            // Without a way to wait there is none to be of use.
            Err(_) => return Vigil::Dismissed,
        }
        let [died, spoke] = sources.map(|source| !source.revents().is_empty());
        // Its last word may have come between the two looks of one poll.
        if listening && (spoke || died) && hears_go(&mut listening, died) {
            return Vigil::Dismissed;
        }
        if died {
            return Vigil::Died;
        }
    }
}

/// Reads what was said, if anything was.
fn hears_go(listening: &mut bool, look_first: bool) -> bool {
    let input = stdin();
    if look_first {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut source = [PollFd::new(&input, PollFlags::IN)];
        if !matches!(poll(&mut source, Some(&now)), Ok(1..)) {
            return false;
        }
    }
    let mut word = [0; 8];
    match read(input, &mut word) {
        Ok(0) | Err(_) => {
            *listening = false;
            false
        }
        Ok(count) => word[..count].contains(&GO),
    }
}
