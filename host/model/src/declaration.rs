//! What the user wrote, checked for form but not yet for meaning.
//!
//! Knows names, kinds, options and the host's reserved settings. Doesn't know what a kind means.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::fact::{FactKey, FactValue};
use crate::name::ResourceName;
use crate::provenance::Author;

/// One resource as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Its name.
    pub name: ResourceName,
    /// The kind, resolved to its full or unique short name.
    pub kind: Arc<str>,
    /// Options that belong to the kind, host formats resolved (`{"$expr": […]}` for expressions).
    pub options: Arc<Json>,
    /// Settings under reserved keys, as facts, each with its place.
    pub explicit: Vec<(FactKey, FactValue, Author)>,
    /// Where the declaration begins.
    pub author: Author,
}
