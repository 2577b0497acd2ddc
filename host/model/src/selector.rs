//! Which resources a pass looks at: `kind=redis,label.tier=web`; a comma is "and", nothing is "all".

use thiserror::Error;

use crate::fact::{FactValue, Field, Form};
use crate::model::Resource;

/// A parsed selector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Kind(String),
    Shape(String),
    Owner(String),
    Name(String),
    Label(String, String),
}

/// A selector that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no selector term; there are kind=, shape=, plugin=, name= and label.NAME=")]
pub struct SelectorError(String);

impl Selector {
    /// Reads one.
    ///
    /// # Errors
    /// The first term that is none.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        text.split(',')
            .map(str::trim)
            .filter(|term| !term.is_empty())
            .map(|term| {
                let (key, value) = term
                    .split_once('=')
                    .ok_or_else(|| SelectorError(term.to_owned()))?;
                let value = value.trim().to_owned();
                match key.trim() {
                    "kind" => Ok(Term::Kind(value)),
                    "shape" => Ok(Term::Shape(value)),
                    "plugin" => Ok(Term::Owner(value)),
                    "name" => Ok(Term::Name(value)),
                    key => match key.strip_prefix("label.") {
                        Some(label) if !label.is_empty() => {
                            Ok(Term::Label(label.to_owned(), value))
                        }
                        _ => Err(SelectorError(term.to_owned())),
                    },
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a resource is meant.
    pub fn matches(&self, resource: &Resource) -> bool {
        self.0.iter().all(|term| match term {
            Term::Kind(kind) => {
                *kind == *resource.kind
                    || resource
                        .kind
                        .rsplit_once('/')
                        .is_some_and(|(_, short)| short == kind)
            }
            Term::Shape(shape) => shape == resource.shape.as_str(),
            Term::Owner(owner) => resource.owner.as_deref() == Some(owner),
            Term::Name(name) => name == resource.name.as_str(),
            Term::Label(label, value) => resource
                .entry(Field::Labels, Form::Any, label)
                .is_some_and(|fact| match &fact.value {
                    FactValue::Value(found) => found.as_literal() == Some(value),
                    _ => false,
                }),
        })
    }
}
