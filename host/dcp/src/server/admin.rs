//! `/admin/execution`: where the run is in its life, and the way to end it (reference/dcp.md 2.4).

use axum::http::header;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::route::Call;
use super::{Api, answer};
use crate::machinery::status::{Reason, Status};

/// Bytes of a request.
const LIMIT: usize = 512;

/// Where a run is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Execution {
    /// Where it is.
    #[serde(default)]
    pub status: ExecutionStatus,
    /// Whether what it made goes with it.
    #[serde(default)]
    pub shutdown_resource_cleanup: Cleanup,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum ExecutionStatus {
    /// It runs.
    #[default]
    Running,
    /// What it made is being removed; it goes on serving.
    CleaningResources,
    /// What it made is gone.
    CleanupComplete,
    /// It ends.
    Stopping,
}

/// Whether what a run made goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Cleanup {
    /// It is left to whoever comes after.
    None,
    /// All of it.
    #[default]
    Full,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Patch {
    status: Option<ExecutionStatus>,
    shutdown_resource_cleanup: Option<Cleanup>,
}

/// What a request leads to: the code of the answer, and where the run is then.
fn step(now: Execution, patch: &Patch) -> Result<(u16, Execution), String> {
    use ExecutionStatus::{CleaningResources, CleanupComplete, Running, Stopping};
    let next = Execution {
        status: patch.status.unwrap_or(now.status),
        shutdown_resource_cleanup: patch
            .shutdown_resource_cleanup
            .unwrap_or(now.shutdown_resource_cleanup),
    };
    if next == now {
        return Ok((204, now));
    }
    if next.shutdown_resource_cleanup != now.shutdown_resource_cleanup && now.status != Running {
        return Err("what is cleaned up can't be changed any more".to_owned());
    }
    match (now.status, next.status) {
        (from, to) if from == to => Ok((202, next)),
        (Running, CleaningResources | Stopping)
        | (CleaningResources | CleanupComplete, Stopping) => Ok((202, next)),
        // It is past that point already.
        (CleanupComplete | Stopping, CleaningResources) | (Stopping, CleanupComplete) => {
            Ok((200, now))
        }
        (from, to) => Err(format!("{from:?} can't become {to:?}")),
    }
}

pub(super) fn handle(api: &Api, call: &Call) -> Result<Response, Status> {
    let show = |code, execution: Execution| answer::json(code, &json!(execution));
    let now = *api.execution.borrow();
    match call.method.as_str() {
        "GET" => return Ok(show(200, now)),
        "PATCH" => {}
        _ => {
            let message = "the server does not allow this method on the requested resource";
            return Err(Status::failure(Reason::MethodNotAllowed, message));
        }
    }
    let media = call.header(header::CONTENT_TYPE);
    let media = media.split(';').next().unwrap_or_default().trim();
    if media != "application/merge-patch+json" {
        return Err(Status::unsupported_media_type(&[
            "application/merge-patch+json",
        ]));
    }
    if call.body.len() > LIMIT {
        return Err(Status::too_large(LIMIT));
    }
    let patch: serde_json::Value = serde_json::from_slice(&call.body)
        .map_err(|error| Status::bad_request(format!("the body is no JSON: {error}")))?;
    let patch: Patch =
        serde_json::from_value(patch).map_err(|error| Status::unprocessable(error.to_string()))?;
    let (code, next) = step(now, &patch).map_err(Status::unprocessable)?;
    if next != now {
        api.execution.send_replace(next);
    }
    Ok(match code {
        204 => answer::text(204, ""),
        code => show(code, next),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use ExecutionStatus::{CleaningResources, CleanupComplete, Running, Stopping};
        let all = [Running, CleaningResources, CleanupComplete, Stopping];
        let mut found = Vec::new();
        for from in all {
            for to in all {
                let now = Execution {
                    status: from,
                    ..Execution::default()
                };
                let patch = Patch {
                    status: Some(to),
                    shutdown_resource_cleanup: None,
                };
                found.push(step(now, &patch).map_or(422, |(code, _)| code));
            }
        }
        assert_eq!(
            found,
            [
                204, 202, 422, 202, // Running
                422, 204, 422, 202, // CleaningResources
                422, 200, 204, 202, // CleanupComplete
                422, 200, 200, 204, // Stopping
            ]
        );
        let late = Execution {
            status: Stopping,
            ..Execution::default()
        };
        let patch = Patch {
            status: None,
            shutdown_resource_cleanup: Some(Cleanup::None),
        };
        assert!(step(late, &patch).is_err());
    }
}
