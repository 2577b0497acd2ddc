//! `Container` (reference/dcp.md 1.1).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::aspire::Aspire;
use crate::executable::EnvVar;
use crate::meta::ObjectMeta;
use crate::service::Protocol;

/// A container of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ContainerSpec,
    /// What is.
    pub status: ContainerStatus,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerSpec {
    /// Image reference; with `build`, the tag of the result.
    pub image: String,
    /// Build instead of pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<ContainerBuild>,
    /// When to pull.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// Name in the engine; none: made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// Replaces the image's entry point (*template*).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// *Templates*.
    pub args: Vec<String>,
    /// *Templates*.
    pub env: Vec<EnvVar>,
    /// Absolute paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<String>,
    /// Ports to publish.
    pub ports: Vec<ContainerPort>,
    /// Volumes and bind mounts.
    pub volume_mounts: Vec<VolumeMount>,
    /// Files to put into the container before it starts.
    pub create_files: Vec<CreateFile>,
    /// Networks, each with its names on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<NetworkAttachment>>,
    /// Labels in the engine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// `session` or `persistent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Start it; may become true later, never false again.
    pub start: bool,
    /// Stop it; may become true, never false again.
    pub stop: bool,
    /// What DCP has no word for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspire: Option<Aspire>,
}

impl Default for ContainerSpec {
    fn default() -> Self {
        Self {
            image: String::new(),
            build: None,
            pull_policy: None,
            container_name: None,
            command: None,
            args: Vec::new(),
            env: Vec::new(),
            env_files: Vec::new(),
            ports: Vec::new(),
            volume_mounts: Vec::new(),
            create_files: Vec::new(),
            networks: None,
            labels: Vec::new(),
            mode: None,
            start: true,
            stop: false,
            aspire: None,
        }
    }
}

/// How an image is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerBuild {
    /// Absolute path of the folder.
    pub context: String,
    /// Absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// *Templates*.
    pub args: Vec<EnvVar>,
    /// Stage to build; none: the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// When to pull an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullPolicy {
    /// Before every start.
    Always,
    /// Where it is not there.
    Missing,
    /// Never.
    Never,
}

/// How long it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// As long as the run.
    Session,
    /// Until somebody removes it.
    Persistent,
}

/// A port to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// Port of the machine; none: the engine picks one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
    /// Port in the container.
    pub container_port: u16,
    /// TCP or UDP.
    #[serde(default)]
    pub protocol: Protocol,
    /// Address of the machine; none: 127.0.0.1.
    #[serde(rename = "hostIP", default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
}

/// A volume or bind mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    /// `volume` or `bind`.
    #[serde(rename = "type")]
    pub kind: VolumeMountKind,
    /// Volume name in the engine, or absolute path.
    pub source: String,
    /// Absolute path in the container.
    pub target: String,
    /// Not writable.
    #[serde(default)]
    pub read_only: bool,
}

/// What a mount is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeMountKind {
    /// A named volume.
    Volume,
    /// A path of the machine.
    Bind,
    /// In memory, for as long as the container lives.
    Tmpfs,
}

/// A file to put into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateFile {
    /// Absolute path in the container.
    pub destination: String,
    /// *Template*.
    #[serde(default)]
    pub contents: String,
    /// Absolute path of a file to copy instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Permission bits.
    pub mode: u32,
}

/// A network and the names on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAttachment {
    /// Name of the `ContainerNetwork` object.
    pub name: String,
    /// Names on it.
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// A label in the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Where it is in its life.
    pub state: ContainerState,
    /// Id in the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// Name in the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// RFC 3339 with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_timestamp: Option<String>,
    /// RFC 3339 with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_timestamp: Option<String>,
    /// Exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What went wrong, or what is going on (`pulling …`, `waiting for …`).
    pub message: String,
    /// Overall health.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_status: Option<HealthStatus>,
    /// Last result of every probe.
    pub health_probe_results: Vec<ProbeResult>,
    /// Gates that are still closed, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
}

/// Where a container is in its life. DCP's states, and `Waiting` for its gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum ContainerState {
    /// Nothing happened yet.
    #[default]
    Pending,
    /// The engine does not answer.
    RuntimeUnhealthy,
    /// Its image is being built.
    Building,
    /// Being created or started.
    Starting,
    /// Running.
    Running,
    /// Paused by somebody.
    Paused,
    /// Being stopped.
    Stopping,
    /// Ended.
    Exited,
    /// Could not be started.
    FailedToStart,
    /// Gone, or not to be found out.
    Unknown,
}

impl ContainerState {
    /// Nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Exited | Self::FailedToStart | Self::Unknown)
    }
}

impl fmt::Display for ContainerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Overall health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthStatus {
    /// Every probe succeeds.
    Healthy,
    /// No probe has an answer yet, or the start period runs.
    Caution,
    /// A probe failed often enough.
    Unhealthy,
}

/// The last result of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeResult {
    /// Its name.
    pub probe_name: String,
    /// How it went.
    pub outcome: ProbeOutcome,
    /// RFC 3339.
    pub timestamp: String,
    /// In words.
    pub reason: String,
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
}

/// How a probe went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeOutcome {
    /// It did.
    Success,
    /// It didn't.
    Failure,
    /// Not tried yet.
    Unknown,
}
