//! Containers through the public interface, on the fake engine with scripted faults.

#![allow(
    clippy::unwrap_used,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aspire_api::aspire::{Aspire, GateCondition, ProbeAction};
use aspire_api::container::{
    Container, ContainerState as State, HealthStatus, Mode, NetworkAttachment, PullPolicy,
    RestartPolicy, VolumeMount, VolumeMountKind,
};
use aspire_api::executable::ExecutableState;
use aspire_api::network::ContainerNetwork;
use aspire_api::template::Placeholder;
use aspire_api::volume::ContainerVolume;
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::runtime::EngineError;
use aspire_dcp::testing::FakeEngine;
use aspire_dcp::{ControlPlane, Outcome, Stop, identity};
use support::*;

async fn plane(folders: &Folders, engine: &FakeEngine) -> ControlPlane {
    let mut config = folders.config();
    config.run = "0123456789abcdef".to_owned();
    config.engine = Some(Arc::new(engine.clone()));
    ControlPlane::start(config).await.unwrap()
}

fn container(name: &str) -> Container {
    let mut object = Container {
        metadata: ObjectMeta::of(name, name),
        ..Container::default()
    };
    object.spec.image = format!("{name}:1");
    object.spec.networks = Some(vec![NetworkAttachment {
        name: "app".into(),
        aliases: vec![name.into()],
    }]);
    object.spec.aspire = Some(Aspire::default());
    object
}

fn network() -> ContainerNetwork {
    ContainerNetwork {
        metadata: ObjectMeta::of("app", "app"),
        ..ContainerNetwork::default()
    }
}

fn ckey(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Container, name)
}

fn id(name: &str) -> String {
    format!("id-aspire-test-1-{name}-012345")
}

async fn reaches(plane: &ControlPlane, name: &str, state: State) -> Container {
    let client = plane.client();
    let key = ckey(name);
    let as_container = |object: &Object| match object {
        Object::Container(container) => container.clone(),
        other => panic!("{} is no container", other.key()),
    };
    let waited = client.wait_for(&key, |object| as_container(object).status.state == state);
    match tokio::time::timeout(Duration::from_secs(300), waited).await {
        Ok(object) => as_container(&object.unwrap()),
        Err(_) => panic!("{name} got stuck: {:?}", client.get(&key).await),
    }
}

#[tokio::test]
async fn a_whole_life_in_order() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    engine.set_images(&["other:1"]);
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    let mut db = container("db");
    let mount = VolumeMount {
        kind: VolumeMountKind::Volume,
        source: "test-data".into(),
        target: "/data".into(),
        read_only: false,
    };
    db.spec.volume_mounts = vec![mount];
    client.create(db).await.unwrap();
    let mut volume = ContainerVolume {
        metadata: ObjectMeta::of("data", "db"),
        ..ContainerVolume::default()
    };
    volume.spec.name = "test-data".to_owned();
    client.create(volume).await.unwrap();
    client.create(network()).await.unwrap();
    let running = reaches(&plane, "db", State::Running).await;
    assert_eq!(running.status.container_id, Some(id("db")));
    assert_eq!(running.status.health_status, Some(HealthStatus::Healthy));
    let made = engine.containers()[&id("db")].clone();
    assert_eq!(made.request.labels[identity::RUN_LABEL], "0123456789abcdef");
    assert_eq!(made.request.labels[identity::INSTANCE_LABEL], "test-1");
    assert_eq!(
        made.request.networks,
        [("aspire-test-1-app-012345".into(), vec!["db".into()])]
    );
    assert!(made.request.ports.is_empty());
    engine.say(&id("db"), "hello\npart");
    engine.end(&id("db"), 3, false);
    let ended = reaches(&plane, "db", State::Exited).await;
    assert_eq!(
        (ended.status.exit_code, ended.status.message.as_str()),
        (Some(3), "ended with exit code 3")
    );
    assert_eq!(
        text(&plane, &ckey("db")),
        ["pulling db:1", "halfway", "hello", "part"]
    );
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert!(engine.containers().is_empty());
    assert_eq!(engine.materials(), ["test-data"]);
    let calls: Vec<String> = engine.calls();
    let place = |call: &str| {
        calls
            .iter()
            .position(|made| made.starts_with(call))
            .unwrap()
    };
    assert!(place("ensure_network") < place("create"));
    assert!(place("ensure_volume") < place("create"));
    assert!(place("remove id-") < place("remove_network"));
}

#[tokio::test]
async fn images() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    engine.set_images(&["there:1"]);
    let missing = |conclusive| EngineError::Image {
        image: "x:1".into(),
        cause: "no such tag".into(),
        conclusive,
    };
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network()).await.unwrap();
    let mut never = container("never");
    never.spec.pull_policy = Some(PullPolicy::Never);
    client.create(never).await.unwrap();
    let failed = reaches(&plane, "never", State::FailedToStart).await;
    assert_eq!(
        failed.status.message,
        "image never:1: it is not there, and it may not be pulled"
    );
    engine.fail("pull", missing(true));
    client.create(container("wrong")).await.unwrap();
    reaches(&plane, "wrong", State::FailedToStart).await;
    // A registry that has a bad moment is asked again.
    engine.fail("pull", missing(false));
    client.create(container("slow")).await.unwrap();
    reaches(&plane, "slow", State::Running).await;
    for _ in 0..3 {
        engine.fail("pull", missing(false));
    }
    client.create(container("hopeless")).await.unwrap();
    reaches(&plane, "hopeless", State::FailedToStart).await;
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn failures_of_create_and_start_leave_nothing() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network()).await.unwrap();
    engine.fail(
        "create",
        EngineError::PortTaken("port 80 is in use by nginx (pid 1)".into()),
    );
    client.create(container("a")).await.unwrap();
    let failed = reaches(&plane, "a", State::FailedToStart).await;
    assert_eq!(failed.status.message, "port 80 is in use by nginx (pid 1)");
    engine.fail("start", EngineError::Other("exec: no such file".into()));
    client.create(container("b")).await.unwrap();
    let failed = reaches(&plane, "b", State::FailedToStart).await;
    assert_eq!(failed.status.message, "exec: no such file");
    assert!(engine.containers().is_empty());
    assert_eq!(plane.failures().borrow().len(), 2);
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn an_engine_that_is_down_comes_back() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network()).await.unwrap();
    client.create(container("first")).await.unwrap();
    reaches(&plane, "first", State::Running).await;
    engine.set_down(true);
    client.create(container("second")).await.unwrap();
    let waits = reaches(&plane, "second", State::RuntimeUnhealthy).await;
    assert!(
        waits.status.message.contains("no container engine answers"),
        "{:?}",
        waits.status
    );
    // What runs already is not thought to have ended, and an end meanwhile is found out later.
    engine.end(&id("first"), 0, true);
    reaches(&plane, "first", State::Running).await;
    engine.set_down(false);
    reaches(&plane, "second", State::Running).await;
    let ended = reaches(&plane, "first", State::Exited).await;
    assert_eq!(ended.status.exit_code, Some(0));
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn a_lost_event_is_made_up_for() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    plane.client().create(network()).await.unwrap();
    plane.client().create(container("a")).await.unwrap();
    plane.client().create(container("b")).await.unwrap();
    reaches(&plane, "a", State::Running).await;
    reaches(&plane, "b", State::Running).await;
    // Not before: creating something waits for a thread that knows nothing of paused clocks.
    tokio::time::pause();
    engine.end(&id("a"), 1, true);
    let start = tokio::time::Instant::now();
    reaches(&plane, "a", State::Exited).await;
    assert!(
        start.elapsed() <= Duration::from_secs(31),
        "{:?}",
        start.elapsed()
    );
    engine.break_streams();
    engine.vanish(&id("b"));
    let lost = reaches(&plane, "b", State::Unknown).await;
    assert_eq!(lost.status.message, "removed from outside");
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn processes_and_containers_reach_each_other() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network()).await.unwrap();
    client.create(service("web-http")).await.unwrap();
    let mut web = shell("web", "sleep 1000");
    aspire(&mut web).endpoints = vec![endpoint("http", "web-http")];
    client.create(web).await.unwrap();
    let mut caller = container("caller");
    let url = format!(
        "http://{}:{}",
        Placeholder::AddressFor("web-http".into()).write(),
        Placeholder::PortFor("web-http".into()).write()
    );
    caller.spec.env = vec![env("URL", &url)];
    client.create(caller).await.unwrap();
    reaches(&plane, "caller", State::Running).await;
    let request = engine.containers()[&id("caller")].request.clone();
    let port = plane.last_port("web-http").unwrap();
    assert_eq!(
        request.env,
        [("URL".to_owned(), format!("http://127.77.0.1:{port}"))]
    );
    tokio::net::TcpStream::connect(("127.77.0.1", port))
        .await
        .unwrap();
    plane.stop(Stop::Graceful).await;
    assert!(
        tokio::net::TcpStream::connect(("127.77.0.1", port))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_engine_far_away_publishes_ports() {
    let (folders, engine) = (Folders::new(), FakeEngine::new().far_away());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network()).await.unwrap();
    client.create(service("db-tcp")).await.unwrap();
    let mut db = container("db");
    let mut tcp = endpoint("tcp", "db-tcp");
    tcp.target_port = Some(5432);
    db.spec.aspire = Some(Aspire {
        endpoints: vec![tcp],
        ..Aspire::default()
    });
    db.spec.env = vec![env(
        "HOST",
        &Placeholder::AddressFor("db-tcp".into()).write(),
    )];
    client.create(db).await.unwrap();
    reaches(&plane, "db", State::Running).await;
    let request = engine.containers()[&id("db")].request.clone();
    assert_eq!(request.ports[0].container_port, 5432);
    assert_eq!(request.env[0].1, "host.docker.internal");
    let key = ObjectKey::new(Kind::Endpoint, "db-tcp");
    let endpoint = client.wait_for(&key, |_| true).await.unwrap();
    let Object::Endpoint(endpoint) = endpoint.as_ref() else {
        panic!()
    };
    assert_eq!(
        (endpoint.spec.address.as_str(), endpoint.spec.port),
        ("127.0.0.1", 45432)
    );
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn probes_gate_across_kinds() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    engine.set_exec("pg_isready", 2);
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network()).await.unwrap();
    let mut db = container("db");
    let action = ProbeAction::Command {
        command: vec!["pg_isready".into()],
    };
    let probes = BTreeMap::from([("ready".to_owned(), probe(action))]);
    db.spec.aspire = Some(Aspire {
        probes,
        ..Aspire::default()
    });
    client.create(db).await.unwrap();
    let mut api = shell("api", "sleep 1000");
    let mut waits = gate("db", GateCondition::Healthy);
    waits.object = ckey("db");
    aspire(&mut api).waits = vec![waits];
    client.create(api).await.unwrap();
    let says = "db: healthy (probe ready: exit code 2: pg_isready says 2, 1 of 5)";
    until(&plane, "api", |api| api.status.waiting_for == [says]).await;
    engine.set_exec("pg_isready", 0);
    state(&plane, "api", ExecutableState::Running).await;
    plane.stop(Stop::Graceful).await;
    assert!(engine.containers().is_empty());
}

#[tokio::test]
async fn without_an_engine_containers_say_so() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    plane.client().create(network()).await.unwrap();
    plane.client().create(container("db")).await.unwrap();
    plane.wait_idle().await;
    let object = plane.client().get(&ckey("db")).await.unwrap();
    let Object::Container(db) = object.as_ref() else {
        panic!()
    };
    assert_eq!(
        db.status.waiting_for,
        ["network app: failed to start (no container engine)"]
    );
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn persistent_ones_stay_and_are_adopted() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let mut db = container("db");
    db.spec.networks = None;
    db.spec.mode = Some(Mode::Persistent);
    db.spec.container_name = Some("kept".to_owned());
    for _ in 0..2 {
        let plane = plane(&folders, &engine).await;
        plane.client().create(db.clone()).await.unwrap();
        reaches(&plane, "db", State::Running).await;
        assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
        assert_eq!(engine.containers()["id-kept"].state, "running");
    }
    let creations = |engine: &FakeEngine| {
        engine
            .calls()
            .iter()
            .filter(|call| call.starts_with("create"))
            .count()
    };
    assert_eq!(creations(&engine), 1);
    db.spec.args = vec!["changed".to_owned()];
    let plane = plane(&folders, &engine).await;
    plane.client().create(db).await.unwrap();
    reaches(&plane, "db", State::Running).await;
    assert_eq!(creations(&engine), 2);
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn force_removes_at_once() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    engine.set_stubborn(true);
    let plane = Arc::new(plane(&folders, &engine).await);
    plane.client().create(network()).await.unwrap();
    let mut db = container("db");
    db.spec.aspire = Some(Aspire {
        stop_grace: Some(100_000),
        ..Aspire::default()
    });
    plane.client().create(db).await.unwrap();
    reaches(&plane, "db", State::Running).await;
    let graceful = Arc::clone(&plane);
    let first = tokio::spawn(async move { graceful.stop(Stop::Graceful).await });
    reaches(&plane, "db", State::Stopping).await;
    assert_eq!(plane.stop(Stop::Force).await, Outcome::Stopped);
    assert_eq!(first.await.unwrap(), Outcome::Stopped);
    assert!(engine.containers().is_empty());
}

#[tokio::test]
async fn a_container_is_started_again_by_us_and_its_port_stays() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network()).await.unwrap();
    client.create(service("db")).await.unwrap();
    let mut db = container("db");
    // As in DCP; the engine is never asked to do it.
    db.spec.restart_policy = Some(RestartPolicy::Always);
    let mut way = endpoint("tcp", "db");
    way.target_port = Some(5432);
    db.spec.aspire.as_mut().unwrap().endpoints = vec![way];
    client.create(db).await.unwrap();
    reaches(&plane, "db", State::Running).await;
    let port = || async {
        let key = ObjectKey::new(Kind::Service, "db");
        match client.get(&key).await.unwrap().as_ref() {
            Object::Service(service) => service.status.effective_port,
            _ => None,
        }
    };
    let before = port().await;
    assert!(before.is_some());
    engine.end(&id("db"), 0, false);
    let ended = reaches(&plane, "db", State::Exited).await;
    assert_eq!(
        ended.status.message,
        "restarting in 250 ms (exit code 0, attempt 1)"
    );
    let again = reaches(&plane, "db-r1", State::Running).await;
    assert_eq!(again.status.restarts, 1);
    assert_eq!(again.spec.networks.unwrap()[0].aliases, ["db"]);
    assert_eq!(port().await, before);
    let there: Vec<String> = engine.containers().into_keys().collect();
    assert_eq!(there, [id("db-r1")]);
    // Removed by somebody: not to be found out, and started again all the same.
    engine.vanish(&id("db-r1"));
    let lost = reaches(&plane, "db-r1", State::Unknown).await;
    assert_eq!(
        lost.status.message,
        "restarting in 500 ms (removed from outside, attempt 2)"
    );
    reaches(&plane, "db-r2", State::Running).await;
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
    assert!(engine.containers().is_empty());
}

#[tokio::test]
async fn the_images_own_check_is_a_probe() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network()).await.unwrap();
    client.create(container("db")).await.unwrap();
    reaches(&plane, "db", State::Running).await;
    let healthy = |wanted: HealthStatus| {
        let client = client.clone();
        async move {
            let key = ckey("db");
            let waited = client.wait_for(&key, |object| match object {
                Object::Container(db) => db.status.health_status == Some(wanted),
                _ => false,
            });
            let found = tokio::time::timeout(Duration::from_secs(10), waited).await;
            match found.unwrap().unwrap().as_ref() {
                Object::Container(db) => db.status.health_probe_results.clone(),
                _ => Vec::new(),
            }
        }
    };
    for (status, output, expected, reason) in [
        ("starting", "", HealthStatus::Caution, "starting"),
        (
            "unhealthy",
            "connecting\nno db\n",
            HealthStatus::Unhealthy,
            "unhealthy: no db",
        ),
        ("healthy", "fine", HealthStatus::Healthy, ""),
    ] {
        engine.check(&id("db"), status, output);
        let results = healthy(expected).await;
        assert_eq!(results[0].probe_name, "__runtime");
        assert_eq!(results[0].reason, reason);
    }
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn a_container_of_dcp_serves_what_it_publishes() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(service("db")).await.unwrap();
    let mut db = container("db");
    db.spec.aspire = None;
    db.spec.networks = None;
    db.spec.ports = vec![aspire_api::container::ContainerPort {
        host_port: None,
        container_port: 5432,
        protocol: aspire_api::service::Protocol::Tcp,
        host_ip: None,
    }];
    db.spec.env = vec![env("PORT", r#"{{- portForServing "db" -}}"#)];
    db.metadata.annotations.insert(
        "service-producer".into(),
        r#"[{"serviceName": "db", "port": 5432}]"#.into(),
    );
    client.create(db).await.unwrap();
    let running = reaches(&plane, "db", State::Running).await;
    assert_eq!(running.status.effective_env, [env("PORT", "5432")]);
    let key = ObjectKey::new(Kind::Endpoint, "db-db");
    let object = client.wait_for(&key, |_| true).await.unwrap();
    let Object::Endpoint(found) = object.as_ref() else {
        panic!("{} is no endpoint", object.key());
    };
    assert_eq!(
        (&*found.spec.address, found.spec.port),
        ("127.0.0.1", 45_432)
    );
    engine.end(&id("db"), 0, false);
    reaches(&plane, "db", State::Exited).await;
    plane.wait_idle().await;
    assert!(client.get(&key).await.is_err());
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}
