//! Facts: the named, typed statements that a resource is made of.
//!
//! The table in [`Field::describe`] is the one place that says which fields exist, what values they
//! take, to which form they belong and whether they are maps. Everything else (merging, printing,
//! the plugin boundary, `explain`) works over it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::annotation::{
    Build, Endpoint, File, Limits, Mount, Parameter, Prepare, Probe, Reference, Wait, Watch,
};
use crate::expression::Expression;
use crate::provenance::Author;

/// Which of a resource's forms a fact holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Both.
    Any,
    /// A container of an engine.
    Container,
    /// A process of this machine.
    Process,
}

impl Form {
    /// The prefix in a fact's name.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Container => "container:",
            Self::Process => "process:",
        }
    }
}

/// What type of value a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// Plain text that the host itself has to read.
    Text,
    /// A whole number.
    Number,
    /// Yes or no.
    Flag,
    /// An expression.
    Value,
    /// A list of expressions, owned as a whole.
    Values,
    /// [`Endpoint`].
    Endpoint,
    /// [`Mount`].
    Mount,
    /// [`File`].
    File,
    /// [`Wait`].
    Wait,
    /// [`Probe`].
    Probe,
    /// [`Prepare`].
    Prepare,
    /// [`Parameter`].
    Parameter,
    /// [`Build`].
    Build,
    /// [`Limits`].
    Limits,
    /// [`Reference`].
    Reference,
    /// [`Watch`].
    Watch,
    /// A list of plain texts.
    Texts,
    /// An open payload.
    Json,
}

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $type:ident $map:literal $home:ident;)+) => {
        /// The name of a fact.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($(#[doc = $doc])+ $variant,)+ }

        impl Field {
            /// Every field, in the order of printed models.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Name, type, whether it is a map, and the form it is bound to (`Any`: none).
            pub fn describe(self) -> (&'static str, ValueType, bool, Form) {
                match self { $(Self::$variant => ($name, ValueType::$type, $map, Form::$home),)+ }
            }

            /// The field of a name.
            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// What it says, for documentation.
            pub fn documentation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

fields! {
    /// The resource that this one is a part of.
    Parent "parent" Text false Any;
    /// For people.
    Description "description" Text false Any;
    /// Image reference.
    Image "image" Text false Container;
    /// How the image is built.
    Build "build" Build false Container;
    /// When the image is pulled: `missing`, `always` or `never`.
    Pull "pull" Text false Container;
    /// Replaces the image's entry point.
    Entrypoint "entrypoint" Values false Container;
    /// The program.
    Command "command" Value false Process;
    /// Arguments.
    Args "args" Values false Any;
    /// Where it starts, as written.
    WorkingDirectory "working-directory" Text false Any;
    /// The user that it runs as.
    User "user" Text false Any;
    /// Environment variables.
    Env "env" Value true Any;
    /// Files of environment variables, as written.
    EnvFiles "env-files" Texts false Any;
    /// Ways in.
    Endpoints "endpoints" Endpoint true Any;
    /// Storage.
    Mounts "mounts" Mount true Any;
    /// Files written before the start.
    Files "files" File true Any;
    /// What is mentioned and injected.
    References "references" Reference true Any;
    /// What has to be true first.
    Waits "waits" Wait true Any;
    /// The health probe.
    Health "health" Probe false Any;
    /// `yes`: one that the health probe finds unhealthy is stopped and has failed.
    Liveness "liveness" Text false Any;
    /// Labels.
    Labels "labels" Value true Any;
    /// Named connection properties.
    Properties "properties" Value true Any;
    /// The connection string.
    ConnectionString "connection-string" Value false Any;
    /// The variable that carries the connection string, when it is not `ConnectionStrings__NAME`.
    ConnectionVariable "connection-variable" Text false Any;
    /// The value of a value resource.
    Value "value" Value false Any;
    /// The URL of an external service.
    Url "url" Value false Any;
    /// How a parameter gets its value.
    Parameter "parameter" Parameter false Any;
    /// Programs that the process form needs, each with a hint where to get it.
    Requires "requires" Value true Process;
    /// Steps before the process starts, in order of key.
    Prepare "prepare" Prepare true Process;
    /// A command that builds the program first.
    BuildCommand "build-command" Texts false Process;
    /// Devices, capabilities and host access: `gpus`, `device:PATH`, `cap-add:NAME`, `privileged`, `network:host`.
    Privileges "privileges" Value true Container;
    /// Other names on the network.
    Aliases "aliases" Value true Container;
    /// How many of it.
    Replicas "replicas" Number false Any;
    /// What it may use at most.
    Limits "limits" Limits false Any;
    /// `session` or `persistent`.
    Lifetime "lifetime" Text false Any;
    /// `no`, `on-failure` or `always`; followed by `:N`: at most N times in a row.
    Restart "restart" Text false Any;
    /// `auto` or `manual`.
    Start "start" Text false Any;
    /// Which files are watched while it runs, and what follows.
    Watch "watch" Watch false Any;
    /// `yes`, `no` or `connection-string`.
    Publish "publish" Text false Any;
    /// The image that an executable is published as.
    PublishImage "publish-image" Text false Any;
    /// How the image that an executable is published as is built.
    PublishBuild "publish-build" Build false Any;
    /// Variant by target.
    Variants "variants" Value true Any;
    /// The signal that asks it to stop: `SIGTERM` (the default), `SIGINT` or `SIGQUIT`.
    StopSignal "stop-signal" Text false Process;
    /// Milliseconds between the request to stop and the end.
    StopGrace "stop-grace" Number false Any;
}

impl Field {
    /// The name used in `explain`, in printed models and across the plugin boundary.
    pub fn name(self) -> &'static str {
        self.describe().0
    }

    /// The type of its values (of its entries, for a map).
    pub fn value_type(self) -> ValueType {
        self.describe().1
    }

    /// Whether it has entries by key.
    pub fn is_map(self) -> bool {
        self.describe().2
    }

    /// The form that an assignment lands in: the field's own where it has one.
    pub fn home(self, wanted: Form) -> Form {
        match self.describe().3 {
            Form::Any => wanted,
            bound => bound,
        }
    }
}

/// A fact's address within a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactKey {
    /// Which field.
    pub field: Field,
    /// For which form.
    pub form: Form,
    /// Entry of a map; empty for single facts.
    pub key: String,
}

impl FactKey {
    /// A single fact, in the field's home form.
    pub fn single(field: Field) -> Self {
        Self {
            field,
            form: field.home(Form::Any),
            key: String::new(),
        }
    }

    /// An entry of a map, in the field's home form.
    pub fn entry(field: Field, key: impl Into<String>) -> Self {
        Self {
            field,
            form: field.home(Form::Any),
            key: key.into(),
        }
    }

    /// The same for another form (a field bound to a form stays there).
    #[must_use]
    pub fn in_form(mut self, form: Form) -> Self {
        self.form = self.field.home(form);
        self
    }
}

impl fmt::Display for FactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = self.field.describe().3 != Form::Any;
        write!(
            f,
            "{}{}",
            if bound { "" } else { self.form.prefix() },
            self.field.name()
        )?;
        if self.key.is_empty() {
            Ok(())
        } else {
            write!(f, ".{}", self.key)
        }
    }
}

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each case is named after its type")]
pub enum FactValue {
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
    Build(Build),
    Limits(Limits),
    Reference(Reference),
    Watch(Watch),
    Texts(Vec<String>),
    Json(Json),
}

impl FactValue {
    /// Its type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Text(_) => ValueType::Text,
            Self::Number(_) => ValueType::Number,
            Self::Flag(_) => ValueType::Flag,
            Self::Value(_) => ValueType::Value,
            Self::Values(_) => ValueType::Values,
            Self::Endpoint(_) => ValueType::Endpoint,
            Self::Mount(_) => ValueType::Mount,
            Self::File(_) => ValueType::File,
            Self::Wait(_) => ValueType::Wait,
            Self::Probe(_) => ValueType::Probe,
            Self::Prepare(_) => ValueType::Prepare,
            Self::Parameter(_) => ValueType::Parameter,
            Self::Build(_) => ValueType::Build,
            Self::Limits(_) => ValueType::Limits,
            Self::Reference(_) => ValueType::Reference,
            Self::Watch(_) => ValueType::Watch,
            Self::Texts(_) => ValueType::Texts,
            Self::Json(_) => ValueType::Json,
        }
    }

    /// Every expression inside, each to be resolved, checked and looked through for secrets.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Value(value) => vec![value],
            Self::Values(values) => values.iter().collect(),
            Self::File(file) => vec![&file.contents],
            Self::Probe(probe) => match &probe.action {
                crate::annotation::ProbeAction::Command { command } => command.iter().collect(),
                _ => Vec::new(),
            },
            Self::Prepare(prepare) => {
                let mut all = vec![&prepare.command, &prepare.stdin, &prepare.creates];
                all.extend(&prepare.args);
                all.extend(prepare.env.values());
                all
            }
            Self::Parameter(parameter) => parameter.default.iter().collect(),
            Self::Build(build) => build.args.values().collect(),
            Self::Text(_)
            | Self::Number(_)
            | Self::Flag(_)
            | Self::Endpoint(_)
            | Self::Mount(_)
            | Self::Wait(_)
            | Self::Limits(_)
            | Self::Reference(_)
            | Self::Watch(_)
            | Self::Texts(_)
            | Self::Json(_) => Vec::new(),
        }
    }
}

/// One assignment that once held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assignment {
    /// Who.
    pub author: Author,
    /// What; none: a removal.
    pub value: Option<FactValue>,
}

/// A fact with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What holds now.
    pub value: FactValue,
    /// Who says so: everybody that wrote this same value.
    pub authors: Vec<Author>,
    /// What was said before or was overruled, oldest first.
    pub overruled: Vec<Assignment>,
}

impl Fact {
    /// The rank of its highest author.
    pub fn rank(&self) -> u8 {
        self.authors.iter().map(Author::rank).max().unwrap_or(0)
    }
}
