//! An engine that is away, is restarted, or tells nothing: clauses 2, 27c and what DCP lacks. The
//! engine is the real one, behind a way that is cut; the last test has an engine of its own and
//! restarts it in earnest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lab::{Lab, STAYS, docker, docker_engine, shell, state};
use crate::proxy::Proxy;
use crate::support::Folders;

const C: &str = "containers/c";

/// A run whose way to the engine can be cut.
async fn lab(test: &str) -> Option<(Lab, Proxy)> {
    let proxy = Proxy::new()?;
    let engine = docker_engine(&proxy.environment()).await?;
    let lab = Lab::begin(test, Folders::new(), Some(Arc::new(engine))).await;
    Some((lab, proxy))
}

fn id(object: &Value) -> String {
    object["status"]["containerId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_that_is_away_is_waited_for() {
    let Some((lab, mut proxy)) = lab("away").await else {
        return;
    };
    proxy.down();
    lab.make("Container", "c", shell(STAYS)).await;
    lab.make("ContainerNetwork", "net", json!({})).await;
    lab.make(
        "ContainerVolume",
        "vol",
        json!({"name": lab.name("vol"), "persistent": false}),
    )
    .await;
    let waits = lab.reaches(C, "RuntimeUnhealthy").await;
    let message = waits["status"]["message"].as_str().unwrap();
    assert!(message.contains("no container engine answers"), "{message}");
    assert_eq!(waits["status"]["healthStatus"], "Unhealthy");
    let network = lab
        .until("containernetworks/net", |it| {
            it["status"]["message"] != Value::Null
        })
        .await;
    assert_ne!(state(&network), "FailedToStart");
    lab.reaches("containervolumes/vol", "RuntimeUnhealthy")
        .await;
    proxy.up();
    lab.reaches(C, "Running").await;
    lab.reaches("containernetworks/net", "Running").await;
    lab.reaches("containervolumes/vol", "Ready").await;
    let states = lab.states(C);
    assert!(!states.contains(&"FailedToStart".to_owned()), "{states:?}");
    lab.end().await;
}

/// As seen from here: nobody answers, nobody remembers, and containers have ended, have been
/// started again, have been removed or have gone on talking meanwhile.
#[tokio::test]
async fn what_happened_while_it_was_away_is_found() {
    let Some((lab, mut proxy)) = lab("restart").await else {
        return;
    };
    let talks = "trap 'exit 0' TERM; n=0; while :; do n=$((n+1)); echo $n; sleep 0.1; done";
    for name in ["ends", "removed", "again", "stays"] {
        lab.make("Container", name, shell(talks)).await;
    }
    let path = |name: &str| format!("containers/{name}");
    let mut ids = Vec::new();
    for name in ["ends", "removed", "again", "stays"] {
        lab.says(&path(name), "", "1\n").await;
        ids.push(id(&lab.reaches(&path(name), "Running").await));
    }
    proxy.set_forgetful();
    proxy.down();
    docker(&["kill", &ids[0]]);
    docker(&["rm", "-f", &ids[1]]);
    docker(&["restart", "-t", "1", &ids[2]]);
    lab.says(&path("stays"), "?source=system", "output is interrupted")
        .await;
    // Nothing is thought to have ended because nobody can be asked.
    for name in ["ends", "removed", "again", "stays"] {
        assert_eq!(
            state(&lab.get(&path(name)).await.unwrap()),
            "Running",
            "{name}"
        );
    }
    let restarted = lab.states(&path("again")).len();
    proxy.up();
    let ended = lab.reaches(&path("ends"), "Exited").await;
    assert_eq!(ended["status"]["exitCode"], 137);
    lab.reaches(&path("removed"), "Unknown").await;
    lab.until(&path("again"), |it| state(it) == "Running").await;
    assert_eq!(
        lab.states(&path("again")).len(),
        restarted,
        "it was never seen ended"
    );
    // What they said meanwhile is there, each line once and in order.
    let said = docker(&["logs", &ids[3]]);
    let last = said.lines().last().unwrap();
    let text = lab.says(&path("stays"), "", &format!("\n{last}\n")).await;
    let numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    let count = u32::try_from(numbers.len()).unwrap();
    assert_eq!(numbers, (1..=count).collect::<Vec<u32>>());
    lab.says(&path("again"), "", "1\n2\n").await;
    let twice = lab.until(&path("again"), |it| state(it) == "Running").await;
    assert_eq!(id(&twice), ids[2]);
    lab.end().await;
}

#[tokio::test]
async fn a_stream_of_events_that_breaks_off_or_falls_silent() {
    let Some((lab, proxy)) = lab("events").await else {
        return;
    };
    let names = ["cut", "deaf", "silent", "told"];
    for name in names {
        lab.make("Container", name, shell(STAYS)).await;
    }
    for name in names {
        lab.reaches(&format!("containers/{name}"), "Running").await;
    }
    // Kills one, and sees how long it takes to be noticed.
    let noticed = async |name: &str, limit: u64| {
        let path = format!("containers/{name}");
        docker(&["kill", &id(&lab.get(&path).await.unwrap())]);
        let begun = Instant::now();
        lab.reaches(&path, "Exited").await;
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(limit), "{name}: {took:?}");
    };
    proxy.set_forgetful();
    // It can't be had at all, everything else can. Twice in a row, so that it isn't the slow look
    // at everything that notices.
    proxy.set_deaf(true);
    noticed("cut", 12).await;
    noticed("deaf", 12).await;
    // It seems to be fine, and is not: only the slow look is left.
    proxy.set_mute(true);
    proxy.set_deaf(false);
    proxy.heard().await;
    noticed("silent", 40).await;
    // And it is told again what happens, once it is asked for again.
    proxy.set_mute(false);
    proxy.set_deaf(true);
    proxy.set_deaf(false);
    proxy.heard().await;
    noticed("told", 5).await;
    lab.end().await;
}
