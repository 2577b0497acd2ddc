//! The way from client-side to server-side apply.
//!
//! kubectl's client-side apply keeps the last configuration in an annotation. When kubectl comes
//! back with `--server-side`, what it set then is no conflict, and the annotation is kept up to
//! date, so that there is a way back, too.

use serde_json::{Value, json};

use super::apply::{Conflict, without_managed_fields};
use super::fields_v1::FieldSet;
use super::merge::{compare, field_set};
use super::schema::Schema;

/// The annotation.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The only manager that this is for.
const KUBECTL: &str = "kubectl";
/// Bytes of the annotation; a larger one is dropped.
const MAX_BYTES: usize = 256 * 1024;

fn annotation(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][LAST_APPLIED].as_str()
}

/// The conflicts that remain: fields that the last configuration set, and that still have its
/// values, are kubectl's own.
pub(super) fn remaining(
    schema: &Schema<'_>,
    live: Option<&Value>,
    manager: &str,
    conflicts: Vec<Conflict>,
) -> Vec<Conflict> {
    let last = live
        .filter(|_| manager == KUBECTL)
        .and_then(|live| serde_json::from_str::<Value>(annotation(live)?).ok());
    let (Some(live), Some(last)) = (live, last) else {
        return conflicts;
    };
    let changes = compare(schema, Some(&without_managed_fields(live)), Some(&last));
    let changed: FieldSet = changes
        .added
        .union(&changes.modified)
        .union(&changes.removed)
        .union(&changes.replaced);
    let own = field_set(schema, &last).difference(&changed);
    conflicts
        .into_iter()
        .filter(|conflict| !own.contains(&conflict.path))
        .collect()
}

/// Brings the annotation up to date, if there is one.
pub(super) fn refresh(object: &mut Value, config: &Value, manager: &str) {
    if manager != KUBECTL || annotation(object).is_none() {
        return;
    }
    let mut config = without_managed_fields(config);
    if let Some(Value::Object(annotations)) = config.pointer_mut("/metadata/annotations") {
        annotations.remove(LAST_APPLIED);
    }
    let text = config.to_string();
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        if text.len() > MAX_BYTES {
            annotations.remove(LAST_APPLIED);
        } else {
            annotations.insert(LAST_APPLIED.to_owned(), json!(text));
        }
    }
}
