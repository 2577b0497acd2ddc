//! One command per file; this says which word means which.

mod add;
mod check;
mod clean;
mod control_plane;
mod describe;
mod doctor;
mod env;
mod exec;
mod explain;
mod init;
mod logs;
mod param;
mod plan;
mod plugin;
mod ps;
mod publish;
mod run;
mod schema;
mod switch;
mod test;
mod wait;
mod why;

use anyhow::Result;

use crate::args::{Cli, Command, RunArgs, RunFlags};
use crate::error::{Exit, Problem};
use crate::host::Host;

/// Does what the command line says.
///
/// # Errors
/// Whatever kept the command from doing it.
pub(crate) fn dispatch(host: &Host, cli: Cli) -> Result<Exit> {
    let Cli { run, command, .. } = cli;
    if run != RunFlags::default() && !matches!(command, None | Some(Command::Run(_))) {
        return Err(Problem::usage("--runtime and --fail-fast belong to `run`").into());
    }
    match command {
        None => run::run(
            host,
            &RunArgs {
                flags: run,
                ..RunArgs::default()
            },
        ),
        Some(Command::Run(mut args)) => {
            args.flags.runtime = args.flags.runtime.or(run.runtime);
            args.flags.fail_fast |= run.fail_fast;
            run::run(host, &args)
        }
        Some(Command::Ps(args)) => ps::run(host, &args),
        Some(Command::Logs(args)) => logs::run(host, &args),
        Some(Command::Wait(args)) => wait::run(host, &args),
        Some(Command::Start(args)) => switch::start(host, &args),
        Some(Command::Stop(args)) => switch::stop(host, &args),
        Some(Command::Restart(args)) => switch::restart(host, &args),
        Some(Command::Describe(args)) => describe::run(host, &args),
        Some(Command::Why(args)) => why::run(host, &args),
        Some(Command::Exec(args)) => exec::run(host, &args),
        Some(Command::Env(args)) => env::run(host, &args),
        Some(Command::Plan(args)) => plan::run(host, &args),
        Some(Command::Test(args)) => test::run(host, &args),
        Some(Command::Publish(args)) => publish::run(host, &args),
        Some(Command::Check) => check::run(host),
        Some(Command::Explain(args)) => explain::run(host, &args),
        Some(Command::Plugin(command)) => plugin::run(host, &command),
        Some(Command::Schema) => schema::run(host),
        Some(Command::Param(command)) => param::run(host, &command),
        Some(Command::Clean(args)) => clean::run(host, &args),
        Some(Command::Init) => init::run(host),
        Some(Command::Add(args)) => add::run(host, &args),
        Some(Command::Doctor) => doctor::run(host),
        Some(Command::ControlPlane(args)) => control_plane::run(host, &args),
    }
}
