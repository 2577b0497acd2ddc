//! What describes the API: discovery, OpenAPI, version and health.

use aspire_api::{GROUP, Kind, VERSION};
use axum::response::Response;
use serde_json::{Value, json};

use super::route::Call;
use super::{Api, answer};
use crate::machinery::openapi_v2::PROTOBUF_CONTENT_TYPE;
use crate::machinery::status::Status;

pub(super) fn handle(api: &Api, call: &Call, path: &[&str]) -> Result<Response, Status> {
    let json = |value: &Value| Ok(answer::json(200, value));
    match path {
        [] => json(&json!({"paths": paths()})),
        ["api"] => json(&json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["api", "v1"] => json(&core_resources()),
        ["apis"] => json(&json!({
            "kind": "APIGroupList", "apiVersion": "v1", "groups": [group()],
        })),
        ["apis", GROUP] => {
            let mut group = group();
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            json(&group)
        }
        ["apis", GROUP, VERSION] => json(&resources()),
        ["version"] => json(&version()),
        ["healthz" | "readyz" | "livez", rest @ ..] => Ok(health(call, path[0], rest)),
        ["openapi", "v2"] => Ok(openapi_v2(api, call)),
        ["openapi", "v3"] => json(&api.schemas.index()),
        ["openapi", "v3", "api", "v1"] => json(api.schemas.core()),
        ["openapi", "v3", "apis", GROUP, VERSION] => json(api.schemas.group()),
        _ => Err(Status::no_such_path()),
    }
}

fn paths() -> Vec<String> {
    let group = format!("/apis/{GROUP}");
    let version = format!("{group}/{VERSION}");
    let fixed = [
        "/healthz",
        "/livez",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ];
    ["/api", "/api/v1", "/apis", &*group, &*version]
        .iter()
        .chain(&fixed)
        .map(|path| (*path).to_owned())
        .collect()
}

fn group() -> Value {
    let version = json!({"groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION});
    json!({"name": GROUP, "versions": [version], "preferredVersion": version})
}

fn resources() -> Value {
    let mut resources = Vec::new();
    for kind in Kind::ALL {
        resources.push(json!({
            "name": kind.plural(), "singularName": kind.singular(), "namespaced": false,
            "kind": kind.name(), "shortNames": [kind.short_name()], "categories": ["all"],
            "verbs": ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"],
        }));
        resources.push(json!({
            "name": format!("{}/status", kind.plural()), "singularName": "", "namespaced": false,
            "kind": kind.name(), "verbs": ["get", "patch", "update"],
        }));
        if kind.has_log() {
            resources.push(json!({
                "name": format!("{}/log", kind.plural()), "singularName": "", "namespaced": false,
                "kind": kind.name(), "verbs": ["get"],
            }));
        }
    }
    json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": format!("{GROUP}/{VERSION}"), "resources": resources,
    })
}

fn core_resources() -> Value {
    json!({
        "kind": "APIResourceList", "groupVersion": "v1",
        "resources": [
            {"name": "namespaces", "singularName": "namespace", "namespaced": false,
             "kind": "Namespace", "shortNames": ["ns"], "verbs": ["get", "list"]},
            {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod",
             "shortNames": ["po"], "categories": ["all"], "verbs": ["get", "list", "watch"]},
            {"name": "pods/log", "singularName": "", "namespaced": true, "kind": "Pod",
             "verbs": ["get"]},
        ],
    })
}

fn version() -> Value {
    // Major and minor are those of the Kubernetes API that this one behaves like.
    json!({
        "major": "1", "minor": "34",
        "gitVersion": concat!("v1.34.0+aspire-host.", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

fn health(call: &Call, endpoint: &str, rest: &[&str]) -> Response {
    match rest {
        [] if call.query.get("verbose").is_some() => {
            answer::text(200, format!("[+]ping ok\n{endpoint} check passed\n"))
        }
        [] | ["ping"] => answer::text(200, "ok"),
        _ => answer::status(&Status::no_such_path()),
    }
}

fn openapi_v2(api: &Api, call: &Call) -> Response {
    let (document, protobuf) = api.schemas.v2();
    // The `@` is how clients ask for it; one can't answer with it.
    if call
        .accept()
        .is_some_and(|accept| accept.contains("openapi.spec.v2"))
    {
        return answer::bytes(200, PROTOBUF_CONTENT_TYPE, protobuf.clone());
    }
    answer::json(200, document)
}
