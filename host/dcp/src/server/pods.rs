//! Containers and executables as read-only pods in the namespace `default`, so that `kubectl get
//! pods`, `logs` and `wait` work without knowing our kinds.

use std::sync::Arc;

use aspire_api::container::{ContainerState, HealthStatus};
use aspire_api::executable::ExecutableState;
use aspire_api::{Kind, Object, ObjectKey};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::list::{Selection, shown, shown_list};
use super::log::{LogOptions, stream_of};
use super::route::Call;
use super::watch::{Projection, Watched, start};
use super::{Api, answer, columns};
use crate::clock::Timestamp;
use crate::machinery::negotiate::negotiate;
use crate::machinery::options::ListOptions;
use crate::machinery::status::{GroupResource, Reason, Status};
use crate::store::Event;

const NAMESPACE: &str = "default";
const PODS: GroupResource<'static> = GroupResource {
    group: "",
    resource: "pods",
};

/// Below `/api/v1`.
pub(super) fn handle(api: &Api, call: &Call, rest: &[&str]) -> Result<Response, Status> {
    if call.method != "GET" {
        let message = "pods are a read-only view of containers and executables; change those";
        return Err(Status::failure(Reason::MethodNotAllowed, message));
    }
    match rest {
        ["namespaces"] => {
            let list = json!({
                "kind": "NamespaceList", "apiVersion": "v1",
                "metadata": {"resourceVersion": api.store.list().1.to_string()},
                "items": [namespace()],
            });
            let negotiated = negotiate(call.accept(), false)?;
            shown_list(call, negotiated, &columns::of_pods()[..1], &list)
        }
        ["namespaces", NAMESPACE] => Ok(answer::json(200, &namespace())),
        ["pods"] => collection(api, call, true),
        ["namespaces", namespace, "pods"] => collection(api, call, *namespace == NAMESPACE),
        ["namespaces", NAMESPACE, "pods", name] => {
            let object = find(api, name)?;
            let negotiated = negotiate(call.accept(), false)?;
            let pod = pod(&object).unwrap_or_default();
            shown(call, negotiated, &columns::of_pods(), &pod, 200)
        }
        ["namespaces", NAMESPACE, "pods", name, "log"] => {
            let object = find(api, name)?;
            let options = log_options(call, name)?;
            Ok(stream_of(api, object.key(), options))
        }
        ["namespaces", _, "pods", name, ..] => Err(Status::not_found(PODS, name)),
        // kubectl describe asks for them.
        ["events"] | ["namespaces", _, "events"] => Ok(answer::json(
            200,
            &json!({
                "kind": "EventList", "apiVersion": "v1", "items": [],
                "metadata": {"resourceVersion": api.store.list().1.to_string()},
            }),
        )),
        _ => Ok(answer::no_such_path()),
    }
}

fn namespace() -> Value {
    json!({
        "kind": "Namespace", "apiVersion": "v1",
        "metadata": {"name": NAMESPACE, "uid": "default"},
        "spec": {}, "status": {"phase": "Active"},
    })
}

fn find(api: &Api, name: &str) -> Result<Arc<Object>, Status> {
    [Kind::Container, Kind::Executable]
        .iter()
        .find_map(|kind| api.store.get(&ObjectKey::new(*kind, name)).ok())
        .ok_or_else(|| Status::not_found(PODS, name))
}

fn log_options(call: &Call, name: &str) -> Result<LogOptions, Status> {
    let query = &call.query;
    let container = query.text("container");
    if !container.is_empty() && container != name {
        return Err(Status::bad_request(format!(
            "container {container} is not valid for pod {name}"
        )));
    }
    if query.flag("previous")? {
        return Err(Status::bad_request(format!(
            "previous terminated container {name:?} in pod {name:?} not found"
        )));
    }
    let seconds: Option<i64> = query.number("sinceSeconds")?;
    let since = seconds.map(|seconds| Timestamp(Timestamp::now().0 - seconds * 1_000_000));
    let time = query.get("sinceTime").map(|text| {
        let padded = text.trim_end_matches('Z').split_once('.').map_or_else(
            || format!("{}.000000Z", text.trim_end_matches('Z')),
            |(whole, part)| format!("{whole}.{part:0<6.6}Z"),
        );
        let read = Timestamp::read(padded.as_bytes());
        read.ok_or_else(|| Status::bad_request(format!("sinceTime: `{text}` is no time in UTC")))
    });
    Ok(LogOptions {
        follow: query.flag("follow")?,
        timestamps: query.flag("timestamps")?,
        tail: query.number("tailLines")?,
        limit_bytes: query.number("limitBytes")?,
        since: time.transpose()?.or(since),
        ..LogOptions::default()
    })
}

struct Pods;

impl Projection for Pods {
    fn project(&self, object: &Object) -> Option<Value> {
        pod(object)
    }

    fn text(&self, _: &Event) -> Option<Bytes> {
        None
    }
}

fn collection(api: &Api, call: &Call, is_here: bool) -> Result<Response, Status> {
    let query = &call.query;
    let options = ListOptions {
        watch: query.flag("watch")?,
        resource_version: query.text("resourceVersion"),
        send_initial_events: query.optional_flag("sendInitialEvents")?,
        ..ListOptions::default()
    };
    let fields = ["metadata.namespace", "status.phase", "spec.nodeName"];
    let selection = Selection::read_with(call, &fields)?;
    let negotiated = negotiate(call.accept(), options.watch)?;
    if options.watch {
        let what = Watched {
            projection: Arc::new(Pods),
            columns: columns::of_pods(),
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
        };
        return start(api, call, what, &options, selection, negotiated);
    }
    let (objects, revision) = api.store.list();
    let items: Vec<Value> = objects
        .iter()
        .filter(|_| is_here)
        .filter_map(|object| pod(object))
        .filter(|pod| selection.matches_value(pod))
        .collect();
    let list = json!({
        "kind": "PodList", "apiVersion": "v1", "items": items,
        "metadata": {"resourceVersion": revision.to_string()},
    });
    shown_list(call, negotiated, &columns::of_pods(), &list)
}

/// What the phase and the state of a pod are made from.
struct Life {
    phase: &'static str,
    runs: bool,
    ended: bool,
    reason: String,
    message: String,
    exit_code: Option<i32>,
    healthy: bool,
    started: Option<String>,
    finished: Option<String>,
    image: String,
    id: Option<String>,
    restarts: u32,
    env: Value,
}

/// A workload as a pod.
fn pod(object: &Object) -> Option<Value> {
    let life = life(object)?;
    let metadata = object.metadata();
    let mut shown = object.write()["metadata"].clone();
    shown["namespace"] = json!(NAMESPACE);
    if let Some(fields) = shown.as_object_mut() {
        fields.remove("managedFields");
        fields.remove("finalizers");
        fields.remove("ownerReferences");
    }
    let state = if life.ended {
        json!({"terminated": {
            "exitCode": life.exit_code.unwrap_or(-1), "reason": life.reason, "message": life.message,
            "startedAt": life.started, "finishedAt": life.finished,
        }})
    } else if life.runs {
        json!({"running": {"startedAt": life.started}})
    } else {
        json!({"waiting": {"reason": life.reason, "message": life.message}})
    };
    let ready = life.runs && life.healthy;
    let flag = |holds: bool| if holds { "True" } else { "False" };
    let changed = |kind: &str| {
        let conditions = &object.common().conditions;
        let found = conditions.iter().find(|condition| condition.kind == kind);
        found.and_then(|found| found.last_transition_time.clone())
    };
    let name = &metadata.name;
    Some(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": shown,
        "spec": {
            "containers": [{"name": name, "image": life.image, "env": life.env, "resources": {}}],
            "restartPolicy": "Never", "nodeName": "localhost",
        },
        "status": {
            "phase": life.phase,
            "message": life.message,
            "startTime": life.started,
            "conditions": [
                {"type": "Ready", "status": flag(ready), "lastTransitionTime": changed("Ready")},
                {"type": "ContainersReady", "status": flag(ready),
                 "lastTransitionTime": changed("Ready")},
                {"type": "PodScheduled", "status": "True",
                 "lastTransitionTime": metadata.creation_timestamp},
            ],
            "containerStatuses": [{
                "name": name, "image": life.image, "imageID": "", "ready": ready,
                "started": life.runs, "restartCount": life.restarts, "state": state,
                "containerID": life.id.unwrap_or_default(),
            }],
        },
    }))
}

fn life(object: &Object) -> Option<Life> {
    let healthy =
        |health: Option<HealthStatus>| health.is_none_or(|health| health == HealthStatus::Healthy);
    match object {
        Object::Container(container) => {
            let status = &container.status;
            let succeeded = status.exit_code == Some(0);
            Some(Life {
                phase: match status.state {
                    ContainerState::Running | ContainerState::Paused | ContainerState::Stopping => {
                        "Running"
                    }
                    ContainerState::Exited if succeeded => "Succeeded",
                    ContainerState::Exited | ContainerState::FailedToStart => "Failed",
                    ContainerState::Unknown => "Unknown",
                    _ => "Pending",
                },
                runs: status.state == ContainerState::Running,
                ended: status.state == ContainerState::Exited,
                reason: match status.state {
                    ContainerState::Exited if succeeded => "Completed".to_owned(),
                    ContainerState::Exited => "Error".to_owned(),
                    other => other.to_string(),
                },
                message: status.message.clone(),
                exit_code: status.exit_code,
                healthy: healthy(status.health_status),
                started: status.startup_timestamp.clone(),
                finished: status.finish_timestamp.clone(),
                image: container.spec.image.clone(),
                id: status
                    .container_id
                    .as_ref()
                    .map(|id| format!("docker://{id}")),
                restarts: status.restarts,
                env: json!(container.spec.env),
            })
        }
        Object::Executable(executable) => {
            let status = &executable.status;
            let succeeded = status.exit_code == Some(0);
            let ended = matches!(
                status.state,
                ExecutableState::Finished | ExecutableState::Terminated
            );
            Some(Life {
                phase: match status.state {
                    ExecutableState::Running | ExecutableState::Stopping => "Running",
                    ExecutableState::Finished | ExecutableState::Terminated if succeeded => {
                        "Succeeded"
                    }
                    ExecutableState::Finished
                    | ExecutableState::Terminated
                    | ExecutableState::FailedToStart => "Failed",
                    ExecutableState::Unknown => "Unknown",
                    _ => "Pending",
                },
                runs: status.state == ExecutableState::Running,
                ended,
                reason: if ended {
                    if succeeded { "Completed" } else { "Error" }.to_owned()
                } else {
                    status.state.to_string()
                },
                message: status.message.clone(),
                exit_code: status.exit_code,
                healthy: healthy(status.health_status),
                started: status.startup_timestamp.clone(),
                finished: status.finish_timestamp.clone(),
                image: executable.spec.executable_path.clone(),
                id: status.pid.map(|pid| format!("process://{pid}")),
                restarts: status.restarts,
                env: json!(executable.spec.env),
            })
        }
        _ => None,
    }
}
