//! The seam between compiler and plugins: what a loaded plugin looks like from here.
//!
//! The compiler calls [`Plugin`] and knows nothing of components; the plugin host implements it
//! and knows nothing of the ladder. The host's own kinds implement it too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::construct::{ConstructGraph, ConstructTransaction, Publication};
use crate::declaration::Declaration;
use crate::edit::Transaction;
use crate::grant::{Grants, Permission};
use crate::model::{AppModel, Mode, Resource, Shape};
use crate::selector::Selector;

/// Version of the WIT package that this host serves.
pub const INTERFACE_VERSION: &str = "0.1.0";

/// A kind that `aspire.toml` may name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindInfo {
    /// Short name.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// JSON Schema of its options (`properties` of an object).
    pub schema: Json,
}

/// When a pass runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// After the expansion of declarations.
    Expand,
    /// Reads only and diagnoses.
    Check,
    /// Adds and changes.
    Enrich,
    /// Model to constructs of one target.
    Lower,
    /// Constructs to constructs.
    Refine,
}

impl Phase {
    /// The phase of a name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "expand" => Some(Self::Expand),
            "check" => Some(Self::Check),
            "enrich" => Some(Self::Enrich),
            "lower" => Some(Self::Lower),
            "refine" => Some(Self::Refine),
            _ => None,
        }
    }
}

/// A pass of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassInfo {
    /// Unique in the plugin.
    pub name: String,
    /// When.
    pub phase: Phase,
    /// Which resources, as written.
    pub selector: String,
    /// Capability names that it has.
    pub provides: Vec<String>,
    /// It runs before passes that have these.
    pub before: Vec<String>,
    /// It runs after passes that have these.
    pub after: Vec<String>,
}

/// What a lowering pass turns into constructs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// The pass.
    pub pass: String,
    /// The shape.
    pub shape: Shape,
    /// The target.
    pub target: String,
    /// Narrowed to a kind; empty: any.
    pub kind: String,
    /// Narrowed to a variant; empty: the general one.
    pub variant: String,
}

/// A target that `publish --to` may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// Its name.
    pub name: String,
    /// One line for people.
    pub description: String,
}

/// Everything that a plugin says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Descriptor {
    /// Manifest id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Kinds; the first is the default kind.
    pub kinds: Vec<KindInfo>,
    /// Passes.
    pub passes: Vec<PassInfo>,
    /// What its lowering passes claim.
    pub claims: Vec<Claim>,
    /// Targets.
    pub targets: Vec<TargetInfo>,
    /// Permissions that it asks for, with its reason.
    pub requests: Vec<(Permission, String)>,
}

/// The facts that a call has read: what decides whether it has to run again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet(pub BTreeSet<String>);

/// An immutable view of the model for one call. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The model at the barrier.
    pub model: Arc<AppModel>,
    /// What it is lowered to.
    pub mode: Mode,
    /// The pass's own selector, already applied to every `select`.
    pub selector: Arc<Selector>,
    /// The only resources that the pass may select; none: all. A lowering pass sees what it claims.
    pub scope: Option<Arc<BTreeSet<String>>>,
    reads: Arc<Mutex<Reads>>,
}

/// Facts by resource: what is read again and again costs nothing more.
#[derive(Debug, Default)]
struct Reads {
    facts: Vec<(String, BTreeSet<String>)>,
    /// Where a resource stands in `facts`.
    places: BTreeMap<String, usize>,
    /// The place of the resource that was read last: mostly it is the next one too.
    last: usize,
}

impl Reads {
    fn record(&mut self, resource: &str, fact: &str) {
        if self
            .facts
            .get(self.last)
            .is_none_or(|(last, _)| last != resource)
        {
            self.last = self.place(resource);
        }
        if let Some((_, facts)) = self.facts.get_mut(self.last)
            && !facts.contains(fact)
        {
            facts.insert(fact.to_owned());
        }
    }

    fn place(&mut self, resource: &str) -> usize {
        if let Some(place) = self.places.get(resource) {
            return *place;
        }
        let place = self.facts.len();
        self.places.insert(resource.to_owned(), place);
        self.facts.push((resource.to_owned(), BTreeSet::new()));
        place
    }
}

impl Snapshot {
    /// A view for one call.
    pub fn new(model: Arc<AppModel>, mode: Mode, selector: Selector) -> Self {
        Self {
            model,
            mode,
            selector: Arc::new(selector),
            scope: None,
            reads: Arc::default(),
        }
    }

    /// The same, with nothing but these resources to select.
    #[must_use]
    pub fn scoped(mut self, names: BTreeSet<String>) -> Self {
        self.scope = Some(Arc::new(names));
        self
    }

    /// Whether the pass may select a resource.
    pub fn selects(&self, resource: &Resource) -> bool {
        self.scope
            .as_ref()
            .is_none_or(|scope| scope.contains(resource.name.as_str()))
            && self.selector.matches(resource)
    }

    /// Notes that a fact was read. `fact` is empty for the resource's existence, kind and shape, and
    /// `facts` for which facts it has at all; `resource` is `*` for a selection.
    pub fn record(&self, resource: &str, fact: &str) {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.record(resource, fact);
    }

    /// What was read so far.
    pub fn reads(&self) -> ReadSet {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |resource: &String, fact: &String| match fact.as_str() {
            "" => resource.clone(),
            fact => format!("{resource}/{fact}"),
        };
        ReadSet(
            reads
                .facts
                .iter()
                .flat_map(|(resource, facts)| facts.iter().map(|fact| named(resource, fact)))
                .collect(),
        )
    }
}

/// An error that a guest returned on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestError {
    /// Namespaced code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Resource and RFC 6901 pointer into its options.
    pub location: Option<(String, String)>,
    /// What to do next.
    pub help: Option<String>,
}

/// How a call failed. The four ways stay four different things up to the user's screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// The guest said so.
    Guest(GuestError),
    /// It crashed: the trap's text.
    Trap(String),
    /// It did not come back within this time.
    Timeout(Duration),
    /// It wanted more than it may have: which limit, with its value.
    Limit(String),
}

/// A failed call, with everything needed to find out why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookFailure {
    /// What happened.
    pub kind: FailureKind,
    /// Plugin id.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// First characters of its SHA-256.
    pub digest: String,
    /// Such as `expand(cache)` or `pass add-label`.
    pub call: String,
    /// Guest frames, innermost first.
    pub backtrace: Vec<String>,
    /// Last lines that it wrote to standard error (a Rust panic's text is there).
    pub stderr: Vec<String>,
}

impl fmt::Display for HookFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plugin,
            version,
            call,
            ..
        } = self;
        write!(f, "plugin {plugin} {version}, {call}: ")?;
        match &self.kind {
            FailureKind::Guest(error) => f.write_str(&error.message),
            FailureKind::Trap(text) => write!(f, "it crashed: {text}"),
            FailureKind::Timeout(after) => write!(f, "no answer within {after:?}"),
            FailureKind::Limit(limit) => write!(f, "it went over its limit of {limit}"),
        }
    }
}

/// What `integration.expand` is told beside the declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpandContext {
    /// Name of the app.
    pub app: Arc<str>,
    /// What will be lowered to.
    pub mode: Mode,
}

/// A loaded plugin.
///
/// Every method is pure: equal arguments, equal results. Calls may come from several threads.
/// The author of returned transactions is set by the implementation, without a cause; the compiler
/// fills in the cause.
pub trait Plugin: Send + Sync {
    /// What it says about itself.
    fn descriptor(&self) -> &Descriptor;

    /// What the user and the operator let it do.
    fn grants(&self) -> &Grants;

    /// It speaks for the operator: its edits beat the app's explicit settings.
    fn is_operator(&self) -> bool {
        false
    }

    /// What a declaration of its kinds means.
    ///
    /// # Errors
    /// Any way in which a guest can fail.
    fn expand(
        &self,
        declaration: &Arc<Declaration>,
        context: &ExpandContext,
    ) -> Result<Transaction, HookFailure>;

    /// Runs a pass of the phases expand, check and enrich.
    ///
    /// # Errors
    /// Any way in which a guest can fail.
    fn run(&self, pass: &str, snapshot: &Snapshot) -> Result<Transaction, HookFailure>;

    /// Runs a pass of the phase lower.
    ///
    /// # Errors
    /// Any way in which a guest can fail.
    fn lower(&self, pass: &str, snapshot: &Snapshot) -> Result<ConstructTransaction, HookFailure>;

    /// Runs a pass of the phase refine.
    ///
    /// # Errors
    /// Any way in which a guest can fail.
    fn refine(
        &self,
        pass: &str,
        snapshot: &Snapshot,
        graph: &Arc<ConstructGraph>,
    ) -> Result<ConstructTransaction, HookFailure>;

    /// Turns the graph of a target into files.
    ///
    /// # Errors
    /// Any way in which a guest can fail.
    fn publish(
        &self,
        target: &str,
        snapshot: &Snapshot,
        graph: &Arc<ConstructGraph>,
    ) -> Result<Publication, HookFailure>;
}
