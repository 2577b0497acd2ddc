//! The construct graph of one target: what lowering passes write and a publisher reads.
//!
//! Knows target types and properties as open payloads. Doesn't know what text they become.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::diagnostic::Diagnostic;
use crate::provenance::Author;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Construct {
    /// Unique in the graph.
    pub id: String,
    /// Namespaced by target, such as `compose:service`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Name in the target.
    pub name: String,
    /// The resource that it comes from; empty: the app itself.
    pub origin: String,
    /// Open payload; expressions are `{"$expr": [segment…]}`.
    pub properties: Properties,
    /// Ids of constructs that have to exist first.
    pub depends_on: Vec<String>,
}

/// A JSON object as text. Equal objects are equal texts: names are in order, and there is no blank.
/// What is read once and handed on once is not worth a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties(String);

impl Properties {
    /// Of an object.
    pub fn of(entries: &Map<String, Json>) -> Self {
        Self(serde_json::to_string(entries).unwrap_or_default())
    }

    /// Of a text that is what [`Self::of`] would make of its object: the caller has seen to that.
    pub fn canonical(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// As a tree.
    pub fn entries(&self) -> Map<String, Json> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// Sets one of them.
    pub fn set(&mut self, name: String, value: Json) {
        let mut entries = self.entries();
        entries.insert(name, value);
        *self = Self::of(&entries);
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries().serialize(serializer)
    }
}

/// How well a fact survives the trip to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As written.
    Exact,
    /// By other means, with the same effect.
    Adapted,
    /// With less effect.
    Weakened,
    /// Not at all.
    Dropped,
}

impl Grade {
    /// The grade of a name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "exact" => Some(Self::Exact),
            "adapted" => Some(Self::Adapted),
            "weakened" => Some(Self::Weakened),
            "dropped" => Some(Self::Dropped),
            _ => None,
        }
    }
}

/// One row of the fidelity report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fidelity {
    /// Whose fact.
    pub resource: String,
    /// Which fact.
    pub fact: String,
    /// How well.
    pub grade: Grade,
    /// Why.
    pub reason: String,
}

/// One change of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConstructEdit {
    /// A new node.
    Add(Construct),
    /// One property of a node.
    SetProperty {
        /// Which node.
        id: String,
        /// Which property.
        name: String,
        /// To what.
        value: Json,
    },
    /// A property of a resource becomes an output of a construct.
    BindProperty {
        /// Resource.
        resource: String,
        /// Property.
        property: String,
        /// Construct id.
        construct: String,
        /// Output.
        output: String,
    },
    /// A row of the fidelity report.
    Fidelity(Fidelity),
    /// Something to tell.
    Diagnose(Diagnostic),
}

/// The construct edits of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstructTransaction {
    /// Who proposes them.
    pub author: Author,
    /// In the order proposed.
    pub edits: Vec<ConstructEdit>,
}

/// The graph of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstructGraph {
    /// Name of the app.
    pub app: Arc<str>,
    /// Name of the target.
    pub target: Arc<str>,
    /// The way from the output folder to the app's folder, ending with `/`.
    pub app_folder: Arc<str>,
    /// By id.
    pub nodes: BTreeMap<String, Construct>,
    /// Who added each node, by id.
    pub authors: BTreeMap<String, Author>,
}

/// One file that a publisher wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Artifact {
    /// With these contents.
    Contents(Vec<u8>),
    /// A copy of a project file, named as in `aspire.toml`.
    Copy(String),
}

/// What a publisher returns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publication {
    /// By relative path with `/`.
    pub files: BTreeMap<String, Artifact>,
    /// What it had to say.
    pub diagnostics: Vec<Diagnostic>,
}
