//! The words of commands about a running app.
//!
//! Knows options and their types. Doesn't know what any command does.

use clap::{Args, ValueEnum};

use super::RunFlags;

/// `ps`
#[derive(Debug, Clone, Args)]
pub(crate) struct PsArgs {
    /// Only these; all by default
    pub(crate) resources: Vec<String>,
    /// Every app of this user that runs, instead
    #[arg(long)]
    pub(crate) all: bool,
    /// Goes on, with every change
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// `logs`
#[derive(Debug, Clone, Args)]
pub(crate) struct LogsArgs {
    /// Only these; all by default
    pub(crate) resources: Vec<String>,
    /// Goes on until everything has ended
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only what is younger: how long (`5m`), or since when (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = crate::running::time::since)]
    pub(crate) since: Option<i64>,
    /// Only that many of the last lines of each resource
    #[arg(long, value_name = "N")]
    pub(crate) tail: Option<u32>,
    /// Only lines that match a regular expression
    #[arg(long, value_name = "PATTERN")]
    pub(crate) grep: Option<regex::Regex>,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum WaitFor {
    /// Running, and every probe succeeds.
    #[default]
    Healthy,
    /// Running.
    Running,
    /// Ended as it should.
    Completed,
    /// Not running any more, however that came.
    Stopped,
}

impl WaitFor {
    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
        }
    }
}

/// `wait`
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// These; without names, all that don't wait for somebody to start them
    pub(crate) resources: Vec<String>,
    /// For what
    #[arg(long = "for", value_enum, default_value_t = WaitFor::Healthy, value_name = "STATE")]
    pub(crate) wanted: WaitFor,
    /// How long, at most: `30s`, `5m`
    #[arg(long, value_name = "DURATION", value_parser = crate::running::time::duration)]
    pub(crate) timeout: Option<std::time::Duration>,
}

/// `start`, `restart`
#[derive(Debug, Clone, Args)]
pub(crate) struct StartArgs {
    /// The resources
    #[arg(required = true)]
    pub(crate) resources: Vec<String>,
    /// Until they are healthy
    #[arg(long)]
    pub(crate) wait: bool,
}

/// `stop`
#[derive(Debug, Clone, Args)]
pub(crate) struct StopArgs {
    /// The resources; without names, the app
    pub(crate) resources: Vec<String>,
    /// The app
    #[arg(long, conflicts_with = "resources")]
    pub(crate) all: bool,
    /// Until the resources have ended; the end of the app is always waited for
    #[arg(long)]
    pub(crate) wait: bool,
}

/// `describe`, `why`
#[derive(Debug, Clone, Args)]
pub(crate) struct ResourceArgs {
    /// The resource
    pub(crate) resource: String,
}

/// `exec`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "The command reads the standard input of this one. For a process, it runs on this \
    machine, with the process's environment and in its folder."
)]
pub(crate) struct ExecArgs {
    /// The resource
    pub(crate) resource: String,
    /// In a container, too, with this terminal: for shells and whatever draws
    #[arg(long, short)]
    pub(crate) tty: bool,
    /// Program and arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

/// Form of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum EnvFormat {
    /// `NAME=value`, as in `.env` files.
    #[default]
    Dotenv,
    /// An object.
    Json,
    /// `export NAME='value'`.
    Shell,
}

/// `env`
#[derive(Debug, Clone, Args)]
pub(crate) struct EnvArgs {
    /// The resource
    pub(crate) resource: String,
    /// Form of the variables
    #[arg(long, value_enum, default_value_t = EnvFormat::Dotenv)]
    pub(crate) format: EnvFormat,
    /// Shows secret values
    #[arg(long)]
    pub(crate) reveal: bool,
    /// What it inherits, too
    #[arg(long)]
    pub(crate) all: bool,
}

/// `test`
#[derive(Debug, Clone, Args)]
pub(crate) struct TestArgs {
    /// Runs the command with the environment that the app gives to this resource
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) env: Option<String>,
    /// How long the app may take to become healthy
    #[arg(long, value_name = "DURATION", value_parser = crate::running::time::duration)]
    pub(crate) timeout: Option<std::time::Duration>,
    #[command(flatten)]
    pub(crate) flags: RunFlags,
    /// Program and arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}
