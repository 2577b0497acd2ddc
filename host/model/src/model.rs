//! The app model: resources made of facts.
//!
//! Knows what every resource is. Doesn't know targets, addresses or allocated ports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::annotation::{
    Build, Endpoint, File, Limits, Mount, Parameter, Prepare, Probe, Reference, Wait, Watch,
};
use crate::expression::Expression;
use crate::fact::{Fact, FactKey, FactValue, Field, Form};
use crate::grant::Permission;
use crate::name::ResourceName;
use crate::provenance::Author;

/// What the model is lowered to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Things that run on this machine now.
    Run,
    /// Artifacts of a target.
    Publish {
        /// Its name.
        target: Arc<str>,
    },
}

impl Mode {
    /// `run` or `publish`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Publish { .. } => "publish",
        }
    }

    /// The target; empty in run mode.
    pub fn target(&self) -> &str {
        match self {
            Self::Run => "",
            Self::Publish { target } => target,
        }
    }
}

/// The closed set of things that a resource can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

    /// The name used in printed models and across the plugin boundary.
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

    /// Whether something is started for it.
    pub fn is_workload(self) -> bool {
        matches!(self, Self::Container | Self::Executable)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Unique without regard to case.
    pub name: ResourceName,
    /// `redis`, or `ID/NAME` where the short name is not unique.
    pub kind: Arc<str>,
    /// What it is.
    pub shape: Shape,
    /// Who added it.
    pub origin: Author,
    /// Id of the plugin whose kind it is or that added it; none: the host's own.
    pub owner: Option<Arc<str>>,
    /// The options of its declaration, with host formats resolved.
    pub options: Arc<Json>,
    /// Everything else.
    pub facts: BTreeMap<FactKey, Fact>,
    /// Permissions for want of which its process form was left out.
    pub withheld: BTreeSet<Permission>,
}

impl Resource {
    /// One without facts.
    pub fn new(
        name: ResourceName,
        kind: impl Into<Arc<str>>,
        shape: Shape,
        origin: Author,
    ) -> Self {
        Self {
            name,
            kind: kind.into(),
            shape,
            owner: origin.plugin().map(Arc::from),
            origin,
            options: Arc::new(Json::Null),
            facts: BTreeMap::new(),
            withheld: BTreeSet::new(),
        }
    }

    /// The fact at an address, exactly.
    pub fn exact(&self, key: &FactKey) -> Option<&Fact> {
        self.facts.get(key)
    }

    /// A single fact as one form sees it: the form's own, else the common one; where both exist, a
    /// higher-ranking author of the common one wins (the app's `args` beat a plugin's
    /// `process:args`).
    pub fn fact(&self, field: Field, form: Form) -> Option<&Fact> {
        self.seen_by(FactKey::single(field), form)
    }

    fn seen_by(&self, mut key: FactKey, form: Form) -> Option<&Fact> {
        let (common, own) = (key.field.home(Form::Any), key.field.home(form));
        key.form = common;
        let common_fact = self.facts.get(&key);
        if own == common {
            return common_fact;
        }
        key.form = own;
        match (self.facts.get(&key), common_fact) {
            (Some(own), Some(common)) if common.rank() > own.rank() => Some(common),
            (own, common) => own.or(common),
        }
    }

    /// One entry of a map as one form sees it, by the same rule.
    pub fn entry(&self, field: Field, form: Form, key: &str) -> Option<&Fact> {
        self.seen_by(FactKey::entry(field, key), form)
    }

    /// The entries of a map as one form sees it, in order of key, by the same rule.
    pub fn entries(&self, field: Field, form: Form) -> Vec<(&str, &Fact)> {
        let (common, own) = (field.home(Form::Any), field.home(form));
        let mut merged: Vec<(&str, &Fact)> = self.written(field, common).collect();
        if own == common {
            return merged;
        }
        let both = merged.len();
        for (key, fact) in self.written(field, own) {
            match merged[..both].binary_search_by_key(&key, |(common, _)| common) {
                Ok(at) if merged[at].1.rank() > fact.rank() => {}
                Ok(at) => merged[at].1 = fact,
                Err(_) => merged.push((key, fact)),
            }
        }
        merged.sort_by_key(|(key, _)| *key);
        merged
    }

    /// The entries of a map that are written for exactly this form, in order of key.
    pub fn written(&self, field: Field, form: Form) -> impl Iterator<Item = (&str, &Fact)> {
        let from = FactKey {
            field,
            form,
            key: String::new(),
        };
        self.facts
            .range(from..)
            .take_while(move |(key, _)| key.field == field && key.form == form)
            .map(|(key, fact)| (key.key.as_str(), fact))
    }

    /// The form that publishers and, where nothing was chosen, everybody else looks at.
    pub fn main_form(&self) -> Form {
        if self.shape == Shape::Executable {
            Form::Process
        } else {
            Form::Container
        }
    }

    /// The port that an endpoint's workload has to listen on in a form, where that is fixed. The
    /// process form of a container listens where the host tells it to, unless its own facts say
    /// otherwise: several of them share one machine.
    pub fn fixed_target_port(&self, endpoint: &str, form: Form) -> Option<u16> {
        let key = FactKey::entry(Field::Endpoints, endpoint);
        let own = key.clone().in_form(form);
        let borrowed = self.shape == Shape::Container
            && form == Form::Process
            && !self.facts.contains_key(&own);
        if borrowed {
            return None;
        }
        self.endpoint(endpoint, form)?.target_port
    }

    /// Whether it can run in that form.
    pub fn has_form(&self, form: Form) -> bool {
        match form {
            Form::Any => true,
            Form::Container => {
                self.fact(Field::Image, form).is_some() || self.fact(Field::Build, form).is_some()
            }
            Form::Process => self.fact(Field::Command, form).is_some(),
        }
    }

    /// A text fact.
    pub fn text(&self, field: Field, form: Form) -> Option<&str> {
        match &self.fact(field, form)?.value {
            FactValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number fact.
    pub fn number(&self, field: Field, form: Form) -> Option<i64> {
        match &self.fact(field, form)?.value {
            FactValue::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// An expression fact.
    pub fn value(&self, field: Field, form: Form) -> Option<&Expression> {
        match &self.fact(field, form)?.value {
            FactValue::Value(value) => Some(value),
            _ => None,
        }
    }

    /// A list of expressions.
    pub fn values(&self, field: Field, form: Form) -> &[Expression] {
        match self.fact(field, form).map(|fact| &fact.value) {
            Some(FactValue::Values(values)) => values,
            _ => &[],
        }
    }

    /// A list of texts.
    pub fn texts(&self, field: Field, form: Form) -> &[String] {
        match self.fact(field, form).map(|fact| &fact.value) {
            Some(FactValue::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// The parent's name.
    pub fn parent(&self) -> Option<&str> {
        self.text(Field::Parent, Form::Any)
    }

    /// How a parameter gets its value.
    pub fn parameter(&self) -> Option<&Parameter> {
        match &self.fact(Field::Parameter, Form::Any)?.value {
            FactValue::Parameter(parameter) => Some(parameter),
            _ => None,
        }
    }

    /// One way in.
    pub fn endpoint(&self, name: &str, form: Form) -> Option<&Endpoint> {
        match &self.entry(Field::Endpoints, form, name)?.value {
            FactValue::Endpoint(endpoint) => Some(endpoint),
            _ => None,
        }
    }

    /// The health probe.
    pub fn probe(&self, form: Form) -> Option<&Probe> {
        match &self.fact(Field::Health, form)?.value {
            FactValue::Probe(probe) => Some(probe),
            _ => None,
        }
    }

    /// Resource limits.
    pub fn limits(&self, form: Form) -> Option<&Limits> {
        match &self.fact(Field::Limits, form)?.value {
            FactValue::Limits(limits) => Some(limits),
            _ => None,
        }
    }

    /// Which files are watched.
    pub fn watch(&self) -> Option<&Watch> {
        match &self.fact(Field::Watch, self.main_form())?.value {
            FactValue::Watch(watch) => Some(watch),
            _ => None,
        }
    }

    /// A build fact (`build` or `publish-build`).
    pub fn build(&self, field: Field) -> Option<&Build> {
        match &self.fact(field, Form::Container)?.value {
            FactValue::Build(build) => Some(build),
            _ => None,
        }
    }
}

macro_rules! typed_entries {
    ($($(#[doc = $doc:literal])+ $method:ident $field:ident $case:ident $type:ty;)+) => {
        impl Resource {
            $($(#[doc = $doc])+
            pub fn $method(&self, form: Form) -> impl Iterator<Item = (&str, &$type)> {
                self.entries(Field::$field, form).into_iter().filter_map(|(key, fact)| {
                    match &fact.value {
                        FactValue::$case(value) => Some((key, value)),
                        _ => None,
                    }
                })
            })+
        }
    };
}

typed_entries! {
    /// Ways in, by name.
    endpoints Endpoints Endpoint Endpoint;
    /// Storage, by key.
    mounts Mounts Mount Mount;
    /// Files, by key.
    files Files File File;
    /// Waits, by resource.
    waits Waits Wait Wait;
    /// References, by resource.
    references References Reference Reference;
    /// Steps before the start, in order.
    prepares Prepare Prepare Prepare;
    /// Environment.
    env Env Value Expression;
    /// Labels.
    labels Labels Value Expression;
    /// Connection properties.
    properties Properties Value Expression;
    /// Devices, capabilities and host access.
    privileges Privileges Value Expression;
    /// Programs that the process form needs.
    requires Requires Value Expression;
    /// Other names on the network.
    aliases Aliases Value Expression;
    /// Variant by target.
    variants Variants Value Expression;
}

/// The whole app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppModel {
    /// Name of the app.
    pub name: Arc<str>,
    /// By name. Behind `Arc`, so that a barrier copies only the resources that it changes.
    pub resources: BTreeMap<ResourceName, Arc<Resource>>,
}

impl AppModel {
    /// An empty one.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            resources: BTreeMap::new(),
        }
    }

    /// The resource of a name.
    pub fn get(&self, name: &str) -> Option<&Resource> {
        self.resources.get(name).map(AsRef::as_ref)
    }

    /// The resource of a name, to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Resource> {
        self.resources.get_mut(name).map(Arc::make_mut)
    }

    /// All of them, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values().map(AsRef::as_ref)
    }

    /// Adds or replaces one.
    pub fn insert(&mut self, resource: Resource) {
        self.resources
            .insert(resource.name.clone(), Arc::new(resource));
    }

    /// The resources whose parent this is, in order of name.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.iter()
            .filter(move |resource| resource.parent() == Some(name))
    }

    /// The workload that a resource lives in: itself, or the nearest ancestor that runs.
    pub fn workload_of<'a>(&'a self, name: &str) -> Option<&'a Resource> {
        let mut resource = self.get(name)?;
        for _ in 0..self.resources.len() {
            if resource.shape.is_workload() {
                return Some(resource);
            }
            resource = self.get(resource.parent()?)?;
        }
        None
    }
}
