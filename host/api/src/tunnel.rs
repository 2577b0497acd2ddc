//! `ContainerNetworkTunnelProxy` (reference/dcp.md 1.10): services of this machine for the
//! containers of a network, on engines whose containers can't dial the machine themselves.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Common;
use crate::meta::ObjectMeta;

/// Services of this machine, for the containers of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerNetworkTunnelProxy {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ContainerNetworkTunnelProxySpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: ContainerNetworkTunnelProxyStatus,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerNetworkTunnelProxySpec {
    /// Name of the `ContainerNetwork` object.
    #[schemars(extend("x-required" = true))]
    pub container_network_name: String,
    /// Names under which containers reach the proxy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What is tunnelled; can be added and removed, not redefined.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tunnels: Vec<TunnelConfiguration>,
    /// Image of the proxy's container; none: no container is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
}

/// One service to tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TunnelConfiguration {
    /// Unique in the proxy.
    #[schemars(extend("x-required" = true))]
    pub name: String,
    /// Always empty: services are cluster-scoped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_service_namespace: String,
    /// The service of this machine.
    #[schemars(extend("x-required" = true))]
    pub server_service_name: String,
    /// Always empty: services are cluster-scoped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_service_namespace: String,
    /// The service that stands for it in the network.
    #[schemars(extend("x-required" = true))]
    pub client_service_name: String,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerNetworkTunnelProxyStatus {
    /// Where it is in its life.
    pub state: TunnelProxyState,
    /// What went wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// By tunnel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tunnel_statuses: Vec<TunnelStatus>,
    /// Counts changes of the tunnels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_configuration_version: Option<i32>,
    /// Image of the proxy's container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_proxy_container_image: Option<String>,
    /// Id of the proxy's container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_proxy_container_id: Option<String>,
    /// Port of the container's control channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_proxy_control_port: Option<i32>,
    /// Port of the container's data channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_proxy_data_port: Option<i32>,
    /// Process of the machine's side: the control plane itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_proxy_process_id: Option<i64>,
    /// When that began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub server_proxy_startup_timestamp: Option<String>,
    /// Its control port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_proxy_control_port: Option<i32>,
    /// Its standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_proxy_std_out_file: Option<String>,
    /// Its standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_proxy_std_err_file: Option<String>,
    /// What every status has.
    #[serde(flatten)]
    pub common: Common,
}

/// Where a proxy is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TunnelProxyState {
    /// Nothing happened yet.
    #[default]
    Pending,
    /// Its image is being made.
    BuildingImage,
    /// Being started.
    Starting,
    /// There.
    Running,
    /// Could not be made.
    Failed,
}

/// One tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TunnelStatus {
    /// Its name.
    #[schemars(extend("x-required" = true))]
    pub name: String,
    /// Number, unique in the run.
    pub tunnel_id: i64,
    /// Whether it can be dialled.
    #[schemars(extend("x-required" = true))]
    pub state: TunnelState,
    /// What went wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error_message: String,
    /// Where containers dial it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_proxy_addresses: Vec<String>,
    /// On which port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_proxy_port: Option<i32>,
    /// RFC 3339 with microseconds.
    #[schemars(extend("x-required" = true), schema_with = "crate::schema::micro_time")]
    pub timestamp: String,
}

/// Whether a tunnel can be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TunnelState {
    /// Not known yet.
    #[default]
    #[serde(rename = "")]
    Initial,
    /// Not yet.
    NotReady,
    /// It can.
    Ready,
    /// It can't.
    Failed,
}

impl fmt::Display for TunnelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Initial => f.write_str("Pending"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}
