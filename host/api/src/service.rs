//! `Service` and `Endpoint` (reference/dcp.md 1.4, 1.5): a stable public port, and what is behind it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aspire::{Aspire, WorkloadEndpoint};
use crate::conditions::Common;
use crate::meta::{ObjectMeta, SERVICE_PRODUCER_ANNOTATION};

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
/// A service that a workload serves, as an entry of the annotation `service-producer` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceProducer {
    /// Name of the [`Service`].
    pub service_name: String,
    /// Where a process listens; none: 127.0.0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The port of a process, or the container's or the machine's port of a container; none: the
    /// driver allocates one for a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// The services that a workload's metadata says it serves.
///
/// # Errors
/// The annotation is no such list; in words.
pub fn producers(metadata: &ObjectMeta) -> Result<Vec<ServiceProducer>, String> {
    match metadata.annotations.get(SERVICE_PRODUCER_ANNOTATION) {
        None => Ok(Vec::new()),
        Some(text) => serde_json::from_str(text).map_err(|error| error.to_string()),
    }
}

/// Every way into a workload: those that the control plane's own field names, and those that the
/// annotation `service-producer` does, under the service's name.
pub fn endpoints(metadata: &ObjectMeta, aspire: Option<&Aspire>) -> Vec<WorkloadEndpoint> {
    let mut all: Vec<WorkloadEndpoint> = aspire
        .map(|aspire| aspire.endpoints.clone())
        .unwrap_or_default();
    // What can't be read was refused when the object was created.
    for producer in producers(metadata).unwrap_or_default() {
        if !all
            .iter()
            .any(|endpoint| endpoint.service == producer.service_name)
        {
            all.push(WorkloadEndpoint {
                name: producer.service_name.clone(),
                scheme: "tcp".to_owned(),
                service: producer.service_name,
                target_port: producer.port,
                protocol: Protocol::Tcp,
                external: false,
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn produced_services() {
        let mut metadata = ObjectMeta::of("web", "web");
        assert_eq!(producers(&metadata), Ok(vec![]));
        let text = r#"[{"serviceName": "web-http", "serviceNamespace": "", "port": 80}, {"serviceName": "x"}]"#;
        metadata
            .annotations
            .insert(SERVICE_PRODUCER_ANNOTATION.into(), text.into());
        let found = endpoints(&metadata, None);
        let found: Vec<_> = found
            .iter()
            .map(|endpoint| (&*endpoint.service, endpoint.target_port))
            .collect();
        assert_eq!(found, [("web-http", Some(80)), ("x", None)]);
        metadata
            .annotations
            .insert(SERVICE_PRODUCER_ANNOTATION.into(), "x".into());
        assert!(producers(&metadata).is_err());
    }
}
