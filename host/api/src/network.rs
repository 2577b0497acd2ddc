//! `ContainerNetwork` and `ContainerNetworkConnection` (reference/dcp.md 1.6, 1.7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Common;
use crate::container::Mode;
use crate::meta::ObjectMeta;

/// Name of the one network object that an app is lowered to.
pub const NETWORK: &str = "network";

/// A network of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerNetwork {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ContainerNetworkSpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: ContainerNetworkStatus,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerNetworkSpec {
    /// Name in the engine; none: made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_name: Option<String>,
    /// With IPv6 addresses too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ipv6: bool,
    /// How long it lives, and who makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Mode `persistent`, and wins over `mode`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub persistent: bool,
}

impl ContainerNetworkSpec {
    /// How long it lives: `persistent` wins over `mode`.
    pub fn effective_mode(&self) -> Mode {
        crate::container::effective_mode(self.persistent, self.mode)
    }
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerNetworkStatus {
    /// Where it is in its life.
    pub state: ContainerNetworkState,
    /// What went wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Id in the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name in the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_name: Option<String>,
    /// What makes it: `bridge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// It has IPv6 addresses.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ipv6: bool,
    /// Its address ranges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
    /// Addresses of the machine on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// Ids of the containers on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub container_ids: Vec<String>,
    /// What every status has.
    #[serde(flatten)]
    pub common: Common,
}

/// Where a network is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
    /// Mode `existing` or `cleanup`, and there is none.
    NotFound,
}

/// A container on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerNetworkConnection {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ContainerNetworkConnectionSpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: ContainerNetworkConnectionStatus,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerNetworkConnectionSpec {
    /// Name of the `ContainerNetwork` object.
    #[schemars(extend("x-required" = true))]
    pub container_network_name: String,
    /// Id of the container in the engine.
    #[serde(rename = "containerID")]
    #[schemars(extend("x-required" = true))]
    pub container_id: String,
    /// Its names on the network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// What is; DCP has nothing here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerNetworkConnectionStatus {
    /// It is on it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub connected: bool,
    /// What went wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What every status has.
    #[serde(flatten)]
    pub common: Common,
}
