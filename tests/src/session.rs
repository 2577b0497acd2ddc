//! The binary while it runs: what it says, as it says it, and how it is stopped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::outcome::{Outcome, show};
use crate::processes;
use crate::wait::LONG;

/// A running `aspire-host`.
#[derive(Debug)]
pub struct Session {
    command: String,
    child: Child,
    said: Arc<Said>,
    /// Its process, which is also the one that signals go to.
    pub pid: u32,
}

#[derive(Debug, Default)]
struct Said {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Lines of both streams as they came; `true`: standard output.
    lines: Vec<(bool, String)>,
    /// Streams that have ended.
    ended: usize,
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Starts a command.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start(mut command: Command) -> Self {
        let shown = show(&command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        let said = Arc::new(Said::default());
        follow(true, child.stdout.take().expect("piped"), &said);
        follow(false, child.stderr.take().expect("piped"), &said);
        Self {
            command: shown,
            pid: child.id(),
            child,
            said,
        }
    }

    /// The first line of which something is true.
    ///
    /// # Panics
    /// There is none in time, or the program ends before it says one.
    pub fn line(&self, what: &str, found: impl Fn(&str) -> bool) -> String {
        self.line_within(LONG, what, found)
    }

    /// The first line of which something is true, with a limit of its own.
    ///
    /// # Panics
    /// There is none in time, or the program ends before it says one.
    pub fn line_within(&self, limit: Duration, what: &str, found: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + limit;
        let mut seen = 0;
        let mut state = self.said.lock();
        loop {
            if let Some((_, line)) = state.lines[seen..].iter().find(|(_, line)| found(line)) {
                return line.clone();
            }
            seen = state.lines.len();
            let left = end.saturating_duration_since(Instant::now());
            if state.ended == 2 || left.is_zero() {
                let why = if left.is_zero() {
                    "in time"
                } else {
                    "before its end"
                };
                let text = shown(&state);
                drop(state);
                panic!("no line {why} with this: {what}\n{}\n{text}", self.command);
            }
            state = self
                .said
                .news
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until a text is said.
    ///
    /// # Panics
    /// It is not said in time.
    pub fn says(&self, text: &str) -> String {
        self.line(text, |line| line.contains(text))
    }

    /// Waits until a text is said for the so manieth time, counted from 1.
    ///
    /// # Panics
    /// It is not said so often in time.
    pub fn says_again(&self, nth: usize, text: &str) -> String {
        let count = std::cell::Cell::new(0);
        // Every line is looked at once, in order.
        self.line(&format!("{text} ({nth} times)"), |line| {
            count.set(count.get() + usize::from(line.contains(text)));
            count.get() == nth
        })
    }

    /// Lines said so far that contain a text.
    pub fn count(&self, text: &str) -> usize {
        let state = self.said.lock();
        let lines = state.lines.iter();
        lines.filter(|(_, line)| line.contains(text)).count()
    }

    /// The address at which a resource is reached from this machine.
    ///
    /// # Panics
    /// It is not said in time.
    pub fn url(&self, resource: &str) -> String {
        let line = self.line(&format!("the URL of {resource}"), |line| {
            line.contains("http://")
                && line
                    .split_whitespace()
                    .any(|word| word.trim_end_matches(':') == resource)
        });
        let start = line.find("http://").expect("looked for");
        let url = line[start..].split_whitespace().next().expect("not empty");
        url.trim_end_matches(['/', ',', ')', '.']).to_owned()
    }

    /// Waits for something that the app does, as long as the program runs.
    ///
    /// # Panics
    /// It does not come in time, or the program ends before.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + LONG;
        loop {
            if let Some(found) = look() {
                return found;
            }
            let ended = self.has_ended();
            assert!(
                !ended && Instant::now() < end,
                "{} while waiting for this: {what}\n{}\n{}",
                if ended {
                    "it ended"
                } else {
                    "too much time passed"
                },
                self.command,
                self.text()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything said so far.
    pub fn text(&self) -> String {
        shown(&self.said.lock())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        processes::signal(self.pid, Signal::INT);
    }

    /// Another signal.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid, signal);
    }

    /// Kills it together with its watchdog, as when the machine's memory runs out.
    pub fn kill_with_watchdog(&self) {
        // So that it can't replace it meanwhile.
        self.signal(Signal::STOP);
        for watchdog in processes::watchdogs(self.pid) {
            watchdog.kill();
        }
        self.signal(Signal::KILL);
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// It does not come.
    #[must_use = "look at the exit code: `expect`"]
    pub fn finish(mut self) -> Outcome {
        let end = Instant::now() + LONG;
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status.code();
            }
            assert!(
                Instant::now() < end,
                "it does not end: {}\n{}",
                self.command,
                self.text()
            );
            thread::sleep(Duration::from_millis(5));
        };
        let mut state = self.said.lock();
        while state.ended < 2 {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{} has ended, but somebody holds its output open:\n{}",
                self.command,
                shown(&state)
            );
            state = self
                .said
                .news
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let stream = |out: bool| -> String {
            state
                .lines
                .iter()
                .filter(|(is_out, _)| *is_out == out)
                .map(|(_, l)| format!("{l}\n"))
                .collect()
        };
        Outcome {
            command: self.command.clone(),
            code,
            stdout: stream(true),
            stderr: stream(false),
        }
    }

    /// Ctrl-C, and waits for the end.
    ///
    /// # Panics
    /// It does not come.
    #[must_use = "look at the exit code: `expect`"]
    pub fn stop(self) -> Outcome {
        self.interrupt();
        self.finish()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // The test has failed: a chance to clean up, then the end.
        self.interrupt();
        let end = Instant::now() + Duration::from_secs(20);
        while !self.has_ended() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shown(state: &State) -> String {
    state
        .lines
        .iter()
        .map(|(_, line)| format!("  {line}\n"))
        .collect()
}

fn follow(out: bool, stream: impl Read + Send + 'static, said: &Arc<Said>) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let end = matches!(reader.read_until(b'\n', &mut bytes), Ok(0) | Err(_));
            let mut state = said.lock();
            if end {
                state.ended += 1;
            } else {
                let line = String::from_utf8_lossy(&bytes);
                state
                    .lines
                    .push((out, line.trim_end_matches(['\r', '\n']).to_owned()));
            }
            said.news.notify_all();
            if end {
                return;
            }
        }
    });
}
