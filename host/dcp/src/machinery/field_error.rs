//! What is wrong with one field of an object, in Kubernetes' words.
//!
//! Knows how such an error is written. Doesn't know which fields there are.

use std::fmt;

use serde_json::Value;

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldErrorKind {
    /// A referenced value doesn't exist.
    NotFound,
    /// A value is needed.
    Required,
    /// The value must be unique and isn't.
    Duplicate,
    /// The value breaks a rule.
    Invalid,
    /// The value isn't one of those that are possible.
    NotSupported,
    /// The value may not be given, though it is well formed.
    Forbidden,
    /// The value is too long.
    TooLong,
    /// There are too many values.
    TooMany,
    /// The value is of another type.
    TypeInvalid,
}

impl FieldErrorKind {
    /// The `reason` of the cause in a `Status`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
        }
    }

    /// Whether the message repeats the offending value.
    fn shows_value(self) -> bool {
        !matches!(self, Self::Required | Self::Forbidden | Self::TooLong)
    }
}

/// An error of one field. Displays as `metadata.name: Invalid value: "A": must …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path, `spec.ports[0].port`.
    pub field: String,
    /// What is wrong.
    pub kind: FieldErrorKind,
    /// The offending value; shown for most kinds of error.
    pub value: Value,
    /// What would be right; may be empty.
    pub detail: String,
}

impl FieldError {
    /// Any error.
    pub fn new(
        field: impl Into<String>,
        kind: FieldErrorKind,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            kind,
            value: value.into(),
            detail: detail.into(),
        }
    }

    /// A value is needed.
    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(field, FieldErrorKind::Required, Value::Null, detail)
    }

    /// The value breaks a rule.
    pub fn invalid(
        field: impl Into<String>,
        value: impl Into<Value>,
        detail: impl Into<String>,
    ) -> Self {
        Self::new(field, FieldErrorKind::Invalid, value, detail)
    }

    /// The value may not be given.
    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(field, FieldErrorKind::Forbidden, Value::Null, detail)
    }

    /// The value is a repetition.
    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(field, FieldErrorKind::Duplicate, value, "")
    }

    /// The value isn't one of those that are possible.
    pub fn not_supported(
        field: impl Into<String>,
        value: impl Into<Value>,
        supported: &[&str],
    ) -> Self {
        let supported: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let detail = if supported.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", supported.join(", "))
        };
        Self::new(field, FieldErrorKind::NotSupported, value, detail)
    }

    /// More bytes than are allowed.
    pub fn too_long(field: impl Into<String>, bytes: usize) -> Self {
        Self::new(
            field,
            FieldErrorKind::TooLong,
            Value::Null,
            format!("may not be more than {bytes} bytes"),
        )
    }

    /// The `reason` of the cause in a `Status`.
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    /// The `message` of the cause in a `Status`: everything but the field.
    pub fn message(&self) -> String {
        let mut text = self.kind.text().to_owned();
        if self.kind.shows_value() {
            text.push_str(": ");
            text.push_str(&self.value.to_string());
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message())
    }
}

/// Several errors in one text: one as it is, more in brackets.
pub fn aggregate(errors: &[FieldError]) -> String {
    // Kubernetes says the same thing only once.
    let mut texts: Vec<String> = Vec::new();
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.len() {
        1 => texts.remove(0),
        _ => format!("[{}]", texts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wording() {
        for (error, text, reason) in [
            (
                FieldError::required("spec.executablePath", ""),
                "spec.executablePath: Required value",
                "FieldValueRequired",
            ),
            (
                FieldError::required("metadata.name", "name or generateName is required"),
                "metadata.name: Required value: name or generateName is required",
                "FieldValueRequired",
            ),
            (
                FieldError::invalid("spec.replicas", -1, "must be greater than or equal to 0"),
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "FieldValueInvalid",
            ),
            (
                FieldError::not_supported("spec.mode", "x", &["a", "b"]),
                "spec.mode: Unsupported value: \"x\": supported values: \"a\", \"b\"",
                "FieldValueNotSupported",
            ),
            (
                FieldError::forbidden("spec", "the run is ending"),
                "spec: Forbidden: the run is ending",
                "FieldValueForbidden",
            ),
            (
                FieldError::duplicate("spec.ports[1]", 80),
                "spec.ports[1]: Duplicate value: 80",
                "FieldValueDuplicate",
            ),
            (
                FieldError::too_long("metadata.annotations", 262_144),
                "metadata.annotations: Too long: may not be more than 262144 bytes",
                "FieldValueTooLong",
            ),
        ] {
            assert_eq!(error.to_string(), text);
            assert_eq!(error.reason(), reason);
        }
    }

    #[test]
    fn several() {
        let (a, b) = (FieldError::required("a", ""), FieldError::required("b", ""));
        assert_eq!(aggregate(std::slice::from_ref(&a)), "a: Required value");
        assert_eq!(
            aggregate(&[a.clone(), b, a]),
            "[a: Required value, b: Required value]"
        );
    }
}
