//! `Container` (reference/dcp.md 1.1).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aspire::Aspire;
use crate::conditions::Common;
use crate::executable::EnvVar;
use crate::files::CreateFileSystem;
use crate::health::{ContainerPemCertificates, HealthProbe, ImageLayer, TerminalSpec};
use crate::meta::ObjectMeta;
use crate::service::Protocol;

/// A container of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Container {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ContainerSpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: ContainerStatus,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerSpec {
    /// Image reference; with `build`, the tag of the result.
    #[serde(skip_serializing_if = "String::is_empty")]
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
    pub command: Option<String>,
    /// *Templates*.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// *Templates*.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Absolute paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<String>,
    /// Ports to publish.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ContainerPort>,
    /// Volumes and bind mounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// Files to put into the container before it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_files: Vec<CreateFileSystem>,
    /// Networks, each with its names on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<NetworkAttachment>>,
    /// Labels in the engine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// How long it lives, and who makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Mode `persistent`, and wins over `mode`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub persistent: bool,
    /// Replaces the key that is made from the spec: while it stays, the container is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_key: Option<String>,
    /// A process that it ends with; needs `monitorTimestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_pid: Option<i64>,
    /// When that process started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub monitor_timestamp: Option<String>,
    /// When it is started again after it ended; the control plane does it, not the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Options of `docker run`; those that are known are taken, others refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub run_args: Vec<String>,
    /// Probes of its health.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub health_probes: Vec<HealthProbe>,
    /// Certificates that it trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pem_certificates: Option<ContainerPemCertificates>,
    /// Layers that are put on the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_layers: Vec<ImageLayer>,
    /// Not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSpec>,
    /// Start it; may become true later, never false again.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub start: bool,
    /// Stop it; may become true, never false again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
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
            persistent: false,
            lifecycle_key: None,
            monitor_pid: None,
            monitor_timestamp: None,
            restart_policy: None,
            run_args: Vec::new(),
            health_probes: Vec::new(),
            pem_certificates: None,
            image_layers: Vec::new(),
            terminal: None,
            start: true,
            stop: false,
            aspire: None,
        }
    }
}

impl ContainerSpec {
    /// How long it lives: `persistent` wins over `mode`.
    pub fn effective_mode(&self) -> Mode {
        effective_mode(self.persistent, self.mode)
    }
}

pub(crate) fn effective_mode(persistent: bool, mode: Option<Mode>) -> Mode {
    if persistent {
        Mode::Persistent
    } else {
        mode.unwrap_or(Mode::Session)
    }
}

/// How an image is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ContainerBuildContext")]
pub struct ContainerBuild {
    /// Absolute path of the folder.
    #[schemars(extend("x-required" = true))]
    pub context: String,
    /// Absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// *Templates*.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<EnvVar>,
    /// Stage to build; none: the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// More tags for the result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Labels of the result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Such as `linux/amd64`; none: the engine's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Not served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ContainerBuildSecret>,
}

/// A secret that a build sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerBuildSecret {
    /// Its id in the Dockerfile.
    #[schemars(extend("x-required" = true))]
    pub id: String,
    /// `env` or `file`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Variable or path.
    pub source: String,
    /// The value itself.
    pub value: String,
}

/// When to pull an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// As long as the run.
    Session,
    /// Until somebody removes it; one that is there is adopted.
    Persistent,
    /// Somebody else makes and removes it; it is only adopted.
    Existing,
    /// Somebody else makes it; it is adopted, and removed with the object.
    Cleanup,
}

impl Mode {
    /// One that is there already is taken.
    pub fn adopts(self) -> bool {
        self != Self::Session
    }

    /// One that isn't there is made.
    pub fn creates(self) -> bool {
        matches!(self, Self::Session | Self::Persistent)
    }

    /// It goes with the object.
    pub fn removes(self) -> bool {
        matches!(self, Self::Session | Self::Cleanup)
    }
}

/// When a workload is started again after it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// When it failed.
    OnFailure,
    /// Always, unless somebody stopped it.
    UnlessStopped,
    /// Always, unless somebody stopped it.
    Always,
}

/// A port to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VolumeMountKind {
    /// A named volume.
    Volume,
    /// A path of the machine.
    Bind,
    /// In memory, for as long as the container lives.
    Tmpfs,
}

/// A network and the names on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ContainerNetworkConnectionConfig")]
pub struct NetworkAttachment {
    /// Name of the `ContainerNetwork` object.
    pub name: String,
    /// Names on it.
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// A label in the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ContainerLabel")]
pub struct Label {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub startup_timestamp: Option<String>,
    /// RFC 3339 with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub finish_timestamp: Option<String>,
    /// Exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// File with the standard output of what happened before it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_std_out_file: Option<String>,
    /// File with the standard error of what happened before it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_std_err_file: Option<String>,
    /// Not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal_socket_path: Option<String>,
    /// Its environment with placeholders replaced; values that contain a secret are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effective_env: Vec<EnvVar>,
    /// Its arguments with placeholders replaced; values that contain a secret are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effective_args: Vec<String>,
    /// Names of the `ContainerNetwork` objects that it is on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// The key that decides whether a persistent one is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_key: Option<String>,
    /// Times that it was started again after it ended by itself.
    #[serde(skip_serializing_if = "crate::schema::is_zero")]
    pub restarts: u32,
    /// When it is started again, as a new object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub restart_timestamp: Option<String>,
    /// Name of the object that took its place when it was started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// What went wrong, or what is going on (`pulling …`, `waiting for …`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Overall health.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_status: Option<HealthStatus>,
    /// Last result of every probe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub health_probe_results: Vec<ProbeResult>,
    /// Gates that are still closed, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
    /// What every status has.
    #[serde(flatten)]
    pub common: Common,
}

/// Where a container is in its life: DCP's states.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
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
    /// Mode `existing` or `cleanup`, and there is none.
    NotFound,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HealthStatus {
    /// Every probe succeeds.
    Healthy,
    /// No probe has an answer yet, or the start period runs.
    Caution,
    /// A probe failed often enough.
    Unhealthy,
}

/// The last result of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "HealthProbeResult")]
pub struct ProbeResult {
    /// Its name.
    pub probe_name: String,
    /// How it went.
    pub outcome: ProbeOutcome,
    /// RFC 3339.
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub timestamp: String,
    /// In words.
    #[serde(default)]
    pub reason: String,
    /// Failures in a row.
    #[serde(default, skip_serializing_if = "crate::schema::is_zero")]
    pub failures: u32,
}

/// How a probe went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProbeOutcome {
    /// It did.
    Success,
    /// It didn't.
    Failure,
    /// Not tried yet.
    Unknown,
}
