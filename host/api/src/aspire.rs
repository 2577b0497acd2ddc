//! `spec.aspire`: what DCP has no word for. An object without it behaves as in DCP.
//!
//! Durations are milliseconds. Strings marked *template* may contain the placeholders of
//! [`crate::template`], which the driver replaces when it starts the workload.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::container::RestartPolicy;
use crate::object::ObjectKey;

/// The extension of a workload's spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Aspire {
    /// What has to be true first; a controller's work, not a client's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Gate>,
    /// Health probes, by name; the one named `ready` is the workload's own, others belong to its
    /// children.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, Probe>,
    /// Steps that a process needs to be done first, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Prepare>,
    /// A command that builds the program first: program and arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub build_command: Vec<String>,
    /// Files that a process finds in its private folder: relative path to file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, PrivateFile>,
    /// Data folders of a process, by key; created empty, kept between runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_folders: Vec<String>,
    /// User that a process runs as when the host is root; none: the host's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// Programs that have to be there, each with a hint where to get it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, String>,
    /// Names of the secrets that templates of this object use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Endpoints of the workload.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<WorkloadEndpoint>,
    /// When it is started again after it ended; wins over the spec's own `restartPolicy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// Between the request to stop and the end; none: 10 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace: Option<u64>,
    /// The signal that asks a process to stop: `SIGTERM` (none), `SIGINT` or `SIGQUIT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Devices, capabilities and host access: `gpus`, `device:PATH`, `cap-add:NAME`,
    /// `privileged`, `network:host`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub privileges: BTreeMap<String, String>,
    /// Thousandths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// User of a container, as the engine takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Working directory of a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Where the resource was declared, for people: `aspire.toml:12`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The declared kind, such as `redis`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// When a workload is started again after it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Restart {
    /// When.
    pub policy: RestartPolicy,
    /// How often; none: without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<u32>,
}

/// Something that has to be true of another object before this one starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// The resource that the user named; a child waits through its workload.
    pub resource: String,
    /// The workload.
    pub object: ObjectKey,
    /// What of it.
    pub condition: GateCondition,
    /// Expected exit code, for `completed`.
    #[serde(default)]
    pub exit_code: i32,
    /// For `healthy`: this probe has to succeed too (the child's own).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
}

/// What a gate asks for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum GateCondition {
    /// Running, and its `ready` probe succeeds where it has one.
    Healthy,
    /// Running.
    Started,
    /// Ended with the expected exit code.
    Completed,
}

/// A health probe; it looks at the workload itself, never at the relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ProbeWire", into = "ProbeWire")]
#[schemars(with = "ProbeWire")]
pub struct Probe {
    /// What it does.
    pub action: ProbeAction,
    /// Between two attempts once it is healthy; before, attempts follow quickly.
    pub interval: u64,
    /// For one attempt.
    pub timeout: u64,
    /// Failures in this time after the start don't count.
    pub start_period: u64,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// A workload that this probe finds unhealthy is started again, as its restart policy says.
    pub liveness: bool,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeAction {
    /// GET a path of an endpoint of the workload.
    Http {
        /// Endpoint name.
        endpoint: String,
        /// Absolute path.
        path: String,
        /// Expected status; none: 200 to 399.
        status: Option<u16>,
    },
    /// Connect to an endpoint of the workload.
    Tcp {
        /// Endpoint name.
        endpoint: String,
    },
    /// Run a command where the workload runs (*templates*); exit code 0 is healthy.
    Command {
        /// Program and arguments.
        command: Vec<String>,
    },
}

/// A health probe; it looks at the workload itself, never at the relay.
// Flat, as schemas of Kubernetes have no alternatives.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "AspireProbe")]
struct ProbeWire {
    /// `http`, `tcp` or `command`.
    #[serde(rename = "type")]
    kind: String,
    /// Endpoint name (`http`, `tcp`).
    #[serde(skip_serializing_if = "String::is_empty")]
    endpoint: String,
    /// Absolute path (`http`).
    #[serde(skip_serializing_if = "String::is_empty")]
    path: String,
    /// Expected status; none: 200 to 399 (`http`).
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Program and arguments; exit code 0 is healthy (`command`; *templates*).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    /// Milliseconds between two attempts once it is healthy; before, attempts follow quickly.
    interval: u64,
    /// Milliseconds for one attempt.
    timeout: u64,
    /// Milliseconds after the start in which failures don't count.
    start_period: u64,
    /// Failures in a row that make it unhealthy.
    retries: u32,
    /// A workload that this probe finds unhealthy is started again, as its restart policy says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    liveness: bool,
}

impl From<Probe> for ProbeWire {
    fn from(probe: Probe) -> Self {
        let plain = Self {
            interval: probe.interval,
            timeout: probe.timeout,
            start_period: probe.start_period,
            retries: probe.retries,
            liveness: probe.liveness,
            ..Self::default()
        };
        match probe.action {
            ProbeAction::Http {
                endpoint,
                path,
                status,
            } => Self {
                kind: "http".to_owned(),
                endpoint,
                path,
                status,
                ..plain
            },
            ProbeAction::Tcp { endpoint } => Self {
                kind: "tcp".to_owned(),
                endpoint,
                ..plain
            },
            ProbeAction::Command { command } => Self {
                kind: "command".to_owned(),
                command,
                ..plain
            },
        }
    }
}

impl TryFrom<ProbeWire> for Probe {
    type Error = String;

    fn try_from(wire: ProbeWire) -> Result<Self, String> {
        let action = match &*wire.kind {
            "http" => ProbeAction::Http {
                endpoint: wire.endpoint,
                path: wire.path,
                status: wire.status,
            },
            "tcp" => ProbeAction::Tcp {
                endpoint: wire.endpoint,
            },
            "command" => ProbeAction::Command {
                command: wire.command,
            },
            other => return Err(format!("`{other}` is none of `http`, `tcp`, `command`")),
        };
        Ok(Self {
            action,
            interval: wire.interval,
            timeout: wire.timeout,
            start_period: wire.start_period,
            retries: wire.retries,
            liveness: wire.liveness,
        })
    }
}

/// A step before a process (*templates* throughout).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prepare {
    /// Its name, for messages.
    pub name: String,
    /// The program.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its additional environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Text for its standard input.
    #[serde(default)]
    pub stdin: String,
    /// A path that, when it exists, makes this step unnecessary; empty: always run.
    #[serde(default)]
    pub creates: String,
}

/// A file in a process's private folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrivateFile {
    /// *Template*.
    pub contents: String,
    /// Absolute path of a file to copy instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Permission bits.
    pub mode: u32,
}

/// A way into a workload, and the service that stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadEndpoint {
    /// Endpoint name.
    pub name: String,
    /// URI scheme.
    pub scheme: String,
    /// Name of the [`crate::service::Service`].
    pub service: String,
    /// The port that the workload listens on; none: the driver allocates one when it starts a
    /// process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_port: Option<u16>,
    /// TCP or UDP, as in [`crate::service::Protocol`].
    pub protocol: crate::service::Protocol,
    /// Shown as a link.
    #[serde(default)]
    pub external: bool,
}
