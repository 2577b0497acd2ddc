//! Programs of others that talk to the control plane: kubectl in three versions, client libraries,
//! a controller. `tests/clients/get` fetches them into the cache.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::outcome::Outcome;
use crate::{places, processes};

/// Fetching builds programs, the first time.
const FETCHING: Duration = Duration::from_secs(1800);

/// One of them; none where it can't be had.
///
/// # Panics
/// It can't be had and CI is set.
pub fn find(name: &str) -> Option<PathBuf> {
    static KNOWN: Mutex<BTreeMap<String, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known
        .entry(name.to_owned())
        .or_insert_with(|| fetch(name))
        .clone();
    drop(known);
    match found {
        Ok(path) => Some(path),
        Err(why) => {
            assert!(!places::under_ci(), "under CI this has to run: {why}");
            places::say(&format!("skipped: {why}"));
            None
        }
    }
}

fn fetch(name: &str) -> Result<PathBuf, String> {
    let script = places::repository().join("tests/clients/get");
    let outcome = Outcome::of(Command::new(script).arg(name), FETCHING);
    let path = outcome
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}=")));
    path.map(PathBuf::from).ok_or_else(|| outcome.text())
}

/// Those who share a server that was given from outside take turns.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program that runs beside the test; killed when it is dropped.
pub struct Running {
    child: Child,
    shown: String,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        processes::signal(self.child.id(), Signal::KILL);
        // Nothing more can be done about a child that cannot be waited for.
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts a command and collects what it prints.
    ///
    /// # Panics
    /// It can't be started.
    pub fn start(command: &mut Command) -> Self {
        let shown = crate::outcome::show(command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("{shown}: {error}"));
        let stdout = child.stdout.take().expect("piped");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            shown,
            lines,
            heard: Vec::new(),
        }
    }

    /// The next line that contains this.
    ///
    /// # Panics
    /// There is none for too long, or no more.
    pub fn hears(&mut self, phrase: &str, limit: Duration) -> String {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if line.contains(phrase) {
                        return line;
                    }
                }
                Err(error) => panic!(
                    "{}: waited for `{phrase}`: {error}; heard: {:#?}",
                    self.shown, self.heard
                ),
            }
        }
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// It can't be asked.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Its exit code, once it has ended by itself.
    ///
    /// # Panics
    /// It doesn't, for too long.
    pub fn ends(&mut self, limit: Duration) -> Option<i32> {
        crate::wait::until(limit, &format!("the end of {}", self.shown), || {
            self.child.try_wait().expect("a child")
        })
        .code()
    }
}

/// kubectl, of one version, with a folder of its own.
pub struct Kubectl {
    /// The minor number of its version.
    pub minor: u32,
    program: PathBuf,
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Of version 1.`minor`, for the server of a kubeconfig; none where it can't be had.
    ///
    /// # Panics
    /// It can't be had and CI is set.
    pub fn find(minor: u32, kubeconfig: &Path) -> Option<Self> {
        let program = find(&format!("kubectl-1.{minor}"))?;
        Some(Self {
            minor,
            program,
            folder: tempfile::tempdir().expect("a folder can be made"),
            kubeconfig: kubeconfig.to_owned(),
        })
    }

    /// Writes a file where commands find it by its name.
    ///
    /// # Panics
    /// It can't be written.
    pub fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("written");
    }

    /// A command, its arguments separated by spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env("KUBECONFIG", &self.kubeconfig)
            // Its cache of discovery must be of this server.
            .env("HOME", self.folder.path())
            .env_remove("KUBE_EDITOR");
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// It takes too long.
    pub fn run(&self, arguments: &str) -> Outcome {
        Outcome::of(&mut self.command(arguments), Duration::from_secs(60))
    }
}
