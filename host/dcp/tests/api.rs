//! The API in process, as clients see it: with and without controllers.
//!
//! What kube-apiserver would answer is compared elsewhere; here is what is ours: kinds, fields
//! that aren't served, logs, pods, the end of a run.

#![allow(
    clippy::unwrap_used,
    reason = "these are tests, and a failure must end them"
)]

mod support;

use std::time::Duration;

use aspire_api::GROUP;
use aspire_dcp::server::Api;
use aspire_dcp::{Outcome, Stop};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use support::*;
use tower::ServiceExt;

/// A client that sends what it is told.
struct Raw(Api);

impl Raw {
    async fn send(&self, method: Method, path: &str, media: &str, body: &str) -> (u16, String) {
        let (status, body) = self.open(method, path, media, body).await;
        let bytes = body.collect().await.unwrap().to_bytes();
        (
            status.as_u16(),
            String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: &str,
    ) -> (StatusCode, Body) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .header("user-agent", "tester/1")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = self.0.router().oneshot(request).await.unwrap();
        (response.status(), response.into_body())
    }

    async fn json(&self, method: Method, path: &str, media: &str, body: &Value) -> (u16, Value) {
        let (code, text) = self.send(method, path, media, &body.to_string()).await;
        (
            code,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.json(Method::GET, path, "", &Value::Null).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.json(Method::POST, path, "application/json", body)
            .await
    }
}

fn of(plural: &str) -> String {
    format!("/apis/{GROUP}/v1/{plural}")
}

fn executable(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "Executable", "metadata": {"name": name},
        "spec": {"executablePath": "/bin/sh", "args": ["-c", script]},
    })
}

fn alone(folders: &Folders) -> Raw {
    Raw(Api::alone(folders.path().join("logs")).unwrap())
}

#[tokio::test]
async fn a_field_that_nothing_serves_is_refused_by_name() {
    let folders = Folders::new();
    let api = alone(&folders);
    let mut unknown = executable("a", "true");
    unknown["spec"]["frobnicate"] = json!(1);
    let (code, status) = api.post(&of("executables"), &unknown).await;
    assert_eq!(code, 422, "{status}");
    assert_eq!(status["details"]["causes"][0]["field"], "spec.frobnicate");
    let mut terminal = executable("a", "true");
    terminal["spec"]["terminal"] = json!({"udsPath": "/x"});
    let (code, status) = api.post(&of("executables"), &terminal).await;
    assert_eq!(code, 422, "{status}");
    assert_eq!(status["details"]["causes"][0]["field"], "spec.terminal");
    assert_eq!(api.get(&of("executables")).await.1["items"], json!([]));
    // Neither by a patch.
    let (code, _) = api.post(&of("executables"), &executable("a", "true")).await;
    assert_eq!(code, 201);
    let patch = json!({"spec": {"frobnicate": 1}});
    let path = of("executables/a");
    let merge = "application/merge-patch+json";
    assert_eq!(api.json(Method::PATCH, &path, merge, &patch).await.0, 422);
    assert_eq!(api.get(&path).await.1["metadata"]["generation"], 1);
}

#[tokio::test]
async fn spec_and_status_are_apart() {
    let folders = Folders::new();
    let api = alone(&folders);
    let mut object = executable("a", "true");
    object["status"] = json!({"state": "Running"});
    let (_, created) = api.post(&of("executables"), &object).await;
    assert_eq!(created["status"], Value::Null, "{created}");
    let merge = "application/merge-patch+json";
    let patch = json!({"spec": {"stop": true}, "status": {"state": "Running", "pid": 7}});
    let path = of("executables/a/status");
    let (code, after) = api.json(Method::PATCH, &path, merge, &patch).await;
    assert_eq!(code, 200, "{after}");
    assert_eq!(
        (&after["status"]["pid"], &after["spec"]["stop"]),
        (&json!(7), &Value::Null)
    );
    assert_eq!(after["metadata"]["generation"], 1);
    let ready = &after["status"]["conditions"][0];
    assert_eq!(
        (&ready["type"], &ready["status"]),
        (&json!("Ready"), &json!("True")),
        "{after}"
    );
    let owners: Vec<_> = after["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["manager"].clone(), entry["subresource"].clone()))
        .collect();
    assert_eq!(
        owners,
        [
            (json!("tester"), Value::Null),
            (json!("tester"), json!("status"))
        ]
    );
}

#[tokio::test]
async fn a_watch_sees_objects_enter_and_leave_its_selector() {
    let folders = Folders::new();
    let api = alone(&folders);
    let (_, list) = api.get(&of("executables")).await;
    let from = list["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    let merge = "application/merge-patch+json";
    api.post(&of("executables"), &executable("a", "true")).await;
    for tier in ["web", "web2", "db"] {
        let patch = json!({"metadata": {"labels": {"tier": tier}}});
        api.json(Method::PATCH, &of("executables/a"), merge, &patch)
            .await;
    }
    let query = "?watch=true&timeoutSeconds=1&allowWatchBookmarks=true&labelSelector=tier%20in%20(web,web2)";
    let path = format!("{}{query}&resourceVersion={from}", of("executables"));
    let (_, text) = api.send(Method::GET, &path, "", "").await;
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            let labels = &event["object"]["metadata"]["labels"]["tier"];
            (
                event["type"].as_str().unwrap(),
                labels.as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("ADDED", "web"),
            ("MODIFIED", "web2"),
            ("DELETED", "web2"),
            ("BOOKMARK", "")
        ]
    );
    // From a server that has never got so far.
    let path = format!("{}?watch=1&resourceVersion=99", of("executables"));
    let (_, text) = api.send(Method::GET, &path, "", "").await;
    let event: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["code"]),
        (&json!("ERROR"), &json!(410))
    );
}

#[tokio::test]
async fn a_reader_that_sleeps_costs_nobody_anything() {
    let folders = Folders::new();
    let api = alone(&folders);
    api.post(&of("executables"), &executable("a", "true")).await;
    let path = format!("{}?watch=1&resourceVersion=1", of("executables"));
    let (_, mut sleeper) = api.open(Method::GET, &path, "", "").await;
    let merge = "application/merge-patch+json";
    for number in 0..5000 {
        let patch = json!({"metadata": {"labels": {"n": number.to_string()}}});
        let (code, _) = api
            .json(Method::PATCH, &of("executables/a"), merge, &patch)
            .await;
        assert_eq!(code, 200);
    }
    let mut text = Vec::new();
    while let Some(frame) = sleeper.frame().await {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    let text = String::from_utf8(text).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["type"], &last["object"]["reason"]),
        (&json!("ERROR"), &json!("Expired"))
    );
}

#[tokio::test]
async fn an_owner_waits_for_its_dependents_where_that_is_asked() {
    let folders = Folders::new();
    let api = alone(&folders);
    let media = "application/json";
    let options = |policy: &str| json!({"propagationPolicy": policy});
    api.post(&of("executables"), &executable("alone", "true"))
        .await;
    let (_, gone) = api
        .json(
            Method::DELETE,
            &of("executables/alone"),
            media,
            &options("Foreground"),
        )
        .await;
    assert_eq!(gone["status"], "Success", "{gone}");
    for (policy, finalizer) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        let (owner, dependent) = (
            format!("owner-{finalizer}").to_lowercase(),
            format!("of-{finalizer}").to_lowercase(),
        );
        let (_, made) = api
            .post(&of("executables"), &executable(&owner, "true"))
            .await;
        let mut object = executable(&dependent, "true");
        object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": made["apiVersion"], "kind": made["kind"], "name": owner,
            "uid": made["metadata"]["uid"],
        }]);
        let (code, made) = api.post(&of("executables"), &object).await;
        assert_eq!(code, 201, "{made}");
        let path = of(&format!("executables/{owner}"));
        let (_, waits) = api
            .json(Method::DELETE, &path, media, &options(policy))
            .await;
        assert_eq!(waits["metadata"]["finalizers"], json!([finalizer]));
        assert!(waits["metadata"]["deletionTimestamp"].is_string());
    }
}

#[tokio::test]
async fn pages_of_one_moment() {
    let folders = Folders::new();
    let api = alone(&folders);
    for name in ["a", "b", "c"] {
        api.post(&of("executables"), &executable(name, "true"))
            .await;
    }
    let (_, first) = api.get(&format!("{}?limit=2", of("executables"))).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    // What comes in between is not part of that moment.
    api.post(&of("executables"), &executable("bb", "true"))
        .await;
    api.json(Method::DELETE, &of("executables/c"), "", &Value::Null)
        .await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = api
        .get(&format!("{}?limit=2&continue={token}", of("executables")))
        .await;
    let names: Vec<_> = second["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["c"]);
    assert_eq!(
        first["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
}

#[tokio::test]
async fn every_kind_can_be_made_and_shown() {
    let folders = Folders::new();
    let api = alone(&folders);
    let specs = [
        ("ContainerNetwork", json!({})),
        ("ContainerVolume", json!({"name": "v"})),
        ("Service", json!({"port": 80})),
        (
            "Endpoint",
            json!({"serviceNamespace": "", "serviceName": "s", "address": "::1", "port": 1}),
        ),
        ("Container", json!({"image": "x"})),
        ("Executable", json!({"executablePath": "/bin/true"})),
        (
            "ExecutableReplicaSet",
            json!({"replicas": 1, "template": {"spec": {"executablePath": "x"}}}),
        ),
        (
            "ContainerExec",
            json!({"containerName": "c", "command": "x"}),
        ),
        (
            "ContainerNetworkConnection",
            json!({"containerNetworkName": "n", "containerID": "c"}),
        ),
        (
            "ContainerNetworkTunnelProxy",
            json!({"containerNetworkName": "n"}),
        ),
    ];
    for (kind, spec) in specs {
        let kind = *aspire_api::Kind::ALL
            .iter()
            .find(|known| known.name() == kind)
            .unwrap();
        let object = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": kind.name(),
            "metadata": {"name": "a"}, "spec": spec,
        });
        let (code, created) = api.post(&of(kind.plural()), &object).await;
        assert_eq!(code, 201, "{created}");
        let request = Request::builder()
            .uri(of(kind.plural()))
            .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Body::empty())
            .unwrap();
        let response = api.0.router().oneshot(request).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let table: Value = serde_json::from_slice(&bytes).unwrap();
        let columns = table["columnDefinitions"].as_array().unwrap().len();
        assert_eq!(
            table["rows"][0]["cells"].as_array().unwrap().len(),
            columns,
            "{table}"
        );
        assert_eq!(table["rows"][0]["cells"][0], "a");
    }
}

#[tokio::test]
async fn logs_from_the_beginning_to_the_end() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let api = Raw(plane.api().clone());
    let wrong = [
        "?tail=0",
        "?tail=1&skip=1",
        "?follow=1&limit=1",
        "?source=x",
        "?frob=1",
        "?limit=x",
    ];
    let (code, _) = api.get(&format!("{}/log", of("executables/a"))).await;
    assert_eq!(code, 404);
    let script = "echo one; echo two; echo err >&2; read -r line < gate; echo three";
    let fifo = folders.path().join("gate");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let mut object = executable("a", script);
    object["spec"]["workingDirectory"] = json!(folders.path());
    assert_eq!(api.post(&of("executables"), &object).await.0, 201);
    for query in wrong {
        let (code, status) = api
            .get(&format!("{}/log{query}", of("executables/a")))
            .await;
        assert_eq!(
            (code, &status["kind"]),
            (400, &json!("Status")),
            "{query} {status}"
        );
    }
    let path = format!("{}/log?follow=true", of("executables/a"));
    let (_, body) = api.open(Method::GET, &path, "", "").await;
    let mut pieces = body.into_data_stream();
    let mut text = String::new();
    while !text.contains("two\n") {
        text += &String::from_utf8_lossy(&pieces.next().await.unwrap().unwrap());
    }
    std::fs::write(&fifo, "go\n").unwrap();
    // Ends by itself once the workload has.
    while let Some(piece) = pieces.next().await {
        text += &String::from_utf8_lossy(&piece.unwrap());
    }
    assert_eq!(text, "one\ntwo\nthree\n");
    let log = async |query: &str| {
        api.send(
            Method::GET,
            &format!("{}/log{query}", of("executables/a")),
            "",
            "",
        )
        .await
        .1
    };
    assert_eq!(log("?source=stderr").await, "err\n");
    assert_eq!(log("?tail=1").await, "three\n");
    assert_eq!(log("?skip=1&limit=1&line_numbers=1").await, "1 two\n");
    let stamped = log("?timestamps=true&tail=1").await;
    assert!(
        stamped.ends_with("Z three\n") && stamped.starts_with("20"),
        "{stamped}"
    );
    let pod = "/api/v1/namespaces/default/pods/a";
    let all = api
        .send(Method::GET, &format!("{pod}/log?tailLines=3"), "", "")
        .await
        .1;
    assert!(all.contains("err\n") && all.contains("three\n"), "{all}");
    let (_, shown) = api.get(pod).await;
    assert_eq!(shown["status"]["phase"], "Succeeded");
    plane.stop(Stop::Graceful).await;
}

#[tokio::test]
async fn a_client_can_end_the_run() {
    let folders = Folders::new();
    let plane = folders.plane().await;
    let api = Raw(plane.api().clone());
    api.post(&of("executables"), &executable("a", "exec sleep 1000"))
        .await;
    state(
        &plane,
        "a",
        aspire_api::executable::ExecutableState::Running,
    )
    .await;
    let merge = "application/merge-patch+json";
    let patch = async |media: &str, body: Value| {
        api.json(Method::PATCH, "/admin/execution", media, &body)
            .await
            .0
    };
    assert_eq!(patch("application/json", json!({})).await, 415);
    assert_eq!(patch(merge, json!({"status": "Dancing"})).await, 422);
    assert_eq!(
        patch(merge, json!({"status": "CleanupComplete"})).await,
        422
    );
    assert_eq!(patch(merge, json!({"x": "y".repeat(600)})).await, 413);
    assert_eq!(patch(merge, json!({"status": "Running"})).await, 204);
    assert_eq!(
        patch(merge, json!({"status": "CleaningResources"})).await,
        202
    );
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(20), plane.ended())
            .await
            .unwrap(),
        Outcome::Stopped
    );
    assert_eq!(api.get(&of("executables")).await.1["items"], json!([]));
    let (code, status) = api.post(&of("executables"), &executable("b", "true")).await;
    assert_eq!(code, 422, "{status}");
}

#[tokio::test]
async fn kube_without_a_socket() {
    use kube::api::{Api as KubeApi, DynamicObject, Patch, PatchParams};
    use kube::core::{ApiResource, GroupVersionKind};
    let folders = Folders::new();
    let client = alone(&folders).0.kube_client();
    let kind = GroupVersionKind::gvk(GROUP, "v1", "Executable");
    let resource = ApiResource::from_gvk_with_plural(&kind, "executables");
    let all: KubeApi<DynamicObject> = KubeApi::all_with(client, &resource);
    let applied = all
        .patch(
            "a",
            &PatchParams::apply("me"),
            &Patch::Apply(&executable("a", "true")),
        )
        .await
        .unwrap();
    assert_eq!(
        applied.metadata.managed_fields.unwrap()[0]
            .manager
            .as_deref(),
        Some("me")
    );
    assert_eq!(all.list(&Default::default()).await.unwrap().items.len(), 1);
    all.delete("a", &Default::default()).await.unwrap();
    assert!(all.get_opt("a").await.unwrap().is_none());
}
