//! `Service` and `Endpoint` (reference/dcp.md 1.4, 1.5): a stable public port, and what is behind it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// A stable public address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ServiceSpec,
    /// What is.
    pub status: ServiceStatus,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// Public port; none: allocated, and the same one again at the next run where it is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// How the address comes about.
    pub address_allocation_mode: AddressAllocationMode,
}

/// Transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AddressAllocationMode {
    /// 127.0.0.1 and ::1 under one port.
    #[default]
    Localhost,
    /// The workload's own address; no relay.
    Proxyless,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Why it cannot be dialled.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// Whether a service can be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ServiceState {
    /// No port yet.
    #[default]
    NotReady,
    /// The port listens; connections that come before a workload is there are parked.
    Ready,
}

/// A workload's address behind a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: EndpointSpec,
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSpec {
    /// Name of the service.
    pub service_name: String,
    /// Address.
    pub address: String,
    /// Port.
    pub port: u16,
}
