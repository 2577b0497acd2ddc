//! What ends and is started again, with real children.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::time::Duration;

use aspire_api::Kind;
use aspire_api::aspire::{GateCondition, ProbeAction, Restart};
use aspire_api::container::{HealthStatus, RestartPolicy};
use aspire_api::executable::ExecutableState as State;
use aspire_api::template::Placeholder;
use aspire_dcp::{Outcome, Stop};
use support::*;

fn always(object: &mut aspire_api::executable::Executable, maximum: Option<u32>) {
    aspire(object).restart = Some(Restart {
        policy: RestartPolicy::OnFailure,
        maximum,
    });
}

#[tokio::test]
async fn what_fails_is_started_again_under_a_new_name_behind_the_same_port() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    client.create(service("web")).await.unwrap();
    let serve = Placeholder::PortForServing("web".into()).write();
    let script = "echo run $(cat count | wc -l); echo x >> count; echo $PORT > $DATA/port$(cat count | wc -l); \
        if [ $(cat count | wc -l) -lt 3 ]; then exit 7; fi; echo stays; exec sleep 1000";
    let mut object = shell("web", script);
    std::fs::write(folders.path().join("count"), "").unwrap();
    object.spec.env = vec![
        env("PORT", &serve),
        env("DATA", &Placeholder::DataFolder("x".into()).write()),
    ];
    aspire(&mut object).data_folders = vec!["x".to_owned()];
    aspire(&mut object).endpoints = vec![endpoint("http", "web")];
    always(&mut object, Some(5));
    client.create(object).await.unwrap();
    let mut waits = shell("waits", "exec sleep 1000");
    aspire(&mut waits).waits = vec![gate("web", GateCondition::Completed)];
    client.create(waits).await.unwrap();
    let first = until(&plane, "web", |web| web.status.restart_timestamp.is_some()).await;
    assert_eq!(first.status.state, State::Finished);
    assert_eq!(
        first.status.message,
        "restarting in 250 ms (exit code 7, attempt 1 of 5)"
    );
    let waits = until(&plane, "waits", |waits| {
        waits.status.waiting_for == ["web: completed (running)"]
    });
    waits.await;
    let second = until(&plane, "web-r1", |web| web.status.replaced_by.is_some()).await;
    assert_eq!(second.status.state, State::Finished);
    assert_eq!(
        second.status.message,
        "exit code 7; started again as web-r2"
    );
    let third = state(&plane, "web-r2", State::Running).await;
    assert_eq!(third.status.restarts, 2);
    assert_eq!(third.metadata.resource(), "web");
    assert_eq!(third.metadata.first(), "web");
    // Of the attempts before, the latest stays; what they said stays in one log.
    let gone = async {
        while client.get(&key("web")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    gone.await;
    assert!(client.get(&key("web-r1")).await.is_ok());
    let stays = async {
        while !text(&plane, &key("web-r2")).contains(&"stays".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), stays)
        .await
        .unwrap();
    let lines = text(&plane, &key("web-r2"));
    let runs: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("run"))
        .collect();
    assert_eq!(runs, ["run 0", "run 1", "run 2"]);
    // One data folder, one public port with one workload behind it.
    let data = folders.path().join("data/data/web/x");
    for number in 1..=3 {
        file(&data.join(format!("port{number}"))).await;
    }
    let (endpoints, _) = client.list(Some(Kind::Endpoint)).await;
    let names: Vec<_> = endpoints.iter().map(|found| found.key().name).collect();
    assert_eq!(names, ["web-r2-http"]);
    assert!(plane.failures().borrow().is_empty());
    // A stop is the end, and deleting it takes what is left of the others along.
    let mut object = executable(&client.get(&key("web-r2")).await.unwrap()).clone();
    object.spec.stop = true;
    client.update(object).await.unwrap();
    let stopped = state(&plane, "web-r2", State::Terminated).await;
    assert_eq!(stopped.status.restart_timestamp, None);
    client.delete(&key("web-r2")).await.unwrap();
    let gone = async {
        while client.list(Some(Kind::Executable)).await.0.len() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .unwrap();
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn enough_is_enough_and_then_it_has_failed() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut object = shell("web", "exit 3");
    always(&mut object, Some(2));
    plane.client().create(object).await.unwrap();
    let last = until(&plane, "web-r2", |web| {
        web.status.message.contains("given up")
    })
    .await;
    assert_eq!(
        last.status.message,
        "exit code 3; given up after 2 restarts"
    );
    let failures = plane.failures().borrow().clone();
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].resource, "web");
    assert_eq!(
        failures[0].message,
        "exit code 3; given up after 2 restarts"
    );
    // What can't be started at all isn't tried again.
    let mut missing = shell("missing", "");
    missing.spec.executable_path = "no-such-program".to_owned();
    always(&mut missing, None);
    plane.client().create(missing).await.unwrap();
    let failed = state(&plane, "missing", State::FailedToStart).await;
    assert_eq!(failed.status.restart_timestamp, None);
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn the_end_of_the_run_ends_starting_again() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut object = shell("web", "exit 3");
    always(&mut object, None);
    plane.client().create(object).await.unwrap();
    until(&plane, "web", |web| web.status.restart_timestamp.is_some()).await;
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn one_that_lives_no_more_is_replaced() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut object = shell("web", "echo $$ >> pids; exec sleep 1000");
    let command = ["test", "!", "-e", "broken"].map(str::to_owned).to_vec();
    let mut live = probe(ProbeAction::Command { command });
    live.interval = 50;
    live.retries = 2;
    live.liveness = true;
    aspire(&mut object).probes.insert("live".to_owned(), live);
    always(&mut object, None);
    plane.client().create(object).await.unwrap();
    until(&plane, "web", |web| {
        web.status.health_status == Some(HealthStatus::Healthy)
    })
    .await;
    std::fs::write(folders.path().join("broken"), "").unwrap();
    let ended = until(&plane, "web", |web| web.status.restart_timestamp.is_some()).await;
    assert_eq!(ended.status.state, State::Terminated);
    assert_eq!(ended.status.health_status, Some(HealthStatus::Unhealthy));
    assert_eq!(
        ended.status.message,
        "restarting in 250 ms (stopped because it was unhealthy (probe live: exit code 1), attempt 1)"
    );
    std::fs::remove_file(folders.path().join("broken")).unwrap();
    until(&plane, "web-r1", |web| {
        web.status.health_status == Some(HealthStatus::Healthy)
    })
    .await;
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}
