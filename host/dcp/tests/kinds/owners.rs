//! Objects that go away with others.

use aspire_api::meta::OwnerReference;
use aspire_api::service::{Endpoint, EndpointSpec};
use aspire_api::{Kind, Object, ObjectKey, ObjectMeta};
use aspire_dcp::Stop;
use aspire_dcp::store::Propagation;

use crate::common::{gone, until};
use crate::support::{Folders, service};

fn endpoint(name: &str, owners: &[&Object]) -> Endpoint {
    let owner = |owner: &&Object| OwnerReference {
        api_version: "usvc-dev.developer.microsoft.com/v1".into(),
        kind: owner.kind().name().into(),
        name: owner.metadata().name.clone(),
        uid: owner.metadata().uid.clone(),
        controller: None,
        block_owner_deletion: Some(true),
    };
    Endpoint {
        metadata: ObjectMeta {
            owner_references: owners.iter().map(owner).collect(),
            ..ObjectMeta::of(name, name)
        },
        spec: EndpointSpec {
            service_name: "other".into(),
            address: "127.0.0.1".into(),
            port: 1,
            ..EndpointSpec::default()
        },
        ..Endpoint::default()
    }
}

fn end(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Endpoint, name)
}

#[tokio::test]
async fn dependents_go_with_their_last_owner() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    let a = client.create(service("a")).await.unwrap();
    let b = client.create(service("b")).await.unwrap();
    client.create(endpoint("one", &[&a])).await.unwrap();
    client.create(endpoint("both", &[&a, &b])).await.unwrap();
    client.create(endpoint("free", &[])).await.unwrap();
    client.delete(&a.key()).await.unwrap();
    gone(&plane, &end("one")).await;
    assert!(client.get(&end("both")).await.is_ok());
    client.delete(&b.key()).await.unwrap();
    gone(&plane, &end("both")).await;
    // One whose owner is gone already, or is another one of that name.
    client.create(service("a")).await.unwrap();
    client.create(endpoint("late", &[&a])).await.unwrap();
    gone(&plane, &end("late")).await;
    assert!(client.get(&end("free")).await.is_ok());
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn in_the_foreground_and_as_orphans() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let client = plane.client();
    let a = client.create(service("a")).await.unwrap();
    let mut slow = endpoint("slow", &[&a]);
    slow.metadata.finalizers = vec!["test/wait".into()];
    client.create(slow).await.unwrap();
    client
        .delete_with(&a.key(), Propagation::Foreground)
        .await
        .unwrap();
    until(&plane, &end("slow"), |object| {
        object.metadata().deletion_timestamp.is_some()
    })
    .await;
    plane.wait_idle().await;
    assert!(client.get(&a.key()).await.is_ok(), "it waits");
    let mut slow = client.get(&end("slow")).await.unwrap().as_ref().clone();
    slow.metadata_mut().finalizers.clear();
    client.update(slow).await.unwrap();
    gone(&plane, &a.key()).await;

    let b = client.create(service("b")).await.unwrap();
    client.create(endpoint("kept", &[&b])).await.unwrap();
    client
        .delete_with(&b.key(), Propagation::Orphan)
        .await
        .unwrap();
    gone(&plane, &b.key()).await;
    plane.wait_idle().await;
    let kept = client.get(&end("kept")).await.unwrap();
    assert!(kept.metadata().owner_references.is_empty());
    plane.stop(Stop::Graceful).await;
}
