//! docker-compose in the two versions that published files are tried with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::places;

/// The programs.
#[derive(Debug, Clone)]
pub struct Compose {
    /// 2.26
    pub v2: PathBuf,
    /// 1.29
    pub v1: PathBuf,
}

impl Compose {
    /// Fetched into the cache at the first request.
    ///
    /// # Panics
    /// They cannot be had and CI is set.
    pub fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Result<Compose, String>> = OnceLock::new();
        match FOUND.get_or_init(fetch) {
            Ok(found) => Some(found),
            Err(reason) => {
                assert!(!places::under_ci(), "under CI this has to run: {reason}");
                places::say(&format!("skipped: no docker-compose ({reason})"));
                None
            }
        }
    }
}

/// A command of one of the programs, for the file in a folder.
pub fn command(program: &Path, folder: &Path, project: &str) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .args(["--project-name", project])
        // Without the buildx component the classic builder is what there is.
        .env("DOCKER_BUILDKIT", "0")
        .env("COMPOSE_DOCKER_CLI_BUILD", "0");
    command
}

fn fetch() -> Result<Compose, String> {
    let outcome = Outcome::of(
        &mut Command::new(places::repository().join("tests/images/compose")),
        Duration::from_secs(600),
    );
    let path = |key: &str| {
        let line = outcome
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix(key));
        line.map(PathBuf::from)
            .ok_or_else(|| outcome.stderr.trim().to_owned())
    };
    Ok(Compose {
        v2: path("v2=")?,
        v1: path("v1=")?,
    })
}
