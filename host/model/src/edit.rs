//! What a hook asks to be changed: an append-only list of edits by one author.

use crate::annotation::Parameter;
use crate::diagnostic::Diagnostic;
use crate::fact::{FactKey, FactValue};
use crate::grant::Permission;
use crate::model::Shape;
use crate::name::ResourceName;
use crate::provenance::Author;

/// One proposed change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new resource.
    AddResource {
        /// Its name.
        name: ResourceName,
        /// Its kind.
        kind: String,
        /// Its shape; none: the compiler asks the kind's integration.
        shape: Shape,
    },
    /// A fact, or an entry of a map.
    Set {
        /// Whose.
        resource: ResourceName,
        /// Which.
        key: FactKey,
        /// To what.
        value: FactValue,
    },
    /// A fact or entry less.
    Remove {
        /// Whose.
        resource: ResourceName,
        /// Which.
        key: FactKey,
    },
    /// The process form of a resource was left out for want of a permission. Written by the
    /// barrier, never by a hook.
    Withhold {
        /// Whose.
        resource: ResourceName,
        /// Which permission would let it in.
        permission: Permission,
    },
    /// Something to tell.
    Diagnose(Diagnostic),
}

/// The edits of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who proposes them.
    pub author: Author,
    /// In the order proposed; a later one replaces an earlier one of the same fact.
    pub edits: Vec<Edit>,
}

impl Transaction {
    /// An empty one.
    pub fn new(author: Author) -> Self {
        Self {
            author,
            edits: Vec::new(),
        }
    }

    /// A new resource.
    pub fn add(&mut self, name: ResourceName, kind: impl Into<String>, shape: Shape) {
        self.edits.push(Edit::AddResource {
            name,
            kind: kind.into(),
            shape,
        });
    }

    /// A new parameter.
    pub fn add_parameter(&mut self, name: ResourceName, value: Parameter) {
        self.add(name.clone(), "parameter", Shape::Parameter);
        let key = FactKey::single(crate::fact::Field::Parameter);
        self.set(&name, key, FactValue::Parameter(value));
    }

    /// A fact.
    pub fn set(&mut self, resource: &ResourceName, key: FactKey, value: FactValue) {
        self.edits.push(Edit::Set {
            resource: resource.clone(),
            key,
            value,
        });
    }
}
