//! Names, labels, annotations, finalizers and owner references: what may be written in `metadata`.
//!
//! Knows Kubernetes' rules and texts. Doesn't know kinds; randomness comes from the caller.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::field_error::{FieldError, FieldErrorKind};

/// Bytes that all annotations of an object may have together, keys included.
pub const MAX_ANNOTATION_BYTES: usize = 256 * 1024;

/// Bytes of a DNS subdomain.
const MAX_SUBDOMAIN: usize = 253;
/// Bytes of a label's name or value.
const MAX_LABEL: usize = 63;
/// Characters that are added to a `generateName`.
const SUFFIX: usize = 5;
/// No vowels, and nothing that looks like something else.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and \
    must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
    '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const PREFIXED: &str = "a qualified name must consist of alphanumeric characters, '-', '_' \
    or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  \
    or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with \
    an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";

fn too_long(bytes: usize) -> String {
    format!("must be no more than {bytes} bytes")
}

/// Non-empty, of these characters, with an alphanumeric one at both ends.
fn alphanumeric_ends(text: &str, inner: impl Fn(u8) -> bool, ends: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            ends(first) && ends(last) && bytes.iter().all(|&b| ends(b) || inner(b))
        }
        _ => false,
    }
}

fn lower_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// What is wrong with a DNS-1123 subdomain; nothing if it is one.
pub fn check_dns1123_subdomain(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > MAX_SUBDOMAIN {
        errors.push(too_long(MAX_SUBDOMAIN));
    }
    if !text
        .split('.')
        .all(|part| alphanumeric_ends(part, |b| b == b'-', lower_alphanumeric))
    {
        errors.push(SUBDOMAIN.to_owned());
    }
    errors
}

fn is_label_like(text: &str) -> bool {
    alphanumeric_ends(
        text,
        |b| matches!(b, b'-' | b'_' | b'.'),
        |b| b.is_ascii_alphanumeric(),
    )
}

/// What is wrong with a qualified name (`example.com/name`): keys of labels and annotations.
pub fn check_qualified_name(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let name = match text.split_once('/') {
        None => text,
        Some((_, rest)) if rest.contains('/') => {
            return vec![PREFIXED.to_owned()];
        }
        Some((prefix, name)) => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                errors.extend(
                    check_dns1123_subdomain(prefix)
                        .into_iter()
                        .map(|e| format!("prefix part {e}")),
                );
            }
            name
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > MAX_LABEL {
        errors.push(format!("name part {}", too_long(MAX_LABEL)));
    }
    if !is_label_like(name) {
        errors.push(QUALIFIED.to_owned());
    }
    errors
}

/// What is wrong with a label's value.
pub fn check_label_value(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > MAX_LABEL {
        errors.push(too_long(MAX_LABEL));
    }
    if !text.is_empty() && !is_label_like(text) {
        errors.push(LABEL_VALUE.to_owned());
    }
    errors
}

/// A name from `generateName`: the base, shortened if need be, and five characters that are
/// derived from a random number.
pub fn generate_name(base: &str, mut random: u64) -> String {
    let most = MAX_LABEL - SUFFIX;
    let mut end = base.len().min(most);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base[..end].to_owned();
    let letters = ALPHABET.len() as u64;
    for _ in 0..SUFFIX {
        let place = usize::try_from(random % letters).unwrap_or_default();
        name.push(char::from(ALPHABET[place]));
        random /= letters;
    }
    name
}

/// All errors of `metadata` of a cluster-scoped object: name, labels, annotations, finalizers,
/// owner references. A missing name is allowed only where `generateName` is given, as it is
/// filled in before this is called.
pub fn validate_metadata(metadata: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let nothing = Map::new();
    let metadata = metadata.as_object().unwrap_or(&nothing);
    let text = |key: &str| {
        metadata
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };

    let (name, generate) = (text("name"), text("generateName"));
    if name.is_empty() {
        errors.push(FieldError::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else {
        push_invalid(
            &mut errors,
            "metadata.name",
            name,
            check_dns1123_subdomain(name),
        );
    }
    if !generate.is_empty() {
        // A dash at the end is fine: something follows.
        let base = generate.strip_suffix('-').unwrap_or(generate);
        let found = check_dns1123_subdomain(base);
        push_invalid(&mut errors, "metadata.generateName", generate, found);
    }
    let namespace = text("namespace");
    if !namespace.is_empty() {
        errors.push(FieldError::forbidden(
            "metadata.namespace",
            "not allowed on this type",
        ));
    }
    errors.extend(validate_labels("metadata.labels", metadata.get("labels")));
    errors.extend(validate_annotations(
        "metadata.annotations",
        metadata.get("annotations"),
    ));
    errors.extend(validate_finalizers(metadata.get("finalizers")));
    errors.extend(validate_owner_references(metadata.get("ownerReferences")));
    errors
}

/// What an update changes that may not change: `old` and `new` are both `metadata`.
pub fn validate_metadata_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in ["name", "namespace", "uid", "deletionTimestamp"] {
        let (before, after) = (old.get(key), new.get(key));
        // What an update leaves out is filled in from what is stored.
        if after.is_some() && before != after {
            errors.push(FieldError::invalid(
                format!("metadata.{key}"),
                after.cloned().unwrap_or_default(),
                "field is immutable",
            ));
        }
    }
    if old.get("deletionTimestamp").is_some() {
        let none = Vec::new();
        let before = old["finalizers"].as_array().unwrap_or(&none);
        let added: Vec<&str> = new["finalizers"]
            .as_array()
            .unwrap_or(&none)
            .iter()
            .filter(|finalizer| !before.contains(finalizer))
            .filter_map(Value::as_str)
            .collect();
        if !added.is_empty() {
            errors.push(FieldError::forbidden(
                "metadata.finalizers",
                format!(
                    "no new finalizers can be added if the object is being deleted, found new \
                     finalizers []string{{{}}}",
                    added
                        .iter()
                        .map(|name| format!("{name:?}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            ));
        }
    }
    errors
}

fn push_invalid(errors: &mut Vec<FieldError>, field: &str, value: &str, details: Vec<String>) {
    errors.extend(
        details
            .into_iter()
            .map(|detail| FieldError::invalid(field, value, detail)),
    );
}

/// Errors of a map of labels; absent is fine.
pub fn validate_labels(field: &str, labels: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in entries(labels) {
        push_invalid(&mut errors, field, key, check_qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        push_invalid(&mut errors, field, value, check_label_value(value));
    }
    errors
}

/// Errors of a map of annotations; absent is fine.
pub fn validate_annotations(field: &str, annotations: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut bytes = 0;
    for (key, value) in entries(annotations) {
        // Unlike labels, upper case is fine in the prefix.
        let found = check_qualified_name(&key.to_lowercase());
        push_invalid(&mut errors, field, key, found);
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > MAX_ANNOTATION_BYTES {
        errors.push(FieldError::too_long(field, MAX_ANNOTATION_BYTES));
    }
    errors
}

fn entries(map: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    map.and_then(Value::as_object).into_iter().flatten()
}

/// Warnings about new finalizers that could be somebody else's, too.
pub fn finalizer_warnings(old: Option<&Value>, metadata: &Value) -> Vec<String> {
    let known = old.and_then(|old| old["finalizers"].as_array());
    let list = metadata["finalizers"].as_array().into_iter().flatten();
    list.filter(|name| known.is_none_or(|known| !known.contains(name)))
        .filter_map(Value::as_str)
        .filter(|name| !name.contains('/') && !matches!(*name, "orphan" | "foregroundDeletion"))
        .map(|name| {
            format!(
                "metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name to avoid \
                 accidental conflicts with other finalizer writers"
            )
        })
        .collect()
}

fn validate_finalizers(finalizers: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let list = finalizers.and_then(Value::as_array).into_iter().flatten();
    for finalizer in list.filter_map(Value::as_str) {
        let found = check_qualified_name(finalizer);
        push_invalid(&mut errors, "metadata.finalizers", finalizer, found);
    }
    errors
}

fn validate_owner_references(references: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut controllers: BTreeMap<&str, usize> = BTreeMap::new();
    let list = references.and_then(Value::as_array).into_iter().flatten();
    for (place, reference) in list.enumerate() {
        let field = |name: &str| format!("metadata.ownerReferences[{place}].{name}");
        let text = |key: &str| {
            reference
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let version = text("apiVersion");
        if version.is_empty() || version.matches('/').count() > 1 || version.ends_with('/') {
            errors.push(FieldError::invalid(
                field("apiVersion"),
                version,
                "version must not be empty",
            ));
        }
        for key in ["kind", "name", "uid"] {
            if text(key).is_empty() {
                let detail = "must not be empty";
                errors.push(FieldError::invalid(field(key), "", detail));
            }
        }
        if reference.get("controller") == Some(&Value::Bool(true)) {
            *controllers.entry("controller").or_default() += 1;
        }
    }
    if controllers.values().any(|&count| count > 1) {
        errors.push(FieldError::new(
            "metadata.ownerReferences",
            FieldErrorKind::Invalid,
            references.cloned().unwrap_or_default(),
            "Only one reference can have Controller set to true.",
        ));
    }
    errors
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
