//! What describes the API: OpenAPI, version and health, and who answers discovery.

use aspire_api::{GROUP, VERSION};
use axum::http::Method;
use axum::response::Response;
use serde_json::{Value, json};

use super::route::Call;
use super::{Api, answer, discovery};
use crate::machinery::openapi_v2::PROTOBUF_CONTENT_TYPE;
use crate::machinery::status::Status;

pub(super) fn handle(api: &Api, call: &Call, path: &[&str]) -> Result<Response, Status> {
    let found = read(api, call, path);
    if matches!(call.method, Method::GET | Method::HEAD) || found.status() == 404 {
        return Ok(found);
    }
    Err(Status::method_not_allowed_here())
}

fn read(api: &Api, call: &Call, path: &[&str]) -> Response {
    let json = |value: &Value| answer::json(200, value);
    match path {
        [] => json(&json!({"paths": paths()})),
        ["api"] => discovery::versions(call),
        ["api", "v1"] => json(&discovery::core_resources()),
        ["apis"] => discovery::groups(call),
        ["apis", GROUP] => {
            let mut group = discovery::group();
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            json(&group)
        }
        ["apis", GROUP, VERSION] => json(&discovery::resources()),
        ["version"] => json(&version()),
        ["healthz" | "readyz" | "livez", rest @ ..] => health(call, path[0], rest),
        ["openapi", "v2"] => openapi_v2(api, call),
        ["openapi", "v3"] => json(&api.schemas.index()),
        ["openapi", "v3", "api", "v1"] => json(api.schemas.core()),
        ["openapi", "v3", "apis", GROUP, VERSION] => json(api.schemas.group()),
        _ => answer::no_such_path(),
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

fn version() -> Value {
    // Major and minor are those of the Kubernetes API that this one behaves like.
    json!({
        "major": "1", "minor": "34", "emulationMajor": "1", "emulationMinor": "34",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "33",
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
        _ => answer::no_such_path(),
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
