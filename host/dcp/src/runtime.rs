//! The seam to whatever runs containers: one small trait, implemented by the Docker-compatible
//! engines and by a fake with scripted faults.
//!
//! Knows what an engine can be asked. Doesn't know objects, gates, probes or any decision.

pub mod docker;
pub mod fake;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aspire_api::run_args::RunOptions;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use thiserror::Error;
use tokio::sync::watch;

/// What an engine could not do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EngineError {
    /// Nothing answers at the address.
    #[error("no container engine answers at {address}: {cause}")]
    Unreachable {
        /// Socket or URL.
        address: String,
        /// Why.
        cause: String,
    },
    /// It answers but will not serve us.
    #[error("the container engine at {address} refuses: {cause}")]
    Refused {
        /// Socket or URL.
        address: String,
        /// Why.
        cause: String,
    },
    /// The image is not there and cannot be had.
    #[error("image {image}: {cause}")]
    Image {
        /// Image reference.
        image: String,
        /// Why.
        cause: String,
        /// Asking again will not help.
        conclusive: bool,
    },
    /// The thing asked about does not exist.
    #[error("{0} does not exist")]
    NotFound(String),
    /// A port of the machine is taken.
    #[error("{0}")]
    PortTaken(String),
    /// Anything else that the engine said.
    #[error("{0}")]
    Other(String),
}

/// What answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// `docker` or `podman`.
    pub name: String,
    /// Engine version.
    pub version: String,
    /// API version in use.
    pub api_version: String,
    /// Socket or URL.
    pub address: String,
    /// Addresses of containers and networks can be dialled from this machine (an engine on this
    /// very Linux machine, not one in a virtual machine or behind rootless networking).
    pub dials_containers: bool,
}

/// A network to make.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkRequest {
    /// Name in the engine.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// With IPv6 addresses too.
    pub ipv6: bool,
}

/// A network that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkInfo {
    /// Id in the engine.
    pub id: String,
    /// What makes it: `bridge`.
    pub driver: String,
    /// It has IPv6 addresses.
    pub ipv6: bool,
    /// Its address ranges.
    pub subnets: Vec<String>,
    /// Addresses of the machine on it.
    pub gateways: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Ids of the containers on it that run; some engines tell only when they are asked for this
    /// one network.
    pub containers: Vec<String>,
}

/// A container to create.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerRequest {
    /// Name in the engine.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Replaces the entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the command.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Networks by name, each with the container's names on it; the first is joined at creation,
    /// the others before the start.
    pub networks: Vec<(String, Vec<String>)>,
    /// Ports to publish.
    pub ports: Vec<PortRequest>,
    /// Names that it finds at given addresses.
    pub hosts: Vec<(String, String)>,
    /// Mounts.
    pub mounts: Vec<MountRequest>,
    /// Files to write before the start.
    pub files: Vec<FileRequest>,
    /// User.
    pub user: Option<String>,
    /// Working directory.
    pub working_directory: Option<String>,
    /// Thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// As in `spec.aspire.privileges`.
    pub privileges: BTreeMap<String, String>,
    /// Options of `docker run`, beside and above all of this.
    pub options: RunOptions,
    /// Grace before the engine kills it, for stops that others ask for.
    pub stop_grace: Duration,
}

/// A port to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRequest {
    /// In the container.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Of the machine; none: the engine picks.
    pub host_port: Option<u16>,
    /// Address of the machine.
    pub host_ip: String,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountRequest {
    /// A named volume.
    Volume {
        /// Name in the engine.
        name: String,
        /// Path in the container.
        target: String,
        /// Not writable.
        read_only: bool,
    },
    /// A path of the machine.
    Bind {
        /// Absolute.
        source: PathBuf,
        /// Path in the container.
        target: String,
        /// Not writable.
        read_only: bool,
    },
    /// In memory.
    Scratch {
        /// Path in the container.
        target: String,
    },
}

/// A file, folder or link to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRequest {
    /// Absolute path in the container.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u32,
    /// User id.
    pub owner: u64,
    /// Group id.
    pub group: u64,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A file with this in it.
    File(Bytes),
    /// A folder.
    Directory,
    /// A symbolic link to this.
    Symlink(String),
}

/// What an engine knows of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Id.
    pub id: String,
    /// Name, without a slash.
    pub name: String,
    /// State, as the engine calls it: `created`, `running`, `paused`, `restarting`, `removing`,
    /// `exited`, `dead`.
    pub state: String,
    /// When it was started last, in the engine's words; tells one life of it from another.
    pub began: String,
    /// Exit code, once it ended.
    pub exit_code: Option<i32>,
    /// What the engine says went wrong.
    pub error: String,
    /// Killed for want of memory.
    pub out_of_memory: bool,
    /// Address on each network, by network name.
    pub addresses: BTreeMap<String, String>,
    /// Published ports: (container port, protocol) to port of the machine.
    pub ports: BTreeMap<(u16, String), u16>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// What the image's own check finds: `starting`, `healthy` or `unhealthy`, and what it said
    /// last; none: it has no check.
    pub health: Option<(String, String)>,
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// Its id.
    pub container_id: String,
    /// `start`, `die`, `destroy`, `pause`, `unpause`, `stop`, `kill`, `oom`, `health_status` …
    pub action: String,
    /// Exit code, for `die`.
    pub exit_code: Option<i32>,
    /// When, for resuming: nanoseconds since the epoch.
    pub time_nano: i64,
}

/// Which stream a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The control plane's own remarks (pull progress, build output, start failures).
    System,
}

/// Something of ours that the engine holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// `container`, `network` or `volume`.
    pub what: &'static str,
    /// Id (name, for volumes).
    pub id: String,
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// How a command inside a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Exit code.
    pub exit_code: i64,
    /// The last few kilobytes of its output, both streams.
    pub output: String,
}

/// A command to run in a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunRequest {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Beside the container's own environment.
    pub env: Vec<(String, String)>,
    /// Where; none: the container's own.
    pub working_directory: Option<String>,
}

/// Takes output as it comes.
pub type OutputSink<'a> = &'a (dyn Fn(OutputStream, &[u8]) + Send + Sync);

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildRequest {
    /// Absolute path of the context folder.
    pub context: PathBuf,
    /// Path of the Dockerfile, relative to the context or absolute.
    pub dockerfile: PathBuf,
    /// Stage.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Tag of the result.
    pub tag: String,
    /// More of them.
    pub tags: Vec<String>,
    /// Such as `linux/amd64`; none: the engine's own.
    pub platform: Option<String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
}

/// Lines of progress, as they come.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// An engine that runs containers.
pub trait ContainerEngine: Send + Sync {
    /// Whether it answers, and what it is.
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, EngineError>>;
    /// Whether an image is there.
    fn has_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<bool, EngineError>>;
    /// Pulls an image.
    fn pull<'a>(
        &'a self,
        image: &'a str,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Builds an image.
    fn build<'a>(
        &'a self,
        request: &'a BuildRequest,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Makes a network, or finds the one of this name.
    fn ensure_network<'a>(
        &'a self,
        request: &'a NetworkRequest,
    ) -> BoxFuture<'a, Result<NetworkInfo, EngineError>>;
    /// Looks at a network, by id or name.
    fn inspect_network<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<NetworkInfo, EngineError>>;
    /// Puts a container on a network, under some names; one that is on it already is fine.
    fn connect<'a>(
        &'a self,
        network: &'a str,
        container: &'a str,
        names: &'a [String],
    ) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Takes a container off a network; one that isn't on it is fine.
    fn disconnect<'a>(
        &'a self,
        network: &'a str,
        container: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Removes a network; one that is gone already is fine.
    fn remove_network<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Makes a volume, or finds the one of this name.
    fn ensure_volume<'a>(
        &'a self,
        name: &'a str,
        labels: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Removes a volume; one that is gone already is fine.
    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Creates a container with its networks and files; returns its id. Nothing is left behind
    /// when it fails.
    fn create<'a>(
        &'a self,
        request: &'a ContainerRequest,
    ) -> BoxFuture<'a, Result<String, EngineError>>;
    /// Starts it.
    fn start<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Looks at it, by id or name.
    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Inspection, EngineError>>;
    /// Stops it: a request, the grace, then the end by force.
    fn stop<'a>(&'a self, id: &'a str, grace: Duration) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Removes it with its anonymous volumes, by force; one that is gone already is fine.
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Its output from the first byte, to its end.
    fn logs<'a>(&'a self, id: &'a str)
    -> BoxStream<'a, Result<(OutputStream, Bytes), EngineError>>;
    /// Writes files into it while it runs, with whatever folders are missing.
    fn copy<'a>(
        &'a self,
        id: &'a str,
        files: &'a [FileRequest],
    ) -> BoxFuture<'a, Result<(), EngineError>>;
    /// Runs a command in it.
    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: &'a [String],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<ExecOutcome, EngineError>>;
    /// Runs a command in it to its end and hands over its output from the first byte; returns its
    /// exit code. `end` (true, or its sender gone) ends the command with all that came of it.
    ///
    /// An engine on another machine can't end what it runs so; that is an error then.
    fn run<'a>(
        &'a self,
        id: &'a str,
        request: &'a RunRequest,
        output: OutputSink<'a>,
        end: watch::Receiver<bool>,
    ) -> BoxFuture<'a, Result<i64, EngineError>>;
    /// What happens to containers with this label (`key=value`; empty: to all), from a time on.
    fn events<'a>(
        &'a self,
        label: &'a str,
        since_nano: Option<i64>,
    ) -> BoxStream<'a, Result<EngineEvent, EngineError>>;
    /// Everything with this label (`key` or `key=value`).
    fn leftovers<'a>(&'a self, label: &'a str)
    -> BoxFuture<'a, Result<Vec<Leftover>, EngineError>>;
    /// The same without volumes, which an engine may take long to list.
    fn leftovers_but_volumes<'a>(
        &'a self,
        label: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Leftover>, EngineError>> {
        Box::pin(async move {
            let mut found = self.leftovers(label).await?;
            found.retain(|leftover| leftover.what != "volume");
            Ok(found)
        })
    }
}
