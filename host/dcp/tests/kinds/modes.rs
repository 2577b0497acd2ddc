//! Containers that were there before, or stay afterwards.

use aspire_api::container::{Container, ContainerState as State, Mode};
use aspire_api::network::ContainerNetwork;
use aspire_api::{Kind, ObjectKey, ObjectMeta};
use aspire_dcp::state::State as Shared;
use aspire_dcp::testing::FakeEngine;
use aspire_dcp::{Outcome, Stop};

use crate::common::{container, eventually, gone, plane, reaches, running};
use crate::support::{Folders, env, text};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Container, name)
}

fn named(name: &str, mode: Mode) -> Container {
    let mut object = container(name);
    object.spec.container_name = Some(format!("the-{name}"));
    object.spec.mode = Some(mode);
    object
}

#[tokio::test]
async fn existing_ones_are_adopted_when_they_appear_and_stay() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    plane
        .client()
        .create(named("db", Mode::Existing))
        .await
        .unwrap();
    let missing = reaches(&plane, "db", State::NotFound).await;
    assert_eq!(missing.status.message, "no container named the-db");
    engine.put_container("the-db", Default::default());
    let adopted = running(&plane, "db").await;
    assert_eq!(adopted.status.container_id.as_deref(), Some("the-db"));
    assert!(!engine.calls().iter().any(|call| call.starts_with("create")));
    // Its end is noticed although it carries no label of ours.
    engine.end("the-db", 3, false);
    let ended = reaches(&plane, "db", State::Exited).await;
    assert_eq!(ended.status.exit_code, Some(3));
    plane.client().delete(&key("db")).await.unwrap();
    gone(&plane, &key("db")).await;
    assert!(engine.containers().contains_key("the-db"), "not ours");
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn those_to_clean_up_go_with_the_object() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    engine.put_container("the-a", Default::default());
    for name in ["a", "b"] {
        let object = named(name, Mode::Cleanup);
        plane.client().create(object).await.unwrap();
    }
    running(&plane, "a").await;
    reaches(&plane, "b", State::NotFound).await;
    for name in ["a", "b"] {
        plane.client().delete(&key(name)).await.unwrap();
        gone(&plane, &key(name)).await;
    }
    assert!(engine.containers().is_empty());
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn persistent_ones_are_kept_adopted_and_made_anew_with_the_reason() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let mut cache = named("cache", Mode::Persistent);
    cache.spec.env = vec![env("CACHE_SIZE", "1"), env("OTHER", "x")];
    {
        let plane = plane(&folders, &engine).await;
        plane.client().create(cache.clone()).await.unwrap();
        let made = running(&plane, "cache").await;
        assert!(made.status.lifecycle_key.is_some());
        assert_eq!(made.status.message, "");
        plane.client().delete(&key("cache")).await.unwrap();
        gone(&plane, &key("cache")).await;
        assert_eq!(engine.containers()["id-the-cache"].state, "running");
        plane.stop(Stop::Graceful).await;
    }
    let creations = || {
        let calls = engine.calls();
        calls.iter().filter(|it| it.starts_with("create")).count()
    };
    let shared = Shared::new(folders.path().join("data/shared"));
    let record = shared.records().unwrap().remove(0);
    assert_eq!((&*record.kind, &*record.name), ("container", "the-cache"));
    let plane = plane(&folders, &engine).await;
    plane.client().create(cache.clone()).await.unwrap();
    let first = running(&plane, "cache").await;
    assert_eq!(creations(), 1, "the same is adopted");
    plane.client().delete(&key("cache")).await.unwrap();
    gone(&plane, &key("cache")).await;
    cache.spec.env[0].value = "2".into();
    plane.client().create(cache.clone()).await.unwrap();
    let second = running(&plane, "cache").await;
    assert_eq!(creations(), 2);
    assert_ne!(first.status.lifecycle_key, second.status.lifecycle_key);
    assert_eq!(second.status.message, "made anew: env CACHE_SIZE changed");
    let said = text(&plane, &key("cache"));
    assert!(said.contains(&second.status.message), "{said:?}");
    // A key of the user's own outweighs what it is made from.
    for (place, image) in ["other:1", "another:1"].into_iter().enumerate() {
        plane.client().delete(&key("cache")).await.unwrap();
        gone(&plane, &key("cache")).await;
        cache.spec.lifecycle_key = Some("mine".into());
        cache.spec.image = image.into();
        plane.client().create(cache.clone()).await.unwrap();
        let found = running(&plane, "cache").await;
        assert_eq!(found.status.lifecycle_key.as_deref(), Some("mine"));
        assert_eq!(creations(), 3, "{place}");
    }
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn a_persistent_one_without_labels_is_adopted_as_it_is() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    engine.put_container("the-db", Default::default());
    let object = named("db", Mode::Persistent);
    plane.client().create(object).await.unwrap();
    let found = running(&plane, "db").await;
    assert!(found.status.message.starts_with("adopted as it is"));
    plane.client().delete(&key("db")).await.unwrap();
    gone(&plane, &key("db")).await;
    eventually(|| engine.containers().contains_key("the-db"), "it stays").await;
    plane.stop(Stop::Graceful).await;
}

/// What is recorded of resources that outlast a run is forgotten with them.
#[tokio::test]
async fn what_is_gone_for_good_is_forgotten() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let shared = Shared::new(folders.path().join("data/shared"));
    let names = || -> Vec<String> {
        let records = shared.records().unwrap();
        records
            .into_iter()
            .map(|it| format!("{} {}", it.kind, it.name))
            .collect()
    };
    let network = |mode: Mode| {
        let mut network = ContainerNetwork {
            metadata: ObjectMeta::of("net", "net"),
            ..ContainerNetwork::default()
        };
        network.spec.network_name = Some("the-net".to_owned());
        network.spec.mode = Some(mode);
        network
    };
    let net = ObjectKey::new(Kind::ContainerNetwork, "net");
    {
        let plane = plane(&folders, &engine).await;
        let client = plane.client();
        client.create(network(Mode::Persistent)).await.unwrap();
        for name in ["a", "b", "c"] {
            client.create(named(name, Mode::Persistent)).await.unwrap();
            running(&plane, name).await;
        }
        let all = [
            "container the-a",
            "container the-b",
            "container the-c",
            "network the-net",
        ];
        eventually(|| names() == all, "each is recorded").await;
        // Removed by somebody else while it runs, and once it has ended.
        engine.vanish("id-the-a");
        reaches(&plane, "a", State::Unknown).await;
        engine.end("id-the-b", 0, false);
        reaches(&plane, "b", State::Exited).await;
        engine.vanish("id-the-b");
        eventually(|| names() == all[2..], "both are forgotten").await;
        plane.stop(Stop::Graceful).await;
    }
    // Between two runs; what another instance has is its own business.
    let mut other = shared.records().unwrap().remove(0);
    other.instance = "another".to_owned();
    other.name = "other".to_owned();
    shared.put(&other).unwrap();
    let mut lost = other.clone();
    (lost.instance, lost.name) = ("test-1".to_owned(), "lost".to_owned());
    lost.id = "id-lost".to_owned();
    shared.put(&lost).unwrap();
    let plane = plane(&folders, &engine).await;
    let left = ["container other", "container the-c", "network the-net"];
    eventually(|| names() == left, "what is lost is forgotten").await;
    // Made to be cleaned up, it is.
    let client = plane.client();
    client.create(network(Mode::Cleanup)).await.unwrap();
    client.create(named("c", Mode::Cleanup)).await.unwrap();
    running(&plane, "c").await;
    for key in [key("c"), net] {
        client.delete(&key).await.unwrap();
        gone(&plane, &key).await;
    }
    assert_eq!(names(), left[..1]);
    plane.stop(Stop::Graceful).await;
}
