//! A running app, seen from outside: found by its folder, spoken to over its API.
//!
//! [`find`] says at once whether it runs: the lock of the instance names the process, and the
//! kubeconfig says where it listens. Everything that is then decided about its objects is pure:
//! [`workloads`], [`why`], [`judge`], [`diff`], [`shown`]. Doesn't know how anything is started.

mod beginning;
pub(crate) mod environment;
pub(crate) mod judge;
pub(crate) mod merge;
pub(crate) mod plane;
pub(crate) mod shown;
pub(crate) mod time;
pub(crate) mod why;
pub(crate) mod workloads;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::app;
use crate::error::Problem;
use crate::host::Host;
use crate::instance::{self, Instance, Owner};
use beginning::Traces;
use plane::{Plane, PlaneError};
use workloads::Workloads;

/// For a connection to this very machine.
const CONNECT: Duration = Duration::from_secs(3);

/// How long a run that has begun may take until it can be spoken to.
const STARTING: Duration = Duration::from_secs(10);

/// An app that runs.
pub(crate) struct Running {
    /// Its process.
    pub(crate) owner: Owner,
    /// Its control plane.
    pub(crate) plane: Plane,
}

impl Running {
    /// Everything that is shown of it.
    ///
    /// # Errors
    /// The API's.
    pub(crate) async fn workloads(&self) -> Result<Workloads> {
        Ok(Workloads::of(self.plane.list(&plane::SHOWN).await?))
    }
}

/// Does something with a running app.
///
/// # Errors
/// Those of [`find`] and of what is done.
pub(crate) fn with<T>(host: &Host, work: impl AsyncFnOnce(Running) -> Result<T>) -> Result<T> {
    block_on(async {
        let running = find(host).await?;
        work(running).await
    })
}

/// Waits for something, on one thread.
///
/// # Errors
/// There is no runtime, or what is waited for fails.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")?;
    let done = runtime.block_on(work);
    // A program that was started may still read from our terminal.
    runtime.shutdown_background();
    done
}

/// The running app of the options. One that has just begun is waited for.
///
/// # Errors
/// It doesn't run: exit code 1.
pub(crate) async fn find(host: &Host) -> Result<Running> {
    search(host, None).await
}

/// The same; one that nobody has started yet is waited for, too, so long.
///
/// # Errors
/// It doesn't run by then: exit code 1.
pub(crate) async fn find_within(host: &Host, patience: Option<Duration>) -> Result<Running> {
    let end = tokio::time::Instant::now() + patience.unwrap_or(STARTING);
    search(host, Some(end)).await
}

async fn search(host: &Host, end: Option<tokio::time::Instant>) -> Result<Running> {
    let mut traces = Traces::new();
    let mut begun = None;
    loop {
        // Before the look, so that nothing is missed.
        traces.watch(&folders(host)?);
        let (error, end) = match locate(host)? {
            Place::Here(owner) => match connect(owner).await {
                Ok(running) => return Ok(running),
                Err(error) => {
                    let started = tokio::time::Instant::now() + STARTING;
                    (error, end.unwrap_or(*begun.get_or_insert(started)))
                }
            },
            Place::Nowhere(problem) => match end {
                Some(end) => (problem.into(), end),
                None => bail!(problem),
            },
        };
        if !traces.next(end).await {
            return Err(error);
        }
    }
}

/// The folders in which a run leaves its traces.
fn folders(host: &Host) -> Result<Vec<PathBuf>> {
    let Some(file) = app::find(host)? else {
        return Ok(Vec::new());
    };
    let Ok(folder) = std::fs::canonicalize(file.parent().unwrap_or(Path::new("."))) else {
        return Ok(Vec::new());
    };
    let kubeconfig = instance::kubeconfig_of(&folder, host.options.instance.as_deref());
    Ok(beginning::leading(&folder, &kubeconfig))
}

/// Where an app is.
enum Place {
    /// This process runs it.
    Here(Owner),
    /// Nobody does.
    Nowhere(Problem),
}

/// What runs here.
fn locate(host: &Host) -> Result<Place> {
    let wanted = host.options.instance.as_deref();
    if app::find(host)?.is_none() && host.options.plugins.is_empty() {
        // A plugin that was run alone leaves no app file, but its folder is known.
        let here = std::fs::canonicalize(&host.here).unwrap_or_else(|_| host.here.clone());
        let all = instance::running_instances()?;
        let found = all.into_iter().find(|owner| {
            owner.folder == here && wanted.is_none_or(|wanted| owner.instance == wanted)
        });
        let Some(owner) = found else {
            bail!(
                Problem::app(format!("no app runs in {}", here.display()))
                    .help("name the app: --app FILE; `aspire-host ps --all` lists what runs")
            );
        };
        return Ok(Place::Here(owner));
    }
    let (folder, name) = target(host)?;
    let instance = Instance::find(&folder, &name, wanted)?;
    Ok(match instance.and_then(|found| found.owner()) {
        Some(owner) => Place::Here(owner),
        None => Place::Nowhere(not_running(&name, &folder, wanted)),
    })
}

fn not_running(name: &str, folder: &Path, wanted: Option<&str>) -> Problem {
    let (which, option) = match wanted {
        Some(id) => (
            format!("instance `{id}` of `{name}`"),
            format!(" --instance {id}"),
        ),
        None => (format!("`{name}`"), String::new()),
    };
    Problem::app(format!(
        "{which} is not running (app in {})",
        folder.display()
    ))
    .help(format!("start it with `aspire-host run{option}`"))
}

/// The app's folder and name; without an app file, those of a run of one plugin.
///
/// # Errors
/// There is neither.
pub(crate) fn target(host: &Host) -> Result<(PathBuf, String)> {
    if let Some(path) = app::find(host)? {
        let app = app::read(host, &path)?;
        return Ok((app.folder, app.document.name.to_string()));
    }
    match host.options.plugins.first() {
        Some(_) => {
            let project = crate::project::open(host)?;
            Ok((
                project.app.folder.clone(),
                project.app.document.name.to_string(),
            ))
        }
        None => bail!(
            Problem::app("there is no aspire.toml here or above")
                .help("name the app: --app FILE; or the plugin that was run alone: --plugin NAME")
        ),
    }
}

/// A connection to the control plane of a process.
///
/// # Errors
/// It cannot be reached: exit code 1.
pub(crate) async fn connect(owner: Owner) -> Result<Running> {
    let file = owner.kubeconfig.clone();
    let why = if file.is_file() {
        match reach(&file).await {
            Ok(plane) => return Ok(Running { owner, plane }),
            // Another process may listen there by now, with another authority or token.
            Err(error) => format!("{}: {error}", file.display()),
        }
    } else {
        format!("there is no {}", file.display())
    };
    bail!(
        Problem::app(format!(
            "`{}` runs as process {}, but cannot be spoken to: {why}",
            owner.app, owner.pid
        ))
        .help("it is starting or ending: try again in a moment")
    )
}

async fn reach(file: &Path) -> Result<Plane, PlaneError> {
    let gone = |error: &dyn std::error::Error| PlaneError::Gone(error.to_string());
    let text = std::fs::read_to_string(file).map_err(|error| gone(&error))?;
    let kubeconfig = Kubeconfig::from_yaml(&text).map_err(|error| gone(&error))?;
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| gone(&error))?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = None;
    // It is on this machine.
    config.proxy_url = None;
    let plane = Plane::new(kube::Client::try_from(config)?);
    plane.hello().await?;
    Ok(plane)
}
