//! The structured values of facts: endpoints, mounts, files, waits, probes, steps, parameters.
//!
//! They mirror the records of `wit/types.wit`, with the defaults that most plugins want. Doesn't
//! know whose they are or for which form.

use crate::expression::Expression;

/// A way into a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// URI scheme, such as `http` or `redis`.
    pub scheme: String,
    /// `tcp` or `udp`.
    pub protocol: String,
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
    /// Environment variable that receives the port to listen on; empty: none.
    pub env: String,
}

impl Endpoint {
    /// A relayed, internal TCP endpoint that the container serves on `target_port`.
    ///
    /// A process form listens on [`listen_port`](crate::expr::listen_port) instead.
    pub fn tcp(scheme: impl Into<String>, target_port: u16) -> Self {
        Self {
            scheme: scheme.into(),
            protocol: "tcp".into(),
            port: None,
            target_port: Some(target_port),
            external: false,
            proxied: true,
            tls: false,
            env: String::new(),
        }
    }

    /// An HTTP endpoint.
    pub fn http(target_port: u16) -> Self {
        Self::tcp("http", target_port)
    }

    /// A UDP endpoint.
    pub fn udp(scheme: impl Into<String>, target_port: u16) -> Self {
        Self {
            protocol: "udp".into(),
            ..Self::tcp(scheme, target_port)
        }
    }

    /// With a fixed port on the developer's machine; none leaves it to the host.
    #[must_use]
    pub fn port(mut self, port: impl Into<Option<u16>>) -> Self {
        self.port = port.into();
        self
    }

    /// Reachable from outside the deployment.
    #[must_use]
    pub fn external(mut self) -> Self {
        self.external = true;
        self
    }

    /// Speaks TLS.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Callers reach the workload itself, without the host's relay.
    #[must_use]
    pub fn direct(mut self) -> Self {
        self.proxied = false;
        self
    }

    /// With the environment variable that receives the port to listen on.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>) -> Self {
        self.env = name.into();
        self
    }
}

/// Storage that a workload sees at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `volume`, `bind` or `scratch`.
    pub kind: String,
    /// Volume name or path of the machine; empty: named after resource and key.
    pub source: String,
    /// Absolute path inside the container. A process form gets a data folder of its own.
    pub target: String,
    /// Not writable.
    pub read_only: bool,
}

impl Mount {
    fn new(kind: &str, source: String, target: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            source,
            target: target.into(),
            read_only: false,
        }
    }

    /// A volume that is kept, named after resource and key unless [`Mount::source`] says otherwise.
    pub fn volume(target: impl Into<String>) -> Self {
        Self::new("volume", String::new(), target)
    }

    /// A path of the machine. Needs the permission `host-path`.
    pub fn bind(source: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new("bind", source.into(), target)
    }

    /// Storage that lives as long as the workload.
    pub fn scratch(target: impl Into<String>) -> Self {
        Self::new("scratch", String::new(), target)
    }

    /// With a volume name; empty: named after resource and key.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// Not writable.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}

/// A file that the host writes before the workload starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path inside the container. A process finds it at [`path`](crate::expr::path).
    pub target: String,
    /// What is in it, unless `source` names a file.
    pub contents: Expression,
    /// Project file to copy; empty: none.
    pub source: String,
    /// Permission bits.
    pub mode: u32,
}

impl File {
    /// With contents, readable by all (0644).
    pub fn new(target: impl Into<String>, contents: impl Into<Expression>) -> Self {
        Self {
            target: target.into(),
            contents: contents.into(),
            source: String::new(),
            mode: 0o644,
        }
    }

    /// A copy of a project file.
    pub fn copy(target: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            ..Self::new(target, "")
        }
    }

    /// With other permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

/// What has to be true of another resource first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// `healthy`, `started` or `completed`.
    pub condition: String,
    /// Expected exit code of `completed`.
    pub exit_code: i32,
}

impl Wait {
    /// It runs and its probe succeeds.
    pub fn healthy() -> Self {
        Self {
            condition: "healthy".into(),
            exit_code: 0,
        }
    }

    /// It runs.
    pub fn started() -> Self {
        Self {
            condition: "started".into(),
            exit_code: 0,
        }
    }

    /// It ended with this exit code.
    pub fn completed(exit_code: i32) -> Self {
        Self {
            condition: "completed".into(),
            exit_code,
        }
    }
}

/// A portable health probe. Durations are milliseconds; 0: the host's default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probe {
    /// `http`, `tcp` or `command`.
    pub kind: String,
    /// Endpoint to look at, for `http` and `tcp`.
    pub endpoint: String,
    /// Path, for `http`.
    pub path: String,
    /// Expected status, for `http`; 0: any from 200 to 399.
    pub status: u16,
    /// Program and arguments, run where the workload runs, for `command`.
    pub command: Vec<Expression>,
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
    /// Connects to an endpoint.
    pub fn tcp(endpoint: impl Into<String>) -> Self {
        Self {
            kind: "tcp".into(),
            endpoint: endpoint.into(),
            ..Self::default()
        }
    }

    /// Gets a path of an endpoint; 200 to 399 is healthy.
    pub fn http(endpoint: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            kind: "http".into(),
            endpoint: endpoint.into(),
            path: path.into(),
            ..Self::default()
        }
    }

    /// Runs a command where the workload runs; exit code 0 is healthy.
    pub fn command<E: Into<Expression>>(command: impl IntoIterator<Item = E>) -> Self {
        Self {
            kind: "command".into(),
            command: command.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Expecting one status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Milliseconds between two attempts.
    #[must_use]
    pub fn interval(mut self, milliseconds: u32) -> Self {
        self.interval = milliseconds;
        self
    }

    /// Milliseconds for one attempt.
    #[must_use]
    pub fn timeout(mut self, milliseconds: u32) -> Self {
        self.timeout = milliseconds;
        self
    }

    /// Milliseconds after the start in which failures don't count.
    #[must_use]
    pub fn start_period(mut self, milliseconds: u32) -> Self {
        self.start_period = milliseconds;
        self
    }

    /// Failures in a row that make it unhealthy.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }
}

/// Something to run to its end before a process starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prepare {
    /// The program.
    pub command: Expression,
    /// Its arguments.
    pub args: Vec<Expression>,
    /// Its additional environment.
    pub env: Vec<(String, Expression)>,
    /// Text for its standard input.
    pub stdin: Expression,
    /// A path that, when it exists, makes this step unnecessary; empty: always run.
    pub creates: Expression,
}

impl Prepare {
    /// Runs a program. Its name needs a permission `run-process:PROGRAM`.
    pub fn new(command: impl Into<Expression>) -> Self {
        Self {
            command: command.into(),
            ..Self::default()
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<Expression>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<E: Into<Expression>>(mut self, args: impl IntoIterator<Item = E>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// With one more environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<Expression>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// With text for its standard input: the place for secrets.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<Expression>) -> Self {
        self.stdin = text.into();
        self
    }

    /// Unnecessary when this path exists.
    #[must_use]
    pub fn creates(mut self, path: impl Into<Expression>) -> Self {
        self.creates = path.into();
        self
    }
}

/// A value that is supplied from outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameter {
    /// Never shown.
    pub secret: bool,
    /// For people.
    pub description: String,
    /// Length of a generated value; 0: not generated.
    pub generate_length: u32,
    /// Punctuation may appear in a generated value.
    pub generate_special: bool,
    /// Used when nothing else supplies a value; empty: none.
    pub default_value: Expression,
}

impl Parameter {
    /// A plain one that somebody has to supply.
    pub fn plain() -> Self {
        Self::default()
    }

    /// A secret that somebody has to supply.
    pub fn secret() -> Self {
        Self {
            secret: true,
            ..Self::default()
        }
    }

    /// A secret that the host makes up once per instance: letters and digits only.
    pub fn generated(length: u32) -> Self {
        Self {
            generate_length: length,
            ..Self::secret()
        }
    }

    /// Punctuation may appear in the generated value too.
    #[must_use]
    pub fn special(mut self) -> Self {
        self.generate_special = true;
        self
    }

    /// With a text for people.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// With a value for when nothing else supplies one.
    #[must_use]
    pub fn default_value(mut self, value: impl Into<Expression>) -> Self {
        self.default_value = value.into();
        self
    }
}
