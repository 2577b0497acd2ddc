//! Writes, watches and their order: what the store promises.

use aspire_api::executable::{Executable, ExecutableState};
use aspire_api::{Kind, ObjectMeta};

use super::*;

fn executable(name: &str) -> Executable {
    let mut object = Executable {
        metadata: ObjectMeta::of(name, name),
        ..Default::default()
    };
    object.spec.executable_path = "/bin/true".to_owned();
    object
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Executable, name)
}

#[test]
fn create_gives_identity_and_drops_status() {
    let store = Store::default();
    let mut object = executable("a");
    object.status.state = ExecutableState::Running;
    let created = store.create(object.clone().into()).unwrap();
    let metadata = created.metadata();
    assert_eq!(
        (metadata.resource_version.as_str(), metadata.generation),
        ("1", 1)
    );
    assert_eq!(metadata.uid.len(), 36);
    assert_eq!(&metadata.uid[14..15], "4");
    let Object::Executable(created) = created.as_ref() else {
        panic!()
    };
    assert_eq!(created.status, Default::default());
    assert_eq!(
        store.create(object.into()),
        Err(StoreError::Exists(key("a")))
    );
    assert!(matches!(
        store.create(executable("").into()),
        Err(StoreError::Invalid { .. })
    ));
}

#[test]
fn a_write_that_says_only_when_it_was_is_dropped() {
    let store = Store::default();
    let mut object = executable("a");
    let owner = |manager: &str, time: &str| aspire_api::meta::ManagedFields {
        manager: manager.to_owned(),
        time: Some(time.to_owned()),
        ..Default::default()
    };
    object.metadata.managed_fields = vec![owner("a", "t1"), owner("b", "t2")];
    let first = store.create(object.clone().into()).unwrap();
    object.metadata.managed_fields = vec![owner("b", "t2"), owner("a", "t3")];
    assert_eq!(store.update(object.clone().into()).unwrap(), first);
    assert_eq!(store.list().1, 1);
    object.metadata.managed_fields = vec![owner("b", "t2")];
    store.update(object.into()).unwrap();
    assert_eq!(store.list().1, 2);
}

#[test]
fn spec_and_status_are_apart_and_identical_writes_are_dropped() {
    let store = Store::default();
    store.create(executable("a").into()).unwrap();
    let mut object = executable("a");
    object.spec.args = vec!["x".to_owned()];
    object.status.message = "not taken".to_owned();
    let updated = store.update(object.clone().into()).unwrap();
    assert_eq!((updated.metadata().generation, store.list().1), (2, 2));
    let Object::Executable(updated) = updated.as_ref() else {
        panic!()
    };
    assert_eq!(updated.status.message, "");
    object.spec.args.clear();
    object.status.message = "taken".to_owned();
    let updated = store.update_status(object.clone().into()).unwrap();
    assert_eq!((updated.metadata().generation, store.list().1), (2, 3));
    let Object::Executable(updated) = updated.as_ref() else {
        panic!()
    };
    assert_eq!(
        (updated.status.message.as_str(), updated.spec.args.len()),
        ("taken", 1)
    );
    store.update_status(object.into()).unwrap();
    assert_eq!(store.list().1, 3);
}

#[test]
fn optimistic_concurrency() {
    let store = Store::default();
    let first = store.create(executable("a").into()).unwrap();
    let mut second = first.as_ref().clone();
    second.metadata_mut().labels.insert("x".into(), "y".into());
    store.update(second.clone()).unwrap();
    second.metadata_mut().labels.insert("x".into(), "z".into());
    assert!(matches!(
        store.update(second),
        Err(StoreError::Conflict { .. })
    ));
    assert_eq!(
        store.update(executable("b").into()),
        Err(StoreError::NotFound(key("b")))
    );
}

#[test]
fn finalizers_delay_the_end_and_deletes_take_a_revision() {
    let store = Arc::new(Store::default());
    let mut watcher = store.watch(0);
    let mut object = executable("a");
    object.metadata.finalizers = vec!["f".to_owned()];
    store.create(object.into()).unwrap();
    store.delete(&key("a")).unwrap();
    store.delete(&key("a")).unwrap();
    assert_eq!(store.list().1, 2);
    assert!(
        store
            .get(&key("a"))
            .unwrap()
            .metadata()
            .deletion_timestamp
            .is_some()
    );
    store
        .modify(&key("a"), |object| object.metadata_mut().finalizers.clear())
        .unwrap();
    assert_eq!(store.get(&key("a")), Err(StoreError::NotFound(key("a"))));
    let mut seen = Vec::new();
    while let Some(event) = watcher.try_next().unwrap() {
        assert_eq!(
            event.object.metadata().resource_version,
            event.revision.to_string()
        );
        seen.push((event.revision, event.kind));
    }
    assert_eq!(
        seen,
        [
            (1, EventKind::Added),
            (2, EventKind::Modified),
            (3, EventKind::Deleted)
        ]
    );
    store.create(executable("b").into()).unwrap();
    store.delete(&key("b")).unwrap();
    assert_eq!(store.list().1, 5);
}

#[test]
fn a_slow_reader_is_told_and_others_go_on() {
    let store = Arc::new(Store::new(4, 0));
    let mut slow = store.watch(0);
    let mut quick = store.watch(0);
    for number in 0..10 {
        store
            .create(executable(&format!("e{number}")).into())
            .unwrap();
        assert_eq!(quick.try_next().unwrap().unwrap().revision, number + 1);
    }
    assert_eq!(slow.try_next(), Err(Gone { oldest: 7 }));
    assert_eq!(quick.try_next().unwrap(), None);
    let mut resumed = store.watch(6);
    assert_eq!(resumed.try_next().unwrap().unwrap().revision, 7);
    let mut ahead = store.watch(10);
    assert_eq!(ahead.try_next().unwrap(), None);
}

#[tokio::test]
async fn a_watcher_wakes() {
    let store = Arc::new(Store::default());
    let mut watcher = store.watch(0);
    let waiting = tokio::spawn(async move { watcher.next().await.unwrap().revision });
    tokio::task::yield_now().await;
    store.create(executable("a").into()).unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
}

#[test]
fn sealed() {
    let store = Store::default();
    store.create(executable("a").into()).unwrap();
    store.seal();
    assert_eq!(
        store.create(executable("b").into()),
        Err(StoreError::Sealed)
    );
    store
        .modify(&key("a"), |object| {
            object.metadata_mut().finalizers.push("f".into());
        })
        .unwrap();
}

#[test]
fn a_watch_from_the_beginning_knows_where_that_is() {
    let store = Arc::new(Store::new(8, 1000));
    let mut watcher = store.watch(0);
    assert_eq!((watcher.position(), watcher.try_next()), (1000, Ok(None)));
    store.create(executable("a").into()).unwrap();
    assert_eq!(watcher.try_next().unwrap().unwrap().revision, 1001);
    // Of an earlier run.
    assert!(store.watch(999).try_next().is_err());
}
