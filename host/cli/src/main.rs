//! The binary `aspire-host`: the command line around compiler, plugin host and control plane.
//!
//! One command per file under `commands`. Nothing here knows Redis, Compose or components.

mod app;
mod args;
mod columns;
mod commands;
mod env;
mod error;
mod files;
mod grants;
mod host;
mod instance;
mod locate;
mod params;
mod plugins;
mod programs;
mod project;
mod render;
mod run;
mod running;
mod ui;
mod values;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::error::Exit;
use crate::host::Host;
use crate::project::Reported;

fn main() -> ExitCode {
    // Before anything else: all that it touches stays in its memory for the whole run.
    if let Some(code) = aspire_dcp::watchdog::dispatch(std::env::args_os().skip(1)) {
        return code;
    }
    let cli = Cli::parse_from(args::gathered(std::env::args_os()));
    let host = match Host::new(cli.global.clone()) {
        Ok(host) => host,
        Err(error) => return fail(&ui::Ui::new(cli.global.output, false, false), &error),
    };
    match commands::dispatch(&host, cli) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => fail(&host.ui, &error),
    }
}

/// Says what went wrong, unless that has been said, and how the process ends.
fn fail(ui: &ui::Ui, error: &anyhow::Error) -> ExitCode {
    let exit = match error.downcast_ref::<Reported>() {
        Some(Reported(exit)) => *exit,
        None => {
            let exit = error::exit_of(error);
            if ui.json() && exit != Exit::Interrupted {
                ui.out_json(&error::to_json(error));
            } else {
                ui.err(error::describe(error));
            }
            if ui.verbose && env::backtrace() {
                ui.err(error.backtrace().to_string());
            }
            exit
        }
    };
    ExitCode::from(exit.code())
}
