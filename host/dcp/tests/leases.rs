//! Several hosts and one persistent container: exactly one of them makes it, whoever is killed.
//!
//! The hosts are this test, started again with a variable. What they make is a file instead of a
//! container, so that many rounds are quick; a few rounds run with a real engine.

#![allow(
    clippy::unwrap_used,
    reason = "these are tests, and a failure must end them"
)]

#[allow(dead_code, reason = "each test file uses its own part")]
#[path = "engine/support.rs"]
mod engine_support;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aspire_api::ObjectMeta;
use aspire_api::container::{Container, ContainerState, Mode};
use aspire_dcp::runtime::ContainerEngine;
use aspire_dcp::state::{Record, State};
use aspire_dcp::{ControlPlane, Stop};
use engine_support::{Bench, IMAGE};
use tokio::sync::watch;

const FOLDER: &str = "DCP_TEST_LEASES";
const ENGINE: &str = "DCP_TEST_LEASES_ENGINE";

fn spawn(test: &str, variable: &str, value: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(variable, value)
        .env("DCP_TEST_NAME", name)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A host that makes the thing if it isn't there: slowly, so that another one could come between.
#[tokio::test]
async fn maker() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let state = State::new(folder.join("shared"));
    let (_stop, mut cancel) = watch::channel(false);
    let lease = state.lease("container it", &mut cancel).await.unwrap();
    fs::write(folder.join("begun"), "").unwrap();
    let thing = folder.join("thing");
    if !thing.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("made"))
            .unwrap();
        log.write_all(b"x").unwrap();
        File::create_new(&thing).unwrap();
        let record = Record {
            kind: "container".into(),
            name: "it".into(),
            id: std::process::id().to_string(),
            app: "a".into(),
            instance: "a".into(),
            owner: "o".into(),
            at: "now".into(),
            details: None,
        };
        state.put(&record).unwrap();
    }
    drop(lease);
}

#[tokio::test]
async fn fifty_races_and_some_killed_holders() {
    for round in 0..50 {
        let folder = tempfile::tempdir().unwrap();
        let mut first = spawn("maker", FOLDER, folder.path(), "");
        let mut second = spawn("maker", FOLDER, folder.path(), "");
        let killed = round % 5 == 0;
        if killed {
            // Whoever of the two is the holder, or was.
            while !folder.path().join("begun").exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            first.kill().unwrap();
        }
        let ended = (first.wait().unwrap(), second.wait().unwrap());
        assert!(
            ended.1.success() && (killed || ended.0.success()),
            "{round}: {ended:?}"
        );
        let made = fs::read(folder.path().join("made")).unwrap().len();
        // One that was killed in the middle may have begun; what is there is there once.
        assert!(made == 1 || killed && made == 2, "{round}: {made}");
        assert!(folder.path().join("thing").exists());
        let records = State::new(folder.path().join("shared")).records().unwrap();
        assert!(records.len() == 1 || killed, "{round}: {records:?}");
    }
}

fn wanted(name: &str) -> Container {
    let mut object = Container {
        metadata: ObjectMeta::of("it", "it"),
        ..Container::default()
    };
    object.spec.image = IMAGE.to_owned();
    object.spec.container_name = Some(name.to_owned());
    object.spec.mode = Some(Mode::Persistent);
    object.spec.command = Some("sleep".into());
    object.spec.args = vec!["1000".into()];
    object
}

/// A host with a real engine that runs until it has the container.
#[tokio::test]
async fn host() {
    let Some(folder) = std::env::var_os(ENGINE) else {
        return;
    };
    let folder = Path::new(&folder);
    let own = tempfile::tempdir().unwrap();
    let mut config =
        aspire_dcp::Config::new("test", "test-1", own.path().join("s"), own.path().join("d"));
    config.shared_folder = folder.join("shared");
    config.engine = Some(Arc::new(Bench::connect().await.unwrap()));
    let plane = ControlPlane::start(config).await.unwrap();
    let name = std::env::var("DCP_TEST_NAME").unwrap();
    plane.client().create(wanted(&name)).await.unwrap();
    let key = aspire_api::ObjectKey::new(aspire_api::Kind::Container, "it");
    let has_it = |object: &aspire_api::Object| match object {
        aspire_api::Object::Container(it) => it.status.state == ContainerState::Running,
        _ => false,
    };
    let found = plane.client().wait_for(&key, has_it).await.unwrap();
    let aspire_api::Object::Container(found) = found.as_ref() else {
        panic!("no container");
    };
    let id = found.status.container_id.clone().unwrap();
    fs::write(folder.join(std::process::id().to_string()), id).unwrap();
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn races_with_a_real_engine() {
    let Some(bench) = Bench::open("race").await else {
        return;
    };
    for round in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let name = bench.name(&format!("it-{round}"));
        let mut hosts = [
            spawn("host", ENGINE, folder.path(), &name),
            spawn("host", ENGINE, folder.path(), &name),
        ];
        let killed = round % 2 == 1;
        if killed {
            tokio::time::sleep(Duration::from_millis(60 * round)).await;
            hosts[0].kill().unwrap();
        }
        for host in &mut hosts {
            host.wait().unwrap();
        }
        let ids = fs::read_dir(folder.path()).unwrap().flatten();
        let ids = ids.filter(|file| file.path().is_file());
        let ids: Vec<String> = ids
            .map(|file| fs::read_to_string(file.path()).unwrap())
            .collect();
        assert!(
            ids.len() == 2 || killed && !ids.is_empty(),
            "{round}: {ids:?}"
        );
        let there = bench.engine.inspect(&name).await.unwrap();
        assert_eq!(there.state, "running");
        assert!(ids.iter().all(|id| *id == there.id), "{round}: {ids:?}");
        bench.engine.remove(&there.id).await.unwrap();
    }
    bench.close().await;
}
