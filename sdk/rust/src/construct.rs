//! The construct graph of one target: what a lowering pass writes and a publisher reads.
//!
//! Like [`Edits`](crate::Edits), changes are recorded as data and replayed by the glue.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value as Json};

use crate::error::Diagnostic;

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct Construct {
    /// Unique in the graph.
    pub id: String,
    /// Namespaced by target, such as `compose:service`.
    pub type_name: String,
    /// Name in the target.
    pub name: String,
    /// The resource that it comes from; empty: the app itself.
    pub origin: String,
    /// Open payload. Expressions in it are [`Expression::to_json`](crate::Expression::to_json).
    pub properties: Map<String, Json>,
    /// Ids of constructs that have to exist first.
    pub depends_on: Vec<String>,
}

impl Construct {
    /// A node without properties.
    pub fn new(
        id: impl Into<String>,
        type_name: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            type_name: type_name.into(),
            name: name.into(),
            origin: String::new(),
            properties: Map::new(),
            depends_on: Vec::new(),
        }
    }

    /// With the resource that it comes from.
    #[must_use]
    pub fn origin(mut self, resource: impl Into<String>) -> Self {
        self.origin = resource.into();
        self
    }

    /// With a property.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// With a construct that has to exist first.
    #[must_use]
    pub fn depends_on(mut self, id: impl Into<String>) -> Self {
        self.depends_on.push(id.into());
        self
    }
}

/// How well a fact survives the trip to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The name that crosses the boundary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Adapted => "adapted",
            Self::Weakened => "weakened",
            Self::Dropped => "dropped",
        }
    }
}

/// One proposed change of the graph.
#[derive(Debug, Clone, PartialEq)]
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
    Fidelity {
        /// Whose fact.
        resource: String,
        /// Which fact.
        fact: String,
        /// How well.
        grade: Grade,
        /// Why.
        reason: String,
    },
    /// Something to tell.
    Diagnose(Diagnostic),
}

/// The graph of one target, complete.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// Name of the app.
    pub app: String,
    /// Name of the target.
    pub target: String,
    /// The way from the folder that the files go to, to the app's own; ends with `/`.
    pub app_folder: String,
    /// By id.
    pub constructs: BTreeMap<String, Construct>,
}

impl Graph {
    /// An empty one, for files in a folder of the app.
    pub fn new(app: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            app: app.into(),
            target: target.into(),
            app_folder: "../".to_owned(),
            constructs: BTreeMap::new(),
        }
    }

    /// With one more node.
    #[must_use]
    pub fn with(mut self, construct: Construct) -> Self {
        self.constructs.insert(construct.id.clone(), construct);
        self
    }

    /// Every construct of a type, or all with an empty one, in order of id.
    pub fn select<'a>(&'a self, type_name: &'a str) -> impl Iterator<Item = &'a Construct> {
        self.constructs
            .values()
            .filter(move |one| type_name.is_empty() || one.type_name == type_name)
    }

    /// The construct of an id.
    pub fn get(&self, id: &str) -> Option<&Construct> {
        self.constructs.get(id)
    }
}

/// The changes of one lowering call, and the graph as it was before.
#[derive(Debug, Clone)]
pub struct Constructs {
    recorded: Vec<ConstructEdit>,
    graph: OnceCell<Graph>,
    load: fn() -> Graph,
}

impl Default for Constructs {
    fn default() -> Self {
        Self::new(Graph::default)
    }
}

impl Constructs {
    /// No changes, on a graph that is loaded when it is first asked for.
    pub fn new(load: fn() -> Graph) -> Self {
        Self {
            recorded: Vec::new(),
            graph: OnceCell::new(),
            load,
        }
    }

    /// No changes, on this graph.
    pub fn over(graph: Graph) -> Self {
        Self {
            graph: OnceCell::from(graph),
            ..Self::default()
        }
    }

    /// The graph at the last barrier: empty in the phase `lower`, complete in `refine`.
    pub fn graph(&self) -> &Graph {
        self.graph.get_or_init(self.load)
    }

    /// Adds a node.
    pub fn add(&mut self, construct: Construct) {
        self.recorded.push(ConstructEdit::Add(construct));
    }

    /// Replaces one property of a node.
    pub fn set_property(
        &mut self,
        id: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<Json>,
    ) {
        let (id, name, value) = (id.into(), name.into(), value.into());
        self.recorded
            .push(ConstructEdit::SetProperty { id, name, value });
    }

    /// Binds a property of a resource to an output of a construct, so that dependents follow.
    pub fn bind_property(
        &mut self,
        resource: impl Into<String>,
        property: impl Into<String>,
        construct: impl Into<String>,
        output: impl Into<String>,
    ) {
        self.recorded.push(ConstructEdit::BindProperty {
            resource: resource.into(),
            property: property.into(),
            construct: construct.into(),
            output: output.into(),
        });
    }

    /// Tells how well a fact survives.
    pub fn fidelity(
        &mut self,
        resource: impl Into<String>,
        fact: impl Into<String>,
        grade: Grade,
        reason: impl Into<String>,
    ) {
        self.recorded.push(ConstructEdit::Fidelity {
            resource: resource.into(),
            fact: fact.into(),
            grade,
            reason: reason.into(),
        });
    }

    /// Something to tell the user without giving up.
    pub fn diagnose(&mut self, diagnostic: Diagnostic) {
        self.recorded.push(ConstructEdit::Diagnose(diagnostic));
    }

    /// What was recorded.
    pub fn recorded(&self) -> &[ConstructEdit] {
        &self.recorded
    }

    /// What was recorded, to keep.
    pub fn into_recorded(self) -> Vec<ConstructEdit> {
        self.recorded
    }

    /// The graph with what was added and set, as a publisher would get it: for tests of both.
    pub fn applied(&self) -> Graph {
        let mut graph = self.graph().clone();
        for edit in &self.recorded {
            match edit {
                ConstructEdit::Add(construct) => {
                    graph
                        .constructs
                        .insert(construct.id.clone(), construct.clone());
                }
                ConstructEdit::SetProperty { id, name, value } => {
                    if let Some(construct) = graph.constructs.get_mut(id) {
                        construct.properties.insert(name.clone(), value.clone());
                    }
                }
                _ => {}
            }
        }
        graph
    }
}

/// One line per change, for snapshot tests.
impl fmt::Display for Constructs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for edit in &self.recorded {
            match edit {
                ConstructEdit::Add(node) => write!(f, "{node}")?,
                ConstructEdit::SetProperty { id, name, value } => {
                    writeln!(f, "{id}: {name} = {value}")?;
                }
                ConstructEdit::BindProperty {
                    resource,
                    property,
                    construct,
                    output,
                } => {
                    writeln!(f, "{resource}.{property} is output {construct}.{output}")?;
                }
                ConstructEdit::Fidelity {
                    resource,
                    fact,
                    grade,
                    reason,
                } => {
                    writeln!(f, "{resource}.{fact} {}: {reason}", grade.as_str())?;
                }
                ConstructEdit::Diagnose(diagnostic) => writeln!(f, "{diagnostic}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Construct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            type_name,
            name,
            origin,
            properties,
            depends_on,
        } = self;
        writeln!(f, "{id}: {type_name} {name:?} of {origin:?}")?;
        for (key, value) in properties {
            writeln!(f, "{id}: {key} = {value}")?;
        }
        for other in depends_on {
            writeln!(f, "{id}: depends on {other}")?;
        }
        Ok(())
    }
}
