//! `ContainerVolume` (reference/dcp.md 1.8).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Common;
use crate::meta::ObjectMeta;

/// A volume of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerVolume {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ContainerVolumeSpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: ContainerVolumeStatus,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerVolumeSpec {
    /// Name in the engine.
    #[schemars(extend("x-required" = true))]
    pub name: String,
    /// Kept after the run.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub persistent: bool,
}

impl Default for ContainerVolumeSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            persistent: true,
        }
    }
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerVolumeStatus {
    /// Whether it is there.
    pub state: ContainerVolumeState,
    /// What went wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What every status has.
    #[serde(flatten)]
    pub common: Common,
}

/// Whether a volume is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ContainerVolumeState {
    /// Not yet.
    #[default]
    Pending,
    /// The engine does not answer.
    RuntimeUnhealthy,
    /// There.
    Ready,
}
