//! `Executable` (reference/dcp.md 1.2).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aspire::Aspire;
use crate::conditions::Common;
use crate::container::{HealthStatus, Mode, ProbeResult};
use crate::health::{ExecutablePemCertificates, HealthProbe, TerminalSpec};
use crate::meta::ObjectMeta;

/// A process of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Executable {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ExecutableSpec,
    /// What is.
    #[serde(skip_serializing_if = "crate::schema::is_default")]
    pub status: ExecutableStatus,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutableSpec {
    /// Absolute path, or a name to find on the PATH (*template*).
    #[schemars(extend("x-required" = true))]
    pub executable_path: String,
    /// Absolute path; none: the app's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// *Templates*.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// *Templates*.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Absolute paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<String>,
    /// `Process` (none); `IDE` is not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_type: Option<ExecutionType>,
    /// What to try when the first type fails; not served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallback_execution_types: Vec<ExecutionType>,
    /// What it sees of the control plane's own environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ambient_environment: Option<AmbientEnvironment>,
    /// How long it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Mode `persistent`, and wins over `mode`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub persistent: bool,
    /// Replaces the key that is made from the spec: while it stays, the process is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_key: Option<String>,
    /// A process that it ends with; needs `monitorTimestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_pid: Option<i64>,
    /// When that process started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub monitor_timestamp: Option<String>,
    /// Probes of its health.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub health_probes: Vec<HealthProbe>,
    /// Certificates that it trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pem_certificates: Option<ExecutablePemCertificates>,
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

impl Default for ExecutableSpec {
    fn default() -> Self {
        Self {
            executable_path: String::new(),
            working_directory: None,
            args: Vec::new(),
            env: Vec::new(),
            env_files: Vec::new(),
            execution_type: None,
            fallback_execution_types: Vec::new(),
            ambient_environment: None,
            mode: None,
            persistent: false,
            lifecycle_key: None,
            monitor_pid: None,
            monitor_timestamp: None,
            health_probes: Vec::new(),
            pem_certificates: None,
            terminal: None,
            start: true,
            stop: false,
            aspire: None,
        }
    }
}

impl ExecutableSpec {
    /// How long it lives: `persistent` wins over `mode`.
    pub fn effective_mode(&self) -> Mode {
        crate::container::effective_mode(self.persistent, self.mode)
    }
}

/// An environment variable (*template*).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvVar {
    /// Name.
    #[schemars(extend("x-required" = true))]
    pub name: String,
    /// Value.
    #[serde(default)]
    pub value: String,
}

/// What runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExecutionType {
    /// A process of this machine.
    Process,
    /// An editor; not served.
    #[serde(rename = "IDE")]
    Ide,
}

/// What a process sees of the control plane's own environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmbientEnvironment {
    /// All of it, or nothing.
    pub behavior: AmbientBehavior,
}

/// All of it, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum AmbientBehavior {
    /// All of it.
    #[default]
    Inherit,
    /// Nothing.
    DoNotInherit,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutableStatus {
    /// Where it is in its life.
    #[schemars(extend("x-required" = true))]
    pub state: ExecutableState,
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Process id, as text.
    #[serde(rename = "executionID", skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// File with its standard output, of one that outlives the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std_out_file: Option<String>,
    /// File with its standard error, of one that outlives the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std_err_file: Option<String>,
    /// Not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal_socket_path: Option<String>,
    /// Its environment with placeholders replaced; values that contain a secret are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effective_env: Vec<EnvVar>,
    /// Its arguments with placeholders replaced; values that contain a secret are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effective_args: Vec<String>,
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
    /// RFC 3339 with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub startup_timestamp: Option<String>,
    /// RFC 3339 with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::micro_time")]
    pub finish_timestamp: Option<String>,
    /// Exit code; 128 + signal when a signal ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What went wrong, or what is going on.
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

/// Where a process is in its life, as in DCP.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
pub enum ExecutableState {
    /// Nothing happened yet.
    #[default]
    #[serde(rename = "")]
    Initial,
    /// Being prepared, built or spawned.
    Starting,
    /// Running.
    Running,
    /// Being stopped.
    Stopping,
    /// We stopped it.
    Terminated,
    /// It ended by itself.
    Finished,
    /// Could not be started.
    FailedToStart,
    /// Mode `cleanup`, and there is none.
    NotFound,
    /// Not to be found out.
    Unknown,
}

impl ExecutableState {
    /// Nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Terminated | Self::Finished | Self::FailedToStart | Self::Unknown
        )
    }

    /// Whether this move is allowed (reference/dcp.md 1.2).
    pub fn can_become(self, next: Self) -> bool {
        use ExecutableState::{
            FailedToStart, Finished, Initial, NotFound, Running, Starting, Stopping, Terminated,
            Unknown,
        };
        match (self, next) {
            (from, Unknown) => !from.is_final(),
            (Initial, Starting | Running | NotFound | Terminated | FailedToStart)
            | (NotFound, Starting | Running | Terminated | FailedToStart)
            | (Starting, Running | FailedToStart | Finished)
            | (Running, Stopping | Terminated | Finished)
            | (Stopping, Terminated | Finished) => true,
            _ => false,
        }
    }
}

impl fmt::Display for ExecutableState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Initial => f.write_str("Pending"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}
