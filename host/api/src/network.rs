//! `ContainerNetwork` (reference/dcp.md 1.6).

use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// A network of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerNetwork {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ContainerNetworkSpec,
    /// What is.
    pub status: ContainerNetworkStatus,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerNetworkSpec {
    /// Name in the engine; none: made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_name: Option<String>,
    /// Kept after the run.
    pub persistent: bool,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerNetworkStatus {
    /// Where it is in its life.
    pub state: ContainerNetworkState,
    /// What went wrong.
    pub message: String,
    /// Id in the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name in the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_name: Option<String>,
    /// Addresses of the machine on it.
    pub gateways: Vec<String>,
}

/// Where a network is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ContainerNetworkState {
    /// Not there yet.
    #[default]
    Pending,
    /// There.
    Running,
    /// Could not be made.
    FailedToStart,
    /// Gone.
    Removed,
}
