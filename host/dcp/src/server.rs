//! The API server: the run's objects as a Kubernetes-style API.
//!
//! [`Api`] is what every handler shares; [`Api::router`] is the whole API as a tower service,
//! called in process without a socket ([`Api::kube_client`]) or through [`listen`], which adds TLS
//! and the bearer token. Knows requests and answers; what objects mean is the controllers'. What
//! makes it behave as Kubernetes does is `machinery`.

mod admin;
mod answer;
mod auth;
mod columns;
mod decode;
mod delete;
mod describe;
mod discovery;
mod kubeconfig;
mod list;
mod listen;
mod log;
mod parameters;
mod pods;
mod route;
mod schemas;
mod tls;
mod watch;
mod write;

use std::sync::{Arc, LazyLock};

use axum::Router;
use kube::client::Body;
use tokio::sync::watch as signal;

use crate::logs::{LogLimits, Logs, Redactor};
use crate::store::Store;
pub use admin::{Cleanup, Execution, ExecutionStatus};
pub use kubeconfig::{Kubeconfig, KubeconfigError};
pub use listen::{ListenConfig, ListenError, Listening};
use schemas::Schemas;

/// What every handler shares; cheap to clone.
#[derive(Clone)]
pub struct Api {
    store: Arc<Store>,
    logs: Arc<Logs>,
    /// Made when a client writes, or asks for them: a run that nobody speaks to needs none.
    schemas: &'static LazyLock<Schemas>,
    /// Where the run is in its life.
    execution: Arc<signal::Sender<Execution>>,
}

impl Api {
    /// Over a store and the logs of its workloads.
    pub fn new(store: Arc<Store>, logs: Arc<Logs>) -> Self {
        static SCHEMAS: LazyLock<Schemas> = LazyLock::new(Schemas::new);
        Self {
            store,
            logs,
            schemas: &SCHEMAS,
            execution: Arc::new(signal::Sender::new(Execution::default())),
        }
    }

    /// Without controllers, for somebody else's: `folder` is for logs, which stay empty.
    ///
    /// # Errors
    /// The folder can't be used.
    pub fn alone(folder: std::path::PathBuf) -> std::io::Result<Self> {
        let redactor = Arc::new(Redactor::new(std::iter::empty()));
        let logs = Logs::new(folder, LogLimits::default(), redactor)?;
        Ok(Self::new(Arc::new(Store::of_now()), Arc::new(logs)))
    }

    /// Makes what the first request would have to wait for, beside other work.
    pub fn warm_up(&self) {
        let schemas = self.schemas;
        tokio::task::spawn_blocking(move || {
            LazyLock::force(schemas);
        });
    }

    /// Where the run is in its life; clients ask for its end there.
    pub fn execution(&self) -> signal::Receiver<Execution> {
        self.execution.subscribe()
    }

    /// Says where the run is in its life.
    pub fn set_execution(&self, execution: Execution) {
        self.execution.send_replace(execution);
    }

    /// The whole API, without authentication.
    pub fn router(&self) -> Router {
        let api = self.clone();
        Router::new().fallback(move |request: axum::extract::Request| {
            let api = api.clone();
            async move { route::handle(&api, request).await }
        })
    }

    /// A client that calls the API in process.
    pub fn kube_client(&self) -> kube::Client {
        use tower::ServiceExt as _;
        let service = self
            .router()
            .map_request(|request: http::Request<Body>| request.map(axum::body::Body::new));
        kube::Client::new(service, "default")
    }
}

/// Listens for clients until the returned handle is dropped.
///
/// # Errors
/// The port or the kubeconfig file can't be had.
pub async fn listen(api: &Api, config: ListenConfig) -> Result<Listening, ListenError> {
    listen::listen(api, config).await
}
