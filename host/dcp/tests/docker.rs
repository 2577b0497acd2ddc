//! The control plane on a real engine, where one answers; under CI one has to.

#![allow(
    clippy::unwrap_used,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aspire_api::aspire::{Aspire, GateCondition, ProbeAction};
use aspire_api::container::{Container, ContainerState as State, NetworkAttachment};
use aspire_api::executable::ExecutableState;
use aspire_api::files::CreateFileSystem;
use aspire_api::network::ContainerNetwork;
use aspire_api::template::Placeholder;
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::runtime::ContainerEngine;
use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use aspire_dcp::{Config, ControlPlane, Outcome, Stop};
use support::*;

const IMAGE: &str = "standin.local/busybox:1";

async fn engine() -> Option<DockerEngine> {
    match DockerEngine::connect(&EngineEnvironment::from_process()).await {
        Ok(engine) if engine.has_image(IMAGE).await.unwrap() => Some(engine),
        other => {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "no engine with {IMAGE} under CI: {:?}", other.err());
            None
        }
    }
}

fn config(folders: &Folders, engine: &DockerEngine, instance: &str) -> Config {
    let mut config = folders.config();
    config.instance = format!("dcp-{instance}-{}", std::process::id());
    config.engine = Some(Arc::new(engine.clone()));
    config
}

fn busybox(name: &str, script: &str) -> Container {
    let mut object = Container {
        metadata: ObjectMeta::of(name, name),
        ..Container::default()
    };
    object.spec.image = IMAGE.to_owned();
    object.spec.command = Some("/bin/sh".to_owned());
    object.spec.args = vec!["-c".to_owned(), script.to_owned()];
    object.spec.networks = Some(vec![NetworkAttachment {
        name: "app".into(),
        aliases: vec![name.into()],
    }]);
    object.spec.aspire = Some(Aspire {
        stop_grace: Some(2000),
        ..Aspire::default()
    });
    object
}

fn ckey(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Container, name)
}

async fn reaches(plane: &ControlPlane, name: &str, state: State) -> Container {
    let key = ckey(name);
    let client = plane.client();
    let as_container = |object: &Object| match object {
        Object::Container(container) => container.clone(),
        other => panic!("{} is no container", other.key()),
    };
    let waited = client.wait_for(&key, |object| as_container(object).status.state == state);
    match tokio::time::timeout(Duration::from_secs(60), waited).await {
        Ok(object) => as_container(&object.unwrap()),
        Err(_) => panic!(
            "{name} got stuck: {:?} {:?}",
            client.get(&key).await,
            text(plane, &key)
        ),
    }
}

fn left(instance: &str) -> String {
    let filter = format!("label=aspire-host.instance={instance}");
    let list = |args: &[&str]| {
        let output = Command::new("docker")
            .args(args)
            .args(["--filter", &filter])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    list(&["ps", "-aq"]) + &list(&["network", "ls", "-q"])
}

async fn network(plane: &ControlPlane) {
    let network = ContainerNetwork {
        metadata: ObjectMeta::of("app", "app"),
        ..ContainerNetwork::default()
    };
    plane.client().create(network).await.unwrap();
}

#[tokio::test]
async fn every_pair_of_caller_and_callee() {
    let Some(engine) = engine().await else { return };
    let folders = Folders::new();
    let config = config(&folders, &engine, "pairs");
    let instance = config.instance.clone();
    let plane = ControlPlane::start(config).await.unwrap();
    let client = plane.client();
    network(&plane).await;
    // A container that serves on port 80, 1 s after its start.
    let mut server = busybox(
        "server",
        "sleep 1; mkdir /w; echo from-container > /w/x; exec httpd -f -p 80 -h /w",
    );
    let mut http = endpoint("http", "server-http");
    http.target_port = Some(80);
    let action = ProbeAction::Http {
        endpoint: "http".into(),
        path: "/x".into(),
        status: None,
    };
    let server_aspire = server.spec.aspire.get_or_insert_default();
    server_aspire.endpoints = vec![http];
    server_aspire.probes = BTreeMap::from([("ready".to_owned(), probe(action))]);
    client.create(service("server-http")).await.unwrap();
    client.create(server).await.unwrap();
    // A process that serves.
    let mut process = shell(
        "process",
        "mkdir -p w; echo from-process > w/x; exec python3 -m http.server --directory w --bind 127.0.0.1 $PORT",
    );
    process.spec.env = vec![env(
        "PORT",
        &Placeholder::PortForServing("process-http".into()).write(),
    )];
    aspire(&mut process).endpoints = vec![endpoint("http", "process-http")];
    client.create(service("process-http")).await.unwrap();
    client.create(process).await.unwrap();
    let url = |service: &str| {
        format!(
            "http://{}:{}/x",
            Placeholder::AddressFor(service.into()).write(),
            Placeholder::PortFor(service.into()).write()
        )
    };
    // A container calls both, a process calls both.
    let mut inside = busybox("inside", "wget -qO- http://server/x; wget -qO- $URL");
    inside.spec.env = vec![env("URL", &url("process-http"))];
    let mut waits = gate("server", GateCondition::Healthy);
    waits.object = ckey("server");
    inside.spec.aspire.get_or_insert_default().waits = vec![waits];
    client.create(inside).await.unwrap();
    let get = "import os, urllib.request as r\nfor n in 'A', 'B': print(r.urlopen(os.environ[n]).read().decode().strip())";
    let mut outside = shell("outside", "");
    outside.spec.executable_path = "python3".to_owned();
    outside.spec.args = vec!["-c".to_owned(), get.to_owned()];
    outside.spec.env = vec![
        env("A", &url("server-http")),
        env("B", &url("process-http")),
    ];
    client.create(outside).await.unwrap();
    let inside = reaches(&plane, "inside", State::Exited).await;
    assert_eq!(
        text(&plane, &ckey("inside")),
        ["from-container", "from-process"]
    );
    assert_eq!(inside.status.exit_code, Some(0));
    state(&plane, "outside", ExecutableState::Finished).await;
    assert_eq!(
        text(&plane, &key("outside")),
        ["from-container", "from-process"]
    );
    let server = reaches(&plane, "server", State::Running).await;
    // Listening only after a second, it was not thought healthy before.
    assert!(inside.status.startup_timestamp > server.status.startup_timestamp);
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert_eq!(left(&instance), "");
}

#[tokio::test]
async fn output_from_the_first_byte_and_exit_codes() {
    let Some(engine) = engine().await else { return };
    let folders = Folders::new();
    let config = config(&folders, &engine, "output");
    let instance = config.instance.clone();
    let plane = ControlPlane::start(config).await.unwrap();
    network(&plane).await;
    let mut quick = busybox("quick", "cat /etc/x.conf; echo err >&2; exit 7");
    quick.spec.create_files = vec![CreateFileSystem::file(
        "/etc/x.conf",
        0o644,
        Ok("first\n".into()),
    )];
    plane.client().create(quick).await.unwrap();
    let mut wrong = busybox("wrong", "");
    wrong.spec.command = Some("/no/such/program".to_owned());
    plane.client().create(wrong).await.unwrap();
    let ended = reaches(&plane, "quick", State::Exited).await;
    assert_eq!(ended.status.exit_code, Some(7));
    let mut lines = text(&plane, &ckey("quick"));
    lines.sort();
    assert_eq!(lines, ["err", "first"]);
    let failed = reaches(&plane, "wrong", State::FailedToStart).await;
    assert!(
        failed.status.message.contains("/no/such/program"),
        "{}",
        failed.status.message
    );
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert_eq!(left(&instance), "");
}

#[tokio::test]
async fn ten_at_once() {
    let Some(engine) = engine().await else { return };
    let folders = Folders::new();
    let config = config(&folders, &engine, "ten");
    let instance = config.instance.clone();
    let plane = ControlPlane::start(config).await.unwrap();
    let start = Instant::now();
    network(&plane).await;
    for number in 0..10 {
        plane
            .client()
            .create(busybox(&format!("c{number}"), "exec sleep 1000"))
            .await
            .unwrap();
    }
    for number in 0..10 {
        reaches(&plane, &format!("c{number}"), State::Running).await;
    }
    let started = start.elapsed();
    assert_eq!(plane.stop(Stop::Force).await, Outcome::Stopped);
    assert_eq!(left(&instance), "");
    assert!(started < Duration::from_secs(20), "{started:?}");
    #[expect(
        clippy::print_stderr,
        reason = "a measurement for whoever asks with --nocapture"
    )]
    {
        eprintln!(
            "10 containers running after {started:?}, gone {:?} later",
            start.elapsed() - started
        );
    }
}

const FOLDER: &str = "DCP_TEST_FOLDER";
const INSTANCE: &str = "DCP_TEST_INSTANCE";

/// A host in a process of its own, to be killed: this test, started again with variables.
#[tokio::test]
async fn host() {
    let (Some(folder), Ok(instance)) = (std::env::var_os(FOLDER), std::env::var(INSTANCE)) else {
        return;
    };
    let Some(engine) = engine().await else { return };
    let folder = std::path::Path::new(&folder);
    let mut config = Config::new("test", instance, folder.join("state"), folder.join("data"));
    config.engine = Some(Arc::new(engine));
    let plane = ControlPlane::start(config).await.unwrap();
    network(&plane).await;
    for number in 0..3 {
        let object = busybox(&format!("c{number}"), "exec sleep 1000");
        plane.client().create(object).await.unwrap();
    }
    let _ = plane.ended().await;
}

/// Whatever a killed host had asked the engine for, the next one removes, and no other's.
#[tokio::test]
async fn killed_at_random_moments() {
    let Some(engine) = engine().await else { return };
    let (folders, others) = (Folders::new(), Folders::new());
    let other = ControlPlane::start(config(&others, &engine, "other"))
        .await
        .unwrap();
    network(&other).await;
    other
        .client()
        .create(busybox("stays", "exec sleep 1000"))
        .await
        .unwrap();
    reaches(&other, "stays", State::Running).await;
    let config = config(&folders, &engine, "killed");
    let instance = config.instance.clone();
    for round in 0..8u64 {
        let mut host = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "host", "--nocapture"])
            .env(FOLDER, folders.path())
            .env(INSTANCE, &instance)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50 + round * 137 % 900)).await;
        host.kill().unwrap();
        host.wait().unwrap();
    }
    let plane = ControlPlane::start(config).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !left(&instance).is_empty() {
        assert!(Instant::now() < deadline, "{}", left(&instance));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Late ones would have come by now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(left(&instance), "");
    plane.stop(Stop::Graceful).await;
    reaches(&other, "stays", State::Running).await;
    other.stop(Stop::Force).await;
}
