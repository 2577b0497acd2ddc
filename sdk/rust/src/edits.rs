//! What a hook asks to be changed, as data.
//!
//! Nothing happens while a hook runs: it records, and after it has returned `Ok` the glue replays
//! the record on the host's transaction. So logic is tested natively, by looking at the record;
//! its `Display` is made for snapshot tests. Doesn't know what the host accepts: that is checked
//! there, at the barrier.

use std::fmt;

use crate::error::Diagnostic;
use crate::expression::Expression;
use crate::fact::{Endpoint, File, Mount, Parameter, Prepare, Probe, Wait};
use crate::resource::Resource;

/// The closed set of things that a resource can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Runs in a container (it may have a process form too).
    Container,
    /// Runs as a process of this machine.
    Executable,
    /// A value, such as a database in a server: it lives in its parent.
    Value,
    /// A value from outside.
    Parameter,
    /// Runs elsewhere.
    External,
    /// Only holds others together.
    Group,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Container,
        Self::Executable,
        Self::Value,
        Self::Parameter,
        Self::External,
        Self::Group,
    ];

    /// The name that crosses the boundary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Executable => "executable",
            Self::Value => "value",
            Self::Parameter => "parameter",
            Self::External => "external",
            Self::Group => "group",
        }
    }

    /// The shape of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.as_str() == text)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a fact, or one entry of a map of facts, says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each case is named after its type")]
pub enum Fact {
    Text(String),
    Number(i64),
    Flag(bool),
    Value(Expression),
    Values(Vec<Expression>),
    Endpoint(Endpoint),
    Mount(Mount),
    File(File),
    Wait(Wait),
    Probe(Probe),
    Prepare(Prepare),
    Parameter(Parameter),
}

/// One proposed change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new resource.
    Add {
        /// Its name.
        resource: String,
        /// Its kind.
        kind: String,
        /// What it is.
        shape: Shape,
    },
    /// The resource that it is a part of.
    SetParent {
        /// Whose.
        resource: String,
        /// The parent.
        parent: String,
    },
    /// A fact, or an entry of a map.
    Set {
        /// Whose.
        resource: String,
        /// Name, with `container:` or `process:` in front where it holds for one form.
        fact: String,
        /// Entry of a map; empty for single facts.
        key: String,
        /// To what.
        value: Fact,
    },
    /// A fact or entry less.
    Remove {
        /// Whose.
        resource: String,
        /// Name.
        fact: String,
        /// Entry of a map; empty: the fact.
        key: String,
    },
    /// Something to tell.
    Diagnose(Diagnostic),
}

/// The changes of one call, in the order recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    recorded: Vec<Edit>,
}

impl Edits {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a resource and begins to describe it. The declaration's own resource is added too.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        kind: impl Into<String>,
        shape: Shape,
    ) -> Resource<'_> {
        let name = name.into();
        self.record(Edit::Add {
            resource: name.clone(),
            kind: kind.into(),
            shape,
        });
        self.edit(name)
    }

    /// Adds something that runs in a container, maybe with a process form too.
    pub fn container(&mut self, name: impl Into<String>, kind: impl Into<String>) -> Resource<'_> {
        self.add(name, kind, Shape::Container)
    }

    /// Adds something that runs as a process only.
    pub fn executable(&mut self, name: impl Into<String>, kind: impl Into<String>) -> Resource<'_> {
        self.add(name, kind, Shape::Executable)
    }

    /// Adds something that lives in its parent, such as a database.
    pub fn value(&mut self, name: impl Into<String>, kind: impl Into<String>) -> Resource<'_> {
        self.add(name, kind, Shape::Value)
    }

    /// Adds a parameter, such as a generated password.
    pub fn parameter(&mut self, name: impl Into<String>, value: Parameter) -> Resource<'_> {
        self.add(name, "parameter", Shape::Parameter)
            .set("parameter", Fact::Parameter(value))
    }

    /// Begins to change a resource that is there already.
    pub fn edit(&mut self, name: impl Into<String>) -> Resource<'_> {
        Resource::new(self, name.into())
    }

    /// Something to tell the user without giving up.
    pub fn diagnose(&mut self, diagnostic: Diagnostic) {
        self.record(Edit::Diagnose(diagnostic));
    }

    /// Any change, for what has no method of its own.
    pub fn record(&mut self, edit: Edit) {
        self.recorded.push(edit);
    }

    /// What was recorded.
    pub fn recorded(&self) -> &[Edit] {
        &self.recorded
    }

    /// What was recorded, to keep.
    pub fn into_recorded(self) -> Vec<Edit> {
        self.recorded
    }

    /// The diagnostics among it.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.recorded.iter().filter_map(|edit| match edit {
            Edit::Diagnose(diagnostic) => Some(diagnostic),
            _ => None,
        })
    }

    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.recorded.is_empty()
    }

    /// One more element of a list fact.
    pub(crate) fn append(&mut self, resource: &str, fact: &str, element: Expression) {
        // From behind: the list in progress is nearly always the last thing recorded.
        for edit in self.recorded.iter_mut().rev() {
            if let Edit::Set {
                resource: whose,
                fact: which,
                value: Fact::Values(list),
                ..
            } = edit
                && whose == resource
                && which == fact
            {
                list.push(element);
                return;
            }
        }
        self.record(Edit::Set {
            resource: resource.to_owned(),
            fact: fact.to_owned(),
            key: String::new(),
            value: Fact::Values(vec![element]),
        });
    }
}
