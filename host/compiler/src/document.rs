//! `aspire.toml` as read: the plugins that it names, and its declarations before their kinds are
//! known. Doesn't know whether any name exists.

use std::sync::Arc;

use aspire_model::annotation::Parameter;
use aspire_model::name::ResourceName;
use aspire_model::provenance::Span;

use crate::tree::Node;

/// A source file. `file` is its name as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// For messages.
    pub file: Arc<str>,
    /// What is in it.
    pub text: Arc<str>,
}

/// A whole `aspire.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Name of the app.
    pub name: Arc<str>,
    /// Where the name stands.
    pub name_span: Option<Span>,
    /// `[plugins]`, in order of alias.
    pub plugins: Vec<PluginEntry>,
    /// `[parameters]`.
    pub parameters: Vec<ParameterEntry>,
    /// `[resources]`.
    pub resources: Vec<ResourceEntry>,
}

/// One entry of `[plugins]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginEntry {
    /// The table key.
    pub alias: String,
    /// A path (with a slash) or a name.
    pub source: String,
    /// Permissions granted here, as written.
    pub allow: Vec<(String, Span)>,
    /// It speaks for the operator: its edits beat the app's explicit settings.
    pub operator: bool,
    /// Where it stands.
    pub span: Span,
}

/// One entry of `[parameters]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterEntry {
    /// Its name.
    pub name: ResourceName,
    /// What it is; `default` is still a literal text.
    pub parameter: Parameter,
    /// Where it stands.
    pub span: Span,
}

/// One entry of `[resources]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceEntry {
    /// Its name.
    pub name: ResourceName,
    /// The kind, as written.
    pub kind: String,
    /// Where the kind stands.
    pub kind_span: Span,
    /// Where the resource's key stands.
    pub span: Span,
    /// Everything else: a table.
    pub body: Node,
}
