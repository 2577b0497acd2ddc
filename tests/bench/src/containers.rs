//! (d) From the start to the last of 10 containers running: aspire-host, the engine's own floor
//! (network, create, attach, start made raw, all in parallel), and docker-compose with the file
//! that aspire-host has published.
//!
//! A container stamps the time itself: the first thing that it prints is `/proc/uptime`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::clock::{Ms, median, since_boot, until};
use crate::engine::Engine;
use crate::memory::MARKER;
use crate::places::{Places, output, write};
use crate::report::{Target, figure, times};
use crate::{Bench, Result};

const COUNT: usize = 10;
const IMAGE: &str = "standin.local/busybox:1";
/// Ends when it is asked to, so that nobody waits for a grace.
const SCRIPT: &str = "cat /proc/uptime; trap exit TERM INT; sleep 3600 & wait";
const LIMIT: Duration = Duration::from_secs(60);

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let name = "10 containers";
    let engine = match Engine::find() {
        Ok(engine) => engine,
        Err(reason) => {
            bench.report.not_measured(name, &reason);
            return Ok(());
        }
    };
    if engine
        .call("GET", &format!("/images/{IMAGE}/json"), None)
        .is_err()
    {
        bench
            .report
            .not_measured(name, &format!("no image {IMAGE}: run tests/images/build"));
        return Ok(());
    }
    let app = format!("bench{}", std::process::id());
    let folder = bench.places.folder("containers")?;
    write(&folder.join("aspire.toml"), &text(&app))?;
    output(
        &mut bench
            .places
            .host(&folder, &["publish", "--to", "compose", "-o", "deploy"]),
    )?;
    let places = &bench.places;
    let start = Start {
        engine: &engine,
        app: &app,
        folder: &folder,
        places,
    };
    let measured = start.host().and_then(|_| {
        bench.repeat(|| {
            let floor = start.floor()?;
            let host = start.host()?;
            let compose = places
                .compose
                .as_deref()
                .map(|program| start.compose(program));
            Ok((host, floor, compose.transpose()?))
        })
    });
    start.clean();
    let rounds = measured?;
    let host = median(rounds.iter().map(|round| round.0));
    let floor = median(rounds.iter().map(|round| round.1));
    bench.report.columns(&["start to last", "to the floor"]);
    bench
        .report
        .row("aspire-host", &[figure(host), times(host, floor)]);
    bench.report.row(
        "raw engine API (floor)",
        &[figure(floor), times(floor, floor)],
    );
    if bench.places.compose.is_some() {
        let compose = median(rounds.iter().filter_map(|round| round.2));
        let cells = [figure(compose), times(compose, floor)];
        bench.report.row("docker-compose up -d (published)", &cells);
    } else {
        bench
            .report
            .not_measured("docker-compose up -d", "tests/images/compose has none");
    }
    let target = Target {
        limit: 1.1,
        unit: "x",
    };
    bench.report.target(
        "10 containers, start to last, to the floor",
        host / floor,
        target,
    );
    Ok(())
}

fn text(app: &str) -> String {
    let mut text = format!("name = \"{app}\"\n[plugins]\ncompose = \"compose\"\n");
    for index in 0..COUNT {
        let _ = write!(
            text,
            "\n[resources.c{index}]\nkind = \"container\"\nimage = \"{IMAGE}\"\nargs = [\"sh\", \"-c\", \"{SCRIPT}\"]\n"
        );
    }
    text
}

/// One start of each kind.
struct Start<'a> {
    engine: &'a Engine,
    app: &'a str,
    folder: &'a Path,
    places: &'a Places,
}

impl Start<'_> {
    fn host(&self) -> Result<Ms> {
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
        Ok(last - start)
    }

    fn floor(&self) -> Result<Ms> {
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
            let all: Vec<_> = (0..COUNT)
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

    fn compose(&self, program: &Path) -> Result<Ms> {
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
        let found = until(LIMIT, "the stamps of 10 containers", || {
            let ids = self.containers().unwrap_or_default();
            if ids.len() < COUNT {
                gone = ended();
                return gone
                    .is_some()
                    .then(|| Err(gone.clone().unwrap_or_default()));
            }
            let stamps: Vec<Ms> = ids.iter().filter_map(|id| self.stamp(id)).collect();
            (stamps.len() >= COUNT).then(|| Ok(stamps.into_iter().fold(0.0, f64::max)))
        })?;
        found.map_err(|status| format!("it ended with {status} before 10 containers ran"))
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
    fn clean(&self) {
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
            let _ = self.engine.call("DELETE", &format!("/networks/{id}"), None);
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
