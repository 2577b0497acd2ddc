//! Any object, and how it is named.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::executable::Executable;
use crate::meta::ObjectMeta;
use crate::network::ContainerNetwork;
use crate::service::{Endpoint, Service};
use crate::volume::ContainerVolume;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident $plural:literal;)+) => {
        /// A kind.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $($(#[doc = $doc])+ $kind,)+ }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// Plural, as in paths.
            pub fn plural(self) -> &'static str {
                match self { $(Self::$kind => $plural,)+ }
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
    ContainerNetwork "containernetworks";
    /// A volume of an engine.
    ContainerVolume "containervolumes";
    /// A stable public address.
    Service "services";
    /// A workload's address behind a service.
    Endpoint "endpoints";
    /// A container.
    Container "containers";
    /// A process.
    Executable "executables";
}

/// An object's identity: all kinds are cluster-scoped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
