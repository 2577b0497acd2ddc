//! (g) From a request to a process that runs: one executable, then 100, created through the API of
//! a control plane over one warm connection and seen by a watch.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::{Ms, median, now};
use crate::places::Places;
use crate::plane::{BASE, Client, Lines, Plane, executable, runtime};
use crate::report::{Target, figure};
use crate::{Bench, Result, executables};

const COUNT: usize = 100;

/// What one control plane has shown.
struct Round {
    one: Ms,
    all: Ms,
    megabytes: f64,
}

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let runtime = runtime()?;
    let rounds = bench.repeat(|| {
        let floor = executables::floor(&bench.places, COUNT)?;
        Ok((runtime.block_on(once(&bench.places))?, floor))
    })?;
    let floor = median(rounds.iter().map(|round| round.1));
    let rounds: Vec<Round> = rounds.into_iter().map(|round| round.0).collect();
    bench.report.columns(&["launch to last"]);
    bench
        .report
        .row("100 by a bare loop (floor)", &[figure(floor)]);
    let mut tell = |name: &str, of: fn(&Round) -> f64, limit: f64, unit: &'static str| {
        let value = median(rounds.iter().map(of));
        bench.report.target(name, value, Target { limit, unit });
    };
    tell(
        "one executable: create to Running",
        |round| round.one,
        15.0,
        "ms",
    );
    tell(
        "100 executables: create to all Running",
        |round| round.all,
        350.0,
        "ms",
    );
    tell(
        "memory with 100, watchdog included",
        |round| round.megabytes,
        40.0,
        "MB",
    );
    Ok(())
}

async fn once(places: &Places) -> Result<Round> {
    let folder = places.folder("running")?;
    let stamps = places.folder("stamps")?;
    let plane = Plane::start(places, &folder, &[])?;
    let client = plane.client().await?;
    let watch = format!("{BASE}/executables?watch=true&resourceVersion=0");
    let mut events = client.follow(&watch).await?;
    let of = |name: String| {
        let stamp = stamps.join(&name).display().to_string();
        executable(&name, &places.stamp, &[stamp])
    };
    // The connection is made, and so is what is made once.
    create(&client, &mut events, vec![of("warm".to_owned())]).await?;
    let one = create(&client, &mut events, vec![of("one".to_owned())]).await?;
    let names = (0..COUNT).map(|index| format!("e{index}"));
    let all = create(&client, &mut events, names.map(of).collect()).await?;
    // What a start has left to do is done by then.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let megabytes = plane.memory(places, &places.stamp);
    Ok(Round {
        one,
        all,
        megabytes,
    })
}

/// From the first request to the event by which all of them run.
async fn create(
    client: &Client,
    events: &mut Lines,
    objects: Vec<serde_json::Value>,
) -> Result<Ms> {
    let mut waiting: BTreeSet<String> = objects
        .iter()
        .filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned))
        .collect();
    let start = now();
    let posted = async {
        for object in &objects {
            client.create("executables", object).await?;
        }
        Ok(())
    };
    let running = async {
        while !waiting.is_empty() {
            let event = events.event().await?;
            let object = &event["object"];
            if object["status"]["state"] == "Running" {
                waiting.remove(object["metadata"]["name"].as_str().unwrap_or_default());
            }
        }
        Ok::<_, String>(now() - start)
    };
    let ((), time) = tokio::try_join!(posted, running)?;
    Ok(time)
}
