//! Starting a process: `posix_spawn`, which glibc does by `vfork` and so costs the same however
//! big we are; `fork` only where the user changes, because `posix_spawn` can't do that.
//!
//! Nearly all of the unsafe code of the control plane; the rest hands a pidfd to tokio.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::ptr;
use std::sync::MutexGuard;

use rustix::fs::fstat;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{PidfdFlags, pidfd_open};

use super::{Exit, Tracked, entry, pid, tracked};
use crate::os::{Identity, Spawn, Spawned, User};

/// The pipes of a process that is about to be started.
#[derive(Debug)]
pub(crate) struct Prepared {
    stdin: Option<(OwnedFd, OwnedFd)>,
    stdout: (OwnedFd, OwnedFd),
    stderr: (OwnedFd, OwnedFd),
}

impl Prepared {
    /// Makes them.
    pub(crate) fn new(request: &Spawn) -> io::Result<Self> {
        let [stdout, stderr] = match &request.files {
            None => [pipe()?, pipe()?],
            Some([stdout, stderr]) => [into_file(stdout)?, into_file(stderr)?],
        };
        Ok(Self {
            stdin: if request.stdin { Some(pipe()?) } else { None },
            stdout,
            stderr,
        })
    }

    /// What the pipes of its output are called as long as anybody holds them.
    pub(crate) fn pipes(&self) -> Vec<u64> {
        let ends = [&self.stdout.0, &self.stderr.0];
        ends.iter()
            .filter_map(|fd| Some(fstat(fd).ok()?.st_ino))
            .collect()
    }
}

/// Starts a process as the leader of its own session and process group.
pub(crate) fn spawn(request: &Spawn, prepared: Prepared) -> io::Result<Spawned> {
    let pipes = prepared.pipes();
    let (stdout, child_stdout) = prepared.stdout;
    let (stderr, child_stderr) = prepared.stderr;
    let (child_stdin, stdin) = prepared.stdin.unzip();
    // Held until the child is known, so that the reaper of orphans can't take it for one.
    let known = tracked();
    let start = || match &request.user {
        None => plain(
            request,
            child_stdin.as_ref(),
            &child_stdout,
            &child_stderr,
            &[],
        ),
        Some(user) => as_user(request, user, child_stdin, child_stdout, child_stderr),
    };
    let number = match &request.files {
        None => start()?,
        Some(_) => super::mark::without(start)?,
    };
    let (id, exit) = child(number, known)?;
    Ok(Spawned {
        id,
        exit,
        stdin,
        stdout,
        stderr,
        pipes,
    })
}

/// What does to a child what it does by default, whatever it does to us: Rust ignores SIGPIPE, a shell
/// ignores SIGINT and SIGQUIT for what it runs in the background, `nohup` ignores SIGHUP.
const DEFAULT: [libc::c_int; 5] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGPIPE,
];

/// Starts a process with the same output for both streams and some signals blocked.
pub(super) fn spawn_plain(
    request: &Spawn,
    stdin: &OwnedFd,
    output: &OwnedFd,
    blocked: &[libc::c_int],
) -> io::Result<(Identity, Exit)> {
    let known = tracked();
    let number = plain(request, Some(stdin), output, output, blocked)?;
    child(number, known)
}

/// A child that was just started, while nobody else could take it for an orphan.
fn child(number: u32, mut known: MutexGuard<'_, BTreeSet<u32>>) -> io::Result<(Identity, Exit)> {
    known.insert(number);
    drop(known);
    let failed = || io::Error::other("the process vanished while it was started");
    let fd = pidfd_open(pid(number).ok_or_else(failed)?, PidfdFlags::NONBLOCK)?;
    // It can't be gone: nobody but the owner of `exit` collects it.
    let id = Identity {
        pid: number,
        start: entry(number).ok_or_else(failed)?.id.start,
    };
    let tracked = Tracked(Some(number));
    Ok((id, Exit { fd, tracked }))
}

/// A file for output, and a pipe that has ended for whoever would read.
fn into_file(path: &Path) -> io::Result<(OwnedFd, OwnedFd)> {
    let (nothing, _) = pipe()?;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok((nothing, high(options.open(path)?.into())?))
}

/// Not 0, 1 or 2.
fn high(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&fd, 3)?)
}

/// A pipe whose ends are never 0, 1 or 2, even when we were started without those.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((high(read)?, high(write)?))
}

fn text(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a zero byte in a string"))
}

fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(code))
    }
}

/// Frees what `posix_spawn` needs, however we leave.
struct Attributes(libc::posix_spawnattr_t);
struct Actions(libc::posix_spawn_file_actions_t);

#[expect(
    unsafe_code,
    reason = "posix_spawn is a C interface; rustix and std have no session flag"
)]
impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `plain`, never copied.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

#[expect(
    unsafe_code,
    reason = "posix_spawn is a C interface; rustix and std have no session flag"
)]
impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in `plain`, never copied.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

#[expect(
    unsafe_code,
    reason = "posix_spawn is a C interface; rustix and std have no session flag"
)]
fn plain(
    request: &Spawn,
    stdin: Option<&OwnedFd>,
    stdout: &OwnedFd,
    stderr: &OwnedFd,
    blocked: &[libc::c_int],
) -> io::Result<u32> {
    let program = text(request.program.as_os_str())?;
    let directory = text(request.directory.as_os_str())?;
    let args = request
        .args
        .iter()
        .map(|arg| text(arg))
        .collect::<io::Result<Vec<_>>>()?;
    let env = request
        .env
        .iter()
        .map(|(name, value)| {
            let mut pair = name.clone();
            pair.push("=");
            pair.push(value);
            text(&pair)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let pointers = |strings: &[CString]| -> Vec<*mut libc::c_char> {
        let ends = std::iter::once(ptr::null_mut());
        strings
            .iter()
            .map(|string| string.as_ptr().cast_mut())
            .chain(ends)
            .collect()
    };
    let (args, env) = ((pointers(&args), args), (pointers(&env), env));

    let mut attributes = MaybeUninit::uninit();
    // SAFETY: `init` initialises what it is given, or fails.
    let mut attributes = unsafe {
        check(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
        Attributes(attributes.assume_init())
    };
    let mut actions = MaybeUninit::uninit();
    // SAFETY: as above.
    let mut actions = unsafe {
        check(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
        Actions(actions.assume_init())
    };
    let flags = libc::POSIX_SPAWN_SETSID
        | short(libc::POSIX_SPAWN_SETSIGDEF)
        | short(libc::POSIX_SPAWN_SETSIGMASK);
    let mut number: libc::pid_t = 0;
    // SAFETY: every pointer is to something initialised that lives until the end of this
    // function: the two structures above, the C strings, the null-terminated vectors of pointers
    // to them. `posix_spawn` copies what it needs before it returns.
    unsafe {
        let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(signals.as_mut_ptr());
        for signal in blocked {
            libc::sigaddset(signals.as_mut_ptr(), *signal);
        }
        check(libc::posix_spawnattr_setsigmask(
            &raw mut attributes.0,
            signals.as_ptr(),
        ))?;
        libc::sigemptyset(signals.as_mut_ptr());
        for signal in DEFAULT {
            libc::sigaddset(signals.as_mut_ptr(), signal);
        }
        check(libc::posix_spawnattr_setsigdefault(
            &raw mut attributes.0,
            signals.as_ptr(),
        ))?;
        check(libc::posix_spawnattr_setflags(&raw mut attributes.0, flags))?;
        let actions = &raw mut actions.0;
        match stdin {
            Some(fd) => check(libc::posix_spawn_file_actions_adddup2(
                actions,
                fd.as_raw_fd(),
                0,
            ))?,
            None => check(libc::posix_spawn_file_actions_addopen(
                actions,
                0,
                c"/dev/null".as_ptr(),
                libc::O_RDONLY,
                0,
            ))?,
        }
        check(libc::posix_spawn_file_actions_adddup2(
            actions,
            stdout.as_raw_fd(),
            1,
        ))?;
        check(libc::posix_spawn_file_actions_adddup2(
            actions,
            stderr.as_raw_fd(),
            2,
        ))?;
        check(libc::posix_spawn_file_actions_addchdir_np(
            actions,
            directory.as_ptr(),
        ))?;
        check(libc::posix_spawn(
            &raw mut number,
            program.as_ptr(),
            actions,
            &raw const attributes.0,
            args.0.as_ptr(),
            env.0.as_ptr(),
        ))?;
    }
    u32::try_from(number).map_err(|_| io::Error::other("a process id below zero"))
}

fn short(flag: libc::c_int) -> libc::c_short {
    libc::c_short::try_from(flag).expect("the flags of posix_spawn fit into a short")
}

#[expect(
    unsafe_code,
    reason = "groups, user and session have to be set between fork and exec"
)]
fn as_user(
    request: &Spawn,
    user: &User,
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
) -> io::Result<u32> {
    let mut command = Command::new(&request.program);
    if let Some((name, args)) = request.args.split_first() {
        command.arg0(name).args(args);
    }
    command
        .env_clear()
        .envs(request.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&request.directory)
        .stdin(stdin.map_or_else(Stdio::null, Stdio::from))
        .stdout(stdout)
        .stderr(stderr);
    let (uid, gid, groups) = (user.uid, user.gid, user.groups.clone());
    // SAFETY: between fork and exec only these four calls are made, each of them safe there (no
    // allocation, no lock): `groups` was allocated before. `std` itself would set the groups to
    // none at all.
    unsafe {
        command.pre_exec(move || {
            let failed = libc::setsid() == -1
                || libc::setgroups(groups.len(), groups.as_ptr()) == -1
                || libc::setgid(gid) == -1
                || libc::setuid(uid) == -1;
            if failed {
                Err(io::Error::last_os_error())
            } else {
                Ok(())
            }
        });
    }
    Ok(command.spawn()?.id())
}
