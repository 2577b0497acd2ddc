//! `Executable` (reference/dcp.md 1.2).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::aspire::Aspire;
use crate::container::{HealthStatus, ProbeResult};
use crate::meta::ObjectMeta;

/// A process of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Executable {
    /// Metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: ExecutableSpec,
    /// What is.
    pub status: ExecutableStatus,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutableSpec {
    /// Absolute path, or a name to find on the PATH (*template*).
    pub executable_path: String,
    /// Absolute path; none: the app's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// *Templates*.
    pub args: Vec<String>,
    /// *Templates*.
    pub env: Vec<EnvVar>,
    /// Absolute paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_files: Vec<String>,
    /// Start it; may become true later, never false again.
    pub start: bool,
    /// Stop it; may become true, never false again.
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
            start: true,
            stop: false,
            aspire: None,
        }
    }
}

/// An environment variable (*template*).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// What is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutableStatus {
    /// Where it is in its life.
    pub state: ExecutableState,
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// RFC 3339 with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_timestamp: Option<String>,
    /// RFC 3339 with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_timestamp: Option<String>,
    /// Exit code; 128 + signal when a signal ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What went wrong, or what is going on.
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

/// Where a process is in its life, as in DCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
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
            FailedToStart, Finished, Initial, Running, Starting, Stopping, Terminated, Unknown,
        };
        match (self, next) {
            (from, Unknown) => !from.is_final(),
            (Initial, Starting | Running | Terminated | FailedToStart)
            | (Starting, Running | FailedToStart | Finished | Terminated)
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
