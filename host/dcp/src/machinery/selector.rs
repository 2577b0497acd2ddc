//! Label and field selectors: what lists and watches are restricted by.
//!
//! Only what both have in common is here.

pub use super::field_selector::{FieldRequirement, FieldSelector};
pub use super::label_selector::{LabelRequirement, LabelSelector};

use super::status::Status;

/// A selector that cannot be used; displays as kube-apiserver says it. Answered with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A label selector that isn't well formed.
    #[error("unable to parse requirement: {0}")]
    Label(String),
    /// A label selector that isn't well formed, outside any requirement.
    #[error("{0}")]
    Syntax(String),
    /// A field selector that isn't well formed.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Field {
        /// The whole text.
        selector: String,
        /// The part that isn't understood.
        term: String,
    },
    /// A field that cannot be selected by.
    #[error("field label not supported: {0}")]
    FieldNotSupported(String),
}

impl From<SelectorError> for Status {
    fn from(error: SelectorError) -> Self {
        Self::bad_request(error.to_string())
    }
}
