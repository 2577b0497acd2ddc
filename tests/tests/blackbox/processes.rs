//! Processes that don't behave: they ignore signals, hide their children, flood the log.

use aspire_host_tests::wait::{SOON, until};
use aspire_host_tests::{Project, Session, needs_program, places, processes};
use rustix::process::Signal;

use crate::ODD;

fn app(name: &str, args: &str, more: &str) -> String {
    format!(
        "name = '{name}'\n[resources.one]\nkind = 'executable'\ncommand = '{ODD}'\nargs = [{args}]\n{more}\n"
    )
}

/// Process ids that `odd` has written.
fn pids(project: &Project, file: &str, count: usize) -> Vec<u32> {
    until(SOON, &format!("{count} ids in {file}"), || {
        let text = std::fs::read_to_string(project.path(file)).ok()?;
        let all: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        (all.len() >= count).then_some(all)
    })
}

#[test]
fn one_that_ignores_the_signal_is_killed_after_its_grace() {
    let project = Project::new("processes-stubborn").app(&app(
        "stubborn",
        "'stubborn', 'pid'",
        "host.stop-grace = '1s'",
    ));
    let session = project.run(&["--runtime", "native"]);
    let pid = pids(&project, "pid", 1)[0];
    session.interrupt();
    session.finish().expect(130);
    assert_eq!(processes::Process::of(pid), None);
    project.assert_nothing_left();
}

#[test]
fn a_second_interrupt_does_not_wait_for_the_grace() {
    let project = Project::new("processes-twice").app(&app(
        "twice",
        "'stubborn', 'pid'",
        "host.stop-grace = '1h'",
    ));
    let session = project.run(&["--runtime", "native"]);
    pids(&project, "pid", 1);
    session.interrupt();
    session.line("that it is stopping", |line| {
        line.to_lowercase().contains("stop")
    });
    session.interrupt();
    session.finish().expect(130);
    project.assert_nothing_left();
}

#[test]
fn every_way_to_stop() {
    let project = Project::new("processes-signals").app(&app("signals", "'stamp', 'times'", ""));
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let _ = std::fs::remove_file(project.path("times"));
        let session = project.run(&["--runtime", "native"]);
        until(SOON, "the process", || {
            project.path("times").exists().then_some(())
        });
        session.signal(signal);
        let outcome = session.finish();
        assert!(matches!(outcome.code, Some(130)), "{signal:?}: {outcome}");
        project.assert_nothing_left();
    }
}

/// A shell ignores Ctrl-C for what it runs in the background, and that is inherited.
#[test]
fn signals_that_were_ignored_reach_workloads() {
    let project = Project::new("processes-ignored").app(
        "name = 'ignored'\n[resources.one]\nkind = 'executable'\ncommand = 'sh'\n\
         args = ['-c', 'while read -r line; do echo \"$line\"; done </proc/self/status']\n",
    );
    let host = project.command(&["run", "--runtime", "native"]);
    let mut command = std::process::Command::new("env");
    command
        .args(["--ignore-signal=HUP,INT,QUIT"])
        .arg(host.get_program())
        .args(host.get_args())
        .current_dir(project.folder())
        .env_clear();
    for (name, value) in host.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let outcome = Session::start(command).finish();
    let text = outcome.text();
    let ignored = text
        .lines()
        .find_map(|line| line.split_once("SigIgn:")?.1.split_whitespace().next())
        .and_then(|mask| u64::from_str_radix(mask, 16).ok())
        .unwrap_or_else(|| panic!("no mask: {outcome}"));
    // Beyond 31 are those of the C library.
    assert_eq!(ignored & 0x7fff_ffff, 0, "{ignored:x}");
    project.assert_nothing_left();
}

#[test]
fn a_hidden_grandchild_is_found() {
    let project = Project::new("processes-fork").app(&app("fork", "'fork', 'pids'", ""));
    let session = project.run(&["--runtime", "native"]);
    let pids = pids(&project, "pids", 2);
    assert!(
        pids.iter()
            .all(|pid| processes::Process::of(*pid).is_some()),
        "both are alive"
    );
    session.stop().expect(130);
    for pid in pids {
        assert_eq!(processes::Process::of(pid), None, "{pid} is left");
    }
    project.assert_nothing_left();
}

/// The most memory that the host had in use, in kilobytes, while a program printed one long line.
fn peak(project: &Project, bytes: u64) -> u64 {
    project.write(
        "aspire.toml",
        &app("line", &format!("'line', '{bytes}'"), ""),
    );
    let session = project.run(&["--runtime", "native"]);
    session.says("after the long line");
    let hosts = processes::all_of(places::binary(), &project.processes());
    assert_eq!(hosts.len(), 1, "{hosts:#?}");
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", hosts[0].pid)).expect("it runs");
    session.stop().expect(130);
    project.assert_nothing_left();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("it is there");
    peak.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number")
}

#[test]
fn a_line_of_half_a_gigabyte() {
    let project = Project::new("processes-line");
    let (short, long) = (peak(&project, 1000), peak(&project, 512 << 20));
    places::say(&format!(
        "peak with a short line {short} kB, with a long one {long} kB"
    ));
    // What is on its way to a reader that is slower than the program is bounded too.
    assert!(
        long < short + 128_000,
        "{short} kB with a short line, {long} kB with a long one"
    );
}

#[test]
fn output_that_is_no_text() {
    let project = Project::new("processes-bytes").app(&app("bytes", "'bytes'", ""));
    let session = project.run(&["--runtime", "native"]);
    session.says("wiped");
    // Without a last newline it is a line all the same, at the latest at the end.
    session
        .stop()
        .expect(130)
        .says(&["no newline at the end"])
        .lacks(&["panicked"]);
    project.assert_nothing_left();
}

#[test]
fn nothing_steers_the_terminal() {
    needs_program!("script", "apt-get install bsdutils");
    let project = Project::new("processes-terminal").app(&app("terminal", "'bytes'", ""));
    let host = project.command(&[]);
    // `script` runs a shell's command line on a terminal of its own.
    let line = format!("'{}' run --runtime native", host.get_program().display());
    let mut terminal = std::process::Command::new("script");
    terminal
        .args(["-qec", &line, "/dev/null"])
        .env_clear()
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh");
    for (name, value) in host.get_envs() {
        terminal.env(name, value.unwrap_or_default());
    }
    terminal.current_dir(project.folder());
    let session = Session::start(terminal);
    session.line("the program's output", |line| line.contains("wiped"));
    let host = processes::all_of(places::binary(), &project.processes());
    for process in host {
        processes::signal(process.pid, Signal::INT);
    }
    let outcome = session.finish();
    for sequence in ["\u{1b}]0;title", "\u{1b}[2J"] {
        assert!(
            !outcome.text().contains(sequence),
            "{sequence:?} reached the terminal"
        );
    }
    assert!(
        outcome.text().contains("bytes") || outcome.text().contains("one"),
        "{outcome}"
    );
    project.assert_nothing_left();
}

#[test]
fn standard_input_is_closed_and_output_may_be_too() {
    let project = Project::new("processes-closed").app(&app("closed", "'stamp', 'times'", ""));
    let mut command = project.command(&["run", "--runtime", "native"]);
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    until(SOON, "the process", || {
        project.path("times").exists().then_some(())
    });
    processes::signal(child.id(), Signal::INT);
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    project.assert_nothing_left();
}

#[test]
fn the_next_start_of_any_app_removes_what_a_dead_host_left() {
    let project = Project::new("processes-killed").app(&app("killed", "'fork', 'pids'", ""));
    let session = project.run(&["--runtime", "native"]);
    let pids = pids(&project, "pids", 2);
    session.kill_with_watchdog();
    let killed = session.finish();
    assert_eq!(killed.code, None, "{killed}");
    let other = Project::new("processes-next").app(&app("next", "'stamp', 'times'", ""));
    let session = other.run(&["--runtime", "native"]);
    until(SOON, "the other app", || {
        other.path("times").exists().then_some(())
    });
    for pid in pids {
        assert_eq!(processes::Process::of(pid), None, "{pid} is left");
    }
    session.stop().expect(130);
    other.assert_nothing_left();
    project.assert_nothing_left();
}
