//! A terminal: what a person would see of a program that runs in it, and how its keys and its size
//! reach the program.
//!
//! Knows pseudo-terminals and what their control sequences draw. Doesn't know what should be there.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::outcome::show;
use crate::wait::LONG;

/// A program in a terminal of its own.
pub struct Terminal {
    program: Child,
    keys: File,
    screen: Arc<Screen>,
}

struct Screen {
    /// What is drawn, and whether more may come.
    drawn: Mutex<(vt100::Parser, bool)>,
    news: Condvar,
}

impl Terminal {
    /// Starts a command in a terminal of so many lines and columns.
    ///
    /// # Panics
    /// There is no terminal for it, or it can't be started.
    pub fn start(command: &Command, lines: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other: OwnedFd = open(name.as_c_str(), flags, Mode::empty()).expect("its other end");
        tcsetwinsize(&master, size(lines, columns)).expect("a size");
        // The program's terminal in every sense: it gets the signals of its keys and of its size.
        let mut inside = Command::new("setsid");
        inside.args(["--ctty", "--wait"]).arg(command.get_program());
        inside.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            inside.env(name, value.unwrap_or_default());
        }
        inside.env("TERM", "xterm-256color");
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        let stream = || other.try_clone().expect("a descriptor");
        inside.stdin(stream()).stdout(stream()).stderr(stream());
        let program = inside
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", show(&inside)));
        // Only the program holds that end now: reading ends with it.
        drop((other, inside));
        let keys = File::from(master);
        let screen = Arc::new(Screen {
            drawn: Mutex::new((vt100::Parser::new(lines, columns, 10_000), true)),
            news: Condvar::new(),
        });
        let (mut reader, drawing) = (keys.try_clone().expect("a descriptor"), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let count = reader.read(&mut bytes).unwrap_or(0);
                let mut drawn = drawing.drawn.lock().unwrap_or_else(PoisonError::into_inner);
                drawn.0.process(&bytes[..count]);
                drawn.1 = count > 0;
                drawing.news.notify_all();
                if count == 0 {
                    break;
                }
            }
        });
        Self {
            program,
            keys,
            screen,
        }
    }

    /// Presses keys.
    ///
    /// # Panics
    /// The terminal has gone.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// Gives it another size, as somebody does who pulls at the window.
    ///
    /// # Panics
    /// The terminal has gone.
    pub fn resize(&self, lines: u16, columns: u16) {
        let mut drawn = self.lock();
        drawn.0.screen_mut().set_size(lines, columns);
        tcsetwinsize(&self.keys, size(lines, columns)).expect("a terminal");
    }

    /// Waits until the screen shows something, and gives its lines without the empty ones at the end.
    ///
    /// # Panics
    /// It doesn't show it in time.
    pub fn shows(&self, what: &str, found: impl Fn(&[String]) -> bool) -> Vec<String> {
        let end = Instant::now() + LONG;
        let mut drawn = self.lock();
        loop {
            let lines = lines_of(drawn.0.screen());
            if found(&lines) {
                return lines;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                drawn.1 && !left.is_zero(),
                "the screen doesn't show {what}:\n{}",
                lines.join("\n")
            );
            drawn = self
                .screen
                .news
                .wait_timeout(drawn, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for its end; gives the last screen, and whether the cursor is hidden.
    ///
    /// # Panics
    /// It doesn't end in time.
    pub fn finish(mut self) -> (ExitStatus, Vec<String>, bool) {
        let status = self.program.wait().expect("it was started");
        let mut drawn = self.lock();
        while drawn.1 {
            drawn = self
                .screen
                .news
                .wait(drawn)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let screen = drawn.0.screen();
        (status, lines_of(screen), screen.hide_cursor())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (vt100::Parser, bool)> {
        self.screen
            .drawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn lines_of(screen: &vt100::Screen) -> Vec<String> {
    let (_, columns) = screen.size();
    let mut lines: Vec<String> = screen
        .rows(0, columns)
        .map(|line| line.trim_end().to_owned())
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn size(lines: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: lines,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
