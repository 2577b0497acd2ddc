//! What these tests share.

use std::sync::Arc;
use std::time::Duration;

use aspire_api::container::{Container, ContainerState};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::ControlPlane;
use aspire_dcp::testing::FakeEngine;

use crate::support::Folders;

pub(crate) async fn plane(folders: &Folders, engine: &FakeEngine) -> ControlPlane {
    let mut config = folders.config();
    config.run = "0123456789abcdef".to_owned();
    config.engine = Some(Arc::new(engine.clone()));
    ControlPlane::start(config).await.unwrap()
}

/// Waits, for a bounded time, until something is true of an object.
pub(crate) async fn until(
    plane: &ControlPlane,
    key: &ObjectKey,
    is_it: impl Fn(&Object) -> bool,
) -> Object {
    let client = plane.client();
    let waited = client.wait_for(key, is_it);
    match tokio::time::timeout(Duration::from_secs(30), waited).await {
        Ok(object) => object.unwrap().as_ref().clone(),
        Err(_) => panic!("{key} got stuck: {:?}", client.get(key).await),
    }
}

/// Waits, for a bounded time, until an object is gone.
pub(crate) async fn gone(plane: &ControlPlane, key: &ObjectKey) {
    let looking = async {
        while plane.client().get(key).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), looking).await;
    assert!(waited.is_ok(), "it stays: {key}");
}

/// Looks again and again, for a bounded time.
pub(crate) async fn eventually(mut is_it: impl FnMut() -> bool, what: &str) {
    let looking = async {
        while !is_it() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), looking).await;
    assert!(waited.is_ok(), "never: {what}");
}

pub(crate) fn container(name: &str) -> Container {
    let mut object = Container {
        metadata: ObjectMeta::of(name, name),
        ..Container::default()
    };
    object.spec.image = format!("{name}:1");
    object
}

pub(crate) fn id(name: &str) -> String {
    format!("id-aspire-test-1-{name}-012345")
}

pub(crate) async fn running(plane: &ControlPlane, name: &str) -> Container {
    reaches(plane, name, ContainerState::Running).await
}

pub(crate) async fn reaches(plane: &ControlPlane, name: &str, state: ContainerState) -> Container {
    let key = ObjectKey::new(Kind::Container, name);
    let is_it = |object: &Object| as_container(object).status.state == state;
    as_container(&until(plane, &key, is_it).await).clone()
}

pub(crate) fn as_container(object: &Object) -> &Container {
    match object {
        Object::Container(container) => container,
        other => panic!("{} is no container", other.key()),
    }
}
