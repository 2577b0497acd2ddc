//! (d) From the start to the last of 10 containers running: aspire-host, the engine's own floor
//! (network, create, attach, start made raw, all in parallel), and docker-compose with the file
//! that aspire-host has published. (h) The same with 50, and what an apply costs that changes
//! nothing.
//!
//! A container stamps the time itself: the first thing that it prints is `/proc/uptime`.

mod start;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::clock::{Ms, median, ms};
use crate::engine::Engine;
use crate::places::{output, write};
use crate::plane::{self, BASE, runtime};
use crate::report::{Target, figure, times};
use crate::{Bench, Result};

pub(crate) use start::IMAGE;
use start::{Start, text};

/// How many start at once.
const FEW: usize = 10;
const MANY: usize = 50;
/// What 50 may take of the whole run's time.
const SHARE: Duration = Duration::from_secs(120);

/// The engine, unless there is none or it lacks the image; then that is told.
pub(crate) fn engine(bench: &mut Bench, name: &str) -> Option<Engine> {
    let found = Engine::find().and_then(|engine| {
        let image = engine.call("GET", &format!("/images/{IMAGE}/json"), None);
        match image {
            Ok(_) => Ok(engine),
            Err(_) => Err(format!("no image {IMAGE}: run tests/images/build")),
        }
    });
    match found {
        Ok(engine) => Some(engine),
        Err(reason) => {
            bench.report.not_measured(name, &reason);
            None
        }
    }
}

/// What an app of the benchmark is called: `tests/bench/run` removes what is left of it.
pub(crate) fn app() -> String {
    format!("bench{}", std::process::id())
}

/// (d).
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let Some(engine) = engine(bench, "10 containers") else {
        return Ok(());
    };
    let app = app();
    let folder = bench.places.folder("containers")?;
    write(&folder.join("aspire.toml"), &text(&app, FEW))?;
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
        count: FEW,
    };
    let nothing = || Ok(());
    let measured = start.host(nothing).and_then(|_| {
        bench.repeat(|| {
            let floor = start.floor()?;
            let host = start.host(nothing)?.0;
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
    rows(bench, host, floor);
    if bench.places.compose.is_some() {
        let compose = median(rounds.iter().filter_map(|round| round.2));
        let cells = [figure(compose), times(compose, floor)];
        bench.report.row("docker-compose up -d (published)", &cells);
    } else {
        bench
            .report
            .not_measured("docker-compose up -d", "tests/images/compose has none");
    }
    to_the_floor(bench, FEW, host / floor);
    Ok(())
}

/// (h).
pub(crate) fn many(bench: &mut Bench) -> Result<()> {
    let Some(engine) = engine(bench, "50 containers") else {
        return Ok(());
    };
    let app = app();
    let folder = bench.places.folder("many")?;
    write(&folder.join("aspire.toml"), &text(&app, MANY))?;
    let start = Start {
        engine: &engine,
        app: &app,
        folder: &folder,
        places: &bench.places,
        count: MANY,
    };
    let runtime = runtime()?;
    let look = || runtime.block_on(apply_again(&folder));
    let measured = bench.repeat_within(SHARE, || {
        let floor = start.floor()?;
        let (host, again) = start.host(look)?;
        Ok((host, floor, again))
    });
    start.clean();
    let rounds = measured?;
    let host = median(rounds.iter().map(|round| round.0));
    let floor = median(rounds.iter().map(|round| round.1));
    rows(bench, host, floor);
    to_the_floor(bench, MANY, host / floor);
    bench.report.target(
        "50 containers applied again, nothing changed",
        median(rounds.iter().map(|round| round.2)),
        Target {
            limit: 60.0,
            unit: "ms",
        },
    );
    Ok(())
}

fn rows(bench: &Bench, host: Ms, floor: Ms) {
    bench.report.columns(&["start to last", "to the floor"]);
    let row = |name: &str, time: Ms| {
        bench.report.row(name, &[figure(time), times(time, floor)]);
    };
    row("aspire-host", host);
    row("raw engine API (floor)", floor);
}

fn to_the_floor(bench: &mut Bench, count: usize, ratio: f64) {
    bench.report.target(
        &format!("{count} containers, start to last, to the floor"),
        ratio,
        Target {
            limit: 1.1,
            unit: "x",
        },
    );
}

/// Applies every container of a running app as it is, through its API: a server-side apply each,
/// one after another over one connection. The first time makes the fields ours; later ones have to
/// change nothing, or they aren't the answer.
async fn apply_again(folder: &Path) -> Result<Ms> {
    let client = plane::client(&folder.join(".aspire-host/kubeconfig"), None).await?;
    let read = |bytes: &[u8]| -> Result<Json> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    };
    let list = read(&client.get(&format!("{BASE}/containers")).await?)?;
    let objects: Vec<Json> = list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(bare)
        .collect();
    if objects.len() != MANY {
        return Err(format!("{} containers, not {MANY}", objects.len()));
    }
    let mut before = Vec::new();
    // What the engine tells late may come in between.
    for _ in 0..10 {
        let start = Instant::now();
        let mut answers = Vec::new();
        for object in &objects {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let path = format!("{BASE}/containers/{name}?fieldManager=bench&force=true");
            answers.push(
                client
                    .patch(&path, "application/apply-patch+yaml", object)
                    .await?,
            );
        }
        let time = ms(start.elapsed());
        let mut versions = Vec::new();
        for answer in &answers {
            versions.push(read(answer)?["metadata"]["resourceVersion"].clone());
        }
        if versions == before {
            return Ok(time);
        }
        before = versions;
    }
    Err("applying the same containers again changes some each time".to_owned())
}

/// What a user would apply: without what the server says.
fn bare(object: &Json) -> Json {
    serde_json::json!({
        "apiVersion": BASE.trim_start_matches("/apis/"),
        "kind": "Container",
        "metadata": { "name": object["metadata"]["name"] },
        "spec": object["spec"],
    })
}
