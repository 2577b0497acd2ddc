//! A killed host leaves nothing, without any next start: its watchdog sees to it, and is itself
//! replaced when it is killed.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use aspire_host_tests::processes::{self, Process, watchdogs};
use aspire_host_tests::wait::{LONG, SOON, until};
use aspire_host_tests::{Project, Session, http, needs_engine, needs_program, places};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::ODD;

/// Hides from everything but what it has inherited and its working folder.
const HIDDEN: &str = "env -i PATH=$PATH setsid --fork setsid --fork sleep 1000 >/dev/null 2>&1; \
                      sleep 1000";
/// A parent that doesn't listen, with children of its own.
const TREE: &str = "trap \"\" TERM; (sleep 1000 & sleep 1000) & sleep 1000";

fn app(name: &str) -> String {
    let shell = |name: &str, script: &str| {
        format!(
            "[resources.{name}]\nkind = 'executable'\ncommand = 'sh'\nargs = ['-c', '{script}']\n"
        )
    };
    format!(
        "name = '{name}'\n{}{}\
         [resources.forks]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['fork', 'pids']\n",
        shell("hidden", HIDDEN),
        shell("tree", TREE),
    )
}

/// Waits until all of them run: seven of `sleep` and its shells, two of `forks`, the host and its
/// watchdog.
fn all_run(project: &Project) {
    until(SOON, "everything runs", || {
        let all = project.processes();
        let runs = |word: &str, count: usize| {
            let of = |one: &&Process| one.command.first().is_some_and(|name| name == word);
            all.iter().filter(of).count() == count
        };
        let forks = fs::read_to_string(project.path("pids")).unwrap_or_default();
        (runs("sleep", 5) && forks.lines().count() == 2).then_some(())
    });
}

fn dog(host: u32) -> Process {
    until(SOON, "a watchdog", || watchdogs(host).pop())
}

/// Waits until nothing is left, not even the watchdog.
fn nothing_is_left(project: &Project) {
    let begin = Instant::now();
    until(SOON, "nothing left", || {
        project.processes().is_empty().then_some(())
    });
    places::say(&format!("nothing left after {:?}", begin.elapsed()));
    until(LONG, "nothing left in the engine", || {
        project.containers().is_empty().then_some(())
    });
    project.assert_nothing_left();
}

fn start(project: &Project) -> Session {
    let session = project.run(&["--runtime", "native"]);
    all_run(project);
    session
}

#[test]
fn the_host() {
    let project = Project::new("killed-host").app(&app("killed"));
    let session = start(&project);
    dog(session.pid);
    session.signal(Signal::KILL);
    // Nobody but the host held its output.
    assert_eq!(session.finish().code, None);
    nothing_is_left(&project);
}

#[test]
fn first_the_watchdog_and_then_the_host() {
    let project = Project::new("killed-watchdog").app(&app("killed"));
    let session = start(&project);
    let first = dog(session.pid);
    first.kill();
    let second = until(SOON, "another watchdog", || {
        watchdogs(session.pid).into_iter().find(|one| *one != first)
    });
    assert!(second.lives());
    all_run(&project);
    session.signal(Signal::KILL);
    assert_eq!(session.finish().code, None);
    nothing_is_left(&project);
    // And an orderly end after a replacement.
    let _ = fs::remove_file(project.path("pids"));
    let session = start(&project);
    dog(session.pid).kill();
    session.stop().expect(130);
    project.assert_nothing_left();
}

#[test]
fn the_whole_process_group() {
    let project = Project::new("killed-group").app(&app("killed"));
    let mut command = project.command(&["run", "--runtime", "native"]);
    command.process_group(0);
    let session = Session::start(command);
    all_run(&project);
    dog(session.pid);
    let group = i32::try_from(session.pid).ok().and_then(Pid::from_raw);
    kill_process_group(group.expect("it has an id"), Signal::KILL).expect("it is there");
    assert_eq!(session.finish().code, None);
    nothing_is_left(&project);
}

/// The terminal goes away, with everybody who is told of it, and the host is killed meanwhile.
#[test]
fn the_terminal() {
    needs_program!("script", "apt-get install bsdutils");
    for and_the_host in [false, true] {
        let project = Project::new("killed-terminal").app(&app("killed"));
        let host = project.command(&[]);
        let line = format!("'{}' run --runtime native", host.get_program().display());
        // A hangup reaches the shell in the terminal even where whoever runs the tests ignores it.
        let mut terminal = Command::new("env");
        terminal
            .args(["--default-signal=HUP", "script", "-qec", &line, "/dev/null"])
            .env_clear()
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh");
        for (name, value) in host.get_envs() {
            terminal.env(name, value.unwrap_or_default());
        }
        terminal.current_dir(project.folder());
        let session = Session::start(terminal);
        all_run(&project);
        let hosts = processes::all_of(places::binary(), &project.processes());
        let host = hosts.first().expect("it runs");
        dog(host.pid);
        session.signal(Signal::KILL);
        if and_the_host {
            host.kill();
        } else {
            // An orderly end, with the whole grace for the one that doesn't listen.
            until(LONG, "the host has ended", || (!host.lives()).then_some(()));
        }
        let _ = session.finish();
        nothing_is_left(&project);
    }
}

/// An upgrade: another file at the binary's path, while the app runs.
#[test]
fn after_the_binary_was_replaced() {
    let project = Project::new("killed-replaced").app(&app("killed"));
    let binary = project.path("host-program");
    if fs::hard_link(places::binary(), &binary).is_err() {
        fs::copy(places::binary(), &binary).expect("room for a copy");
    }
    let named = project.command(&["run", "--runtime", "native"]);
    let mut command = Command::new(&binary);
    command.current_dir(project.folder()).env_clear();
    command.args(named.get_args());
    for (name, value) in named.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let session = Session::start(command);
    all_run(&project);
    let first = dog(session.pid);
    let other = project.path("host-program.new");
    fs::copy(Path::new("/bin/false"), &other).expect("a small program");
    fs::rename(&other, &binary).expect("it can be replaced");
    first.kill();
    until(SOON, "another watchdog", || {
        watchdogs(session.pid).into_iter().find(|one| *one != first)
    });
    session.signal(Signal::KILL);
    assert_eq!(session.finish().code, None);
    nothing_is_left(&project);
}

/// Both at once: the next start of any app cleans up, as `processes` tells; of this app, too.
#[test]
fn the_host_and_its_watchdog() {
    let project = Project::new("killed-both").app(&app("killed"));
    let session = start(&project);
    session.kill_with_watchdog();
    assert_eq!(session.finish().code, None);
    let left = project.processes();
    assert!(left.len() >= 9, "{left:#?}");
    let _ = fs::remove_file(project.path("pids"));
    let session = start(&project);
    assert!(left.iter().all(|one| !one.lives()));
    session.stop().expect(130);
    project.assert_nothing_left();
}

/// How long it takes with many: less than a second, where nothing else keeps the machine busy.
#[test]
fn a_hundred_executables() {
    let mut text = "name = 'hundred'\n".to_owned();
    for number in 0..100 {
        let script = [TREE, HIDDEN, "sleep 1000"][number % 3];
        text += &format!(
            "[resources.p{number}]\nkind = 'executable'\ncommand = 'sh'\nargs = ['-c', '{script}']\n"
        );
    }
    let project = Project::new("killed-hundred").app(&text);
    let session = project.run(&["--runtime", "native"]);
    let sleeps = 34 * 3 + 33 * 2 + 33;
    until(LONG, "everything runs", || {
        let all = project.processes();
        let sleeping = all.iter().filter(|one| one.command == ["sleep", "1000"]);
        (sleeping.count() == sleeps).then_some(())
    });
    dog(session.pid);
    let begin = Instant::now();
    session.signal(Signal::KILL);
    nothing_is_left(&project);
    places::say(&format!("with 100 executables: {:?}", begin.elapsed()));
    assert_eq!(session.finish().code, None);
}

/// Containers and networks go, too; and what another app runs stays.
#[test]
fn with_containers() {
    let engine = needs_engine!();
    let app = |name: &str| {
        format!(
            "name = '{name}'\n[plugins]\nredis = {{ source = 'redis' }}\n\
             [resources.cache]\nkind = 'redis'\n\
             [resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
             references = ['cache']\nwait-for = ['cache']\n\
             endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n"
        )
    };
    let run = |project: &Project| {
        let session = project.run(&["--runtime", "docker"]);
        let url = session.url("web");
        until(LONG, "the service", || http::get(&url).ok());
        (session, url)
    };
    let other = Project::new("killed-other").on(engine).app(&app("other"));
    let (bystander, url) = run(&other);
    let before = other.containers().len();
    assert!(before > 0);
    let project = Project::new("killed-containers")
        .on(engine)
        .app(&app("killed"));
    let (session, _) = run(&project);
    assert!(!project.containers().is_empty());
    session.signal(Signal::KILL);
    assert_eq!(session.finish().code, None);
    nothing_is_left(&project);
    assert_eq!(other.containers().len(), before);
    assert!(http::get(&url).is_ok());
    bystander.stop().expect(130);
    other.assert_nothing_left();
}
