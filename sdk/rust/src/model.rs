//! Reading the app model: an immutable view, the same for every pass of a phase.
//!
//! A fact is named as in `docs/facts.md`. Prefixed `process:` it is the value that the process form
//! would use, otherwise the one of the container form (or of the only form). In a component the
//! view is the host's; in a native test it is a `testing::FakeModel`. One type for both, and not a
//! trait, so that a component imports the getters that it calls and no others.

use serde::de::DeserializeOwned;

use crate::edits::Shape;
use crate::error::Error;
use crate::expression::Expression;
use crate::fact::{Endpoint, File, Mount, Parameter, Prepare, Probe, Wait};
#[cfg(target_family = "wasm")]
use crate::glue::Snapshot as View;
use crate::options;
#[cfg(not(target_family = "wasm"))]
use crate::testing::FakeModel as View;

/// The app model as a pass or publisher sees it.
#[derive(Debug)]
pub struct Model {
    view: View,
}

impl Model {
    pub(crate) fn new(view: View) -> Self {
        Self { view }
    }

    /// `run` or `publish`.
    pub fn mode(&self) -> String {
        self.view.mode()
    }

    /// The target that is lowered for; empty in run mode.
    pub fn target(&self) -> String {
        self.view.target()
    }

    /// Name of the app.
    pub fn app(&self) -> String {
        self.view.app()
    }

    /// Names of the resources that the pass's own selector and this one (such as
    /// `kind=redis,label.tier=web`; empty: all) both select, in order of name.
    pub fn select(&self, selector: &str) -> Vec<String> {
        self.view.select(selector)
    }

    /// Whether there is such a resource.
    pub fn exists(&self, name: &str) -> bool {
        self.view.exists(name)
    }

    /// Its kind.
    pub fn kind(&self, name: &str) -> String {
        self.view.kind(name)
    }

    /// What it is, by name; see [`Model::shape`].
    pub fn shape_name(&self, name: &str) -> String {
        self.view.shape_name(name)
    }

    /// The resource that it is a part of.
    pub fn parent(&self, name: &str) -> Option<String> {
        self.view.parent(name)
    }

    /// Its parts.
    pub fn children(&self, name: &str) -> Vec<String> {
        self.view.children(name)
    }

    /// The options of its declaration, as JSON.
    pub fn options_text(&self, name: &str) -> String {
        self.view.options_text(name)
    }

    /// A text fact, such as `image`.
    pub fn text(&self, name: &str, fact: &str) -> Option<String> {
        self.view.text(name, fact)
    }

    /// A number fact, such as `replicas`.
    pub fn number(&self, name: &str, fact: &str) -> Option<i64> {
        self.view.number(name, fact)
    }

    /// A yes-or-no fact.
    pub fn flag(&self, name: &str, fact: &str) -> Option<bool> {
        self.view.flag(name, fact)
    }

    /// An expression, such as `connection-string`, `command`, `value` or `url`.
    pub fn value(&self, name: &str, fact: &str) -> Option<Expression> {
        self.view.value(name, fact)
    }

    /// A list: `args` or `entrypoint`.
    pub fn values(&self, name: &str, fact: &str) -> Vec<Expression> {
        self.view.values(name, fact)
    }

    /// Keys of a map, in order.
    pub fn keys(&self, name: &str, fact: &str) -> Vec<String> {
        self.view.keys(name, fact)
    }

    /// One entry of `env`, `labels` or `properties`.
    pub fn entry(&self, name: &str, fact: &str, key: &str) -> Option<Expression> {
        self.view.entry(name, fact, key)
    }

    /// All entries of `env`, `labels`, `properties` or another map of expressions.
    pub fn entries(&self, name: &str, fact: &str) -> Vec<(String, Expression)> {
        self.view.entries(name, fact)
    }

    /// Ways in, by name.
    pub fn endpoints(&self, name: &str) -> Vec<(String, Endpoint)> {
        self.view.endpoints(name)
    }

    /// Storage, by key.
    pub fn mounts(&self, name: &str) -> Vec<(String, Mount)> {
        self.view.mounts(name)
    }

    /// Files, by key.
    pub fn files(&self, name: &str) -> Vec<(String, File)> {
        self.view.files(name)
    }

    /// Waits, by resource.
    pub fn waits(&self, name: &str) -> Vec<(String, Wait)> {
        self.view.waits(name)
    }

    /// The health probe.
    pub fn probe(&self, name: &str) -> Option<Probe> {
        self.view.probe(name)
    }

    /// Steps before the start, in order.
    pub fn prepares(&self, name: &str) -> Vec<(String, Prepare)> {
        self.view.prepares(name)
    }

    /// How a parameter gets its value.
    pub fn parameter(&self, name: &str) -> Option<Parameter> {
        self.view.parameter(name)
    }

    /// What the host can already say for this target: endpoints, properties and connection strings
    /// become literals, parameters, outputs and branches. The reader is `name`.
    pub fn resolve(&self, name: &str, value: impl Into<Expression>) -> Expression {
        let value = value.into();
        // Text stays what it is; most values are text, and a question to the host has its price.
        if value.as_text().is_some() {
            return value;
        }
        self.view.resolve(name, value)
    }

    /// Whether the expression reaches a secret.
    pub fn is_secret(&self, value: &Expression) -> bool {
        self.view.is_secret(value)
    }

    /// The options of its declaration, as a type of the plugin's.
    ///
    /// # Errors
    /// They don't fit the type; the error points at the place.
    pub fn options<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        options::read(&self.options_text(name), name, || self.kind(name))
    }

    /// What it is; none: something that this version of the SDK does not know.
    pub fn shape(&self, name: &str) -> Option<Shape> {
        Shape::parse(&self.shape_name(name))
    }

    /// Its image.
    pub fn image(&self, name: &str) -> Option<String> {
        self.text(name, "image")
    }

    /// Its arguments.
    pub fn args(&self, name: &str) -> Vec<Expression> {
        self.values(name, "args")
    }

    /// Its environment.
    pub fn env(&self, name: &str) -> Vec<(String, Expression)> {
        self.entries(name, "env")
    }

    /// One endpoint.
    pub fn endpoint(&self, name: &str, endpoint: &str) -> Option<Endpoint> {
        self.endpoints(name)
            .into_iter()
            .find_map(|(key, value)| (key == endpoint).then_some(value))
    }
}
