//! `doctor`: what works on this machine, and what to do about the rest.

use std::path::Path;

use anyhow::{Context as _, Result};
use aspire_dcp::runtime::docker::{DockerEngine, EngineEnvironment};
use aspire_dcp::runtime::{ContainerEngine, EngineError};
use aspire_model::{Field, Form, Mode};
use serde_json::json;

use crate::error::Exit;
use crate::host::Host;
use crate::{app, env, files, locate, plugins, programs, project};

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It works.
    Ok,
    /// It isn't there; some things work without.
    Missing,
    /// It is there and does not work.
    Broken,
}

/// One thing.
#[derive(Debug)]
struct Finding {
    what: String,
    state: State,
    detail: String,
    todo: String,
    /// Nothing runs without it.
    needed: bool,
}

impl Finding {
    fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            state: State::Ok,
            detail: detail.into(),
            todo: String::new(),
            needed: false,
        }
    }

    fn not(
        state: State,
        what: impl Into<String>,
        detail: impl Into<String>,
        todo: impl Into<String>,
    ) -> Self {
        Self {
            state,
            todo: todo.into(),
            ..Self::ok(what, detail)
        }
    }

    fn needed(mut self) -> Self {
        self.needed = true;
        self
    }
}

/// Looks at everything.
pub(super) fn run(host: &Host) -> Result<Exit> {
    let mut findings = vec![Finding::ok("aspire-host", env!("CARGO_PKG_VERSION"))];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")?;
    findings.push(runtime.block_on(engine()));
    findings.push(webassembly(host));
    findings.extend(plugin_folders(host));
    findings.extend([
        folder("data folder", files::user_data(), "set XDG_DATA_HOME to a folder that you can write").needed(),
        folder("cache folder", files::user_cache(), "set XDG_CACHE_HOME to a folder that you can write; without it plugins are compiled at every start"),
    ]);
    findings.extend(of_app(host));
    tell(host, &findings);
    let hopeless = findings
        .iter()
        .any(|finding| finding.needed && finding.state != State::Ok);
    Ok(if hopeless {
        Exit::Environment
    } else {
        Exit::Fine
    })
}

async fn engine() -> Finding {
    const WHAT: &str = "container engine";
    let error = match DockerEngine::connect(&EngineEnvironment::from_process()).await {
        Ok(engine) => match engine.info().await {
            Ok(info) => {
                let detail = format!(
                    "{} {} (API {}) at {}",
                    info.name, info.version, info.api_version, info.address
                );
                return Finding::ok(WHAT, detail);
            }
            Err(error) => error,
        },
        Err(error) => error,
    };
    let state = if matches!(error, EngineError::Unreachable { .. }) {
        State::Missing
    } else {
        State::Broken
    };
    let todo = match state {
        State::Missing => {
            "install and start Docker or Podman; without one, resources run natively where they can"
        }
        _ => {
            "allow it (often: `sudo usermod -aG docker $USER`, then log in again), or correct DOCKER_HOST or `docker context`"
        }
    };
    Finding::not(state, WHAT, error.to_string(), todo)
}

fn webassembly(host: &Host) -> Finding {
    match plugins::engine(host) {
        Ok(engine) => {
            let warnings: Vec<String> = engine
                .warnings()
                .iter()
                .map(|warning| warning.message.clone())
                .collect();
            if warnings.is_empty() {
                Finding::ok("plugin host", "runs WebAssembly")
            } else {
                Finding::ok(
                    "plugin host",
                    format!("runs WebAssembly; {}", warnings.join("; ")),
                )
            }
        }
        Err(error) => Finding::not(
            State::Broken,
            "plugin host",
            error.to_string(),
            "use a 64-bit machine that allows executable memory",
        )
        .needed(),
    }
}

fn plugin_folders(host: &Host) -> Vec<Finding> {
    let folders = locate::plugin_path(&host.options.plugin_path);
    let mut findings: Vec<Finding> = folders
        .iter()
        .filter(|folder| folder.is_dir())
        .map(|folder| {
            let names: Vec<String> = aspire_plugins::list(std::slice::from_ref(folder))
                .into_iter()
                .map(|(name, _)| name)
                .collect();
            let list = if names.is_empty() {
                "no plugins".to_owned()
            } else {
                names.join(", ")
            };
            Finding::ok("plugins", format!("{}: {list}", folder.display()))
        })
        .collect();
    if findings.is_empty() {
        let places: Vec<String> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        findings.push(Finding::not(
            State::Missing,
            "plugins",
            format!(
                "no folder of the plugin path is there: {}",
                places.join(", ")
            ),
            "run `make plugins` or `make install`, or name a folder: --plugin-path DIR",
        ));
    }
    findings
}

fn folder(what: &str, path: Result<std::path::PathBuf>, todo: &str) -> Finding {
    let check = |path: &Path| -> Result<()> {
        files::private_folder(path)?;
        tempfile::tempfile_in(path)
            .with_context(|| format!("cannot write to {}", path.display()))?;
        Ok(())
    };
    match path.and_then(|path| check(&path).map(|()| path)) {
        Ok(path) => Finding::ok(what, path.display().to_string()),
        Err(error) => Finding::not(State::Broken, what, format!("{error:#}"), todo),
    }
}

/// The app of this folder: whether it compiles, and the programs of its native forms.
fn of_app(host: &Host) -> Vec<Finding> {
    match app::find(host) {
        Ok(Some(_)) => {}
        Ok(None) => return Vec::new(),
        Err(error) => {
            let todo = "correct --app";
            return vec![Finding::not(
                State::Broken,
                "app",
                format!("{error:#}"),
                todo,
            )];
        }
    }
    let compiled = project::open(host).and_then(|project| {
        let compilation = project.compile(host, Mode::Run, false)?;
        let errors = project.diagnostics.has_errors() || compilation.diagnostics.has_errors();
        Ok((project, compilation, errors))
    });
    let (project, compilation, errors) = match compiled {
        Ok(compiled) => compiled,
        Err(error) => {
            let todo = "`aspire-host check` says more";
            return vec![Finding::not(
                State::Broken,
                "app",
                format!("{error:#}"),
                todo,
            )];
        }
    };
    let name = &project.app.document.name;
    let mut findings = vec![if errors {
        let todo = "`aspire-host check` says what";
        Finding::not(State::Broken, "app", format!("{name} has errors"), todo)
    } else {
        Finding::ok(
            "app",
            format!("{name}, {} resources", compilation.model.iter().count()),
        )
    }];
    let path = env::program_path();
    for resource in compilation.model.iter() {
        for (program, hint) in resource.requires(Form::Process) {
            let what = format!("program {program}");
            if findings.iter().any(|finding| finding.what == what) {
                continue;
            }
            findings.push(match programs::find(program, &path) {
                Some(file) => Finding::ok(what, file.display().to_string()),
                None => Finding::not(
                    State::Missing,
                    what,
                    format!("needed to run `{}` natively", resource.name),
                    hint.as_literal().unwrap_or("install it"),
                ),
            });
        }
        if let Some(command) = resource.value(Field::Command, Form::Process)
            && let Some(program) = command
                .as_literal()
                .filter(|program| !program.contains('/'))
            && resource.fact(Field::Requires, Form::Process).is_none()
            && !resource
                .requires(Form::Process)
                .any(|(known, _)| known == program)
            && programs::find(program, &path).is_none()
        {
            findings.push(Finding::not(
                State::Missing,
                format!("program {program}"),
                format!("`{}` runs it", resource.name),
                "install it",
            ));
        }
    }
    findings
}

fn tell(host: &Host, findings: &[Finding]) {
    if host.ui.json() {
        let list: Vec<_> = findings
            .iter()
            .map(|finding| {
                json!({
                    "what": finding.what,
                    "state": word(finding.state),
                    "detail": finding.detail,
                    "todo": finding.todo,
                    "needed": finding.needed,
                })
            })
            .collect();
        host.ui.out_json(&json!(list));
        return;
    }
    for finding in findings {
        let (on, off) = match (host.ui.colour && host.ui.out_is_terminal, finding.state) {
            (false, _) => ("", ""),
            (true, State::Ok) => ("\u{1b}[32m", "\u{1b}[0m"),
            (true, State::Missing) => ("\u{1b}[33m", "\u{1b}[0m"),
            (true, State::Broken) => ("\u{1b}[31m", "\u{1b}[0m"),
        };
        host.ui.out(format!(
            "{on}{:<8}{off} {}: {}",
            word(finding.state),
            finding.what,
            finding.detail
        ));
        if !finding.todo.is_empty() {
            host.ui.out(format!("         → {}", finding.todo));
        }
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Missing => "missing",
        State::Broken => "broken",
    }
}
