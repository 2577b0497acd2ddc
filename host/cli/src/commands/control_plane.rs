//! `control-plane`: a control plane alone, for whoever speaks to its API.
//!
//! Knows where it keeps its things and when it ends. Doesn't know any app.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use aspire_dcp::runtime::ContainerEngine;
use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use aspire_dcp::server::{Api, Execution, ExecutionStatus, ListenConfig, Listening};
use aspire_dcp::{Config, ControlPlane, Outcome, Stop, Watchdog, identity, server};
use sha2::{Digest as _, Sha256};

use crate::args::ControlPlaneArgs;
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::run::session::cannot_listen;
use crate::run::signals::{self, Signals};
use crate::{env, files};

/// Runs until it is asked to end.
pub(crate) fn run(host: &Host, args: &ControlPlaneArgs) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(host, args))
}

async fn serve(host: &Host, args: &ControlPlaneArgs) -> Result<Exit> {
    let signals = signals::listen()?;
    let file = args.kubeconfig.clone();
    let file = file.unwrap_or_else(|| PathBuf::from(".aspire-host/control-plane/kubeconfig"));
    let file = host.here.join(file);
    let name = name_of(&file);
    let data = files::user_data()?.join("control-planes").join(&name);
    files::private_folder(&data)?;
    let listen = ListenConfig {
        port: args.port,
        kubeconfig: file,
        token: env::control_plane_token(),
    };
    if args.server_only {
        let api = Api::alone(data.join("logs")).context("cannot make a folder for logs")?;
        let listening = server::listen(&api, listen).await.map_err(cannot_listen)?;
        api.warm_up();
        tell(host, &listening);
        return ended_alone(&api, args.monitor, signals).await;
    }
    let mut config = Config::new(
        "control-plane",
        &name,
        data.join("state"),
        data.join("data"),
    );
    config.app_folder.clone_from(&host.here);
    config.shared_folder = files::shared_folder()?;
    config.watchdog = Some(Watchdog::this_program());
    let plane = ControlPlane::start_with(config, engine(host)).await;
    let plane = plane.map_err(|error| Problem::environment(error.to_string()))?;
    let listening = match server::listen(plane.api(), listen).await {
        Ok(listening) => listening,
        Err(error) => {
            plane.stop(Stop::Force).await;
            return Err(cannot_listen(error).into());
        }
    };
    plane.api().warm_up();
    tell(host, &listening);
    until_end(&plane, args.monitor, signals).await
}

async fn engine(host: &Host) -> Option<Arc<dyn ContainerEngine>> {
    match DockerEngine::connect(&EngineEnvironment::from_process()).await {
        Ok(engine) => Some(Arc::new(engine)),
        Err(error) => {
            let text = format!("{error}; containers will fail to start");
            host.ui.note(text);
            None
        }
    }
}

fn tell(host: &Host, listening: &Listening) {
    let (address, file) = (listening.address(), listening.kubeconfig().display());
    host.ui.note(format!(
        "the control plane listens at https://{address}; kubeconfig: {file}"
    ));
}

/// What keeps apart control planes of one user: where their clients look for them.
fn name_of(kubeconfig: &Path) -> String {
    let digest = Sha256::digest(kubeconfig.as_os_str().as_encoded_bytes());
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Waits for the end of a process; without one, for ever.
async fn monitored(pid: Option<u32>) {
    match pid {
        // One that isn't there has ended.
        Some(pid) => drop(identity::process_ended(pid).await),
        None => std::future::pending().await,
    }
}

async fn until_end(
    plane: &ControlPlane,
    monitor: Option<u32>,
    mut signals: Signals,
) -> Result<Exit> {
    let mut interrupted = 0;
    let mut gone = false;
    let outcome = loop {
        tokio::select! {
            () = signals.next() => {
                interrupted += 1;
                plane.begin_stop(if interrupted > 1 { Stop::Force } else { Stop::Graceful });
            }
            () = monitored(monitor), if !gone => {
                gone = true;
                plane.begin_stop(Stop::Graceful);
            }
            outcome = plane.ended() => break outcome,
        }
    };
    let api = plane.api();
    if api.execution().borrow().status == ExecutionStatus::CleaningResources {
        // Whoever asked for it may look at what is left until they are done.
        api.set_execution(Execution {
            status: ExecutionStatus::CleanupComplete,
            ..Execution::default()
        });
        let mut execution = api.execution();
        tokio::select! {
            _ = execution.wait_for(|now| now.status == ExecutionStatus::Stopping) => {}
            () = signals.next() => interrupted += 1,
            () = monitored(monitor), if !gone => {}
        }
    }
    match outcome {
        Outcome::Broken(text) => bail!(
            Problem::environment(format!("the control plane broke: {text}")).help(
                "this is a bug of aspire-host; what it started has been removed as far as possible"
            )
        ),
        Outcome::Stopped if interrupted > 0 => Ok(Exit::Interrupted),
        Outcome::Stopped => Ok(Exit::Fine),
    }
}

async fn ended_alone(api: &Api, monitor: Option<u32>, mut signals: Signals) -> Result<Exit> {
    let mut execution = api.execution();
    tokio::select! {
        _ = execution.wait_for(|now| now.status == ExecutionStatus::Stopping) => Ok(Exit::Fine),
        () = monitored(monitor) => Ok(Exit::Fine),
        () = signals.next() => Ok(Exit::Interrupted),
    }
}
