//! Networks and volumes.
//!
//! Knows that engines before 25 let two networks have one name when both are made at once, and
//! gives them one bridge name, which they don't.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::{
    Ipam, IpamConfig, Network, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest, VolumeCreateRequest,
};
use bollard::query_parameters::{ListNetworksOptionsBuilder, RemoveVolumeOptionsBuilder};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::spec::endpoint;
use super::{DockerEngine, errors};
use crate::runtime::{EngineError, NetworkInfo, NetworkRequest};

/// A container that was just removed may hold its network for a moment longer.
const RELEASE: Duration = Duration::from_millis(50);
const RELEASES: u32 = 20;
/// A network that somebody else is making right now takes a moment to be listed.
const APPEARANCE: Duration = Duration::from_millis(20);
const APPEARANCES: u32 = 250;
/// From this version on two networks can't have one name.
const UNIQUE_NAMES: (usize, usize) = (1, 44);
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

impl DockerEngine {
    pub(super) async fn find_or_create_network(
        &self,
        request: &NetworkRequest,
    ) -> Result<NetworkInfo, EngineError> {
        let _one_at_a_time = self.shared.networks.lock().await;
        if let Some(found) = self.networks_named(&request.name).await?.first() {
            return Ok(network_info(found));
        }
        let config = NetworkCreateRequest {
            name: request.name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(request.labels.clone().into_iter().collect()),
            enable_ipv6: request.ipv6.then_some(true),
            ipam: request.ipv6.then(|| ipv6_range(&request.name)),
            options: self
                .needs_bridge_name()
                .then(|| [(BRIDGE_NAME.to_owned(), bridge_name(&request.name))].into()),
            ..NetworkCreateRequest::default()
        };
        match self.docker().create_network(config).await {
            Ok(_) => {}
            Err(error) if lost_the_race(&error) => {}
            Err(error) => return Err(self.error(&format!("network {}", request.name), &error)),
        }
        // Where somebody else was faster, the network may not be listed yet.
        for _ in 0..APPEARANCES {
            if let Some(found) = self.networks_named(&request.name).await?.first() {
                return Ok(network_info(found));
            }
            tokio::time::sleep(APPEARANCE).await;
        }
        Err(EngineError::NotFound(format!("network {}", request.name)))
    }

    pub(super) async fn look_at_network(&self, id: &str) -> Result<NetworkInfo, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Members {
            containers: Option<BTreeMap<String, serde::de::IgnoredAny>>,
        }
        let what = format!("network {id}");
        let path = format!("/networks/{id}");
        let answer: serde_json::Value = self.ask(&what, &path, None).await?;
        let odd = |error| EngineError::Other(format!("{what}: {error}"));
        let network: Network = serde_json::from_value(answer.clone()).map_err(odd)?;
        let members: Members = serde_json::from_value(answer).map_err(odd)?;
        let mut info = network_info(&network);
        info.containers = members
            .containers
            .unwrap_or_default()
            .into_keys()
            // Those of others' swarm services have names of another sort.
            .filter(|id| !id.starts_with("ep-") && !id.starts_with("lb-"))
            .collect();
        Ok(info)
    }

    pub(super) async fn join_network(
        &self,
        network: &str,
        container: &str,
        names: &[String],
    ) -> Result<(), EngineError> {
        let config = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint(names)),
        };
        match self.docker().connect_network(network, config).await {
            Ok(()) => Ok(()),
            Err(error) if is_on_it(&errors::cause(&error)) => Ok(()),
            Err(error) => Err(self.error(&format!("network {network}"), &error)),
        }
    }

    pub(super) async fn leave_network(
        &self,
        network: &str,
        container: &str,
    ) -> Result<(), EngineError> {
        let config = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        match self.docker().disconnect_network(network, config).await {
            Ok(()) => Ok(()),
            Err(error) if errors::is_missing(&error) => Ok(()),
            Err(error) if errors::cause(&error).contains("is not connected") => Ok(()),
            Err(error) => Err(self.error(&format!("network {network}"), &error)),
        }
    }

    fn needs_bridge_name(&self) -> bool {
        self.shared.api < UNIQUE_NAMES && !self.is_podman()
    }

    /// The networks of this name, the oldest first.
    async fn networks_named(&self, name: &str) -> Result<Vec<Network>, EngineError> {
        let options = ListNetworksOptionsBuilder::new()
            .filters(&[("name", vec![name])].into())
            .build();
        let mut found = self
            .docker()
            .list_networks(Some(options))
            .await
            .map_err(|error| self.error(&format!("network {name}"), &error))?;
        // The filter takes every name with this one in it.
        found.retain(|network| network.name.as_deref() == Some(name));
        found.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
        Ok(found)
    }

    pub(super) async fn delete_network(&self, id: &str) -> Result<(), EngineError> {
        let mut releases = 0;
        loop {
            match self.docker().remove_network(id).await {
                Ok(()) => return Ok(()),
                Err(error) if errors::is_missing(&error) => return Ok(()),
                Err(error)
                    if releases < RELEASES
                        && errors::cause(&error).contains("active endpoints") =>
                {
                    releases += 1;
                    tokio::time::sleep(RELEASE).await;
                }
                Err(error) => return Err(self.error(&format!("network {id}"), &error)),
            }
        }
    }

    pub(super) async fn find_or_create_volume(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), EngineError> {
        // The engine hands out the volume that is there; its labels stay as they were.
        let config = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        match self.docker().create_volume(config).await {
            Ok(_) => Ok(()),
            // podman says so.
            Err(error) if errors::cause(&error).contains("already exists") => Ok(()),
            Err(error) => Err(self.error(&format!("volume {name}"), &error)),
        }
    }

    pub(super) async fn delete_volume(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveVolumeOptionsBuilder::new().force(true).build();
        match self.docker().remove_volume(name, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if errors::is_missing(&error) => Ok(()),
            Err(error) => Err(self.error(&format!("volume {name}"), &error)),
        }
    }
}

/// The name of the machine's interface: as Docker would call it, but made from the network's name.
fn bridge_name(network: &str) -> String {
    let digest = Sha256::digest(network.as_bytes());
    let digits = digest.iter().take(6).map(|byte| format!("{byte:02x}"));
    format!("br-{}", digits.collect::<String>())
}

/// A private IPv6 range made from the network's name: engines before 27 have none of their own to
/// give.
fn ipv6_range(network: &str) -> Ipam {
    let digest = Sha256::digest(network.as_bytes());
    let word = |place: usize| u16::from_be_bytes([digest[place], digest[place + 1]]);
    let first = 0xfd00 | (word(0) & 0xff);
    let subnet = format!("{first:x}:{:x}:{:x}:{:x}::/64", word(2), word(4), word(6));
    Ipam {
        config: Some(vec![IpamConfig {
            subnet: Some(subnet),
            ..IpamConfig::default()
        }]),
        ..Ipam::default()
    }
}

fn is_on_it(cause: &str) -> bool {
    cause.contains("already exists in network") || cause.contains("already connected")
}

/// Somebody else made the network first.
fn lost_the_race(error: &bollard::errors::Error) -> bool {
    let cause = errors::cause(error);
    errors::status(error) == Some(409)
        || cause.contains("same bridge name")
        // podman
        || cause.contains("network already exists")
}

fn clone_pair((name, value): (&String, &String)) -> (String, String) {
    (name.clone(), value.clone())
}

fn network_info(network: &Network) -> NetworkInfo {
    let configs = || network.ipam.iter().flat_map(|ipam| &ipam.config).flatten();
    let gateways = configs()
        .filter_map(|config| config.gateway.as_deref())
        // Some engines write the length of the prefix behind it.
        .map(|gateway| gateway.split('/').next().unwrap_or(gateway).to_owned())
        .filter(|gateway| !gateway.is_empty())
        .collect();
    NetworkInfo {
        id: network.id.clone().unwrap_or_default(),
        driver: network.driver.clone().unwrap_or_default(),
        ipv6: network.enable_ipv6.unwrap_or_default(),
        subnets: configs()
            .filter_map(|config| config.subnet.clone())
            .collect(),
        gateways,
        labels: network.labels.iter().flatten().map(clone_pair).collect(),
        containers: Vec::new(),
    }
}
