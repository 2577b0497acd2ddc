//! A killed host leaves nothing, without any next start: its watchdog sees to it.

#![allow(
    clippy::unwrap_used,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aspire_dcp::watchdog::{self, WORD, Watchdog};
use aspire_dcp::{Config, ControlPlane, Outcome, Stop};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use support::*;

const FOLDER: &str = "DCP_TEST_WATCHED_FOLDER";

/// The watchdog: this test, started again with its word.
#[test]
fn dog() {
    let _ = watchdog::dispatch(std::env::args_os().skip_while(|word| word != WORD));
}

/// This program, as a watchdog.
fn this_program() -> Watchdog {
    Watchdog {
        args: ["--exact", "dog", "--nocapture"].map(Into::into).into(),
        ..Watchdog::this_program()
    }
}

/// A host in a process of its own, to be killed: this test, started again with a variable.
#[tokio::test]
async fn host() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let mut config = Config::new("test", "test-1", folder.join("state"), folder.join("data"));
    config.app_folder = folder.to_owned();
    config.watchdog = Some(this_program());
    let plane = ControlPlane::start(config).await.unwrap();
    let scripts = [
        "echo $$ > plain; exec sleep 1000",
        "trap '' TERM; sh -c 'echo $$ > child; sleep 1000' & wait",
        "(setsid sh -c 'echo $$ > session; exec sleep 1000' &) ; exec sleep 1000",
        // Without its mark, its parent, its session, its output: nothing but what it inherited.
        "env -i PATH=$PATH setsid sh -c 'setsid sh -c \"echo \\$\\$ > orphan; exec sleep 1000\" > /dev/null 2>&1 & exit'",
    ];
    for (number, script) in scripts.iter().enumerate() {
        plane
            .client()
            .create(shell(&format!("p{number}"), script))
            .await
            .unwrap();
    }
    let _ = plane.ended().await;
}

const FILES: [&str; 4] = ["plain", "child", "session", "orphan"];

/// A host whose processes run.
struct Host {
    child: Child,
    folders: Folders,
    pids: Vec<String>,
}

impl Host {
    async fn start() -> Self {
        let folders = Folders::new();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "host", "--nocapture"])
            .env(FOLDER, folders.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut pids = Vec::new();
        for name in FILES {
            pids.push(file(&folders.path().join(name)).await);
        }
        Self {
            child,
            folders,
            pids,
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    async fn dog(&self) -> Pid {
        soon("a watchdog", || dogs(&self.child.id().to_string()).pop()).await
    }

    fn alive(&self) -> usize {
        self.pids.iter().filter(|pid| alive(pid)).count()
    }

    /// Waits until nothing is left, not even the watchdog.
    async fn nothing_is_left(&self) {
        soon("the processes are gone", || {
            (self.alive() == 0).then_some(())
        })
        .await;
        let records = self.folders.path().join("state/records");
        let empty = || std::fs::read_dir(&records).unwrap().count() == 0;
        soon("the records are gone", || empty().then_some(())).await;
        let of_ours = self.folders.path().to_str().unwrap();
        soon("the watchdog is gone", || {
            dogs(of_ours).is_empty().then_some(())
        })
        .await;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Only after a failure is there anything to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Watchdogs with a text in one of their arguments, or of a parent.
fn dogs(of: &str) -> Vec<Pid> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let is_dog = |pid: &str| -> Option<bool> {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let is_child = status.contains(&format!("\nPPid:\t{of}\n"));
        Some(line.contains(WORD) && (line.contains(of) || is_child) && alive(pid))
    };
    processes
        .filter_map(|process| process.file_name().into_string().ok())
        .filter(|pid| is_dog(pid) == Some(true))
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}

/// Whether all threads of a process are stopped.
fn stands_still(pid: Pid) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid())).unwrap();
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
        state.is_some_and(|rest| rest.starts_with('T'))
    })
}

async fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_host_is_killed() {
    let mut bystander = Host::start().await;
    let mut host = Host::start().await;
    host.dog().await;
    assert_eq!(host.alive(), 4);
    host.child.kill().unwrap();
    host.child.wait().unwrap();
    host.nothing_is_left().await;
    assert_eq!(bystander.alive(), 4);
    // Everything that has the same process group, terminal signals included.
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        kill_process(bystander.dog().await, signal).unwrap();
    }
    kill_process_group(bystander.pid(), Signal::KILL).unwrap();
    bystander.child.wait().unwrap();
    bystander.nothing_is_left().await;
}

#[tokio::test]
async fn the_watchdog_is_killed_first() {
    let mut host = Host::start().await;
    for _ in 0..3 {
        let dog = host.dog().await;
        kill_process(dog, Signal::KILL).unwrap();
        soon("another", || {
            let dogs = dogs(&host.child.id().to_string());
            dogs.first()
                .is_some_and(|other| *other != dog)
                .then_some(())
        })
        .await;
    }
    assert_eq!(host.alive(), 4);
    host.child.kill().unwrap();
    host.child.wait().unwrap();
    host.nothing_is_left().await;
}

#[tokio::test]
async fn both_are_killed_at_once() {
    let mut host = Host::start().await;
    let dog = host.dog().await;
    // So that it can't replace it: not before the last of its threads has stopped.
    kill_process(host.pid(), Signal::STOP).unwrap();
    soon("the host stands still", || {
        stands_still(host.pid()).then_some(())
    })
    .await;
    kill_process(dog, Signal::KILL).unwrap();
    host.child.kill().unwrap();
    host.child.wait().unwrap();
    assert_eq!(host.alive(), 4);
    let plane = host.folders.plane().await;
    assert_eq!(host.alive(), 0);
    plane.stop(Stop::Graceful).await;
    host.nothing_is_left().await;
}

/// Whoever reads what the host says learns of its end, even while the watchdog is still there.
#[tokio::test]
async fn the_watchdog_holds_nothing() {
    let mut host = Host::start().await;
    let dog = host.dog().await;
    kill_process(dog, Signal::STOP).unwrap();
    let stat = |name: &str| std::fs::read_link(format!("/proc/{}/{name}", dog.as_raw_pid()));
    assert_eq!(stat("cwd").unwrap(), Path::new("/"));
    let held: Vec<_> = std::fs::read_dir(format!("/proc/{}/fd", dog.as_raw_pid()))
        .unwrap()
        .flatten()
        .map(|fd| std::fs::read_link(fd.path()).unwrap())
        .map(|path| path.to_string_lossy().into_owned())
        .filter(|path| path != "/dev/null")
        .collect();
    // Its way to hear from the host, and the host.
    assert_eq!(held.len(), 2, "{held:?}");
    assert!(
        held[0].starts_with("pipe:") && held[1].contains("pidfd"),
        "{held:?}"
    );
    host.child.kill().unwrap();
    let mut said = String::new();
    let mut output = host.child.stdout.take().unwrap();
    output.read_to_string(&mut said).unwrap();
    host.child.wait().unwrap();
    assert_eq!(host.alive(), 4);
    kill_process(dog, Signal::CONT).unwrap();
    host.nothing_is_left().await;
}

#[tokio::test]
async fn an_orderly_end_sends_it_away() {
    let folders = Folders::new();
    let mut config = folders.config();
    config.watchdog = Some(this_program());
    let plane = ControlPlane::start(config).await.unwrap();
    let ours = folders.path().to_str().unwrap();
    assert_eq!(dogs(ours).len(), 1);
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert!(dogs(ours).is_empty());
}

/// Without one that works, the run goes on.
#[tokio::test]
async fn a_watchdog_that_cannot_be_started() {
    for program in ["/no/such/program", "/bin/false"] {
        let folders = Folders::new();
        let mut config = folders.config();
        config.watchdog = Some(Watchdog {
            program: program.into(),
            args: Vec::new(),
        });
        let plane = ControlPlane::start(config).await.unwrap();
        plane
            .client()
            .create(shell("a", "echo $$ > a; exec sleep 1000"))
            .await
            .unwrap();
        let pid = file(&folders.path().join("a")).await;
        assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
        assert!(!alive(&pid));
    }
}
