//! JSON Patch (RFC 6902) and JSON merge patch (RFC 7386), answered as kube-apiserver answers.
//!
//! Knows limits and error classes. Doesn't know what is patched, nor who owns its fields.

use json_patch::jsonptr::Pointer;
use json_patch::{Patch, PatchErrorKind, PatchOperation};
use serde_json::Value;

use super::status::{Reason, Status};

/// Operations that a JSON Patch may have.
pub const MAX_OPERATIONS: usize = 10_000;
/// Bytes that the body of a request may have, and that all `copy` operations may add together.
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;
/// Levels that a patched object may have. Parsing has a limit of its own (128); without this one
/// a patch could nest deeper, step by step, than the stack is.
const MAX_DEPTH: usize = 512;

/// The media types of patches that are accepted, in the order in which an error lists them.
pub const PATCH_MEDIA_TYPES: [&str; 3] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
];

/// Why a patch wasn't applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It isn't a patch: 400.
    #[error("{0}")]
    Malformed(String),
    /// It doesn't fit the object: a failed test, or a path that isn't there. 422.
    #[error("{0}")]
    Unprocessable(String),
    /// It has too many bytes or operations: 413.
    #[error("{0}")]
    TooLarge(String),
}

impl From<PatchError> for Status {
    fn from(error: PatchError) -> Self {
        match error {
            PatchError::Malformed(why) => Self::bad_request(why),
            PatchError::Unprocessable(why) => Self::unprocessable(format!(
                "the server rejected our request due to an error in our request: {why}"
            )),
            PatchError::TooLarge(why) => Self::failure(
                Reason::RequestEntityTooLarge,
                format!("Request entity is too large: {why}"),
            ),
        }
    }
}

fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, PatchError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(PatchError::TooLarge(format!("limit is {MAX_BODY_BYTES}")));
    }
    serde_json::from_slice(body)
        .map_err(|error| PatchError::Malformed(format!("error decoding patch: {error}")))
}

/// Applies a JSON Patch; the object stays as it is if any operation fails.
///
/// # Errors
/// It isn't a JSON Patch, is too large, or doesn't fit the object.
pub fn json_patch(object: &Value, body: &[u8]) -> Result<Value, PatchError> {
    // A list that is no patch is refused as one that doesn't fit.
    let operations: Vec<Value> = decode(body)?;
    let patch: Patch = serde_json::from_value(operations.into())
        .map_err(|error| PatchError::Unprocessable(error.to_string()))?;
    if patch.0.len() > MAX_OPERATIONS {
        return Err(PatchError::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            patch.0.len()
        )));
    }
    let mut result = object.clone();
    let mut copied = 0;
    for operation in &patch.0 {
        check_growth(&result, operation, &mut copied)?;
        if is_test_for_nothing(&result, operation) {
            continue;
        }
        let step = std::slice::from_ref(operation);
        json_patch::patch(&mut result, step).map_err(|error| wording(operation, &error.kind))?;
    }
    Ok(result)
}

/// A test that there is nothing, on a path that isn't there: kube-apiserver lets it pass, and
/// clients (the finalizer helper of kube-rs) count on that.
fn is_test_for_nothing(object: &Value, operation: &PatchOperation) -> bool {
    let PatchOperation::Test(test) = operation else {
        return false;
    };
    test.value.is_null() && object.pointer(test.path.as_str()).is_none()
}

/// Refuses what would make the object too deep or too large before it does.
fn check_growth(
    object: &Value,
    operation: &PatchOperation,
    copied: &mut usize,
) -> Result<(), PatchError> {
    let moved = |from: &Pointer| object.pointer(from.as_str());
    let levels = match operation {
        PatchOperation::Add(add) => depth(&add.value),
        PatchOperation::Replace(replace) => depth(&replace.value),
        PatchOperation::Move(r#move) => moved(&r#move.from).map_or(0, depth),
        PatchOperation::Copy(copy) => {
            let source = moved(&copy.from);
            *copied += source.map_or(0, |value| value.to_string().len());
            if *copied > MAX_BODY_BYTES {
                return Err(PatchError::Unprocessable(format!(
                    "unable to copy, the accumulated size increase of copy operations exceeds \
                     the limit {MAX_BODY_BYTES}"
                )));
            }
            source.map_or(0, depth)
        }
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return Ok(()),
    };
    if levels + operation.path().count() > MAX_DEPTH {
        return Err(PatchError::Unprocessable(format!(
            "the patched object would have more than {MAX_DEPTH} levels"
        )));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn wording(operation: &PatchOperation, kind: &PatchErrorKind) -> PatchError {
    let verb = match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) => "move",
        PatchOperation::Copy(_) => "copy",
        PatchOperation::Test(_) => "test",
    };
    let path = operation.path().as_str();
    PatchError::Unprocessable(match kind {
        PatchErrorKind::TestFailed => format!("testing value {path} failed: test failed"),
        PatchErrorKind::InvalidPointer => {
            format!("{verb} operation does not apply: doc is missing path: {path:?}: missing value")
        }
        PatchErrorKind::InvalidFromPointer => {
            let from = match operation {
                PatchOperation::Move(r#move) => r#move.from.as_str(),
                PatchOperation::Copy(copy) => copy.from.as_str(),
                _ => path,
            };
            format!(
                "{verb} operation does not apply: doc is missing from path: {from:?}: missing value"
            )
        }
        other => format!("{verb} operation does not apply: {path:?}: {other}"),
    })
}

/// Applies a merge patch.
///
/// # Errors
/// It isn't a JSON object, or is too large.
pub fn merge_patch(object: &Value, body: &[u8]) -> Result<Value, PatchError> {
    let patch: Value = decode(body)?;
    if !patch.is_object() {
        return Err(PatchError::Malformed("Invalid JSON Patch".to_owned()));
    }
    let mut result = object.clone();
    json_patch::merge(&mut result, &patch);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object() -> Value {
        json!({"metadata": {"name": "web"}, "spec": {"args": ["a", "b"], "env": {"A/B": "1"}}})
    }

    #[test]
    fn operations() {
        for (patch, expected) in [
            (json!([]), object()),
            (
                json!([{"op": "test", "path": "/spec/args/0", "value": "a"},
                       {"op": "add", "path": "/spec/args/-", "value": "c"},
                       {"op": "remove", "path": "/spec/env/A~1B"},
                       {"op": "replace", "path": "/spec/args/0", "value": "z"}]),
                json!({"metadata": {"name": "web"}, "spec": {"args": ["z", "b", "c"], "env": {}}}),
            ),
            (
                json!([{"op": "copy", "from": "/spec/args", "path": "/spec/more"},
                       {"op": "move", "from": "/spec/args", "path": "/args"}]),
                json!({"metadata": {"name": "web"}, "args": ["a", "b"],
                       "spec": {"more": ["a", "b"], "env": {"A/B": "1"}}}),
            ),
        ] {
            let body = patch.to_string();
            assert_eq!(json_patch(&object(), body.as_bytes()), Ok(expected));
        }
    }

    #[test]
    fn error_classes() {
        let many = format!(
            "[{}]",
            vec![r#"{"op":"test","path":"","value":1}"#; MAX_OPERATIONS + 1].join(",")
        );
        let huge = " ".repeat(MAX_BODY_BYTES + 1);
        for (patch, code, part) in [
            ("", 400, "error decoding patch"),
            ("{}", 400, "error decoding patch"),
            (
                r#"[{"op":"fly","path":"/a"}]"#,
                422,
                "unknown variant `fly`",
            ),
            (
                r#"[{"op":"add","path":"/a"}]"#,
                422,
                "missing field `value`",
            ),
            (
                r#"[{"op":"test","path":"/metadata/name","value":"db"}]"#,
                422,
                "testing value /metadata/name failed: test failed",
            ),
            (
                r#"[{"op":"remove","path":"/nothing"}]"#,
                422,
                "remove operation does not apply: doc is missing path: \"/nothing\": missing value",
            ),
            (
                r#"[{"op":"add","path":"/a/b","value":1}]"#,
                422,
                "doc is missing path",
            ),
            (
                r#"[{"op":"replace","path":"/a","value":1}]"#,
                422,
                "doc is missing path",
            ),
            (
                r#"[{"op":"add","path":"/spec/args/9","value":1}]"#,
                422,
                "doc is missing path",
            ),
            (
                r#"[{"op":"move","from":"/a","path":"/b"}]"#,
                422,
                "missing from path: \"/a\"",
            ),
            (
                r#"[{"op":"move","from":"/spec","path":"/spec/a"}]"#,
                422,
                "inside itself",
            ),
            (
                &many,
                413,
                "The allowed maximum operations in a JSON patch is 10000, got 10001",
            ),
            (&huge, 413, "limit is 3145728"),
        ] {
            let error = json_patch(&object(), patch.as_bytes()).expect_err(part);
            let status = Status::from(error);
            assert_eq!(status.code, code, "{part}");
            assert!(status.message.contains(part), "{part}: {}", status.message);
        }
    }

    #[test]
    fn growth_is_limited() {
        let double = r#"{"op":"copy","from":"/spec","path":"/spec/a"}"#;
        let body = format!("[{}]", vec![double; 1000].join(","));
        let error = json_patch(&object(), body.as_bytes()).expect_err("exponential growth");
        assert!(error.to_string().contains("accumulated size"));

        let nested = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        let mut path = "/x".to_owned();
        let mut operations = Vec::new();
        for _ in 0..20 {
            operations.push(format!(
                r#"{{"op":"add","path":"{path}","value":{nested}}}"#
            ));
            path.push_str(&"/0".repeat(100));
        }
        let body = format!("[{}]", operations.join(","));
        let error = json_patch(&object(), body.as_bytes()).expect_err("depth");
        assert!(error.to_string().contains("levels"), "{error}");
    }

    #[test]
    fn merge() {
        for (patch, expected) in [
            ("{}", object()),
            (
                r#"{"spec":{"args":["z"],"env":null},"status":{"a":null,"b":1}}"#,
                json!({"metadata": {"name": "web"}, "spec": {"args": ["z"]}, "status": {"b": 1}}),
            ),
        ] {
            assert_eq!(merge_patch(&object(), patch.as_bytes()), Ok(expected));
        }
        for patch in ["", "[]", "1", "null", "{"] {
            let error = merge_patch(&object(), patch.as_bytes()).expect_err(patch);
            assert_eq!(Status::from(error).code, 400, "{patch}");
        }
    }
}
