//! The container engine, looked at from outside through its own command line.

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::places;

/// A container engine that answers, with the stand-in images.
#[derive(Debug, Clone, Copy)]
pub struct Engine {
    _private: (),
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Engine {
    /// The one of this machine.
    ///
    /// # Panics
    /// There is none and CI is set.
    pub fn find() -> Option<Self> {
        static REASON: OnceLock<Option<String>> = OnceLock::new();
        match REASON.get_or_init(missing) {
            None => Some(Self { _private: () }),
            Some(reason) => {
                assert!(!places::under_ci(), "under CI this has to run: {reason}");
                places::say(&format!("skipped: no container engine ({reason})"));
                None
            }
        }
    }

    /// Runs `docker` with arguments; its standard output.
    ///
    /// # Panics
    /// It fails.
    pub fn docker(self, args: &[&str]) -> String {
        docker(args).expect(0).stdout
    }

    /// Names and ids of whatever carries a text in its name or labels: containers and networks.
    pub fn with_text(self, text: &str) -> Vec<String> {
        self.listed("container", text)
            .into_iter()
            .chain(self.listed("network", text))
            .collect()
    }

    /// Containers, networks, volumes or images that carry a text in name or labels.
    pub fn listed(self, what: &str, text: &str) -> Vec<String> {
        let list: &[&str] = match what {
            "container" => &[
                "container",
                "ls",
                "-a",
                "--no-trunc",
                "--format",
                "{{.ID}} {{.Names}} {{.Labels}}",
            ],
            "network" => &[
                "network",
                "ls",
                "--no-trunc",
                "--format",
                "{{.ID}} {{.Name}} {{.Labels}}",
            ],
            "volume" => &["volume", "ls", "--format", "{{.Name}} {{.Labels}}"],
            _ => &["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
        };
        self.docker(list)
            .lines()
            .filter(|line| line.contains(text))
            .map(|line| format!("{what} {line}"))
            .collect()
    }

    /// Removes whatever carries a text, volumes and images too.
    pub fn remove(self, text: &str) {
        for (what, force) in [
            ("container", "-f"),
            ("network", ""),
            ("volume", "-f"),
            ("image", "-f"),
        ] {
            for line in self.listed(what, text) {
                let id = line.split_whitespace().nth(1).unwrap_or_default();
                let args: Vec<&str> = [what, "rm", force, id]
                    .into_iter()
                    .filter(|arg| !arg.is_empty())
                    .collect();
                // Cleaning up after a test that may have failed: nobody is left to tell.
                let _ = docker(&args);
            }
        }
    }
}

fn docker(args: &[&str]) -> Outcome {
    Outcome::of(Command::new("docker").args(args), PATIENCE)
}

/// Why there is no engine with the stand-ins; none: there is.
fn missing() -> Option<String> {
    if !places::has_program("docker") {
        return Some("there is no `docker`; tests/images/engine installs one".into());
    }
    let version = docker(&["version", "--format", "{{.Server.Version}}"]);
    if version.code != Some(0) {
        return Some(version.stderr.trim().to_owned());
    }
    // 0.2 s when all are there.
    let build = Outcome::of(
        &mut Command::new(places::repository().join("tests/images/build")),
        Duration::from_secs(600),
    );
    (build.code != Some(0)).then(|| format!("tests/images/build: {}", build.stderr.trim()))
}
