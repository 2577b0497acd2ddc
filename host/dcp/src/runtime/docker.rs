//! Docker-compatible engines, through bollard: Docker from 20.10 (API 1.41) on, and podman's
//! compatible socket.
//!
//! Knows the engine's API and its habits. Doesn't know objects, gates, probes, or when anything
//! should happen; keeps nothing but the output streams of containers that it created and whose
//! output nobody has asked for yet.

mod address;
mod attend;
mod build;
mod connect;
mod containers;
mod context;
mod errors;
mod events;
mod exec;
mod files;
mod images;
mod inspect;
mod networks;
mod options;
mod output;
mod raw;
mod spec;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::Docker;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::{OnceCell, watch};

pub use self::address::EngineEnvironment;
pub use self::attend::Attendant;
use super::{
    BuildRequest, ContainerEngine, ContainerRequest, EngineError, EngineEvent, EngineInfo,
    ExecOutcome, FileRequest, Inspection, Leftover, NetworkInfo, NetworkRequest, OutputSink,
    OutputStream, Progress, RunRequest,
};

/// Both streams of a container, as bollard hands them over.
type Attached = BoxStream<'static, Result<bollard::container::LogOutput, bollard::errors::Error>>;

/// An engine that answered. Cheap to clone; clones share everything.
///
/// [`create`](ContainerEngine::create) attaches to the container before anybody can start it, and
/// the first [`logs`](ContainerEngine::logs) for its id takes that stream over: so no byte is lost
/// or doubled, however early the container ends. Output that nobody takes stalls the container
/// after about a megabyte, as an unread pipe would.
#[derive(Clone)]
pub struct DockerEngine {
    shared: Arc<Shared>,
}

struct Shared {
    docker: Docker,
    address: String,
    /// `docker` or `podman`.
    name: String,
    version: String,
    /// The version in use: the engine's or the newest that bollard knows, whichever is older.
    api: (usize, usize),
    info: OnceCell<EngineInfo>,
    attached: Mutex<BTreeMap<String, Attached>>,
    /// Engines before 25 make two networks of one name when asked twice at once.
    networks: tokio::sync::Mutex<()>,
}

impl fmt::Debug for DockerEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerEngine")
            .field("address", &self.shared.address)
            .field("name", &self.shared.name)
            .field("version", &self.shared.version)
            .field("api", &self.shared.api)
            .finish_non_exhaustive()
    }
}

impl DockerEngine {
    /// Finds the engine that Docker's own command line would use, else one on a well-known
    /// socket, within two seconds.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when something is there and won't serve us (no permission, an
    /// address that can't be used, docker's current context points at nothing, too old): the
    /// user must hear of it. [`EngineError::Unreachable`] when there is no engine.
    pub async fn connect(environment: &EngineEnvironment) -> Result<Self, EngineError> {
        connect::connect(environment).await
    }

    fn docker(&self) -> &Docker {
        &self.shared.docker
    }

    /// A client whose requests may take this long to be answered.
    fn patient(&self, timeout: Duration) -> Docker {
        self.shared.docker.clone().with_timeout(timeout)
    }

    fn is_podman(&self) -> bool {
        self.shared.name == "podman"
    }

    fn keep_attached(&self, id: &str, stream: Attached) {
        if let Ok(mut attached) = self.shared.attached.lock() {
            attached.insert(id.to_owned(), stream);
        }
    }

    fn take_attached(&self, id: &str) -> Option<Attached> {
        self.shared.attached.lock().ok()?.remove(id)
    }
}

impl ContainerEngine for DockerEngine {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, EngineError>> {
        self.engine_info().boxed()
    }

    fn has_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<bool, EngineError>> {
        self.image_exists(image).boxed()
    }

    fn pull<'a>(
        &'a self,
        image: &'a str,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.pull_image(image, progress).boxed()
    }

    fn build<'a>(
        &'a self,
        request: &'a BuildRequest,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.build_image(request, progress).boxed()
    }

    fn ensure_network<'a>(
        &'a self,
        request: &'a NetworkRequest,
    ) -> BoxFuture<'a, Result<NetworkInfo, EngineError>> {
        self.find_or_create_network(request).boxed()
    }

    fn inspect_network<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<NetworkInfo, EngineError>> {
        self.look_at_network(id).boxed()
    }

    fn connect<'a>(
        &'a self,
        network: &'a str,
        container: &'a str,
        names: &'a [String],
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.join_network(network, container, names).boxed()
    }

    fn disconnect<'a>(
        &'a self,
        network: &'a str,
        container: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.leave_network(network, container).boxed()
    }

    fn remove_network<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        self.delete_network(id).boxed()
    }

    fn ensure_volume<'a>(
        &'a self,
        name: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.find_or_create_volume(name, labels).boxed()
    }

    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        self.delete_volume(name).boxed()
    }

    fn create<'a>(
        &'a self,
        request: &'a ContainerRequest,
    ) -> BoxFuture<'a, Result<String, EngineError>> {
        self.create_container(request).boxed()
    }

    fn start<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        self.start_container(id).boxed()
    }

    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Inspection, EngineError>> {
        self.inspect_container(id).boxed()
    }

    fn stop<'a>(&'a self, id: &'a str, grace: Duration) -> BoxFuture<'a, Result<(), EngineError>> {
        self.stop_container(id, grace).boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        self.remove_container(id).boxed()
    }

    fn logs<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxStream<'a, Result<(OutputStream, Bytes), EngineError>> {
        self.output(id)
    }

    fn copy<'a>(
        &'a self,
        id: &'a str,
        files: &'a [FileRequest],
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        self.copy_files(id, files).boxed()
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: &'a [String],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<ExecOutcome, EngineError>> {
        self.run_command(id, command, timeout).boxed()
    }

    fn run<'a>(
        &'a self,
        id: &'a str,
        request: &'a RunRequest,
        output: OutputSink<'a>,
        end: watch::Receiver<bool>,
    ) -> BoxFuture<'a, Result<i64, EngineError>> {
        self.run_to_end(id, request, output, end).boxed()
    }

    fn events<'a>(
        &'a self,
        label: &'a str,
        since_nano: Option<i64>,
    ) -> BoxStream<'a, Result<EngineEvent, EngineError>> {
        self.container_events(label, since_nano)
    }

    fn leftovers<'a>(
        &'a self,
        label: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Leftover>, EngineError>> {
        self.labelled(label).boxed()
    }

    fn leftovers_but_volumes<'a>(
        &'a self,
        label: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Leftover>, EngineError>> {
        self.labelled_but_volumes(label).boxed()
    }
}
