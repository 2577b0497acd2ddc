//! A project of one test: its folder, its user (data, cache, home), and the command line in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::engine::Engine;
use crate::outcome::Outcome;
use crate::places;
use crate::processes::{self, Process};
use crate::session::Session;

/// For a command that does its work and ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with an app, and everything that belongs to a user. Nothing of it survives the test.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    home: PathBuf,
    marker: String,
    env: Vec<(String, String)>,
    args: Vec<String>,
    uses_engine: bool,
    /// Keeps two runs of one test from using the same folder at once.
    _lock: File,
}

impl Project {
    /// An empty one. `test` names it: one for each test. The folder is the same every time, so that
    /// what cargo builds in it is built once.
    ///
    /// # Panics
    /// The folder cannot be made.
    pub fn new(test: &str) -> Self {
        Self::named(test, "app")
    }

    /// An empty one in a folder with a name of its own.
    ///
    /// # Panics
    /// The folder cannot be made.
    pub fn named(test: &str, folder: &str) -> Self {
        let place = places::target().join("blackbox").join(test);
        let folder = place.join(folder);
        fs::create_dir_all(place.parent().expect("it has one")).expect("a folder for tests");
        let lock = File::create(place.with_extension("lock")).expect("a lock for the test");
        lock.lock().expect("a lock for the test");
        if place.exists() {
            fs::remove_dir_all(&place).expect("the last run's folder can be removed");
        }
        let home = place.join("home");
        fs::create_dir_all(&folder).expect("a folder for the test");
        // As a user's is: there, and passable, so that native data of other accounts stays in it.
        fs::create_dir_all(home.join("data")).expect("a folder for the test");
        let cache = places::target().join("blackbox").join("cache");
        let mut project = Self {
            marker: format!("{test}-{}", std::process::id()),
            env: vec![
                (
                    "ASPIRE_HOST_PLUGIN_PATH".into(),
                    places::plugins().display().to_string(),
                ),
                ("XDG_CACHE_HOME".into(), cache.display().to_string()),
                ("COLUMNS".into(), "200".into()),
            ],
            args: Vec::new(),
            uses_engine: false,
            folder,
            home,
            _lock: lock,
        };
        // Intermediate results of the examples' builds, once for all tests.
        let builds = places::target().join("blackbox").join("builds");
        project.set("CARGO_BUILD_BUILD_DIR", &builds.display().to_string());
        project
    }

    /// With an `aspire.toml`.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn app(self, text: &str) -> Self {
        self.write("aspire.toml", text);
        self
    }

    /// With a copy of one of the examples, without what was built or run in it.
    ///
    /// # Panics
    /// It cannot be copied.
    #[must_use]
    pub fn example(self, name: &str) -> Self {
        copy(
            &places::repository().join("examples").join(name),
            &self.folder,
        );
        self
    }

    /// With the stand-ins for official images, for as long as it exists.
    #[must_use]
    pub fn on(mut self, _engine: Engine) -> Self {
        self.uses_engine = true;
        let map = places::image_map().display().to_string();
        self.args.extend(["--image-map".into(), map]);
        self
    }

    /// With an option for every command.
    #[must_use]
    pub fn option(mut self, words: &[&str]) -> Self {
        self.args
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Sets an environment variable of every command.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The user's folder: data of instances, passwords.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file in the folder.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Reads a file in the folder.
    ///
    /// # Panics
    /// It isn't there.
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Replaces a text in a file of the folder.
    ///
    /// # Panics
    /// It isn't in there.
    pub fn edit(&self, name: &str, old: &str, new: &str) {
        let text = self.read(name);
        assert!(text.contains(old), "`{old}` is not in {name}");
        self.write(name, &text.replace(old, new));
    }

    /// The binary in the folder, with the user's environment and nothing else of the test's.
    pub fn command(&self, args: &[&str]) -> Command {
        // What follows a `--` is somebody else's.
        let own = args.iter().position(|word| *word == "--");
        let own = own.unwrap_or(args.len());
        let mut command = Command::new(places::binary());
        command.current_dir(&self.folder).env_clear();
        for name in [
            "PATH",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "DOCKER_HOST",
        ] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if let Some(real) = std::env::var_os("HOME").map(PathBuf::from) {
            // What is found through the home folder unless a variable says where.
            for (name, below) in [
                ("CARGO_HOME", ".cargo"),
                ("RUSTUP_HOME", ".rustup"),
                ("DOCKER_CONFIG", ".docker"),
            ] {
                if std::env::var_os(name).is_none() && real.join(below).is_dir() {
                    command.env(name, real.join(below));
                }
            }
        }
        command
            .env("HOME", &self.home)
            .env("XDG_DATA_HOME", self.home.join("data"))
            .env("XDG_CONFIG_HOME", self.home.join("config"))
            .env("XDG_STATE_HOME", self.home.join("state"))
            .env(processes::MARKER, &self.marker)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .args(&args[..own])
            .args(&self.args)
            .args(&args[own..]);
        command
    }

    /// Runs a command of the binary to its end.
    ///
    /// # Panics
    /// It does not end.
    #[must_use = "look at the exit code: `expect`"]
    pub fn host(&self, args: &[&str]) -> Outcome {
        Outcome::of(&mut self.command(args), PATIENCE)
    }

    /// Starts the app.
    ///
    /// # Panics
    /// The binary cannot be started.
    pub fn run(&self, args: &[&str]) -> Session {
        let mut all = vec!["run"];
        all.extend(args);
        Session::start(self.command(&all))
    }

    /// The instance's id.
    pub fn instance(&self) -> Option<String> {
        let text = fs::read_to_string(self.path(".aspire-host/instance")).ok()?;
        let record: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(record["id"].as_str()?.to_owned())
    }

    /// Living processes that were started for this project.
    pub fn processes(&self) -> Vec<Process> {
        processes::of_project(&self.marker, self.home.parent().expect("it has one"))
    }

    /// Containers and networks that carry the instance's id.
    pub fn containers(&self) -> Vec<String> {
        match (Engine::find().filter(|_| self.uses_engine), self.instance()) {
            (Some(engine), Some(id)) => engine.with_text(&id),
            _ => Vec::new(),
        }
    }

    /// Ends and removes whatever is left, data too.
    pub fn clean_up(&self) {
        for process in self.processes() {
            process.kill();
        }
        if let (true, Some(id)) = (self.uses_engine, self.instance())
            && let Some(engine) = Engine::find()
        {
            engine.remove(&id);
        }
        // Root keeps data of native programs where their users can reach it.
        let instances = self.home.join("data/aspire-host/instances");
        for instance in fs::read_dir(instances).into_iter().flatten().flatten() {
            let shared = Path::new("/var/lib/aspire-host/instances").join(instance.file_name());
            let _ = fs::remove_dir_all(shared);
        }
    }

    /// Nothing that was started is left.
    ///
    /// # Panics
    /// Something is.
    pub fn assert_nothing_left(&self) {
        let processes: Vec<String> = self.processes().iter().map(Process::describe).collect();
        assert!(processes.is_empty(), "processes are left: {processes:#?}");
        let containers = self.containers();
        assert!(containers.is_empty(), "left in the engine: {containers:#?}");
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        self.clean_up();
        // A failed test's folder stays, to be looked at; the next run of the test removes it.
        if !std::thread::panicking()
            && let Some(place) = self.home.parent()
        {
            let _ = fs::remove_dir_all(place);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("an example").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().expect("it is there").is_dir() {
            if !["target", ".aspire-host"]
                .iter()
                .any(|skipped| name == *skipped)
            {
                copy(&path, &to.join(name));
            }
        } else if name != "aspire.lock" && name != ".env" {
            // With the time of its last change, so that cargo sees nothing new.
            let modified = entry
                .metadata()
                .and_then(|data| data.modified())
                .expect("a time");
            let target = to.join(name);
            fs::copy(&path, &target).expect("a file can be copied");
            File::options()
                .write(true)
                .open(&target)
                .and_then(|file| file.set_modified(modified))
                .expect("a time can be set");
        }
    }
}
