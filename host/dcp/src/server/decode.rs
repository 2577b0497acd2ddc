//! What was sent, as an object: bodies, and everything that is checked before something is written.
//!
//! Knows the order of the checks and the words of refusals. Doesn't write.

use aspire_api::validate::FieldErrorReason;
use aspire_api::{GROUP, Kind, Object, VERSION};
use axum::http::header;
use serde_json::Value;

use super::Api;
use super::parameters::WriteOptions;
use super::route::{Call, group_kind, resource};
use crate::machinery::field_error::{FieldError, FieldErrorKind};
use crate::machinery::names::{finalizer_warnings, validate_metadata, validate_metadata_update};
use crate::machinery::options::FieldValidation;
use crate::machinery::schema::unknown_fields;
use crate::machinery::status::{GroupKind, Status};
use crate::machinery::strict::{complaints, read_json, strict_decoding_error};
use crate::machinery::types::{check_types, without_nulls};
use crate::store::StoreError;

/// What an object can be written in.
const MEDIA_TYPES: [&str; 2] = ["application/json", "application/yaml"];

/// As objects name it.
pub(super) fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}

/// What the store says, as clients are told.
pub(super) fn refused(kind: Kind, name: &str, error: StoreError, object: &Value) -> Status {
    match error {
        StoreError::NotFound(_) => Status::not_found(resource(kind), name),
        StoreError::Exists(_) => Status::already_exists(resource(kind), name),
        StoreError::Conflict { .. } => Status::conflict(resource(kind), name),
        StoreError::Invalid { errors, .. } => {
            let mut errors: Vec<FieldError> = errors
                .into_iter()
                .map(|error| {
                    let kind = match error.reason {
                        FieldErrorReason::Required => FieldErrorKind::Required,
                        FieldErrorReason::Invalid => FieldErrorKind::Invalid,
                        FieldErrorReason::Forbidden => FieldErrorKind::Forbidden,
                        FieldErrorReason::NotSupported => FieldErrorKind::NotSupported,
                        FieldErrorReason::Duplicate => FieldErrorKind::Duplicate,
                    };
                    // A required field needs no further words.
                    let words = Some(error.message).filter(|words| words != "Required value");
                    let value = at(object, &error.field).cloned().unwrap_or_default();
                    FieldError::new(error.field, kind, value, words.unwrap_or_default())
                })
                .collect();
            errors.sort_by(|a, b| a.field.cmp(&b.field));
            invalid(kind, name, &errors)
        }
        StoreError::Sealed => {
            let error = FieldError::forbidden("metadata", error.to_string());
            invalid(kind, name, &[error])
        }
    }
}

/// 422.
pub(super) fn invalid(kind: Kind, name: &str, errors: &[FieldError]) -> Status {
    Status::invalid(group_kind(kind), name, errors)
}

/// What is at a path such as `spec.env[0].name`.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let pointer: String = path
        .split(['.', '['])
        .map(|part| format!("/{}", part.trim_end_matches(']')))
        .collect();
    object.pointer(&pointer)
}

/// The body as JSON; paths of fields that are there twice.
pub(super) fn body(call: &Call) -> Result<(Value, Vec<String>), Status> {
    let media = call.header(header::CONTENT_TYPE);
    let media = media.split(';').next().unwrap_or_default().trim();
    match media {
        "" | "application/json" | "*/*" => read_json(&call.body)
            .map_err(|error| Status::bad_request(format!("the body is no JSON object: {error}"))),
        "application/yaml" | "text/yaml" | "text/x-yaml" => Ok((yaml(&call.body)?, Vec::new())),
        _ => Err(Status::unsupported_media_type(&MEDIA_TYPES)),
    }
}

/// A body of YAML.
pub(super) fn yaml(body: &[u8]) -> Result<Value, Status> {
    let text = str::from_utf8(body).map_err(|error| Status::bad_request(error.to_string()))?;
    serde_saphyr::from_str(text)
        .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))
}

/// What the body says it is has to be what the path says.
pub(super) fn check_kind(kind: Kind, object: &Value) -> Result<(), Status> {
    if !object.is_object() {
        return Err(Status::bad_request("the body is no JSON object"));
    }
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (given, version) = (text("kind"), text("apiVersion"));
    if given.is_empty() || version.is_empty() {
        let field = if given.is_empty() {
            "Kind"
        } else {
            "apiVersion"
        };
        let body = object.to_string();
        let begin: String = body.chars().take(30).collect();
        let more = if begin == body { "" } else { " ..." };
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object '{field}' is missing \
             in '{body}' ({begin}{more})",
            kind.name()
        )));
    }
    let expected = api_version();
    if version != expected {
        return Err(Status::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    if given != kind.name() {
        let words = format!("must be {}", kind.name());
        let error = FieldError::invalid("kind", given, words);
        let of = GroupKind {
            group: GROUP,
            kind: given,
        };
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        return Err(Status::invalid(of, name, &[error]));
    }
    Ok(())
}

/// Takes off what says nothing, before anything of an object is looked at.
pub(super) fn clean(object: &mut Value) {
    without_nulls(object);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        // Everything is outside namespaces; kubectl sends one where it was told one.
        metadata.remove("namespace");
    }
}

/// The name of an object is that of its path.
pub(super) fn check_name(given: &str, name: &str) -> Result<(), Status> {
    if given.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )));
    }
    if given != name {
        return Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        )));
    }
    Ok(())
}

/// What every write ends with: the fields are known, the metadata is sound, the object can be read.
pub(super) fn decode(
    api: &Api,
    kind: Kind,
    object: &Value,
    old: Option<&Value>,
    options: &WriteOptions,
    duplicates: &[String],
) -> Result<(Object, Vec<String>), Status> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let (unknown, strict) = api.schemas.with(kind, |schema| {
        (
            unknown_fields(schema, object),
            complaints(schema, object, duplicates),
        )
    });
    // Of a patch, the whole object is what is wrong.
    if options.validation == FieldValidation::Strict && !strict.is_empty() && !options.patch {
        return Err(strict_decoding_error(kind.name(), VERSION, &strict));
    }
    if !unknown.is_empty() {
        // Never stored and ignored.
        let errors: Vec<FieldError> = unknown
            .iter()
            .map(|path| FieldError::forbidden(path.clone(), "there is no such field"))
            .collect();
        return Err(invalid(kind, name, &errors));
    }
    let mut errors = validate_metadata(&object["metadata"]);
    if let Some(old) = old {
        errors.extend(validate_metadata_update(
            &old["metadata"],
            &object["metadata"],
        ));
    }
    if !errors.is_empty() {
        return Err(invalid(kind, name, &errors));
    }
    let errors = api.schemas.with(kind, |schema| check_types(schema, object));
    if !errors.is_empty() {
        return Err(invalid(kind, name, &errors));
    }
    let read = kind.read(object).map_err(|error| {
        let value = at(object, &error.field).cloned().unwrap_or_default();
        let field = FieldError::new(error.field, FieldErrorKind::Invalid, value, error.message);
        invalid(kind, name, &[field])
    })?;
    let old = old.map(|old| &old["metadata"]);
    let mut warnings = finalizer_warnings(old, &object["metadata"]);
    if options.validation == FieldValidation::Warn {
        warnings.extend(strict);
    }
    Ok((read, warnings))
}
