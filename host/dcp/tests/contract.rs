//! What an engine promises to everything above it: the same for the one that pretends, which most
//! tests run on, and for the real one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and a failure must end them"
)]

#[allow(dead_code, reason = "each test file uses its own part")]
#[path = "engine/support.rs"]
mod engine_support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use aspire_dcp::runtime::{
    ContainerEngine, ContainerRequest, EngineError, EngineEvent, NetworkRequest, OutputStream,
    RunRequest,
};
use aspire_dcp::testing::FakeEngine;
use engine_support::{Bench, IMAGE};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::watch;

const SOON: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(1);

/// An engine, and somebody else who has it.
struct Place<'a> {
    engine: &'a dyn ContainerEngine,
    /// Nobody else's.
    prefix: String,
    label: (String, String),
    /// Lets a container say `hello`, if it doesn't by itself.
    hello: &'a dyn Fn(&str),
    /// Lets a container end by itself, with exit code 7.
    end: &'a dyn Fn(&str),
}

impl Place<'_> {
    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([self.label.clone()])
    }

    fn label(&self) -> String {
        format!("{}={}", self.label.0, self.label.1)
    }

    fn container(&self, name: &str) -> ContainerRequest {
        let script = "trap 'exit 7' TERM; echo hello; while :; do sleep 0.1; done";
        ContainerRequest {
            name: self.name(name),
            image: IMAGE.to_owned(),
            entrypoint: Some(vec!["sh".into(), "-c".into()]),
            args: vec![script.into()],
            labels: self.labels(),
            stop_grace: GRACE,
            ..ContainerRequest::default()
        }
    }

    fn network(&self, name: &str) -> NetworkRequest {
        NetworkRequest {
            name: self.name(name),
            labels: self.labels(),
            ipv6: false,
        }
    }
}

fn is_missing<T: std::fmt::Debug>(result: Result<T, EngineError>) {
    assert!(
        matches!(result, Err(EngineError::NotFound(_))),
        "{result:?}"
    );
}

/// The next event of a kind.
async fn event(
    events: &mut BoxStream<'_, Result<EngineEvent, EngineError>>,
    id: &str,
    action: &str,
) -> EngineEvent {
    let told = async {
        loop {
            let event = events.next().await.unwrap().unwrap();
            if event.container_id == id && event.action == action {
                return event;
            }
        }
    };
    let waited = tokio::time::timeout(SOON, told).await;
    waited.unwrap_or_else(|_| panic!("never told: {action} of {id}"))
}

/// What a container says from its first byte to its end.
async fn output(engine: &dyn ContainerEngine, id: &str) -> String {
    let pieces = engine.logs(id).collect::<Vec<_>>();
    let pieces = tokio::time::timeout(SOON, pieces).await.unwrap();
    let pieces = pieces.into_iter().map(|piece| piece.unwrap().1);
    String::from_utf8(pieces.collect::<Vec<_>>().concat()).unwrap()
}

async fn contract(place: &Place<'_>) {
    images_networks_and_volumes(place).await;
    lives(place).await;
    commands(place).await;
    let left = place.engine.leftovers(&place.label()).await.unwrap();
    assert_eq!(left, []);
}

async fn images_networks_and_volumes(place: &Place<'_>) {
    let engine = place.engine;
    let info = engine.info().await.unwrap();
    assert_eq!(engine.info().await.unwrap(), info);
    assert!(engine.has_image(IMAGE).await.unwrap());
    let request = place.network("net");
    is_missing(engine.inspect_network(&request.name).await);
    let made = engine.ensure_network(&request).await.unwrap();
    assert_eq!(engine.ensure_network(&request).await.unwrap().id, made.id);
    assert_eq!(made.labels.get(&place.label.0), Some(&place.label.1));
    assert!(!made.subnets.is_empty() && !made.gateways.is_empty());
    assert!(made.containers.is_empty());
    let found = engine.inspect_network(&request.name).await.unwrap();
    assert_eq!(found, engine.inspect_network(&made.id).await.unwrap());
    // A container that is on it from the beginning, one that comes and goes.
    let mut first = place.container("first");
    first.networks = vec![(request.name.clone(), vec!["it".into()])];
    let first = engine.create(&first).await.unwrap();
    let second = engine.create(&place.container("second")).await.unwrap();
    for id in [&first, &second] {
        engine.start(id).await.unwrap();
    }
    for _ in 0..2 {
        engine
            .connect(&made.id, &second, &["me".into()])
            .await
            .unwrap();
    }
    let members = async || engine.inspect_network(&made.id).await.unwrap().containers;
    let mut both = members().await;
    both.sort();
    let mut expected = [first.clone(), second.clone()];
    expected.sort();
    assert_eq!(both, expected);
    let addresses = engine.inspect(&first).await.unwrap().addresses;
    assert!(addresses.contains_key(&request.name), "{addresses:?}");
    for _ in 0..2 {
        engine.disconnect(&made.id, &second).await.unwrap();
    }
    assert_eq!(members().await, std::slice::from_ref(&first));
    // Not while somebody is on it.
    assert!(engine.remove_network(&made.id).await.is_err());
    for id in [&first, &second] {
        engine.remove(id).await.unwrap();
    }
    for _ in 0..2 {
        engine.remove_network(&made.id).await.unwrap();
    }
    is_missing(engine.inspect_network(&made.id).await);
    let mut lost = place.container("lost");
    lost.networks = vec![(request.name.clone(), Vec::new())];
    // No later than at its start.
    let refused = match engine.create(&lost).await {
        Ok(id) => engine.start(&id).await,
        Err(error) => Err(error),
    };
    is_missing(refused);
    engine.remove(&lost.name).await.unwrap();
    let volume = place.name("vol");
    for _ in 0..2 {
        engine
            .ensure_volume(&volume, &place.labels())
            .await
            .unwrap();
    }
    let left = engine.leftovers(&place.label()).await.unwrap();
    let left: Vec<_> = left.iter().map(|it| (it.what, it.name.clone())).collect();
    assert_eq!(left, [("volume", volume.clone())]);
    for _ in 0..2 {
        engine.remove_volume(&volume).await.unwrap();
    }
}

async fn lives(place: &Place<'_>) {
    let engine = place.engine;
    let label = place.label();
    let request = place.container("it");
    let since = i64::try_from(engine_support::now().as_nanos()).unwrap();
    let mut events = engine.events(&label, Some(since));
    is_missing(engine.inspect(&request.name).await);
    is_missing(engine.start(&request.name).await);
    is_missing(engine.stop(&request.name, GRACE).await);
    engine.remove(&request.name).await.unwrap();
    let id = engine.create(&request).await.unwrap();
    let taken = engine.create(&request).await.unwrap_err().to_string();
    assert!(taken.contains("in use"), "{taken}");
    let found = engine.inspect(&request.name).await.unwrap();
    assert_eq!(
        (&found.id, &*found.state, found.exit_code),
        (&id, "created", None)
    );
    assert_eq!(found.name, request.name);
    assert_eq!(found.labels.get(&place.label.0), Some(&place.label.1));
    assert_eq!(found, engine.inspect(&id).await.unwrap());
    engine.start(&id).await.unwrap();
    let begun = event(&mut events, &id, "start").await;
    let first = engine.inspect(&id).await.unwrap();
    assert_eq!((&*first.state, first.exit_code), ("running", None));
    (place.hello)(&id);
    (place.end)(&id);
    let died = event(&mut events, &id, "die").await;
    assert_eq!(died.exit_code, Some(7));
    assert!(died.time_nano > begun.time_nano);
    let ended = engine.inspect(&id).await.unwrap();
    assert_eq!((&*ended.state, ended.exit_code), ("exited", Some(7)));
    assert_eq!(output(engine, &id).await, "hello\n");
    // Its end once more is none.
    engine.stop(&id, GRACE).await.unwrap();
    // Another life is told from the first, and its output comes after the first one's.
    engine.start(&id).await.unwrap();
    let again = engine.inspect(&id).await.unwrap();
    assert_eq!(&*again.state, "running");
    assert_ne!(again.began, first.began);
    (place.hello)(&id);
    engine.stop(&id, GRACE).await.unwrap();
    assert_eq!(engine.inspect(&id).await.unwrap().state, "exited");
    assert_eq!(output(engine, &id).await, "hello\nhello\n");
    // From a time on: what came after it is told again.
    let mut late = engine.events(&label, Some(died.time_nano));
    event(&mut late, &id, "start").await;
    for _ in 0..2 {
        engine.remove(&id).await.unwrap();
    }
    event(&mut late, &id, "destroy").await;
    is_missing(engine.inspect(&id).await);
    is_missing(
        engine
            .logs(&id)
            .next()
            .await
            .unwrap_or(Err(EngineError::NotFound("it".into()))),
    );
}

async fn commands(place: &Place<'_>) {
    let engine = place.engine;
    let id = engine.create(&place.container("host")).await.unwrap();
    let request = RunRequest {
        command: vec!["true".into()],
        ..RunRequest::default()
    };
    let (_end, ended) = watch::channel(false);
    let said = Mutex::new(Vec::new());
    let take = |_: OutputStream, bytes: &[u8]| said.lock().unwrap().extend_from_slice(bytes);
    // Not before it runs.
    assert!(engine.exec(&id, &request.command, SOON).await.is_err());
    assert!(
        engine
            .run(&id, &request, &take, ended.clone())
            .await
            .is_err()
    );
    engine.start(&id).await.unwrap();
    assert_eq!(
        engine
            .exec(&id, &request.command, SOON)
            .await
            .unwrap()
            .exit_code,
        0
    );
    assert_eq!(engine.run(&id, &request, &take, ended.clone()).await, Ok(0));
    engine.remove(&id).await.unwrap();
    is_missing(engine.exec(&id, &request.command, SOON).await);
    is_missing(engine.run(&id, &request, &take, ended).await);
}

#[tokio::test]
async fn of_the_fake() {
    let engine = FakeEngine::new();
    contract(&Place {
        engine: &engine,
        prefix: "contract".to_owned(),
        label: ("label".to_owned(), "contract".to_owned()),
        hello: &|id| engine.say(id, "hello\n"),
        end: &|id| engine.end(id, 7, false),
    })
    .await;
}

#[tokio::test]
async fn of_the_real_one() {
    let Some(bench) = Bench::open("contract").await else {
        return;
    };
    let hello = |id: &str| {
        // It says so as soon as it listens to signals.
        for _ in 0..600 {
            let said = Command::new("docker")
                .args(["logs", "-n", "1", id])
                .output();
            if said.unwrap().stdout == b"hello\n" {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it never said hello");
    };
    let end = |id: &str| {
        let killed = Command::new("docker")
            .args(["kill", "-s", "TERM", id])
            .output();
        assert!(killed.unwrap().status.success());
    };
    let labels = bench.labels();
    contract(&Place {
        engine: &bench.engine,
        prefix: bench.name("it"),
        label: labels.into_iter().next().unwrap(),
        hello: &hello,
        end: &end,
    })
    .await;
    bench.close().await;
}
