//! Where things are: what is measured, what it is compared with, and a folder for it all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::memory::MARKER;

/// Paths.
pub(crate) struct Places {
    /// The binary that is measured.
    pub(crate) host: PathBuf,
    /// The folder of its plugins.
    pub(crate) plugins: PathBuf,
    /// This program.
    pub(crate) bench: PathBuf,
    /// The child that writes its time.
    pub(crate) stamp: PathBuf,
    /// The child that listens.
    pub(crate) serve: PathBuf,
    /// docker-compose 2.
    pub(crate) compose: Option<PathBuf>,
    /// Python's folder with honcho and supervisor.
    pub(crate) peers: PathBuf,
    /// An empty folder, removed by `tests/bench/run`.
    pub(crate) scratch: PathBuf,
    /// What everything is marked with that is started.
    pub(crate) mark: String,
}

impl Places {
    /// As `tests/bench/run` says.
    pub(crate) fn find() -> Result<Self> {
        let given = |name: &str| {
            let value = std::env::var_os(name).map(PathBuf::from);
            value.ok_or_else(|| format!("{name} is not set: start it through tests/bench/run"))
        };
        let file = |path: PathBuf, make: &str| {
            let real = path.canonicalize();
            real.map_err(|_| format!("{} is missing: run `{make}`", path.display()))
        };
        let bench = std::env::current_exe().map_err(|error| error.to_string())?;
        let compose = std::env::var_os("BENCH_COMPOSE").map(PathBuf::from);
        Ok(Self {
            host: file(given("BENCH_HOST")?, "cargo build --release -p aspire-host")?,
            plugins: file(given("BENCH_PLUGINS")?, "make plugins")?,
            stamp: file(
                bench.with_file_name("stamp"),
                "cargo build --release -p bench",
            )?,
            serve: file(
                bench.with_file_name("serve"),
                "cargo build --release -p bench",
            )?,
            bench,
            compose: compose.filter(|path| path.is_file()),
            peers: given("BENCH_PEERS")?.join("bin"),
            scratch: given("BENCH_SCRATCH")?,
            mark: given("BENCH_MARK")?.display().to_string(),
        })
    }

    /// A new, empty folder in the scratch folder.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| said(&folder, &error))?;
        }
        fs::create_dir_all(&folder).map_err(|error| said(&folder, &error))?;
        Ok(folder)
    }

    /// The binary in a folder, with a user of its own.
    pub(crate) fn host(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.host);
        command.current_dir(folder).env_clear();
        for name in ["PATH", "DOCKER_HOST"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let home = self.scratch.join("home");
        command
            .env("HOME", &home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_DATA_HOME", home.join("data"))
            .env("ASPIRE_HOST_PLUGIN_PATH", &self.plugins)
            .env(MARKER, &self.mark)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// Runs a command to its end; what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let shown: Vec<&str> = errors.lines().chain(text.lines()).take(12).collect();
    Err(format!(
        "{} ended with {}:\n    {}",
        command.get_program().display(),
        output.status,
        shown.join("\n    ")
    ))
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| said(path, &error))
}

fn said(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
