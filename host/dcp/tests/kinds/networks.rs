//! Networks, volumes, and who is on which network.

use std::sync::Arc;

use aspire_api::container::{Container, Mode, NetworkAttachment};
use aspire_api::network::{
    ContainerNetwork, ContainerNetworkConnection, ContainerNetworkState as State,
    ContainerNetworkStatus,
};
use aspire_api::volume::{ContainerVolume, ContainerVolumeState};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::runtime::EngineError;
use aspire_dcp::testing::FakeEngine;
use aspire_dcp::{ControlPlane, Stop};

use crate::common::{as_container, container, eventually, gone, id, plane, running, until};
use crate::support::Folders;

fn network(name: &str, mode: Mode) -> ContainerNetwork {
    let mut network = ContainerNetwork {
        metadata: ObjectMeta::of(name, name),
        ..ContainerNetwork::default()
    };
    network.spec.network_name = Some(format!("{name}-net"));
    network.spec.mode = Some(mode);
    network
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::ContainerNetwork, name)
}

fn status(object: &Object) -> &ContainerNetworkStatus {
    match object {
        Object::ContainerNetwork(network) => &network.status,
        other => panic!("{} is no network", other.key()),
    }
}

async fn state(plane: &ControlPlane, name: &str, state: State) -> ContainerNetworkStatus {
    let found = until(plane, &key(name), |object| status(object).state == state).await;
    status(&found).clone()
}

fn on(networks: &[&str]) -> Option<Vec<NetworkAttachment>> {
    let attach = |name: &&str| NetworkAttachment {
        name: (*name).to_owned(),
        aliases: vec![format!("me-on-{name}")],
    };
    Some(networks.iter().map(attach).collect())
}

#[tokio::test]
async fn every_mode() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    engine.put_network("found-net", &[]);
    engine.put_network("taken-net", &[]);
    engine.put_network("kept-net", &[]);
    let mut own = network("own", Mode::Session);
    own.spec.ipv6 = true;
    client.create(own).await.unwrap();
    let made = state(&plane, "own", State::Running).await;
    assert_eq!(made.driver.as_deref(), Some("bridge"));
    assert_eq!(made.network_name.as_deref(), Some("own-net"));
    assert_eq!(made.subnets, ["127.77.0.0/16"]);
    assert_eq!(made.gateways, ["127.77.0.1"]);
    assert!(made.ipv6 && made.id.is_some());
    client
        .create(network("taken", Mode::Session))
        .await
        .unwrap();
    let refused = state(&plane, "taken", State::FailedToStart).await;
    assert!(refused.message.contains("not of this run"), "{refused:?}");
    client
        .create(network("kept", Mode::Persistent))
        .await
        .unwrap();
    state(&plane, "kept", State::Running).await;
    client
        .create(network("found", Mode::Existing))
        .await
        .unwrap();
    state(&plane, "found", State::Running).await;
    for mode in [Mode::Existing, Mode::Cleanup] {
        let name = format!("{mode:?}").to_lowercase();
        client.create(network(&name, mode)).await.unwrap();
        let missing = state(&plane, &name, State::NotFound).await;
        assert!(missing.message.contains("does not exist"), "{missing:?}");
    }
    // Made later by somebody else.
    engine.put_network("cleanup-net", &[]);
    state(&plane, "cleanup", State::Running).await;
    for name in ["own", "taken", "kept", "found", "existing", "cleanup"] {
        client.delete(&key(name)).await.unwrap();
        gone(&plane, &key(name)).await;
    }
    assert_eq!(engine.materials(), ["found-net", "kept-net", "taken-net"]);
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn an_engine_that_is_away_or_full_is_asked_again() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    engine.set_down(true);
    let plane = plane(&folders, &engine).await;
    plane
        .client()
        .create(network("own", Mode::Session))
        .await
        .unwrap();
    until(&plane, &key("own"), |object| {
        status(object)
            .message
            .contains("no container engine answers")
    })
    .await;
    let full = "could not find an available, non-overlapping IPv4 address pool";
    for _ in 0..4 {
        engine.fail("ensure_network", EngineError::Other(full.into()));
    }
    engine.set_down(false);
    until(&plane, &key("own"), |object| {
        status(object).message.contains(full)
    })
    .await;
    let made = state(&plane, "own", State::Running).await;
    assert_eq!(made.message, "");
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn who_is_on_it() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    client.create(network("a", Mode::Session)).await.unwrap();
    let mut web = container("web");
    web.spec.networks = on(&["a"]);
    client.create(web).await.unwrap();
    running(&plane, "web").await;
    let web_id = id("web");
    until(&plane, &key("a"), |object| {
        status(object).container_ids == [id("web")]
    })
    .await;
    // Somebody else puts it on a network of ours.
    client.create(network("b", Mode::Session)).await.unwrap();
    client.create(network("c", Mode::Session)).await.unwrap();
    state(&plane, "b", State::Running).await;
    state(&plane, "c", State::Running).await;
    aspire_dcp::runtime::ContainerEngine::connect(&engine, "b-net", &web_id, &[])
        .await
        .unwrap();
    let edit = async |networks: Option<Vec<NetworkAttachment>>| {
        let object = client.get(&ObjectKey::new(Kind::Container, "web")).await;
        let mut web: Container = as_container(&object.unwrap()).clone();
        web.metadata.resource_version.clear();
        web.spec.networks = networks;
        client.update(web).await.unwrap();
    };
    edit(on(&["c", "late"])).await;
    eventually(
        || engine.members("c-net").unwrap().contains_key(&web_id),
        "on c",
    )
    .await;
    assert_eq!(engine.members("c-net").unwrap()[&web_id], ["me-on-c"]);
    eventually(|| engine.members("a-net").unwrap().is_empty(), "off a").await;
    // A network that is made later.
    client.create(network("late", Mode::Session)).await.unwrap();
    let web = ObjectKey::new(Kind::Container, "web");
    until(&plane, &web, |object| {
        as_container(object).status.networks == ["c", "late"]
    })
    .await;
    edit(on(&[])).await;
    eventually(|| engine.members("c-net").unwrap().is_empty(), "off c").await;
    let stays = engine.members("b-net").unwrap();
    assert!(stays.contains_key(&web_id), "not our connection");
    plane.stop(Stop::Graceful).await;
    assert!(engine.materials().is_empty(), "{:?}", engine.materials());
}

#[tokio::test]
async fn connections_as_objects() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let plane = plane(&folders, &engine).await;
    let client = plane.client();
    engine.put_container("foreign", Default::default());
    let mut connection = ContainerNetworkConnection {
        metadata: ObjectMeta::of("link", "link"),
        ..ContainerNetworkConnection::default()
    };
    connection.spec.container_network_name = "a".into();
    connection.spec.container_id = "foreign".into();
    connection.spec.aliases = vec!["it".into()];
    client.create(connection).await.unwrap();
    let link = ObjectKey::new(Kind::ContainerNetworkConnection, "link");
    let connected = |object: &Object| match object {
        Object::ContainerNetworkConnection(link) => link.status.connected,
        other => panic!("{} is no connection", other.key()),
    };
    engine.fail("connect", EngineError::Other("not now".into()));
    client.create(network("a", Mode::Session)).await.unwrap();
    until(&plane, &link, connected).await;
    assert_eq!(engine.members("a-net").unwrap()["foreign"], ["it"]);
    until(&plane, &key("a"), |object| {
        status(object).container_ids == ["foreign"]
    })
    .await;
    client.delete(&link).await.unwrap();
    gone(&plane, &link).await;
    assert!(engine.members("a-net").unwrap().is_empty());
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn volumes_are_kept_or_not() {
    let (folders, engine) = (Folders::new(), FakeEngine::new());
    let mut config = folders.config();
    config.engine = Some(Arc::new(engine.clone()));
    let plane = ControlPlane::start(config).await.unwrap();
    for (name, persistent) in [("kept", true), ("lost", false)] {
        let mut volume = ContainerVolume {
            metadata: ObjectMeta::of(name, name),
            ..ContainerVolume::default()
        };
        volume.spec.name = name.into();
        volume.spec.persistent = persistent;
        plane.client().create(volume).await.unwrap();
        let key = ObjectKey::new(Kind::ContainerVolume, name);
        until(&plane, &key, |object| match object {
            Object::ContainerVolume(it) => it.status.state == ContainerVolumeState::Ready,
            _ => false,
        })
        .await;
        plane.client().delete(&key).await.unwrap();
        gone(&plane, &key).await;
    }
    assert_eq!(engine.materials(), ["kept"]);
    plane.stop(Stop::Graceful).await;
}
