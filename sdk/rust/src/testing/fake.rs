//! A model made of recorded edits, for tests of passes and publishers.
//!
//! Reads like the host's snapshot: the form's own value before the common one. It merges nothing
//! and checks nothing; a later edit replaces an earlier one. `resolve` knows connection strings and
//! properties, which it replaces by what they stand for; endpoints it leaves alone unless
//! [`FakeModel::resolving`] says what they are.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::edits::{Edit, Edits, Fact, Shape};
use crate::expression::{Expression, Segment};
use crate::fact::{Endpoint, File, Mount, Parameter, Prepare, Probe, Wait};
use crate::model::Model;

#[derive(Debug, Clone)]
struct Resource {
    kind: String,
    shape: Shape,
    parent: Option<String>,
    options: Json,
    /// By fact (with its prefix) and key.
    facts: BTreeMap<(String, String), Fact>,
}

/// A model for tests.
#[derive(Debug, Clone)]
pub struct FakeModel {
    app: String,
    target: String,
    /// The selector of the pass that looks at it.
    selector: String,
    resources: BTreeMap<String, Resource>,
    /// What endpoint properties are, by their written form.
    literals: BTreeMap<String, String>,
}

impl FakeModel {
    /// An empty one, in run mode.
    pub fn new(app: impl Into<String>) -> Self {
        Self {
            app: app.into(),
            target: String::new(),
            selector: String::new(),
            resources: BTreeMap::new(),
            literals: BTreeMap::new(),
        }
    }

    /// Published to a target instead of run.
    #[must_use]
    pub fn for_target(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    /// With the resources that a closure describes.
    #[must_use]
    pub fn with(self, describe: impl FnOnce(&mut Edits)) -> Self {
        let mut edits = Edits::new();
        describe(&mut edits);
        self.apply(&edits)
    }

    /// With the options of a resource's declaration.
    ///
    /// # Panics
    /// There is no such resource.
    #[must_use]
    pub fn with_options(mut self, name: &str, options: Json) -> Self {
        self.resource_mut(name).options = options;
        self
    }

    /// What `resolve` puts in the place of an endpoint property, written `cache.tcp.host`.
    #[must_use]
    pub fn resolving(mut self, endpoint: &str, literal: &str) -> Self {
        self.literals
            .insert(endpoint.to_owned(), literal.to_owned());
        self
    }

    /// With recorded edits, such as those of an integration.
    ///
    /// # Panics
    /// An edit is about a resource that is not there.
    #[must_use]
    pub fn apply(mut self, edits: &Edits) -> Self {
        for edit in edits.recorded() {
            match edit.clone() {
                Edit::Add {
                    resource,
                    kind,
                    shape,
                } => {
                    let (parent, options) = (None, Json::Object(serde_json::Map::new()));
                    let facts = BTreeMap::new();
                    self.resources.insert(
                        resource,
                        Resource {
                            kind,
                            shape,
                            parent,
                            options,
                            facts,
                        },
                    );
                }
                Edit::SetParent { resource, parent } => {
                    self.resource_mut(&resource).parent = Some(parent);
                }
                Edit::Set {
                    resource,
                    fact,
                    key,
                    value,
                } => {
                    self.resource_mut(&resource)
                        .facts
                        .insert((fact, key), value);
                }
                Edit::Remove {
                    resource,
                    fact,
                    key,
                } => {
                    let keep =
                        |at: &(String, String)| at.0 != fact || !key.is_empty() && at.1 != key;
                    self.resource_mut(&resource).facts.retain(|at, _| keep(at));
                }
                Edit::Diagnose(_) => {}
            }
        }
        self
    }

    /// As a pass with this selector sees it.
    pub(crate) fn selecting(&self, selector: &str) -> Self {
        Self {
            selector: selector.to_owned(),
            ..self.clone()
        }
    }

    /// The model that a hook is given.
    pub fn model(&self) -> Model {
        Model::new(self.clone())
    }

    fn resource_mut(&mut self, name: &str) -> &mut Resource {
        match self.resources.get_mut(name) {
            Some(resource) => resource,
            None => panic!("the fake model has no resource `{name}`"),
        }
    }

    /// The entries of a map (or the single fact, under an empty key) as one form sees them.
    fn facts(&self, name: &str, fact: &str) -> BTreeMap<&str, &Fact> {
        let Some(resource) = self.resources.get(name) else {
            return BTreeMap::new();
        };
        let (form, bare) = match fact.split_once(':') {
            Some((form, bare)) => (form, bare),
            None if resource.shape == Shape::Executable => ("process", fact),
            None => ("container", fact),
        };
        let own = format!("{form}:{bare}");
        let mut found = BTreeMap::new();
        for wanted in [bare, own.as_str()] {
            for ((fact, key), value) in &resource.facts {
                if fact == wanted {
                    found.insert(key.as_str(), value);
                }
            }
        }
        found
    }

    fn single(&self, name: &str, fact: &str) -> Option<&Fact> {
        self.facts(name, fact).remove("")
    }

    fn keyed<T>(
        &self,
        name: &str,
        fact: &str,
        case: impl Fn(&Fact) -> Option<T>,
    ) -> Vec<(String, T)> {
        self.facts(name, fact)
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), case(value)?)))
            .collect()
    }

    fn matches(&self, name: &str, resource: &Resource, selector: &str) -> bool {
        selector
            .split(',')
            .map(str::trim)
            .filter(|term| !term.is_empty())
            .all(|term| match term.split_once('=') {
                Some(("kind", value)) => resource.kind == value,
                Some(("shape", value)) => resource.shape.as_str() == value,
                Some(("name", value)) => name == value,
                Some((key, value)) => key.strip_prefix("label.").is_some_and(|label| {
                    let entry = self.entry(name, "labels", label);
                    entry.is_some_and(|found| found.as_text() == Some(value))
                }),
                None => false,
            })
    }

    fn resolved(&self, value: &Expression) -> Expression {
        Expression::concat(value.segments().iter().map(|segment| {
            let uri = |found: Expression| if segment.is_uri() { found.uri() } else { found };
            if let Some(found) = self.target_of(segment) {
                return uri(self.resolved(&found));
            }
            let Segment {
                op,
                subject,
                name,
                arg,
                ..
            } = segment;
            match self.literals.get(&format!("{subject}.{name}.{arg}")) {
                Some(literal) if op == "endpoint" => uri(Expression::text(literal)),
                _ => Expression::of([segment.clone()]),
            }
        }))
    }

    /// What a segment stands for, if it is another expression of the model.
    fn target_of(&self, segment: &Segment) -> Option<Expression> {
        let Segment {
            op, subject, name, ..
        } = segment;
        match op.as_str() {
            "conn" => self.value(subject, "connection-string"),
            // The host compares names of properties without regard to case.
            "prop" => self
                .entries(subject, "properties")
                .into_iter()
                .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value)),
            _ => None,
        }
    }
}

/// Getters of one case of [`Fact`] each.
macro_rules! cases {
    ($fact:expr, $case:ident) => {
        match $fact {
            Fact::$case(value) => Some(value.clone()),
            _ => None,
        }
    };
}

/// What [`Model`] asks for.
impl FakeModel {
    pub(crate) fn mode(&self) -> String {
        if self.target.is_empty() {
            "run"
        } else {
            "publish"
        }
        .to_owned()
    }

    pub(crate) fn target(&self) -> String {
        self.target.clone()
    }

    pub(crate) fn app(&self) -> String {
        self.app.clone()
    }

    pub(crate) fn select(&self, selector: &str) -> Vec<String> {
        self.resources
            .iter()
            .filter(|(name, resource)| self.matches(name, resource, &self.selector))
            .filter(|(name, resource)| self.matches(name, resource, selector))
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.resources.contains_key(name)
    }

    pub(crate) fn kind(&self, name: &str) -> String {
        self.resources
            .get(name)
            .map(|resource| resource.kind.clone())
            .unwrap_or_default()
    }

    pub(crate) fn shape_name(&self, name: &str) -> String {
        self.resources
            .get(name)
            .map(|resource| resource.shape.to_string())
            .unwrap_or_default()
    }

    pub(crate) fn parent(&self, name: &str) -> Option<String> {
        self.resources.get(name)?.parent.clone()
    }

    pub(crate) fn children(&self, name: &str) -> Vec<String> {
        self.resources
            .iter()
            .filter(|(_, resource)| resource.parent.as_deref() == Some(name))
            .map(|(child, _)| child.clone())
            .collect()
    }

    pub(crate) fn options_text(&self, name: &str) -> String {
        self.resources
            .get(name)
            .map(|resource| resource.options.to_string())
            .unwrap_or_default()
    }

    pub(crate) fn text(&self, name: &str, fact: &str) -> Option<String> {
        self.single(name, fact).and_then(|fact| cases!(fact, Text))
    }

    pub(crate) fn number(&self, name: &str, fact: &str) -> Option<i64> {
        self.single(name, fact)
            .and_then(|fact| cases!(fact, Number))
    }

    pub(crate) fn flag(&self, name: &str, fact: &str) -> Option<bool> {
        self.single(name, fact).and_then(|fact| cases!(fact, Flag))
    }

    pub(crate) fn value(&self, name: &str, fact: &str) -> Option<Expression> {
        self.single(name, fact).and_then(|fact| cases!(fact, Value))
    }

    pub(crate) fn values(&self, name: &str, fact: &str) -> Vec<Expression> {
        self.single(name, fact)
            .and_then(|fact| cases!(fact, Values))
            .unwrap_or_default()
    }

    pub(crate) fn keys(&self, name: &str, fact: &str) -> Vec<String> {
        self.facts(name, fact)
            .into_keys()
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn entry(&self, name: &str, fact: &str, key: &str) -> Option<Expression> {
        self.facts(name, fact)
            .remove(key)
            .and_then(|fact| cases!(fact, Value))
    }

    pub(crate) fn entries(&self, name: &str, fact: &str) -> Vec<(String, Expression)> {
        self.keyed(name, fact, |fact| cases!(fact, Value))
    }

    pub(crate) fn endpoints(&self, name: &str) -> Vec<(String, Endpoint)> {
        self.keyed(name, "endpoints", |fact| cases!(fact, Endpoint))
    }

    pub(crate) fn mounts(&self, name: &str) -> Vec<(String, Mount)> {
        self.keyed(name, "mounts", |fact| cases!(fact, Mount))
    }

    pub(crate) fn files(&self, name: &str) -> Vec<(String, File)> {
        self.keyed(name, "files", |fact| cases!(fact, File))
    }

    pub(crate) fn waits(&self, name: &str) -> Vec<(String, Wait)> {
        self.keyed(name, "waits", |fact| cases!(fact, Wait))
    }

    pub(crate) fn probe(&self, name: &str) -> Option<Probe> {
        self.single(name, "health")
            .and_then(|fact| cases!(fact, Probe))
    }

    pub(crate) fn prepares(&self, name: &str) -> Vec<(String, Prepare)> {
        self.keyed(name, "process:prepare", |fact| cases!(fact, Prepare))
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<Parameter> {
        self.single(name, "parameter")
            .and_then(|fact| cases!(fact, Parameter))
    }

    /// Who reads it makes no difference here.
    pub(crate) fn resolve(&self, _name: &str, value: Expression) -> Expression {
        self.resolved(&value)
    }

    pub(crate) fn is_secret(&self, value: &Expression) -> bool {
        value
            .segments()
            .iter()
            .any(|segment| match self.target_of(segment) {
                Some(found) => self.is_secret(&found),
                None => {
                    segment.op == "param"
                        && self
                            .parameter(&segment.subject)
                            .is_some_and(|parameter| parameter.secret)
                }
            })
    }
}
