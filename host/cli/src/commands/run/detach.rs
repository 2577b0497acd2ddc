//! `run --detach`: the app in the background, away from the terminal.
//!
//! The host is started again as a process of its own; this one watches it from outside, as every
//! other command does, until everything is started or something has failed.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::args::{RunArgs, RunFlags, Runtime, WaitArgs, WaitFor};
use crate::commands::switch::{gone, stop_app};
use crate::commands::wait::{Waited, explained, until};
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::instance::{Instance, Owner};
use crate::running::judge::{Verdict, judge};
use crate::running::workloads::Workloads;
use crate::running::{self, Running};

/// Between two looks at a host that starts.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of a failed host's last words.
const LAST: u64 = 8 << 10;

/// Starts it and waits until everything is started or something has failed.
pub(super) fn run(host: &Host, args: &RunArgs) -> Result<Exit> {
    running::block_on(async {
        let background = Background::start(host, &args.resources, &args.flags).await?;
        let (app, log) = (background.running.owner.clone(), background.log.clone());
        let settled = settle(&background.running, None).await?;
        if host.ui.json() {
            let resources: Vec<_> = settled
                .workloads
                .iter()
                .map(|one| settled.workloads.json(one))
                .collect();
            host.ui.out_json(&json!({
                "app": app.app, "instance": app.instance, "pid": app.pid,
                "kubeconfig": app.kubeconfig, "log": log, "ready": settled.failures.is_empty(),
                "resources": resources,
            }));
        } else {
            for workload in settled.workloads.iter() {
                host.ui.out(settled.workloads.line(workload));
            }
            host.ui.note(format!(
                "`{}` runs in the background as process {} (log: {})",
                app.app,
                app.pid,
                log.display()
            ));
            host.ui
                .note("`aspire-host ps` shows it, `aspire-host stop` ends it");
        }
        if settled.failures.is_empty() {
            return Ok(Exit::Fine);
        }
        let lines = settled.failures.iter().flat_map(|text| text.lines());
        let lines: String = lines.map(|line| format!("\n  {line}")).collect();
        bail!(
            Problem::app(format!("not everything could be started:{lines}"))
                .help("the rest goes on; `aspire-host stop` ends it")
        )
    })
}

/// What a start has come to.
pub(crate) struct Settled {
    /// How everything is.
    pub(crate) workloads: Workloads,
    /// Why what has failed did; empty: everything is as it should be.
    pub(crate) failures: Vec<String>,
}

/// Waits until everything is healthy, or something won't be.
///
/// # Errors
/// The app ended.
pub(crate) async fn settle(running: &Running, timeout: Option<Duration>) -> Result<Settled> {
    let args = WaitArgs {
        resources: Vec::new(),
        wanted: WaitFor::Healthy,
        timeout,
    };
    let workloads = match until(running, &args, Instant::now()).await? {
        Waited::Yes(workloads) => {
            return Ok(Settled {
                workloads,
                failures: Vec::new(),
            });
        }
        Waited::Never(workloads) | Waited::TooLate(workloads) => workloads,
        Waited::Over => bail!(Problem::app(format!(
            "`{}` ended while it was being started",
            running.owner.app
        ))),
    };
    let mut failures = Vec::new();
    for workload in workloads.iter() {
        if judge(workload, WaitFor::Healthy, true) != Verdict::Yes {
            failures.push(explained(running, workload, &workloads).await);
        }
    }
    Ok(Settled {
        workloads,
        failures,
    })
}

/// A host in the background.
pub(crate) struct Background {
    /// The app.
    pub(crate) running: Running,
    /// What the host says.
    pub(crate) log: PathBuf,
    child: Child,
}

impl Background {
    /// Starts it and waits until it can be spoken to.
    ///
    /// # Errors
    /// It ended before: with its last words and its exit code.
    pub(crate) async fn start(host: &Host, resources: &[String], flags: &RunFlags) -> Result<Self> {
        let (folder, name) = running::target(host)?;
        let instance = Instance::settle(&folder, &name, host.options.instance.as_deref())?;
        if let Some(owner) = instance.owner() {
            bail!(running_already(&owner));
        }
        let log = instance.run_folder().join("host.log");
        std::fs::create_dir_all(instance.run_folder())
            .with_context(|| format!("cannot make {}", instance.run_folder().display()))?;
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = std::env::current_exe().context("cannot find this very program")?;
        let mut command = Command::new(program);
        command
            .args(words(host, resources, flags))
            .current_dir(&host.here)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("cannot use the log")?)
            .stderr(file);
        let mut child = command.spawn().context("cannot start the host again")?;
        loop {
            if let Some(status) = child.try_wait().context("cannot watch the host")? {
                let words = last_words(&log);
                host.ui.err(words.trim_end());
                let exit = crate::commands::exec::exit_of(status);
                // It has said what is wrong itself.
                bail!(crate::project::Reported(match exit {
                    Exit::Fine => Exit::App,
                    exit => exit,
                }));
            }
            if let Some(owner) = instance.owner()
                && owner.kubeconfig.is_file()
                && let Ok(running) = running::connect(owner).await
            {
                return Ok(Self {
                    running,
                    log,
                    child,
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends the app, and waits for its host.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let owner = self.running.owner.clone();
        let asked = stop_app(self.running).await;
        gone(&owner).await;
        // Ours: nobody else takes its exit code.
        let _ = self.child.wait();
        asked
    }
}

fn running_already(owner: &Owner) -> Problem {
    Problem::app(format!(
        "this instance runs already, as process {}",
        owner.pid
    ))
    .help("`aspire-host stop` ends it; `--instance NAME` runs a second one beside it")
}

/// The command line of the host in the background: ours, in the foreground.
fn words(host: &Host, resources: &[String], flags: &RunFlags) -> Vec<std::ffi::OsString> {
    let options = &host.options;
    let mut words: Vec<std::ffi::OsString> = Vec::new();
    let mut with = |name: &str, value: &std::ffi::OsStr| {
        words.push(name.into());
        words.push(value.to_owned());
    };
    if let Some(app) = &options.app {
        with("--app", app.as_os_str());
    }
    for plugin in &options.plugins {
        with("--plugin", plugin.as_ref());
    }
    for folder in &options.plugin_path {
        with("--plugin-path", folder.as_os_str());
    }
    for grant in &options.allow {
        with("--allow", grant.as_ref());
    }
    for owner in &options.force_owner {
        with("--force-owner", owner.as_ref());
    }
    if let Some(map) = &options.image_map {
        with("--image-map", map.as_os_str());
    }
    if let Some(instance) = &options.instance {
        with("--instance", instance.as_ref());
    }
    let mut params = Vec::new();
    for param in &options.params {
        params.push(param.clone());
    }
    for param in &params {
        with("--param", param.as_ref());
    }
    words.push("run".into());
    words.push("--apart".into());
    if let Some(runtime) = flags.runtime {
        words.push("--runtime".into());
        let word = match runtime {
            Runtime::Auto => "auto",
            Runtime::Docker => "docker",
            Runtime::Native => "native",
        };
        words.push(word.into());
    }
    if flags.fail_fast {
        words.push("--fail-fast".into());
    }
    if flags.no_watch {
        words.push("--no-watch".into());
    }
    words.extend(resources.iter().map(Into::into));
    words
}

fn last_words(log: &std::path::Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

/// From now on, what happens to the terminal is not our concern.
pub(super) fn leave_terminal() {
    // Whoever leads a group already has no terminal to leave.
    #[cfg(unix)]
    let _ = rustix::process::setsid();
}
