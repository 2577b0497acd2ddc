//! The structured values that facts can have: endpoints, mounts, files, waits, probes and so on.
//!
//! Plain data with the units in the documentation. Doesn't know who wrote it or for which form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expression::Expression;

/// A way into a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// URI scheme, such as `http`.
    pub scheme: String,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port that callers use on the developer's machine; none: the host picks one.
    pub port: Option<u16>,
    /// The port that the workload listens on; none: the host picks one for a process.
    pub target_port: Option<u16>,
    /// Reachable from outside the deployment.
    pub external: bool,
    /// Behind the host's relay in run mode.
    pub proxied: bool,
    /// Speaks TLS.
    pub tls: bool,
    /// Environment variable that receives the port to listen on.
    pub env: Option<String>,
}

impl Endpoint {
    /// A proxied, internal TCP endpoint.
    pub fn tcp(scheme: impl Into<String>, target_port: Option<u16>) -> Self {
        Self {
            scheme: scheme.into(),
            protocol: Protocol::Tcp,
            port: None,
            target_port,
            external: false,
            proxied: true,
            tls: false,
            env: None,
        }
    }
}

/// Transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Storage that a workload sees at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is behind it.
    pub kind: MountKind,
    /// Volume name or path of the machine; empty: named after resource and key.
    pub source: String,
    /// Absolute path inside the container.
    pub target: String,
    /// Not writable.
    pub read_only: bool,
}

/// What is behind a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A named volume that is kept.
    Volume,
    /// A path of the machine.
    Bind,
    /// Lives as long as the workload.
    Scratch,
}

impl MountKind {
    /// `volume`, `bind` or `scratch`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Bind => "bind",
            Self::Scratch => "scratch",
        }
    }
}

/// A file that the host writes before the workload starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Absolute path inside the container.
    pub target: String,
    /// What is in it, unless `source` names a file.
    pub contents: Expression,
    /// Project file to copy, as written in `aspire.toml`; empty: none.
    pub source: String,
    /// Permission bits.
    pub mode: u32,
}

/// What has to be true of another resource first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wait {
    /// Which state.
    pub condition: WaitCondition,
    /// The exit code that counts as success, for `completed`.
    pub exit_code: i32,
}

/// A state to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitCondition {
    /// It runs and its probes succeed.
    Healthy,
    /// It runs.
    Started,
    /// It ended with the expected exit code.
    Completed,
}

impl WaitCondition {
    /// `healthy`, `started` or `completed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Started => "started",
            Self::Completed => "completed",
        }
    }
}

/// A portable health probe. Durations are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What it does.
    pub action: ProbeAction,
    /// Between two attempts.
    pub interval: u32,
    /// For one attempt.
    pub timeout: u32,
    /// Failures in this time after the start don't count.
    pub start_period: u32,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
}

impl Probe {
    /// With the host's defaults: every 5 s, 3 s for an answer, 3 failures.
    pub fn new(action: ProbeAction) -> Self {
        Self {
            action,
            interval: 5_000,
            timeout: 3_000,
            start_period: 0,
            retries: 3,
        }
    }
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeAction {
    /// GET a path of an endpoint.
    Http {
        /// Endpoint name.
        endpoint: String,
        /// Absolute path.
        path: String,
        /// Expected status; none: 200 to 399.
        status: Option<u16>,
    },
    /// Connect to an endpoint.
    Tcp {
        /// Endpoint name.
        endpoint: String,
    },
    /// Run a command where the workload runs; exit code 0 is healthy.
    Command {
        /// Program and arguments.
        command: Vec<Expression>,
    },
}

/// Something to run to its end before a process starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepare {
    /// The program.
    pub command: Expression,
    /// Its arguments.
    pub args: Vec<Expression>,
    /// Its additional environment.
    pub env: BTreeMap<String, Expression>,
    /// Text for its standard input.
    pub stdin: Expression,
    /// A path that, when it exists, makes this step unnecessary; empty: always run.
    pub creates: Expression,
}

/// A value that is supplied from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Parameter {
    /// Never shown.
    pub secret: bool,
    /// For people.
    pub description: String,
    /// How the host makes one up.
    pub generate: Option<Generate>,
    /// Used when nothing else supplies a value.
    pub default: Option<Expression>,
}

/// How a value is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generate {
    /// Characters, at least 22.
    pub length: u32,
    /// With punctuation.
    pub special: bool,
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Build {
    /// Folder, as written in `aspire.toml`.
    pub context: String,
    /// Relative to the context; empty: `Dockerfile`.
    pub dockerfile: String,
    /// Stage; empty: the last.
    pub target: String,
    /// Build arguments.
    pub args: BTreeMap<String, Expression>,
}

/// What a workload may use at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Limits {
    /// Thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// Which files are watched while a workload runs, and what follows when they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Watch {
    /// Files, folders and patterns, as written in `aspire.toml`; empty: the workload's own folder.
    pub paths: Vec<String>,
    /// Patterns of what is no reason, as written.
    pub ignore: Vec<String>,
    /// What follows; none: building anew where there is a build, else a restart.
    #[serde(rename = "do")]
    pub action: Option<WatchAction>,
    /// The folder of the container that files are copied to; empty: none.
    pub target: String,
}

/// What follows when watched files change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchAction {
    /// It is stopped and started again, without a build.
    Restart,
    /// It is built; when that succeeds, it is stopped and started again.
    Rebuild,
    /// The files are copied into the container, which goes on.
    Sync,
}

impl WatchAction {
    /// `restart`, `rebuild` or `sync`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Rebuild => "rebuild",
            Self::Sync => "sync",
        }
    }
}

/// What a reference injects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Name used in the variables instead of the resource's own; empty: its own.
    pub alias: String,
    /// A missing value is no error.
    pub optional: bool,
}
