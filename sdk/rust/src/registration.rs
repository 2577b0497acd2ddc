//! What a plugin says about itself, as data: kinds, passes, claims, targets.
//!
//! Identity and permissions aren't here: the one place for them is [`plugin!`](crate::plugin!),
//! which writes them into the manifest too, so that the two can't contradict each other.

use crate::edits::Shape;
use crate::schema::Schema;

/// Everything that a plugin offers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Registration {
    /// Kinds that `aspire.toml` may name; the first is the default kind.
    pub kinds: Vec<Kind>,
    /// Passes over the model.
    pub passes: Vec<PassInfo>,
    /// What its lowering passes turn into constructs.
    pub claims: Vec<Claim>,
    /// Targets that `publish --to` may name: name and description.
    pub targets: Vec<(String, String)>,
}

impl Registration {
    /// Offers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// With a pass.
    #[must_use]
    pub fn pass(mut self, pass: PassInfo) -> Self {
        self.passes.push(pass);
        self
    }

    /// With a claim of a lowering pass.
    #[must_use]
    pub fn claim(mut self, claim: Claim) -> Self {
        self.claims.push(claim);
        self
    }

    /// With a target.
    #[must_use]
    pub fn target(mut self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.targets.push((name.into(), description.into()));
        self
    }
}

/// A kind that `aspire.toml` may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Short name.
    pub name: String,
    /// One line for people.
    pub description: String,
    options: Vec<(String, Schema)>,
    required: Vec<String>,
}

impl Kind {
    /// A kind without options.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            options: Vec::new(),
            required: Vec::new(),
        }
    }

    /// With an option. Its schema should have a description: editors show it.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, schema: impl Into<Schema>) -> Self {
        self.options.push((name.into(), schema.into()));
        self
    }

    /// With an option that has to be there.
    #[must_use]
    pub fn required_option(mut self, name: impl Into<String>, schema: impl Into<Schema>) -> Self {
        let name = name.into();
        self.required.push(name.clone());
        self.option(name, schema)
    }

    /// The JSON Schema of its options. Unknown ones are refused, so that a typo is told.
    pub fn schema(&self) -> String {
        let schema = Schema::object(self.options.clone());
        if self.required.is_empty() {
            return schema.to_string();
        }
        schema
            .required(self.required.iter().map(String::as_str))
            .to_string()
    }
}

/// When a pass runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// After the expansion of declarations: adds what resources share.
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
    /// The name that crosses the boundary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Check => "check",
            Self::Enrich => "enrich",
            Self::Lower => "lower",
            Self::Refine => "refine",
        }
    }

    /// Whether it writes constructs instead of edits.
    pub fn is_lowering(self) -> bool {
        matches!(self, Self::Lower | Self::Refine)
    }
}

/// A pass over the model. Passes of one phase see one snapshot and are merged at a barrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassInfo {
    /// Unique in the plugin.
    pub name: String,
    /// When.
    pub phase: Phase,
    /// Which resources it looks at: `kind=redis,label.tier=web`; empty: all.
    pub selector: String,
    /// Capability names that it has, for others to order by.
    pub provides: Vec<String>,
    /// It runs before passes that have these.
    pub before: Vec<String>,
    /// It runs after passes that have these.
    pub after: Vec<String>,
}

impl PassInfo {
    /// One that looks at every resource.
    pub fn new(name: impl Into<String>, phase: Phase) -> Self {
        Self {
            name: name.into(),
            phase,
            selector: String::new(),
            provides: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Looking only at these resources.
    #[must_use]
    pub fn select(mut self, selector: impl Into<String>) -> Self {
        self.selector = selector.into();
        self
    }

    /// With a capability name.
    #[must_use]
    pub fn provides(mut self, capability: impl Into<String>) -> Self {
        self.provides.push(capability.into());
        self
    }

    /// Before the passes that have a capability.
    #[must_use]
    pub fn before(mut self, capability: impl Into<String>) -> Self {
        self.before.push(capability.into());
        self
    }

    /// After the passes that have a capability.
    #[must_use]
    pub fn after(mut self, capability: impl Into<String>) -> Self {
        self.after.push(capability.into());
        self
    }
}

/// What a lowering pass turns into constructs. The narrower claim wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The pass.
    pub pass: String,
    /// The shape.
    pub shape: Shape,
    /// The target.
    pub target: String,
    /// Narrowed to a kind; empty: any.
    pub kind: String,
    /// Narrowed to a variant chosen by `publish.TARGET.variant`; empty: the general one.
    pub variant: String,
}

impl Claim {
    /// Every resource of a shape.
    pub fn new(pass: impl Into<String>, shape: Shape, target: impl Into<String>) -> Self {
        Self {
            pass: pass.into(),
            shape,
            target: target.into(),
            kind: String::new(),
            variant: String::new(),
        }
    }

    /// Only of a kind.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    /// Only where this variant was chosen.
    #[must_use]
    pub fn variant(mut self, variant: impl Into<String>) -> Self {
        self.variant = variant.into();
        self
    }
}
