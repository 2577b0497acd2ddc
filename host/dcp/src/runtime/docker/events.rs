//! What happens to our containers, and everything of ours that the engine holds.
//!
//! Knows the engine's events and lists by label. Doesn't know what the labels mean.

use std::collections::BTreeMap;

use bollard::models::EventMessage;
use bollard::query_parameters::{
    EventsOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use futures_util::future::try_join;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryFutureExt, TryStreamExt};
use serde::Deserialize;

use super::DockerEngine;
use crate::runtime::{EngineError, EngineEvent, Leftover};

/// Commands run in a container make events, too, many of them.
const ACTIONS: [&str; 12] = [
    "create",
    "start",
    "die",
    "destroy",
    "pause",
    "unpause",
    "stop",
    "kill",
    "oom",
    "restart",
    "rename",
    "health_status",
];

impl DockerEngine {
    /// The events from a time on, that time included, to the end of the engine (which is an
    /// error). Docker remembers the last 256 events of all its containers and no more.
    pub(super) fn container_events<'a>(
        &'a self,
        label: &'a str,
        since_nano: Option<i64>,
    ) -> BoxStream<'a, Result<EngineEvent, EngineError>> {
        let mut filters = vec![("type", vec!["container"])];
        if !label.is_empty() {
            filters.push(("label", vec![label]));
        }
        if !self.is_podman() {
            // podman's words are others, and it drops events for words that it doesn't know.
            filters.push(("event", ACTIONS.to_vec()));
        }
        let mut options = EventsOptionsBuilder::new().filters(&filters.into_iter().collect());
        if let Some(nano) = since_nano {
            let (seconds, rest) = (nano / 1_000_000_000, nano % 1_000_000_000);
            options = options.since(&format!("{seconds}.{rest:09}"));
        }
        let lost = async { Err(self.lost("it stopped telling what happens")) };
        self.docker()
            .events(Some(options.build()))
            .map_err(|error| self.error("the events", &error))
            .try_filter_map(async |message| Ok(event(message)))
            .chain(stream::once(lost))
            .boxed()
    }

    pub(super) async fn labelled(&self, label: &str) -> Result<Vec<Leftover>, EngineError> {
        let volumes = self
            .labelled_volumes(label)
            .map_err(|error| self.error("what is left", &error));
        let (others, volumes) = try_join(self.labelled_but_volumes(label), volumes).await?;
        Ok([others, volumes].concat())
    }

    pub(super) async fn labelled_but_volumes(
        &self,
        label: &str,
    ) -> Result<Vec<Leftover>, EngineError> {
        let networks = self
            .labelled_networks(label)
            .map_err(|error| self.error("what is left", &error));
        let (containers, networks) = try_join(self.labelled_containers(label), networks).await?;
        Ok([containers, networks].concat())
    }

    async fn labelled_containers(&self, label: &str) -> Result<Vec<Leftover>, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Listed {
            id: String,
            names: Option<Vec<String>>,
            labels: Option<BTreeMap<String, String>>,
        }
        let filters = serde_json::json!({ "label": [label] }).to_string();
        let found: Vec<Listed> = self
            .ask("what is left", "/containers/json?all=true", Some(&filters))
            .await?;
        Ok(found
            .into_iter()
            .map(|container| {
                let name = container.names.and_then(|names| names.into_iter().next());
                Leftover {
                    what: "container",
                    id: container.id,
                    name: name.unwrap_or_default().trim_start_matches('/').to_owned(),
                    labels: container.labels.unwrap_or_default(),
                }
            })
            .collect())
    }

    async fn labelled_networks(
        &self,
        label: &str,
    ) -> Result<Vec<Leftover>, bollard::errors::Error> {
        let options = ListNetworksOptionsBuilder::new()
            .filters(&[("label", vec![label])].into())
            .build();
        let found = self.docker().list_networks(Some(options)).await?;
        Ok(found
            .into_iter()
            .filter_map(|network| {
                Some(Leftover {
                    what: "network",
                    id: network.id?,
                    name: network.name.unwrap_or_default(),
                    labels: network.labels.into_iter().flatten().collect(),
                })
            })
            .collect())
    }

    async fn labelled_volumes(&self, label: &str) -> Result<Vec<Leftover>, bollard::errors::Error> {
        let options = ListVolumesOptionsBuilder::new()
            .filters(&[("label", vec![label])].into())
            .build();
        let found = self.docker().list_volumes(Some(options)).await?;
        Ok(found
            .volumes
            .into_iter()
            .flatten()
            .map(|volume| Leftover {
                what: "volume",
                id: volume.name.clone(),
                name: volume.name,
                labels: volume.labels.into_iter().collect(),
            })
            .collect())
    }
}

fn event(message: EventMessage) -> Option<EngineEvent> {
    let actor = message.actor?;
    let action = match message.action?.as_str() {
        // podman's words
        "died" => "die".to_owned(),
        "remove" => "destroy".to_owned(),
        // docker's goes on with the result
        action if action.starts_with("health_status") => "health_status".to_owned(),
        action => action.to_owned(),
    };
    if !ACTIONS.contains(&&*action) {
        return None;
    }
    let attributes = actor.attributes.unwrap_or_default();
    let exit_code = attributes
        .get("exitCode")
        .and_then(|code| code.parse().ok());
    Some(EngineEvent {
        container_id: actor.id?,
        exit_code: exit_code.filter(|_| action == "die"),
        action,
        time_nano: message.time_nano.unwrap_or_default(),
    })
}
