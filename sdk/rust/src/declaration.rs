//! What the user declared: plain data, complete, checked against the kind's schema by the host.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::error::{Diagnostic, Error};
use crate::expression::Expression;
use crate::options;

/// The declaration that an integration expands.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    name: String,
    kind: String,
    /// As JSON. A plugin that reads a type from it never needs the tree.
    options: String,
    tree: OnceCell<Json>,
    explicit: BTreeMap<String, Option<String>>,
    mode: String,
    app: String,
}

impl Declaration {
    /// One with options (an object) and nothing explicit, in run mode.
    pub fn new(name: impl Into<String>, kind: impl Into<String>, options: &Json) -> Self {
        Self::from_text(name.into(), kind.into(), options.to_string())
    }

    pub(crate) fn from_text(name: String, kind: String, options: String) -> Self {
        Self {
            name,
            kind,
            options,
            tree: OnceCell::new(),
            explicit: BTreeMap::new(),
            mode: "run".into(),
            app: "app".into(),
        }
    }

    /// With a reserved key that the user set; `text` for text facts such as `image`.
    #[must_use]
    pub fn explicit(mut self, fact: impl Into<String>, text: Option<&str>) -> Self {
        self.explicit.insert(fact.into(), text.map(Into::into));
        self
    }

    /// In another mode: `run` or `publish`.
    #[must_use]
    pub fn in_mode(mut self, mode: impl Into<String>) -> Self {
        self.mode = mode.into();
        self
    }

    /// In another app.
    #[must_use]
    pub fn in_app(mut self, app: impl Into<String>) -> Self {
        self.app = app.into();
        self
    }

    /// Name of the resource.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind, as declared.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// `run` or `publish`.
    pub fn mode(&self) -> &str {
        &self.mode
    }

    /// Name of the app.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// Whether the user set this reserved key (`image`, `args`, `env` …). The setting wins over
    /// what the plugin says; knowing it is for what is derived from it.
    pub fn is_explicit(&self, fact: &str) -> bool {
        self.explicit.contains_key(fact)
    }

    /// The explicit setting of a text fact, such as `image`.
    pub fn explicit_text(&self, fact: &str) -> Option<&str> {
        self.explicit.get(fact)?.as_deref()
    }

    /// One option as JSON, by RFC 6901 pointer.
    pub fn option(&self, pointer: &str) -> Option<&Json> {
        self.tree
            .get_or_init(|| serde_json::from_str(&self.options).unwrap_or_default())
            .pointer(pointer)
    }

    /// An option of format `expression`.
    pub fn expression(&self, pointer: &str) -> Option<Expression> {
        Expression::from_json(self.option(pointer)?)
    }

    /// All options, as a type of the plugin's.
    ///
    /// # Errors
    /// The schema let something through that the type refuses; the error points at it.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T, Error> {
        options::read(&self.options, &self.name, || self.kind.clone())
    }

    /// An error at one of its options (`pointer` empty: at all of it).
    pub fn error(&self, pointer: &str, code: &str, message: &str) -> Error {
        Error::new(code, message).at(&self.name, pointer)
    }

    /// A warning at one of its options.
    pub fn warning(&self, pointer: &str, code: &str, message: &str) -> Diagnostic {
        Diagnostic::warning(code, message).at(&self.name, pointer)
    }
}
