//! (l) A chain of five resources, each of which waits until the one before is healthy: from the
//! launch of `aspire-host run` to the last one's health. That is stamped by a sixth, an executable
//! that waits for it.
//!
//! Containers are compared with the engine's own floor: create, attach and start made raw, then
//! connect until somebody answers, one after another.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::clock::{Ms, median, ms, now, stamps, until};
use crate::containers::{IMAGE, app, engine};
use crate::engine::Engine;
use crate::places::{Places, write};
use crate::report::{Target, figure, times};
use crate::{Bench, Result};

const LENGTH: usize = 5;
const LIMIT: Duration = Duration::from_secs(60);
/// What the containers may take of the whole run's time.
const SHARE: Duration = Duration::from_secs(75);
/// Listens, and ends when it is asked to.
const SERVE: &str = "trap exit TERM INT; httpd -f -p 8080 & wait";

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let places = &bench.places;
    let serve = format!(
        "kind = \"executable\"\ncommand = '{}'\nendpoints.http = {{ env = \"PORT\" }}\n",
        places.serve.display()
    );
    let once = || run(places, "chain", &serve, "native");
    once()?;
    let rounds = bench.repeat(once)?;
    bench.report.target(
        "5 executables: launch to the last one's health",
        median(rounds),
        Target {
            limit: 1500.0,
            unit: "ms",
        },
    );
    let Some(engine) = engine(bench, "5 containers") else {
        return Ok(());
    };
    let name = app();
    let places = &bench.places;
    let serve = format!(
        "kind = \"container\"\nimage = \"{IMAGE}\"\nargs = [\"sh\", \"-c\", \"{SERVE}\"]\n\
         endpoints.http = {{ target-port = 8080 }}\n"
    );
    let rounds = bench.repeat_within(SHARE, || {
        let floor = floor(&engine, &name)?;
        Ok((run(places, &name, &serve, "docker")?, floor))
    })?;
    let host = median(rounds.iter().map(|round| round.0));
    let floor = median(rounds.iter().map(|round| round.1));
    bench.report.columns(&["launch to health", "to the floor"]);
    for (name, time) in [("aspire-host", host), ("raw engine API (floor)", floor)] {
        bench.report.row(
            &format!("5 containers: {name}"),
            &[figure(time), times(time, floor)],
        );
    }
    bench.report.target(
        "5 containers: launch to health, to the floor",
        host / floor,
        Target {
            limit: 1.15,
            unit: "x",
        },
    );
    Ok(())
}

/// One start of such a chain.
fn run(places: &Places, name: &str, serve: &str, runtime: &str) -> Result<Ms> {
    let folder = places.scratch.join(format!("chain-{runtime}"));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let marks = places.folder("stamps")?;
    let mut text = format!("name = \"{name}\"\n");
    let mut wait = String::new();
    for index in 0..LENGTH {
        let _ = write!(
            text,
            "[resources.c{index}]\n{serve}health = {{ tcp = \"http\" }}\n{wait}"
        );
        wait = format!("wait-for = [\"c{index}\"]\n");
    }
    let (stamp, mark) = (places.stamp.display(), marks.join("end"));
    let _ = write!(
        text,
        "[resources.end]\nkind = \"executable\"\ncommand = '{stamp}'\nargs = ['{}']\n{wait}",
        mark.display()
    );
    write(&folder.join("aspire.toml"), &text)?;
    let launch = now();
    let mut child = places
        .host(&folder, &["run", "--runtime", runtime])
        .spawn()
        .map_err(|error| error.to_string())?;
    let seen = stamps(&marks, 1, LIMIT);
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // One that has ended already needs no signal.
        let _ = kill_process(pid, Signal::INT);
    }
    let end = until(LIMIT, "the end after Ctrl-C", || {
        child.try_wait().ok().flatten()
    });
    if end.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    end?;
    Ok(seen?.0 - launch)
}

/// The engine's own.
fn floor(engine: &Engine, name: &str) -> Result<Ms> {
    let network = json!({ "Name": name, "Driver": "bridge" });
    let mut made = Vec::new();
    let start = Instant::now();
    let done = engine
        .call("POST", "/networks/create", Some(&network))
        .and_then(|_| (0..LENGTH).try_for_each(|index| one(engine, name, index, &mut made)));
    let time = ms(start.elapsed());
    for id in &made {
        engine.call("DELETE", &format!("/containers/{id}?force=1&v=1"), None)?;
    }
    engine.call("DELETE", &format!("/networks/{name}"), None)?;
    done.map(|()| time)
}

fn one(engine: &Engine, name: &str, index: usize, made: &mut Vec<String>) -> Result<()> {
    let container = json!({
        "Image": IMAGE,
        "Cmd": ["sh", "-c", SERVE],
        "ExposedPorts": { "8080/tcp": {} },
        "HostConfig": {
            "NetworkMode": name,
            "PortBindings": { "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }] },
        },
    });
    let path = format!("/containers/create?name={name}-c{index}");
    let answer = engine.call("POST", &path, Some(&container))?;
    let id = answer["Id"].as_str().ok_or("a container without an id")?;
    made.push(id.to_owned());
    let stream = engine.attach(id)?;
    engine.call("POST", &format!("/containers/{id}/start"), None)?;
    let found = engine.call("GET", &format!("/containers/{id}/json"), None)?;
    let port = port(&found).ok_or("a container without a port")?;
    let end = Instant::now() + LIMIT;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end {
            return Err(format!("nobody answers at port {port}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(stream);
    Ok(())
}

fn port(found: &Json) -> Option<u16> {
    let bound = &found["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"];
    bound.as_str()?.parse().ok()
}
