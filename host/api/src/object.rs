//! Any object, and how it is named.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::conditions::Common;
use crate::container::Container;
use crate::exec::ContainerExec;
use crate::executable::Executable;
use crate::meta::ObjectMeta;
use crate::network::{ContainerNetwork, ContainerNetworkConnection};
use crate::replicas::ExecutableReplicaSet;
use crate::service::{Endpoint, Service};
use crate::tunnel::ContainerNetworkTunnelProxy;
use crate::volume::ContainerVolume;
use crate::{GROUP, VERSION};

/// A field that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct ReadError {
    /// Path, such as `spec.env[0].name`.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident $plural:literal $short:literal;)+) => {
        /// A kind.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum Kind { $($(#[doc = $doc])+ $kind,)+ }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// Plural, as in paths.
            pub fn plural(self) -> &'static str {
                match self { $(Self::$kind => $plural,)+ }
            }

            /// Short name, as DCP has it.
            pub fn short_name(self) -> &'static str {
                match self { $(Self::$kind => $short,)+ }
            }

            /// Its name: `Container`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)+ }
            }

            /// Reads an object of this kind; `kind` and `apiVersion` are not looked at.
            ///
            /// # Errors
            /// A field has another type than the kind's; it is named.
            pub fn read(self, value: &Value) -> Result<Object, ReadError> {
                match self {
                    $(Self::$kind => serde_path_to_error::deserialize::<_, $kind>(value)
                        .map(Object::from)
                        .map_err(|error| ReadError {
                            field: error.path().to_string(),
                            message: error.inner().to_string(),
                        }),)+
                }
            }

            /// Its schema; parts that have a name of their own go into the generator's definitions.
            pub fn schema(self, generator: &mut SchemaGenerator) -> Schema {
                match self { $(Self::$kind => <$kind as JsonSchema>::json_schema(generator),)+ }
            }
        }

        /// An object of any kind, in its wire form.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[expect(clippy::large_enum_variant, reason = "workloads are the many; endpoints are the few")]
        pub enum Object { $($(#[doc = $doc])+ $kind($kind),)+ }

        impl Object {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)+ }
            }

            /// Its metadata.
            pub fn metadata(&self) -> &ObjectMeta {
                match self { $(Self::$kind(object) => &object.metadata,)+ }
            }

            /// Its metadata, to change.
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Self::$kind(object) => &mut object.metadata,)+ }
            }

            /// Its wire form: with kind and group.
            pub fn write(&self) -> Value {
                let written = match self { $(Self::$kind(object) => serde_json::to_value(object),)+ };
                let mut written = written.expect("no key is anything but text");
                written["apiVersion"] = Value::String(format!("{GROUP}/{VERSION}"));
                written["kind"] = Value::String(self.kind().name().to_owned());
                written
            }

            /// The same as text. Much cheaper than through a value, and so its keys are in another
            /// order.
            pub fn text(&self) -> Vec<u8> {
                let mut text = Vec::with_capacity(1024);
                let head = format!(
                    "{{\"apiVersion\":\"{GROUP}/{VERSION}\",\"kind\":\"{}\",",
                    self.kind().name()
                );
                text.extend_from_slice(head.as_bytes());
                let brace = text.len();
                let written = match self {
                    $(Self::$kind(object) => serde_json::to_writer(&mut text, object),)+
                };
                written.expect("no key is anything but text, and memory takes everything");
                // Its own opening brace; an object without fields there is none.
                text.remove(brace);
                text
            }

            /// What every status has.
            pub fn common(&self) -> &Common {
                match self { $(Self::$kind(object) => &object.status.common,)+ }
            }

            /// What every status has, to change.
            pub fn common_mut(&mut self) -> &mut Common {
                match self { $(Self::$kind(object) => &mut object.status.common,)+ }
            }

            /// Takes the status of another object of its kind; none: the first one.
            pub fn set_status(&mut self, other: Option<&Self>) {
                match (self, other) {
                    $((Self::$kind(object), Some(Self::$kind(other))) => {
                        object.status = other.status.clone();
                    }
                    (Self::$kind(object), None) => object.status = Default::default(),)+
                    _ => {}
                }
            }

            /// Whether both say the same of what is.
            pub fn same_status(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(one), Self::$kind(other)) => one.status == other.status,)+
                    _ => false,
                }
            }

            /// Whether both ask for the same.
            pub fn same_spec(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(one), Self::$kind(other)) => one.spec == other.spec,)+
                    _ => false,
                }
            }
        }

        $(impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                Self::$kind(object)
            }
        })+
    };
}

kinds! {
    /// A network of an engine.
    ContainerNetwork "containernetworks" "ctrnet";
    /// A volume of an engine.
    ContainerVolume "containervolumes" "ctrvol";
    /// A stable public address.
    Service "services" "svc";
    /// A workload's address behind a service.
    Endpoint "endpoints" "end";
    /// A container.
    Container "containers" "ctr";
    /// A process.
    Executable "executables" "exe";
    /// Several processes made from one template.
    ExecutableReplicaSet "executablereplicasets" "exers";
    /// A command that runs in a container.
    ContainerExec "containerexecs" "ctrexec";
    /// A container on a network.
    ContainerNetworkConnection "containernetworkconnections" "ctrnetconn";
    /// Services of this machine, for the containers of a network.
    ContainerNetworkTunnelProxy "containernetworktunnelproxies" "cntp";
}

impl Kind {
    /// The kind with this plural.
    pub fn of_plural(plural: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.plural() == plural)
    }

    /// Singular, as in paths of discovery: the name in lower case.
    pub fn singular(self) -> String {
        self.name().to_lowercase()
    }

    /// Whether its objects have output (the `log` subresource).
    pub fn has_log(self) -> bool {
        matches!(
            self,
            Self::Container | Self::Executable | Self::ContainerExec
        )
    }
}

/// An object's identity: all kinds are cluster-scoped.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct ObjectKey {
    /// Kind.
    pub kind: Kind,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// Of a kind and name.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

impl Object {
    /// Its identity.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.kind(), self.metadata().name.clone())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.plural(), self.name)
    }
}
