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
use crate::machinery::status::{GroupResource, Status};

/// A request, read.
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
            let kind = Kind::of_plural(plural).ok_or_else(Status::no_such_path)?;
            objects(api, call, kind, rest).await
        }
        ["admin", "execution"] => admin::handle(api, call),
        ["api", "v1", ref rest @ ..] if !rest.is_empty() => pods::handle(api, call, rest),
        _ if call.method == Method::GET => describe::handle(api, call, &path),
        _ => Err(Status::no_such_path()),
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
        (_, [] | [_] | [_, "status"]) => Err(Status::method_not_allowed(resource(kind))),
        (_, [_, "log"]) if kind.has_log() => Err(Status::method_not_allowed(resource(kind))),
        _ => Err(Status::no_such_path()),
    }
}
