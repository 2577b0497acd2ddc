//! `metav1.Status`: every answer that isn't an object, in kube-apiserver's words.
//!
//! Knows codes, reasons and texts. Doesn't know when which of them is due.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, json};

use super::field_error::{FieldError, aggregate};

/// A resource of a group; displays as `executables.example.com`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupResource<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The plural.
    pub resource: &'a str,
}

/// A kind of a group; displays as `Executable.example.com`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupKind<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The kind.
    pub kind: &'a str,
}

fn qualified(f: &mut fmt::Formatter<'_>, name: &str, group: &str) -> fmt::Result {
    f.write_str(name)?;
    if !group.is_empty() {
        write!(f, ".{group}")?;
    }
    Ok(())
}

impl fmt::Display for GroupResource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        qualified(f, self.resource, self.group)
    }
}

impl fmt::Display for GroupKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        qualified(f, self.kind, self.group)
    }
}

/// The machine-readable reason of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Kubernetes' own")]
pub enum Reason {
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Gone,
    Expired,
    Invalid,
    ServerTimeout,
    Timeout,
    TooManyRequests,
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    InternalError,
    ServiceUnavailable,
}

impl Reason {
    /// The HTTP status code that goes with it.
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Gone | Self::Expired => 410,
            Self::RequestEntityTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError | Self::ServerTimeout => 500,
            Self::ServiceUnavailable => 503,
            Self::Timeout => 504,
        }
    }
}

/// One of the causes of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldManagerConflict`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The path of the field that it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// What a failure is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The resource, or the kind for [`Reason::Invalid`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The object's uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// More than one thing may be wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// Seconds after which trying again may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

/// A `Status` object. Serialises to its wire form; displays as its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// None for a success.
    pub reason: Option<Reason>,
    /// For people.
    pub message: String,
    /// What it is about.
    pub details: Option<Details>,
    /// `metadata.continue`: only an expired list has one.
    pub continue_token: String,
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", "Status")?;
        map.serialize_entry("apiVersion", "v1")?;
        let mut metadata = Map::new();
        if !self.continue_token.is_empty() {
            metadata.insert("continue".to_owned(), json!(self.continue_token));
        }
        map.serialize_entry("metadata", &metadata)?;
        let Some(reason) = self.reason else {
            map.serialize_entry("status", "Success")?;
            if let Some(details) = &self.details {
                map.serialize_entry("details", details)?;
            }
            return map.end();
        };
        map.serialize_entry("status", "Failure")?;
        map.serialize_entry("message", &self.message)?;
        map.serialize_entry("reason", &format!("{reason:?}"))?;
        if let Some(details) = &self.details {
            map.serialize_entry("details", details)?;
        }
        map.serialize_entry("code", &self.code)?;
        map.end()
    }
}

impl Status {
    /// A failure without details.
    pub fn failure(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code: reason.code(),
            reason: Some(reason),
            message: message.into(),
            details: None,
            continue_token: String::new(),
        }
    }

    /// The wire form.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("strings and numbers only")
    }

    /// The same with these details.
    #[must_use]
    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(details);
        self
    }

    /// Seconds for the `Retry-After` header.
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.details.as_ref()?.retry_after_seconds
    }

    fn about(reason: Reason, message: String, of: GroupResource<'_>, name: &str) -> Self {
        Self::failure(reason, message).with_details(Details {
            name: name.to_owned(),
            group: of.group.to_owned(),
            kind: of.resource.to_owned(),
            ..Details::default()
        })
    }

    /// An object was deleted, or anything else that has no object to answer with.
    pub fn success(of: GroupResource<'_>, name: &str, uid: &str) -> Self {
        Self {
            code: 200,
            reason: None,
            message: String::new(),
            details: Some(Details {
                name: name.to_owned(),
                group: of.group.to_owned(),
                kind: of.resource.to_owned(),
                uid: uid.to_owned(),
                ..Details::default()
            }),
            continue_token: String::new(),
        }
    }

    /// 404: no such object.
    pub fn not_found(of: GroupResource<'_>, name: &str) -> Self {
        let message = format!("{of} {name:?} not found");
        Self::about(Reason::NotFound, message, of, name)
    }

    /// 409: the name is taken.
    pub fn already_exists(of: GroupResource<'_>, name: &str) -> Self {
        let message = format!("{of} {name:?} already exists");
        Self::about(Reason::AlreadyExists, message, of, name)
    }

    /// 409: every generated name was taken.
    pub fn generate_name_conflict(of: GroupResource<'_>, name: &str) -> Self {
        let message = format!(
            "{of} {name:?} already exists, the server was not able to generate a unique name for \
             the object"
        );
        let mut status = Self::about(Reason::AlreadyExists, message, of, name);
        if let Some(details) = &mut status.details {
            details.retry_after_seconds = Some(1);
        }
        status
    }

    /// 409, with a reason of one's own.
    pub fn conflict_because(of: GroupResource<'_>, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {of} {name:?}: {why}");
        Self::about(Reason::Conflict, message, of, name)
    }

    /// 409: the resource version isn't the object's.
    pub fn conflict(of: GroupResource<'_>, name: &str) -> Self {
        Self::conflict_because(
            of,
            name,
            "the object has been modified; please apply your changes to the latest version and \
             try again",
        )
    }

    /// 409: a precondition of a deletion failed. These speak of the kind, not of the resource.
    fn precondition(of: GroupKind<'_>, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {of} {name:?}: {why}");
        Self::failure(Reason::Conflict, message).with_details(Details {
            name: name.to_owned(),
            group: of.group.to_owned(),
            kind: of.kind.to_owned(),
            ..Details::default()
        })
    }

    /// 409: a deletion is meant for another object of that name.
    pub fn delete_uid(of: GroupKind<'_>, name: &str, wanted: &str, found: &str) -> Self {
        let why = format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({found}). \
             The object might have been deleted and then recreated"
        );
        Self::precondition(of, name, &why)
    }

    /// 409: a deletion is meant for the object as it was.
    pub fn delete_version(of: GroupKind<'_>, name: &str, wanted: &str, found: &str) -> Self {
        let why = format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the \
             ResourceVersion in record ({found}). The object might have been modified"
        );
        Self::precondition(of, name, &why)
    }

    /// 409: an update is meant for another object of that name.
    pub fn uid_precondition(of: GroupResource<'_>, name: &str, wanted: &str, found: &str) -> Self {
        let why = format!(
            "Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
        );
        Self::conflict_because(of, name, &why)
    }

    /// 409: fields are owned by others.
    pub fn apply_conflict(message: impl Into<String>, causes: Vec<Cause>) -> Self {
        Self::failure(Reason::Conflict, message).with_details(Details {
            causes,
            ..Details::default()
        })
    }

    /// 422: the object breaks rules.
    pub fn invalid(of: GroupKind<'_>, name: &str, errors: &[FieldError]) -> Self {
        let message = format!("{of} {name:?} is invalid: {}", aggregate(errors));
        Self::failure(Reason::Invalid, message).with_details(Details {
            name: name.to_owned(),
            group: of.group.to_owned(),
            kind: of.kind.to_owned(),
            causes: errors
                .iter()
                .map(|error| Cause {
                    reason: error.reason().to_owned(),
                    message: error.message(),
                    field: error.field.clone(),
                })
                .collect(),
            ..Details::default()
        })
    }

    /// 422 for something that has no single field: a patch that cannot be applied.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::failure(Reason::Invalid, message).with_details(Details::default())
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(Reason::BadRequest, message)
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::failure(Reason::Unauthorized, "Unauthorized")
    }

    /// 403 on a resource; the name may be empty.
    pub fn forbidden(of: GroupResource<'_>, name: &str, why: &str) -> Self {
        let message = match (of.resource.is_empty(), name.is_empty()) {
            (true, _) => format!("forbidden: {why}"),
            (false, true) => format!("{of} is forbidden: {why}"),
            (false, false) => format!("{of} {name:?} is forbidden: {why}"),
        };
        Self::about(Reason::Forbidden, message, of, name)
    }

    /// 403 on a path, as somebody without a valid token gets it; the verb is `get`, `post`, ….
    pub fn forbidden_path(user: &str, verb: &str, path: &str) -> Self {
        let nothing = GroupResource {
            group: "",
            resource: "",
        };
        let why = format!("User {user:?} cannot {verb} path {path:?}");
        Self::forbidden(nothing, "", &why)
    }

    /// 405 on objects; the verb is `create`, `delete`, …
    pub fn method_not_allowed(of: GroupResource<'_>, verb: &str) -> Self {
        let kind = of.to_string();
        let message = format!("{verb} is not supported on resources of kind {kind:?}");
        Self::about(Reason::MethodNotAllowed, message, of, "")
    }

    /// 405 on anything else.
    pub fn method_not_allowed_here() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::failure(Reason::MethodNotAllowed, message).with_details(Details::default())
    }

    /// 406.
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        let message = format!(
            "only the following media types are accepted: {}",
            accepted.join(", ")
        );
        Self::failure(Reason::NotAcceptable, message)
    }

    /// 410 of a watch that starts before the history.
    pub fn too_old(wanted: u64, oldest: u64) -> Self {
        let message = format!("too old resource version: {wanted} ({oldest})");
        Self::failure(Reason::Expired, message)
    }

    /// 410 of a list at an exact revision that is gone.
    pub fn list_too_old() -> Self {
        Self::failure(
            Reason::Expired,
            "The resourceVersion for the provided list is too old.",
        )
    }

    /// 410 of a continued list; `token` continues it at today's revision.
    pub fn continue_expired(token: &str) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list \
             result. You can start a new list without the continue parameter, or use the continue \
             token in this response to retrieve the remainder of the results. Continuing with the \
             provided token results in an inconsistent list - objects that were created, \
             modified, or deleted between the time the first chunk was returned and now may show \
             up in the list.";
        let mut status = Self::failure(Reason::Expired, message);
        token.clone_into(&mut status.continue_token);
        status
    }

    /// 413; the limit is in bytes.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("Request entity is too large: limit is {limit}");
        Self::failure(Reason::RequestEntityTooLarge, message)
    }

    /// 415.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::failure(Reason::UnsupportedMediaType, message)
    }

    /// 429.
    pub fn too_many_requests(retry_after_seconds: u32) -> Self {
        Self::failure(
            Reason::TooManyRequests,
            "Too many requests, please try again later.",
        )
        .with_details(Details {
            retry_after_seconds: Some(retry_after_seconds),
            ..Details::default()
        })
    }

    /// 500: what happened is the server's fault.
    pub fn internal(why: &str) -> Self {
        Self::failure(
            Reason::InternalError,
            format!("Internal error occurred: {why}"),
        )
        .with_details(Details {
            causes: vec![Cause {
                message: why.to_owned(),
                ..Cause::default()
            }],
            ..Details::default()
        })
    }

    /// 503.
    pub fn unavailable(why: impl Into<String>) -> Self {
        Self::failure(Reason::ServiceUnavailable, why)
    }

    /// 504.
    pub fn timeout(why: &str, retry_after_seconds: u32) -> Self {
        Self::failure(Reason::Timeout, format!("Timeout: {why}")).with_details(Details {
            retry_after_seconds: Some(retry_after_seconds),
            ..Details::default()
        })
    }

    /// 504: the resource version is of the future.
    pub fn too_large_version(wanted: u64, current: u64) -> Self {
        let why = format!("Too large resource version: {wanted}, current: {current}");
        let mut status = Self::timeout(&why, 1);
        if let Some(details) = &mut status.details {
            details.causes.push(Cause {
                reason: "ResourceVersionTooLarge".to_owned(),
                message: "Too large resource version".to_owned(),
                field: String::new(),
            });
        }
        status
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
