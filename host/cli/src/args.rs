//! The command line's words.
//!
//! Knows options and their types. Doesn't know what any command does.

mod verbs;

pub(crate) use verbs::*;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Compiles and runs application topologies; everything it knows about Redis, Postgres or Compose
/// comes from WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "aspire-host", version, disable_help_subcommand = true)]
#[command(
    after_help = "Without a command, `run` is meant.\nExit codes: 0 fine, 1 errors in the app, \
    2 usage, 3 environment, 4 plugin, 130 interrupted."
)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// Options of `run`, for when the command is left out.
    #[command(flatten)]
    pub(crate) run: RunFlags,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Options of every command that may be repeated.
const REPEATED: [&str; 5] = [
    "--plugin",
    "--plugin-path",
    "--allow",
    "--force-owner",
    "--param",
];

/// The command line with everything that may be repeated moved to its front: clap would drop what
/// stands before a command as soon as something stands behind it.
pub(crate) fn gathered(line: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut line = line.into_iter();
    let mut front: Vec<OsString> = line.next().into_iter().collect();
    let mut rest = Vec::new();
    while let Some(word) = line.next() {
        let text = word.to_string_lossy();
        if text == "--" {
            rest.push(word);
            rest.extend(line);
            break;
        }
        if REPEATED.contains(&text.as_ref()) {
            front.push(word);
            front.extend(line.next());
        } else if text
            .split_once('=')
            .is_some_and(|(name, _)| REPEATED.contains(&name))
        {
            front.push(word);
        } else {
            rest.push(word);
        }
    }
    front.append(&mut rest);
    front
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The app; by default `aspire.toml` here or in a folder above
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) app: Option<PathBuf>,
    /// One more plugin: a path (with a slash) or a name on the plugin path
    #[arg(long = "plugin", global = true, value_name = "FILE|NAME")]
    pub(crate) plugins: Vec<String>,
    /// One more folder in which plugins are found by name
    #[arg(long = "plugin-path", global = true, value_name = "DIR")]
    pub(crate) plugin_path: Vec<PathBuf>,
    /// Grants permissions, such as `redis=run-process:redis-server`; several with commas
    #[arg(long = "allow", global = true, value_name = "PLUGIN=PERMISSION")]
    pub(crate) allow: Vec<String>,
    /// Decides a conflict between two plugins, such as `cache:env.MODE=redis`
    #[arg(
        long = "force-owner",
        global = true,
        value_name = "RESOURCE:FACT=PLUGIN"
    )]
    pub(crate) force_owner: Vec<String>,
    /// Other images for the ones of the model: a file with a table `[images]`
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) image_map: Option<PathBuf>,
    /// Name of the instance, instead of the one kept in `.aspire-host/`
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// Value of a parameter, or the file that holds it
    #[arg(long = "param", global = true, value_name = "NAME=VALUE|NAME=@FILE")]
    pub(crate) params: Vec<String>,
    /// Form of results and diagnostics
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Only results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// More of everything
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

/// Form of results and diagnostics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What containers run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Runtime {
    /// An engine where one answers and has the images, else native programs.
    #[default]
    Auto,
    /// A container engine.
    Docker,
    /// Native programs.
    Native,
}

/// Options of `run`.
#[derive(Debug, Clone, Default, Args, PartialEq, Eq)]
pub(crate) struct RunFlags {
    /// What resources with a container form run on (default: auto)
    #[arg(long, value_enum)]
    pub(crate) runtime: Option<Runtime>,
    /// Stop everything when a resource fails
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Files that resources say they `watch` are not watched
    #[arg(long)]
    pub(crate) no_watch: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the app in the foreground until Ctrl-C
    Run(RunArgs),
    /// What of the app runs, and how it is
    Ps(PsArgs),
    /// What resources of the running app say
    Logs(LogsArgs),
    /// Waits until resources of the running app are healthy, or something else
    Wait(WaitArgs),
    /// Starts resources that were stopped, that ended, or that are started by hand
    Start(StartArgs),
    /// Stops resources; without names, the app
    Stop(StopArgs),
    /// Stops resources and starts them again
    Restart(StartArgs),
    /// Everything about a resource of the running app
    Describe(ResourceArgs),
    /// Why a resource is in the state that it is in
    Why(ResourceArgs),
    /// Runs a command in a container, or with a process's environment and folder
    Exec(ExecArgs),
    /// The environment that the app gives to a resource
    Env(EnvArgs),
    /// What `run` would create, change, replace or stop now, and why
    Plan(RunArgs),
    /// Starts the app, waits until it is healthy, runs a command, and stops the app
    Test(TestArgs),
    /// Writes deployment artifacts for a target
    Publish(PublishArgs),
    /// Prints every diagnostic and runs nothing
    Check,
    /// Prints the model, or where a fact comes from
    Explain(ExplainArgs),
    /// Tools for plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Prints the JSON Schema of aspire.toml with the kinds of the loaded plugins
    Schema,
    /// Values of parameters
    #[command(subcommand)]
    Param(ParamCommand),
    /// Deletes what runs have left on purpose
    Clean(CleanArgs),
    /// Writes a first aspire.toml
    Init,
    /// Adds a resource to aspire.toml
    Add(AddArgs),
    /// Says what works on this machine, and what to do about the rest
    Doctor,
    /// Runs a control plane alone, for clients of its Kubernetes-style API
    ControlPlane(ControlPlaneArgs),
}

/// `control-plane`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "A token in ASPIRE_HOST_TOKEN (or DCP_SECURE_TOKEN) is used instead of a \
    random one, and is not written to the file."
)]
pub(crate) struct ControlPlaneArgs {
    /// Where clients find address and token; by default `.aspire-host/control-plane/kubeconfig`
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The port; by default one that is free
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Ends, and cleans up, when this process does
    #[arg(long, value_name = "PID")]
    pub(crate) monitor: Option<u32>,
    /// No controllers, so that somebody else's can be tried
    #[arg(long)]
    pub(crate) server_only: bool,
}

/// `run`
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArgs {
    /// Only these and what they need; all by default
    pub(crate) resources: Vec<String>,
    #[command(flatten)]
    pub(crate) flags: RunFlags,
    /// In the background: returns when everything runs; `stop` ends it
    #[arg(long)]
    pub(crate) detach: bool,
    /// Follows the app file: what is saved is compiled again, and only what differs is changed
    #[arg(long, conflicts_with = "detach")]
    pub(crate) watch: bool,
    /// It is the background: in a session of its own, away from the terminal
    #[arg(long, hide = true)]
    pub(crate) apart: bool,
}

/// `publish`
#[derive(Debug, Clone, Args)]
pub(crate) struct PublishArgs {
    /// The target, such as `compose`
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: String,
    /// The folder to write to
    #[arg(long, short = 'o', value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Writes nothing; exit code 1 when the files differ
    #[arg(long)]
    pub(crate) check: bool,
    /// Refuses when a fact is weakened or dropped
    #[arg(long)]
    pub(crate) strict: bool,
}

/// `explain`
#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArgs {
    /// The resource
    pub(crate) resource: Option<String>,
    /// The fact, such as `image`, `env CACHE_URI` or `process:args`
    pub(crate) fact: Vec<String>,
    /// The model as it is after this pass
    #[arg(long, value_name = "PASS")]
    pub(crate) after: Option<String>,
    /// What that pass (by default every pass) changed
    #[arg(long)]
    pub(crate) diff: bool,
    /// Shows secret values
    #[arg(long)]
    pub(crate) reveal: bool,
}

/// `plugin …`
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Turns a core module into a component with a manifest
    Build(PluginBuildArgs),
    /// Shows what a plugin exports, imports and asks for
    Inspect {
        /// A path (with a slash) or a name on the plugin path
        plugin: String,
    },
    /// Lists the plugins on the plugin path
    List,
}

/// `plugin build`
#[derive(Debug, Clone, Args)]
pub(crate) struct PluginBuildArgs {
    /// A core module or a component
    pub(crate) module: PathBuf,
    /// The component to write; by default beside the module
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `param …`
#[derive(Debug, Subcommand)]
pub(crate) enum ParamCommand {
    /// Keeps a value outside the project; without VALUE it is asked for or read from standard input
    Set {
        /// The parameter
        name: String,
        /// The value, or `@FILE`
        value: Option<String>,
    },
    /// Lists the parameters of the app and where their values come from
    List {
        /// Shows the values
        #[arg(long)]
        reveal: bool,
    },
    /// Forgets a value; a generated one is made anew at the next run
    Unset {
        /// The parameter
        name: String,
    },
}

/// `clean`
#[derive(Debug, Clone, Args)]
pub(crate) struct CleanArgs {
    /// Volumes, native data, and the generated passwords that belong to them
    #[arg(long, required = true)]
    pub(crate) data: bool,
    /// Without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// `add`
#[derive(Debug, Clone, Args)]
pub(crate) struct AddArgs {
    /// The kind, such as `redis`
    pub(crate) kind: String,
    /// The resource's name; by default made from the kind
    pub(crate) name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn repeated_options_count_wherever_they_stand() {
        let line = "x --plugin a publish --plugin=b --to compose -o out --allow a=host-path";
        let words = gathered(line.split(' ').map(OsString::from));
        let cli = Cli::try_parse_from(words).unwrap();
        assert_eq!(cli.global.plugins, ["a", "b"]);
        assert_eq!(cli.global.allow, ["a=host-path"]);
        let line = "x run -- --plugin";
        let words = gathered(line.split(' ').map(OsString::from));
        assert_eq!(
            words,
            line.split(' ').map(OsString::from).collect::<Vec<_>>()
        );
    }
}
