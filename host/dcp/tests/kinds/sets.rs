//! Replica sets.

use std::time::{Duration, Instant};

use aspire_api::container::HealthStatus;
use aspire_api::executable::{Executable, ExecutableState};
use aspire_api::replicas::{ExecutableReplicaSet, ExecutableReplicaSetStatus};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::{ControlPlane, Outcome, Stop};

use crate::common::{gone, until};
use crate::support::{Folders, shell};

const STATE: &str = "executable-replica-set.usvc-dev.developer.microsoft.com/replica-state";

fn set(replicas: i32) -> ExecutableReplicaSet {
    let mut set = ExecutableReplicaSet {
        metadata: ObjectMeta::of("web", "web"),
        ..ExecutableReplicaSet::default()
    };
    set.spec.replicas = replicas;
    set.spec.template.spec = shell("x", "exec sleep 1000").spec;
    set.spec.template.labels = [("tier".to_owned(), "front".to_owned())].into();
    set.spec.template.annotations = [("note".to_owned(), "mine".to_owned())].into();
    set
}

fn key() -> ObjectKey {
    ObjectKey::new(Kind::ExecutableReplicaSet, "web")
}

fn status(object: &Object) -> &ExecutableReplicaSetStatus {
    match object {
        Object::ExecutableReplicaSet(set) => &set.status,
        other => panic!("{} is no set", other.key()),
    }
}

async fn replicas(plane: &ControlPlane) -> Vec<Executable> {
    let found = plane.client().list(None).await.0;
    let executables = found
        .into_iter()
        .filter_map(|object| match object.as_ref() {
            Object::Executable(executable) => Some(executable.clone()),
            _ => None,
        });
    executables.collect()
}

async fn scale(plane: &ControlPlane, change: impl FnOnce(&mut ExecutableReplicaSet)) {
    let Object::ExecutableReplicaSet(mut set) =
        plane.client().get(&key()).await.unwrap().as_ref().clone()
    else {
        panic!("no set");
    };
    set.metadata.resource_version.clear();
    change(&mut set);
    plane.client().update(set).await.unwrap();
}

async fn runs(plane: &ControlPlane, number: i32) -> Object {
    until(plane, &key(), |object| {
        let status = status(object);
        status.running_replicas == number && status.observed_replicas == number
    })
    .await
}

#[tokio::test]
async fn up_and_down_at_most_every_two_seconds() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    client.create(set(2)).await.unwrap();
    let found = runs(&plane, 2).await;
    assert_eq!(status(&found).health_status, Some(HealthStatus::Healthy));
    let begun = Instant::now();
    let made = replicas(&plane).await;
    let first = &made[0];
    assert_eq!(first.metadata.labels["tier"], "front");
    let annotations = &first.metadata.annotations;
    assert_eq!(annotations["note"], "mine");
    assert_eq!(annotations[STATE], "active");
    let id = annotations["otel-service-instance-id"].clone();
    assert_eq!(first.metadata.name, format!("web-{id}"));
    assert_eq!(first.metadata.owner_references[0].name, "web");
    // New ones only see a change of the template.
    scale(&plane, |set| {
        set.spec.replicas = 3;
        set.spec.template.labels = [("tier".to_owned(), "back".to_owned())].into();
    })
    .await;
    runs(&plane, 3).await;
    assert!(begun.elapsed() >= Duration::from_millis(1500), "too soon");
    let back = |executable: &&Executable| executable.metadata.labels["tier"] == "back";
    assert_eq!(replicas(&plane).await.iter().filter(back).count(), 1);
    scale(&plane, |set| set.spec.replicas = 1).await;
    runs(&plane, 1).await;
    // Removed behind its back.
    let last = replicas(&plane).await.remove(0).metadata.name;
    let last = ObjectKey::new(Kind::Executable, last);
    client.delete(&last).await.unwrap();
    gone(&plane, &last).await;
    runs(&plane, 1).await;
    client.delete(&key()).await.unwrap();
    gone(&plane, &key()).await;
    assert!(replicas(&plane).await.is_empty(), "they go before the set");
    assert_eq!(plane.stop(Stop::Graceful).await, Outcome::Stopped);
}

#[tokio::test]
async fn retired_instead_of_removed() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let mut soft = set(2);
    soft.spec.stop_on_scale_down = true;
    plane.client().create(soft).await.unwrap();
    runs(&plane, 2).await;
    scale(&plane, |set| set.spec.replicas = 0).await;
    runs(&plane, 0).await;
    let all = replicas(&plane).await;
    assert_eq!(all.len(), 2);
    for replica in &all {
        assert_eq!(replica.metadata.annotations[STATE], "inactive");
        assert!(replica.spec.stop);
    }
    let mut left = Vec::new();
    for replica in all {
        let key = ObjectKey::new(Kind::Executable, replica.metadata.name);
        let over = |object: &Object| match object {
            Object::Executable(it) => it.status.state == ExecutableState::Terminated,
            _ => false,
        };
        until(&plane, &key, over).await;
        left.push(key);
    }
    plane.client().delete(&key()).await.unwrap();
    for key in &left {
        gone(&plane, key).await;
    }
    plane.stop(Stop::Graceful).await;
}
