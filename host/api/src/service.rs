//! `Service` and `Endpoint` (reference/dcp.md 1.4, 1.5): a stable public port, and what is behind it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::Common;
use crate::meta::ObjectMeta;

/// A stable public address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Service {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ServiceSpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: ServiceStatus,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// The address to listen on; none: what `addressAllocationMode` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Public port; none: allocated, and the same one again at the next run where it is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// TCP or UDP; stored even where nothing was said.
    pub protocol: Protocol,
    /// How the address comes about; stored even where nothing was said.
    pub address_allocation_mode: AddressAllocationMode,
}

/// Transport protocol.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// A stream.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// How the address comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum AddressAllocationMode {
    /// 127.0.0.1 and ::1 under one port.
    #[default]
    Localhost,
    /// 127.0.0.1.
    IPv4ZeroOne,
    /// An address of 127.0.0.0/8 that nobody else uses.
    IPv4Loopback,
    /// ::1.
    IPv6ZeroOne,
    /// Every address of the machine.
    AllInterfaces,
    /// Every IPv4 address of the machine.
    IPv4AllInterfaces,
    /// Every IPv6 address of the machine.
    IPv6AllInterfaces,
    /// The workload's own address; no relay.
    Proxyless,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// Whether it can be dialled.
    pub state: ServiceState,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_address: Option<String>,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_port: Option<u16>,
    /// Process of the relay: the control plane itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_process_pid: Option<i64>,
    /// Always empty: the relay has no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_config_file: Option<String>,
    /// Mode `Proxyless`: the endpoint whose address it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxyless_endpoint_name: Option<String>,
    /// Always empty: endpoints are cluster-scoped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxyless_endpoint_namespace: Option<String>,
    /// Why it cannot be dialled.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What every status has.
    #[serde(flatten)]
    pub common: Common,
}

/// Whether a service can be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ServiceState {
    /// No port yet.
    #[default]
    NotReady,
    /// The port listens; connections that come before a workload is there are parked.
    Ready,
}

/// A workload's address behind a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Endpoint {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: EndpointSpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: EndpointStatus,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSpec {
    /// Always empty: services are cluster-scoped.
    #[schemars(extend("x-required" = true))]
    pub service_namespace: String,
    /// Name of the service.
    #[schemars(extend("x-required" = true))]
    pub service_name: String,
    /// Address.
    #[schemars(extend("x-required" = true))]
    pub address: String,
    /// Port.
    #[schemars(extend("x-required" = true))]
    pub port: u16,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointStatus {
    /// What every status has.
    #[serde(flatten)]
    pub common: Common,
}
