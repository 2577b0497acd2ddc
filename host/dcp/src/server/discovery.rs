//! Discovery: which groups, versions and resources there are, one by one or all at once.
//!
//! Knows the forms of Kubernetes' discovery; the aggregated one is made of the others.

use aspire_api::{GROUP, Kind, VERSION};
use axum::http::header;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer;
use super::route::Call;

/// `/api`: the versions of the core group.
pub(super) fn versions(call: &Call) -> Response {
    aggregated(call, "", &core_resources()).unwrap_or_else(|| {
        answer::json(
            200,
            &json!({
                "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [
                    {"clientCIDR": "0.0.0.0/0", "serverAddress": call.header(header::HOST)}],
            }),
        )
    })
}

/// `/apis`: the other groups.
pub(super) fn groups(call: &Call) -> Response {
    aggregated(call, GROUP, &resources()).unwrap_or_else(|| {
        answer::json(
            200,
            &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]}),
        )
    })
}

/// The group.
pub(super) fn group() -> Value {
    let version = json!({"groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION});
    json!({"name": GROUP, "versions": [version], "preferredVersion": version})
}

/// The resources of the group.
pub(super) fn resources() -> Value {
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

/// The resources of the core group.
pub(super) fn core_resources() -> Value {
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

/// Everything of a group at once, for a client that asks for that before plain JSON.
fn aggregated(call: &Call, group: &str, resources: &Value) -> Option<Response> {
    let (version, media) = call.accept()?.split(',').find_map(|clause| {
        let mut parts = clause.split(';').map(str::trim);
        let plain = parts.next() == Some("application/json");
        let parts: Vec<&str> = parts.filter(|part| !part.starts_with("q=")).collect();
        match (plain, parts.contains(&"as=APIGroupDiscoveryList")) {
            (true, true) if parts.contains(&"g=apidiscovery.k8s.io") => {
                if parts.contains(&"v=v2") {
                    let media =
                        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
                    Some(Some(("v2", media)))
                } else if parts.contains(&"v=v2beta1") {
                    let media =
                        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
                    Some(Some(("v2beta1", media)))
                } else {
                    None
                }
            }
            (true, false) => Some(None),
            _ => None,
        }
    })??;
    let mut metadata = Map::new();
    if !group.is_empty() {
        metadata.insert("name".to_owned(), json!(group));
    }
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {}, "items": [{"metadata": metadata, "versions": [{
            "version": "v1", "freshness": "Current", "resources": in_one(group, resources)}]}],
    });
    Some(answer::bytes(200, media, list.to_string()))
}

/// Resources with their subresources inside.
fn in_one(group: &str, list: &Value) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for resource in list["resources"].as_array().into_iter().flatten() {
        let name = resource["name"].as_str().unwrap_or_default();
        let kind = json!({"group": group, "version": "v1", "kind": resource["kind"]});
        if let Some((_, subresource)) = name.split_once('/') {
            // They follow their resource.
            if let Some(Value::Object(parent)) = found.last_mut()
                && let Value::Array(all) = parent.entry("subresources").or_insert_with(|| json!([]))
            {
                all.push(json!({
                    "subresource": subresource, "responseKind": kind, "verbs": resource["verbs"],
                }));
            }
            continue;
        }
        let namespaced = resource["namespaced"] == json!(true);
        let mut one = json!({
            "resource": name, "responseKind": kind, "verbs": resource["verbs"],
            "scope": if namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": resource["singularName"],
        });
        for field in ["shortNames", "categories"] {
            if let Some(value) = resource.get(field) {
                one[field] = value.clone();
            }
        }
        found.push(one);
    }
    found
}
