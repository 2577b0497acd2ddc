//! What a dead host left is removed at the next start, and nothing else.

#![allow(
    clippy::unwrap_used,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aspire_dcp::testing::FakeEngine;
use aspire_dcp::{Config, ControlPlane, Outcome, Stop, identity};
use support::*;

const FOLDER: &str = "DCP_TEST_FOLDER";

/// A host in a process of its own, to be killed: this test, started again with a variable.
#[tokio::test]
async fn host() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let mut config = Config::new("test", "test-1", folder.join("state"), folder.join("data"));
    config.app_folder = folder.to_owned();
    let plane = ControlPlane::start(config).await.unwrap();
    let scripts = [
        "echo $$ > plain; exec sleep 1000",
        "trap '' TERM; sh -c 'echo $$ > child; sleep 1000' & wait",
        "(setsid sh -c 'echo $$ > session; exec sleep 1000' &) ; exec sleep 1000",
        // Without its mark, its parent, its session: nothing but the pipe.
        "env -i PATH=$PATH setsid sh -c 'setsid sh -c \"echo \\$\\$ > orphan; exec sleep 1000\" & exit'",
    ];
    for (number, script) in scripts.iter().enumerate() {
        plane
            .client()
            .create(shell(&format!("p{number}"), script))
            .await
            .unwrap();
    }
    std::fs::write(folder.join("begun"), "\n").unwrap();
    let _ = plane.ended().await;
}

fn spawn_host(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "host", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

const FILES: [&str; 4] = ["plain", "child", "session", "orphan"];

#[tokio::test]
async fn a_dead_host_is_cleaned_up_after_and_a_live_one_never_notices() {
    let (dead, live) = (Folders::new(), Folders::new());
    let mut live_host = spawn_host(live.path());
    let mut dead_host = spawn_host(dead.path());
    let mut live_pids = Vec::new();
    let mut dead_pids = Vec::new();
    for name in FILES {
        live_pids.push(file(&live.path().join(name)).await);
        dead_pids.push(file(&dead.path().join(name)).await);
    }
    dead_host.kill().unwrap();
    dead_host.wait().unwrap();
    let mut stranger = Command::new("sleep")
        .arg("1000")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let records = dead.path().join("state/records");
    assert_eq!(std::fs::read_dir(&records).unwrap().count(), 1);
    let plane = dead.plane().await;
    for (name, pid) in FILES.iter().zip(&dead_pids) {
        assert!(!alive(pid), "{name} of the dead host");
    }
    for (name, pid) in FILES.iter().zip(&live_pids) {
        assert!(alive(pid), "{name} of the live host");
    }
    assert!(stranger.try_wait().unwrap().is_none());
    plane.wait_idle().await;
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert_eq!(std::fs::read_dir(&records).unwrap().count(), 0);
    // Now the other one.
    live_host.kill().unwrap();
    live_host.wait().unwrap();
    let plane = live.plane().await;
    assert!(live_pids.iter().all(|pid| !alive(pid)));
    plane.stop(Stop::Graceful).await;
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// The number of a process of the dead host is somebody else's by now.
#[tokio::test]
async fn a_stranger_with_the_number_of_one_of_ours() {
    let folders = Folders::new();
    let mut host = spawn_host(folders.path());
    for name in FILES {
        file(&folders.path().join(name)).await;
    }
    let plain = file(&folders.path().join("plain")).await;
    host.kill().unwrap();
    host.wait().unwrap();
    let mut stranger = Command::new("sleep")
        .arg("1000")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let records = folders.path().join("state/records");
    let journal = std::fs::read_dir(records).unwrap().next().unwrap();
    let journal = journal.unwrap().path();
    let text = std::fs::read_to_string(&journal).unwrap();
    // In a record of its own, beside the true one: that one's time, another number.
    let of_it = format!("\"pid\":{plain},");
    let record = text.lines().find(|line| line.contains(&of_it)).unwrap();
    let reused = record.replace(&of_it, &format!("\"pid\":{},", stranger.id()));
    assert_ne!(record, reused);
    std::fs::write(&journal, format!("{text}{reused}\n")).unwrap();
    let plane = folders.plane().await;
    plane.wait_idle().await;
    assert!(!alive(&plain), "what is ours is gone");
    assert!(stranger.try_wait().unwrap().is_none(), "and nothing else");
    plane.stop(Stop::Graceful).await;
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// At any moment of a start, the first ones included.
#[tokio::test]
async fn killed_at_random_moments() {
    let folders = Folders::new();
    for round in 0..12u64 {
        let mut host = spawn_host(folders.path());
        tokio::time::sleep(Duration::from_millis(round * 7 % 60)).await;
        host.kill().unwrap();
        host.wait().unwrap();
    }
    let plane = folders.plane().await;
    plane.wait_idle().await;
    let marks = marked_with(folders.path());
    assert!(marks.is_empty(), "{marks:?}");
    plane.stop(Stop::Graceful).await;
}

/// Processes whose working directory is a folder and that aren't hosts.
fn marked_with(folder: &Path) -> Vec<String> {
    let folder = folder.canonicalize().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| {
            std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder)
        })
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .filter(|pid| alive(pid))
        .collect()
}

#[tokio::test]
async fn containers_of_dead_hosts_only() {
    let folders = Folders::new();
    let engine = FakeEngine::new();
    // The labels of a run, taken from one.
    let labels = {
        let mut config = folders.config();
        config.engine = Some(Arc::new(engine.clone()));
        let plane = ControlPlane::start(config).await.unwrap();
        let mut object = aspire_api::container::Container {
            metadata: aspire_api::ObjectMeta::of("a", "a"),
            ..Default::default()
        };
        object.spec.image = "a:1".to_owned();
        plane.client().create(object).await.unwrap();
        let mut failures = plane.failures();
        let running = async {
            while engine
                .containers()
                .values()
                .all(|found| found.state != "running")
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = running => {}
            _ = failures.changed() => panic!("{:?}", plane.failures().borrow()),
        }
        let labels = engine
            .containers()
            .values()
            .next()
            .unwrap()
            .request
            .labels
            .clone();
        plane.stop(Stop::Graceful).await;
        labels
    };
    let with = |changes: &[(&str, &str)]| -> BTreeMap<String, String> {
        let mut labels = labels.clone();
        labels.extend(
            changes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        labels
    };
    let creator = &labels[identity::CREATOR_LABEL];
    let (_, boot) = creator.rsplit_once(':').unwrap();
    let gone = format!("1:0:{boot}");
    engine.put_container("dead", with(&[(identity::CREATOR_LABEL, &gone)]));
    engine.put_container(
        "earlier-boot",
        with(&[(identity::CREATOR_LABEL, "1:0:another-boot")]),
    );
    engine.put_container("live", with(&[]));
    engine.put_container(
        "elsewhere",
        with(&[
            (identity::CREATOR_LABEL, &gone),
            (identity::HOST_LABEL, "other-machine-1"),
        ]),
    );
    engine.put_container(
        "kept",
        with(&[
            (identity::CREATOR_LABEL, &gone),
            (identity::PERSISTENT_LABEL, "true"),
        ]),
    );
    engine.put_container("rubbish", with(&[(identity::CREATOR_LABEL, "rubbish")]));
    engine.put_container("foreign", BTreeMap::new());
    let mut config = folders.config();
    config.engine = Some(Arc::new(engine.clone()));
    let plane = ControlPlane::start(config).await.unwrap();
    let harvested = async {
        while engine.containers().contains_key("dead")
            || engine.containers().contains_key("earlier-boot")
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), harvested)
        .await
        .unwrap();
    plane.stop(Stop::Graceful).await;
    let names: Vec<String> = engine.containers().into_keys().collect();
    assert_eq!(names, ["elsewhere", "foreign", "kept", "live", "rubbish"]);
}
