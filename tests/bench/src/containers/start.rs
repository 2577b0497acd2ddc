//! The ways to start many containers.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::Result;
use crate::clock::{Ms, since_boot, until};
use crate::engine::Engine;
use crate::memory::MARKER;
use crate::places::{Places, output};

/// What they are made from.
pub(crate) const IMAGE: &str = "standin.local/busybox:1";
/// Ends when it is asked to, so that nobody waits for a grace.
const SCRIPT: &str = "cat /proc/uptime; trap exit TERM INT; sleep 3600 & wait";
const LIMIT: Duration = Duration::from_secs(90);

/// An app of nothing but such containers.
pub(super) fn text(app: &str, count: usize) -> String {
    let mut text = format!("name = \"{app}\"\n[plugins]\ncompose = \"compose\"\n");
    for index in 0..count {
        let _ = write!(
            text,
            "\n[resources.c{index}]\nkind = \"container\"\nimage = \"{IMAGE}\"\nargs = [\"sh\", \"-c\", \"{SCRIPT}\"]\n"
        );
    }
    text
}

/// Starts so many containers, in one way or another.
pub(super) struct Start<'a> {
    pub(super) engine: &'a Engine,
    pub(super) app: &'a str,
    pub(super) folder: &'a Path,
    pub(super) places: &'a Places,
    pub(super) count: usize,
}

impl Start<'_> {
    /// With aspire-host. `look` is asked while everything runs.
    pub(super) fn host<T>(&self, look: impl FnOnce() -> Result<T>) -> Result<(Ms, T)> {
        let mut command = self
            .places
            .host(self.folder, &["run", "--runtime", "docker"]);
        let start = since_boot();
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let last = self.last(|| {
            child
                .try_wait()
                .ok()
                .flatten()
                .map(|status| status.to_string())
        });
        let seen = last.is_ok().then(look);
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or("it has no id")?;
        // One that has ended already needs no signal.
        let _ = kill_process(pid, Signal::INT);
        let end = until(LIMIT, "the end of aspire-host", || {
            child.try_wait().ok().flatten()
        });
        if end.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let last = last.map_err(|error| format!("aspire-host: {error}"))?;
        end?;
        self.nothing_left("aspire-host")?;
        let seen = seen.ok_or("nobody looked")??;
        Ok((last - start, seen))
    }

    /// With the engine alone.
    pub(super) fn floor(&self) -> Result<Ms> {
        let start = since_boot();
        let network = json!({ "Name": self.app, "Driver": "bridge" });
        self.engine
            .call("POST", "/networks/create", Some(&network))?;
        let one = |index: usize| -> Result<()> {
            let container = json!({
                "Image": IMAGE,
                "Cmd": ["sh", "-c", SCRIPT],
                "HostConfig": { "NetworkMode": self.app },
            });
            let path = format!("/containers/create?name={}-c{index}", self.app);
            let made = self.engine.call("POST", &path, Some(&container))?;
            let id = made["Id"]
                .as_str()
                .ok_or("the engine made a container without an id")?;
            let stream = self.engine.attach(id)?;
            self.engine
                .call("POST", &format!("/containers/{id}/start"), None)?;
            drop(stream);
            Ok(())
        };
        let started: Result<()> = thread::scope(|scope| {
            let one = &one;
            let all: Vec<_> = (0..self.count)
                .map(|index| scope.spawn(move || one(index)))
                .collect();
            all.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a thread panicked".into()))
            })
        });
        let last = started.and_then(|()| self.last(|| None));
        self.clean();
        self.nothing_left("the floor")?;
        Ok(last? - start)
    }

    /// With docker-compose, from what was published.
    pub(super) fn compose(&self, program: &Path) -> Result<Ms> {
        let compose = |words: &[&str]| {
            let mut command = Command::new(program);
            command
                .current_dir(self.folder.join("deploy"))
                .args(["--project-name", self.app])
                .args(words)
                .env(MARKER, &self.places.mark);
            output(&mut command)
        };
        let start = since_boot();
        let last = compose(&["up", "-d"]).and_then(|_| self.last(|| None));
        compose(&["down", "-t", "5"])?;
        self.nothing_left("docker-compose")?;
        Ok(last? - start)
    }

    /// The last container's stamp, once all have stamped. `ended` says how whoever starts them ended.
    fn last(&self, mut ended: impl FnMut() -> Option<String>) -> Result<Ms> {
        let mut gone = None;
        let what = format!("the stamps of {} containers", self.count);
        let found = until(LIMIT, &what, || {
            let ids = self.containers().unwrap_or_default();
            if ids.len() < self.count {
                gone = ended();
                return gone
                    .is_some()
                    .then(|| Err(gone.clone().unwrap_or_default()));
            }
            let stamps: Vec<Ms> = ids.iter().filter_map(|id| self.stamp(id)).collect();
            (stamps.len() >= self.count).then(|| Ok(stamps.into_iter().fold(0.0, f64::max)))
        })?;
        found.map_err(|status| format!("it ended with {status} before all containers ran"))
    }

    fn stamp(&self, id: &str) -> Option<Ms> {
        let log = self
            .engine
            .bytes("GET", &format!("/containers/{id}/logs?stdout=1"), None)
            .ok()?;
        // Eight bytes in front say which stream it is.
        let text = String::from_utf8_lossy(log.get(8..)?).into_owned();
        let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some(seconds * 1e3)
    }

    /// Ids of the containers that carry the app's name.
    fn containers(&self) -> Result<Vec<String>> {
        Ok(self.carrying(&self.engine.call("GET", "/containers/json?all=1", None)?))
    }

    fn carrying(&self, list: &Json) -> Vec<String> {
        list.as_array()
            .into_iter()
            .flatten()
            .filter(|one| {
                let (names, labels) = (&one["Names"], &one["Labels"]);
                format!("{} {names} {labels}", one["Name"]).contains(self.app)
            })
            .filter_map(|one| one["Id"].as_str().map(str::to_owned))
            .collect()
    }

    /// Removes what carries the app's name.
    pub(super) fn clean(&self) {
        let ids = self.containers().unwrap_or_default();
        thread::scope(|scope| {
            for id in &ids {
                // What is gone by then needs no removing.
                let path = format!("/containers/{id}?force=1&v=1");
                scope.spawn(move || self.engine.call("DELETE", &path, None).is_ok());
            }
        });
        let networks = self
            .engine
            .call("GET", "/networks", None)
            .unwrap_or_default();
        for id in self.carrying(&networks) {
            let path = format!("/networks/{id}");
            // A busy engine takes a moment to notice that nobody is on it any more.
            let gone = || self.engine.call("DELETE", &path, None).ok();
            let _ = until(Duration::from_secs(5), "the end of a network", gone);
        }
    }

    fn nothing_left(&self, who: &str) -> Result<()> {
        let left = self.containers()?.len();
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{who} has left {left} containers"))
        }
    }
}
