//! kube-rs against the control plane: what an operator in Rust uses of it. The server is ours, or
//! the one that `ASPIRE_ORACLE_KUBECONFIG` names (`tests/oracle/with cargo test … --test kube`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use aspire_host_tests::clients::turn;
use aspire_host_tests::oracle::server::{GROUP, Server};
use aspire_host_tests::wait::SOON;
use futures_util::{Stream, StreamExt, TryStreamExt};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch,
    PatchParams, PostParams, Preconditions, WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config, ResourceExt};
use serde_json::json;
use tokio::time::timeout;

fn kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, "v1", "Executable"))
}

async fn client(server: &Server) -> Client {
    let kubeconfig = Kubeconfig::read_from(&server.kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Client::try_from(config.unwrap()).unwrap()
}

fn executable(name: &str) -> DynamicObject {
    let spec = json!({"spec": {"executablePath": "/bin/true", "start": false}});
    DynamicObject::new(name, &kind()).data(spec)
}

/// Runs a story against an empty server.
fn story<F: Future<Output = ()>>(tell: impl FnOnce(Api<DynamicObject>, Client) -> F) {
    let _turn = turn();
    let server = Server::find();
    server.clear();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = client(&server).await;
        let api = Api::all_with(client.clone(), &kind());
        timeout(Duration::from_secs(120), tell(api, client))
            .await
            .expect("the story ends");
    });
}

fn code(error: kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("not the server's: {other}"),
    }
}

#[test]
fn objects_are_made_changed_and_deleted() {
    story(|api, client| async move {
        let version = client.apiserver_version().await.unwrap();
        assert_eq!(version.major, "1");
        let group = kube::discovery::group(&client, GROUP).await.unwrap();
        let (found, capabilities) = group.recommended_kind("Executable").unwrap();
        assert_eq!(found.plural, "executables");
        assert!(capabilities.supports_operation(kube::discovery::verbs::WATCH));

        let post = PostParams::default();
        let made = api.create(&post, &executable("a")).await.unwrap();
        assert_eq!(made.metadata.generation, Some(1));
        let error = api.create(&post, &executable("a")).await.unwrap_err();
        assert_eq!(code(error), 409);
        assert!(api.get_opt("none").await.unwrap().is_none());

        let mut changed = made.clone();
        changed.data["spec"]["args"] = json!(["1"]);
        let changed = api.replace("a", &post, &changed).await.unwrap();
        assert_eq!(changed.metadata.generation, Some(2));
        let stale = api.replace("a", &post, &made).await.unwrap_err();
        assert_eq!(code(stale), 409);

        let patch = Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}}));
        let patched = api
            .patch("a", &PatchParams::default(), &patch)
            .await
            .unwrap();
        assert_eq!(patched.labels()["x"], "y");
        let status = Patch::Merge(json!({"status": {"state": "Running"}}));
        let patched = api
            .patch_status("a", &PatchParams::default(), &status)
            .await
            .unwrap();
        assert_eq!(patched.data["status"]["state"], "Running");
        assert_eq!(patched.metadata.generation, Some(2));
        let strategic = Patch::Strategic(json!({"spec": {"args": []}}));
        let error = api.patch("a", &PatchParams::default(), &strategic).await;
        assert_eq!(code(error.unwrap_err()), 415);

        let list = api
            .list(&ListParams::default().labels("x=y").limit(1))
            .await
            .unwrap();
        assert_eq!(list.items.len(), 1);
        let list = api.list_metadata(&ListParams::default()).await.unwrap();
        assert_eq!(list.items[0].name_any(), "a");

        let wrong = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some("11111111-2222-3333-4444-555555555555".to_owned()),
                ..Preconditions::default()
            }),
            ..DeleteParams::default()
        };
        assert_eq!(code(api.delete("a", &wrong).await.unwrap_err()), 409);
        let gone = api.delete("a", &DeleteParams::background()).await.unwrap();
        assert!(gone.is_right(), "nothing holds it");
        let error = api.delete("a", &DeleteParams::default()).await.unwrap_err();
        assert_eq!(code(error), 404);
    });
}

#[test]
fn fields_have_owners() {
    story(|api, _| async move {
        let object = |path: &str| {
            json!({
                "apiVersion": format!("{GROUP}/v1"),
                "kind": "Executable",
                "metadata": {"name": "a"},
                "spec": {"executablePath": path, "start": false},
            })
        };
        let one = PatchParams::apply("one");
        let two = PatchParams::apply("two");
        let made = api.patch("a", &one, &Patch::Apply(object("/bin/1"))).await;
        assert_eq!(made.unwrap().managed_fields().len(), 1);
        let conflict = api.patch("a", &two, &Patch::Apply(object("/bin/2"))).await;
        assert_eq!(code(conflict.unwrap_err()), 409);
        let forced = Patch::Apply(object("/bin/2"));
        let forced = api.patch("a", &two.force(), &forced).await.unwrap();
        assert_eq!(forced.data["spec"]["executablePath"], "/bin/2");
        assert_eq!(forced.managed_fields().len(), 2);
    });
}

#[test]
fn watches_go_on_where_a_list_ended() {
    story(|api, _| async move {
        let start = api.list(&ListParams::default()).await.unwrap();
        let start = start.metadata.resource_version.unwrap();
        let post = PostParams::default();
        api.create(&post, &executable("a")).await.unwrap();
        api.delete("a", &DeleteParams::default()).await.unwrap();
        let events = api.watch(&WatchParams::default(), &start).await.unwrap();
        let events: Vec<_> = events.take(2).try_collect().await.unwrap();
        let [WatchEvent::Added(added), WatchEvent::Deleted(deleted)] = &events[..] else {
            panic!("not what happened: {events:?}");
        };
        let revision =
            |object: &DynamicObject| -> u64 { object.resource_version().unwrap().parse().unwrap() };
        assert!(
            revision(added) < revision(deleted),
            "a deletion is a change"
        );
    });
}

/// The name of the next object that a stream tells.
async fn next<S>(stream: &mut S) -> String
where
    S: Stream<Item = Result<DynamicObject, watcher::Error>> + Unpin,
{
    let object = timeout(SOON, stream.next()).await.expect("soon");
    object.expect("no end").unwrap().name_any()
}

/// A reflector's copy follows, with a list first or with initial events.
fn follows(config: watcher::Config) {
    story(|api, _| async move {
        let post = PostParams::default();
        api.create(&post, &executable("a")).await.unwrap();
        let writer = reflector::store::Writer::<DynamicObject>::new(kind());
        let reader = writer.as_reader();
        let stream = reflector::reflector(writer, watcher(api.clone(), config)).touched_objects();
        let mut stream = std::pin::pin!(stream);
        assert_eq!(next(&mut stream).await, "a");
        api.create(&post, &executable("b")).await.unwrap();
        assert_eq!(next(&mut stream).await, "b");
        let key = |name: &str| ObjectRef::<DynamicObject>::new_with(name, kind());
        assert!(reader.get(&key("a")).is_some() && reader.get(&key("b")).is_some());
        api.delete("a", &DeleteParams::default()).await.unwrap();
        assert_eq!(next(&mut stream).await, "a");
        assert!(reader.get(&key("a")).is_none());
        assert_eq!(reader.len(), 1);
    });
}

#[test]
fn reflectors_follow_after_a_list() {
    follows(watcher::Config::default());
}

#[test]
fn reflectors_follow_from_any_version() {
    follows(watcher::Config::default().any_semantic());
}

#[test]
fn reflectors_follow_initial_events() {
    follows(watcher::Config::default().streaming_lists());
}

#[test]
fn reflectors_follow_pages() {
    follows(watcher::Config::default().page_size(1));
}

#[test]
fn metadata_can_be_watched_alone() {
    story(|api, client| async move {
        let post = PostParams::default();
        api.create(&post, &executable("a")).await.unwrap();
        let api = Api::<PartialObjectMeta<DynamicObject>>::all_with(client, &kind());
        let stream = watcher(api, watcher::Config::default()).touched_objects();
        let mut stream = std::pin::pin!(stream);
        let first = timeout(SOON, stream.next()).await;
        let first: PartialObjectMeta<DynamicObject> = first.unwrap().unwrap().unwrap();
        assert_eq!(first.name_any(), "a");
    });
}

#[test]
fn finalizers_hold_an_object_until_it_is_cleaned_up() {
    story(|api, client| async move {
        #[derive(Debug)]
        struct Never;
        impl std::fmt::Display for Never {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("never")
            }
        }
        impl std::error::Error for Never {}

        let (send, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let send = Arc::new(send);
        let configured = Controller::new_with(api.clone(), watcher::Config::default(), kind());
        let controller = configured.run(
            |object: Arc<DynamicObject>, send| async move {
                let api = Api::all_with(client_of(&send), &kind());
                finalizer(&api, "example.com/kube", object, |event| async move {
                    match event {
                        Event::Apply(_) => send.0.send("apply"),
                        Event::Cleanup(_) => send.0.send("cleanup"),
                    }
                    .expect("the test listens");
                    Ok::<_, Never>(Action::await_change())
                })
                .await
            },
            |_, _, _| Action::requeue(Duration::from_millis(100)),
            Arc::new((send, client)),
        );
        let work = tokio::spawn(controller.for_each(|_| async {}));
        let post = PostParams::default();
        api.create(&post, &executable("a")).await.unwrap();
        assert_eq!(timeout(SOON, seen.recv()).await.unwrap(), Some("apply"));
        let held = api.get("a").await.unwrap();
        assert_eq!(held.finalizers(), ["example.com/kube"]);
        let deleted = api.delete("a", &DeleteParams::default()).await.unwrap();
        let object = deleted.left().expect("it is held");
        assert!(object.metadata.deletion_timestamp.is_some());
        while timeout(SOON, seen.recv()).await.unwrap() != Some("cleanup") {}
        timeout(SOON, async {
            while api.get_opt("a").await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it goes");
        work.abort();
    });
}

type Context = (
    Arc<tokio::sync::mpsc::UnboundedSender<&'static str>>,
    Client,
);

fn client_of(context: &Arc<Context>) -> Client {
    context.1.clone()
}
