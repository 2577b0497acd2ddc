//! `test`: the app for as long as a command runs.

use std::time::Duration;

use anyhow::{Result, bail};

use super::exec;
use super::run::detach::{self, Background};
use crate::args::TestArgs;
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::running;
use crate::running::environment::{self, Real};
use crate::running::workloads::Workload;

/// For an app of which nobody said how long it may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Starts the app, waits, runs the command, stops the app.
pub(super) fn run(host: &Host, args: &TestArgs) -> Result<Exit> {
    running::block_on(async {
        let mut flags = args.flags.clone();
        // What is tested stays as it is.
        flags.no_watch = true;
        let background = Background::start(host, &[], &flags).await?;
        let done = tokio::select! {
            done = tested(host, args, &background) => done,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        };
        let log = background.log.clone();
        let stopped = background.stop().await;
        if done.is_err() {
            host.ui.note(format!("the host's log: {}", log.display()));
        }
        let exit = done?;
        stopped?;
        Ok(exit)
    })
}

async fn tested(host: &Host, args: &TestArgs, background: &Background) -> Result<Exit> {
    let patience = args.timeout.unwrap_or(PATIENCE);
    let settled = detach::settle(&background.running, Some(patience)).await?;
    if !settled.failures.is_empty() {
        let lines = settled.failures.iter().flat_map(|text| text.lines());
        let lines: String = lines.map(|line| format!("\n  {line}")).collect();
        bail!(Problem::app(format!(
            "the app did not become healthy:{lines}"
        )));
    }
    let workload = match &args.env {
        Some(name) => Some(settled.workloads.one(name)?.clone()),
        None => None,
    };
    host.ui.detail("the app is healthy");
    let mut command = tokio::process::Command::new(&args.command[0]);
    command.args(&args.command[1..]).kill_on_drop(true);
    if let Some(workload) = &workload {
        command.envs(variables(host, workload)?);
    }
    let status = command.status().await.map_err(|error| {
        Problem::environment(format!("`{}` cannot be started: {error}", args.command[0]))
            .help("is it on the PATH, and executable?")
    })?;
    Ok(exec::exit_of(status))
}

/// What the app gives to a resource, with real values.
fn variables(host: &Host, workload: &Workload) -> Result<Vec<(String, String)>> {
    let secrets = super::env::secrets(host, workload)?;
    let real = Real {
        process: environment::text_of_process(workload.pid),
        secrets: Some(&secrets),
    };
    let given = environment::given(workload, &real, true);
    let known = given.into_iter().filter(|variable| !variable.masked);
    Ok(known
        .map(|variable| (variable.name, variable.value))
        .collect())
}
