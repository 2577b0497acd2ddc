//! Which request is answered by what.

use aspire_api::{GROUP, Kind, VERSION};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};

use super::parameters::{Query, decode};
use super::{Api, admin, answer, delete, describe, list, log, pods, write};
use crate::machinery::patch::MAX_BODY_BYTES;
use crate::machinery::status::{GroupKind, GroupResource, Status};

/// A request, read.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: Vec<String>,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Call {
    pub(super) fn header(&self, name: header::HeaderName) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// The same call as a watch, of one object or all.
    fn as_watch(&self, name: Option<&str>) -> Self {
        let mut call = self.clone();
        call.query.set("watch", "true");
        if let Some(name) = name {
            call.query
                .set("fieldSelector", &format!("metadata.name={name}"));
        }
        call
    }

    /// `Accept`, if there is one.
    pub(super) fn accept(&self) -> Option<&str> {
        self.headers.get(header::ACCEPT)?.to_str().ok()
    }
}

/// How errors call the resource of a kind.
pub(super) fn resource(kind: Kind) -> GroupResource<'static> {
    GroupResource {
        group: GROUP,
        resource: kind.plural(),
    }
}

/// How errors call a kind.
pub(super) fn group_kind(kind: Kind) -> GroupKind<'static> {
    GroupKind {
        group: GROUP,
        kind: kind.name(),
    }
}

/// What a method does to one object.
fn verb(method: &str) -> &'static str {
    match method {
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
}

/// Answers a request.
pub(super) async fn handle(api: &Api, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return answer::status(&Status::too_large(MAX_BODY_BYTES)),
    };
    let path = parts.uri.path().split('/').filter(|part| !part.is_empty());
    let call = Call {
        method: parts.method,
        path: path.map(decode).collect(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
    };
    match route(api, &call).await {
        Ok(response) => response,
        Err(status) => answer::status(&status),
    }
}

async fn route(api: &Api, call: &Call) -> Result<Response, Status> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match path[..] {
        ["apis", GROUP, VERSION, plural, ref rest @ ..] => {
            match (plural, Kind::of_plural(plural), rest) {
                (_, Some(kind), _) => objects(api, call, kind, rest).await,
                // The old way to watch.
                ("watch", None, [plural] | [plural, _]) => {
                    let kind = Kind::of_plural(plural);
                    let call = call.as_watch(rest.get(1).copied());
                    kind.map_or_else(
                        || Ok(answer::no_such_path()),
                        |kind| list::collection(api, &call, kind),
                    )
                }
                _ => Ok(answer::no_such_path()),
            }
        }
        ["admin", "execution"] => admin::handle(api, call),
        ["api", "v1", ref rest @ ..] if !rest.is_empty() => pods::handle(api, call, rest),
        _ => describe::handle(api, call, &path),
    }
}

async fn objects(api: &Api, call: &Call, kind: Kind, rest: &[&str]) -> Result<Response, Status> {
    match (call.method.as_str(), rest) {
        ("GET" | "HEAD", []) => list::collection(api, call, kind),
        ("POST", []) => write::create(api, call, kind),
        ("DELETE", []) => delete::collection(api, call, kind),
        ("GET" | "HEAD", [name]) => list::one(api, call, kind, name),
        ("PUT", [name]) => write::replace(api, call, kind, name, ""),
        ("PATCH", [name]) => write::patch(api, call, kind, name, ""),
        ("DELETE", [name]) => delete::one(api, call, kind, name),
        ("GET" | "HEAD", [name, "status"]) => list::one(api, call, kind, name),
        ("PUT", [name, "status"]) => write::replace(api, call, kind, name, "status"),
        ("PATCH", [name, "status"]) => write::patch(api, call, kind, name, "status"),
        ("GET", [name, "log"]) if kind.has_log() => log::of_object(api, call, kind, name).await,
        ("PUT" | "PATCH", []) => Err(Status::bad_request("name must be provided")),
        (method, [] | [_] | [_, "status" | "log"]) => {
            Err(Status::method_not_allowed(resource(kind), verb(method)))
        }
        (_, [name, ..]) => Err(Status::not_found(resource(kind), name)),
    }
}
