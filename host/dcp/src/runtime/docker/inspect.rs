//! A container as the engine knows it.
//!
//! Knows the few fields that matter, and takes any state for one: see `raw`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::DockerEngine;
use crate::runtime::{EngineError, Inspection};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    name: String,
    state: State,
    config: Option<Config>,
    network_settings: Option<Settings>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    started_at: Option<String>,
    exit_code: Option<i64>,
    error: Option<String>,
    #[serde(rename = "OOMKilled")]
    out_of_memory: Option<bool>,
    // podman's older name comes second
    #[serde(alias = "Healthcheck")]
    health: Option<Health>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: Option<String>,
    log: Option<Vec<Check>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    output: Option<String>,
}

impl Health {
    fn read(self) -> Option<(String, String)> {
        let status = self
            .status
            .filter(|status| !matches!(&**status, "" | "none"))?;
        let last = self.log.unwrap_or_default().pop();
        Some((
            status,
            last.and_then(|last| last.output).unwrap_or_default(),
        ))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    networks: Option<BTreeMap<String, Endpoint>>,
    ports: Option<BTreeMap<String, Option<Vec<Binding>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    #[serde(rename = "IPAddress")]
    address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_port: Option<String>,
}

impl DockerEngine {
    pub(super) async fn inspect_container(&self, id: &str) -> Result<Inspection, EngineError> {
        let what = format!("container {id}");
        let path = format!("/containers/{id}/json");
        self.ask::<Container>(&what, &path, None)
            .await
            .map(inspection)
    }
}

fn inspection(container: Container) -> Inspection {
    let state = match container.state.status.as_str() {
        // podman: ended, and not tidied up yet.
        "stopped" => "exited",
        // podman: attached to, and not started.
        "initialized" | "configured" => "created",
        state => state,
    };
    let ended = matches!(state, "exited" | "dead");
    let code = container.state.exit_code.filter(|_| ended);
    let settings = container.network_settings;
    let (networks, ports) = settings.map_or_else(Default::default, |settings| {
        let Settings { networks, ports } = settings;
        (networks.unwrap_or_default(), ports.unwrap_or_default())
    });
    Inspection {
        health: container.state.health.and_then(Health::read),
        id: container.id,
        name: container.name.trim_start_matches('/').to_owned(),
        state: state.to_owned(),
        began: container.state.started_at.unwrap_or_default(),
        exit_code: code.and_then(|code| code.try_into().ok()),
        error: container.state.error.unwrap_or_default(),
        out_of_memory: container.state.out_of_memory.unwrap_or_default(),
        addresses: networks
            .into_iter()
            .filter_map(|(network, endpoint)| {
                let address = endpoint.address.filter(|address| !address.is_empty())?;
                Some((network, address))
            })
            .collect(),
        ports: ports
            .into_iter()
            .filter_map(|(key, bindings)| {
                let (port, protocol) = key.split_once('/')?;
                let published = bindings?.first()?.host_port.as_ref()?.parse().ok()?;
                Some(((port.parse().ok()?, protocol.to_owned()), published))
            })
            .collect(),
        labels: container
            .config
            .and_then(|config| config.labels)
            .unwrap_or_default(),
    }
}
