//! The life of a container: created, started, stopped, removed.
//!
//! Knows in which order the engine must be asked, and what its answers mean. Doesn't decide when.

use std::time::Duration;

use bollard::models::NetworkConnectRequest;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use futures_util::future::try_join3;

use super::spec::{endpoint, on_host, whole_seconds};
use super::{DockerEngine, errors};
use crate::runtime::{ContainerRequest, EngineError};

/// How long the engine may take to kill and tidy up after the grace.
const AFTER_GRACE: Duration = Duration::from_secs(60);
const REMOVAL: Duration = Duration::from_millis(50);
const REMOVALS: u32 = 200;

impl DockerEngine {
    pub(super) async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<String, EngineError> {
        let what = format!("container {}", request.name);
        let mut options = CreateContainerOptionsBuilder::new().name(&request.name);
        if let Some(platform) = &request.options.platform {
            options = options.platform(platform);
        }
        let options = options.build();
        let id = self
            .docker()
            .create_container(Some(options), self.create_body(request)?)
            .await
            .map_err(|error| self.error(&what, &error))?
            .id;
        let rest = try_join3(
            self.join_networks(&id, request),
            self.write_files(&id, request),
            self.attach(&id),
        );
        match rest.await {
            Ok(((), (), stream)) => {
                self.keep_attached(&id, stream);
                Ok(id)
            }
            Err(error) => {
                if let Err(left) = self.remove_container(&id).await {
                    tracing::warn!("{what} could not be removed after it failed: {left}");
                }
                Err(error)
            }
        }
    }

    /// Networks that creation could not join.
    async fn join_networks(&self, id: &str, request: &ContainerRequest) -> Result<(), EngineError> {
        if self.joins_all() || on_host(request) {
            return Ok(());
        }
        for (network, names) in request.networks.iter().skip(1) {
            let config = NetworkConnectRequest {
                container: id.to_owned(),
                endpoint_config: Some(endpoint(names)),
            };
            self.docker()
                .connect_network(network, config)
                .await
                .map_err(|error| self.error(&format!("network {network}"), &error))?;
        }
        Ok(())
    }

    pub(super) async fn start_container(&self, id: &str) -> Result<(), EngineError> {
        self.docker()
            .start_container(id, None)
            .await
            .map_err(|error| self.error(&format!("container {id}"), &error))
    }

    pub(super) async fn stop_container(
        &self,
        id: &str,
        grace: Duration,
    ) -> Result<(), EngineError> {
        let seconds = whole_seconds(grace).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        self.patient(grace.saturating_add(AFTER_GRACE))
            .stop_container(id, Some(options))
            .await
            .map_err(|error| self.error(&format!("container {id}"), &error))
    }

    pub(super) async fn remove_container(&self, id: &str) -> Result<(), EngineError> {
        drop(self.take_attached(id));
        let options = RemoveContainerOptionsBuilder::new()
            .v(true)
            .force(true)
            .build();
        match self.docker().remove_container(id, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if errors::is_missing(&error) => Ok(()),
            Err(error) if errors::cause(&error).contains("already in progress") => {
                self.wait_for_removal(id).await
            }
            Err(error) => Err(self.error(&format!("container {id}"), &error)),
        }
    }

    /// Somebody else is removing it.
    async fn wait_for_removal(&self, id: &str) -> Result<(), EngineError> {
        for _ in 0..REMOVALS {
            match self.inspect_container(id).await {
                Ok(_) => tokio::time::sleep(REMOVAL).await,
                Err(EngineError::NotFound(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::Other(format!(
            "container {id}: its removal does not end"
        )))
    }
}
