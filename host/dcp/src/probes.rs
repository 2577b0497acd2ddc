//! Health probes: they dial the workload itself, each in a task of its own, so that a probe that
//! hangs keeps no other one waiting.
//!
//! Knows how an attempt is made and what went wrong, in words. What attempts mean is
//! `controllers::health`.

mod http;
mod tls;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aspire_api::ObjectKey;
use aspire_api::aspire::{Aspire, ProbeAction};
use aspire_api::executable::ExecutableSpec;
use aspire_api::health::{HealthProbe, HealthProbeKind, HttpProbe};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::clock::Timestamp;
use crate::context::{Context, Live, Slot};
use crate::controllers::health::{Attempt, ProbeState, Schedule};
use crate::controllers::in_words;
use crate::controllers::workload::Report;
use crate::identity::CREATOR_VARIABLE;
use crate::os::Spawn;
use crate::processes::environment::find_program;
use crate::processes::launch::marks;
use crate::processes::place::{given, surroundings, working_folder};
use crate::processes::run::{LastWords, last_line, run};
use crate::relay::dialled;
use crate::templates::Viewpoint;

/// What a probe looks at.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The object.
    pub(crate) key: ObjectKey,
    /// Where its endpoints are.
    pub(crate) addresses: BTreeMap<String, SocketAddr>,
    /// Where it serves its services.
    pub(crate) services: BTreeMap<String, SocketAddr>,
    /// The workload itself.
    pub(crate) slot: Slot,
}

/// What is done in an attempt.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// One of `spec.aspire.probes`.
    Ours(ProbeAction),
    /// A request of `spec.healthProbes`.
    Request(HttpProbe),
    /// A program of `spec.healthProbes`.
    Program(Box<ExecutableSpec>),
}

/// The probes of a workload, by name; where a name is there twice, ours wins.
pub(crate) fn actions(
    aspire: Option<&Aspire>,
    dcp: &[HealthProbe],
) -> BTreeMap<String, (Action, Schedule)> {
    let dcp = dcp.iter().filter_map(|probe| {
        let action = match probe.kind {
            HealthProbeKind::Http => Action::Request(probe.http_probe.clone()?),
            HealthProbeKind::Executable => {
                let template = &probe.executable_probe.as_ref()?.executable_template;
                Action::Program(Box::new(template.spec.clone()))
            }
        };
        Some((probe.name.clone(), (action, probe.into())))
    });
    let ours = aspire.into_iter().flat_map(|aspire| &aspire.probes);
    let ours = ours.map(|(name, probe)| {
        let action = Action::Ours(probe.action.clone());
        (name.clone(), (action, probe.into()))
    });
    dcp.chain(ours).collect()
}

/// Probes until it is dropped, or for good; tells whatever is new.
pub(crate) async fn watch(
    context: Arc<Context>,
    target: Target,
    name: String,
    (action, probe): (Action, Schedule),
) {
    let start = Instant::now();
    let mut state = ProbeState::default();
    let mut told = ProbeState::default();
    sleep(probe.delay).await;
    loop {
        let limit = probe.timeout;
        let mut outcome = match timeout(limit, attempt(&context, &target, &action, limit)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {}", in_words(limit))).into(),
        };
        outcome.reason = context.redactor.text(&outcome.reason);
        state.observe(&probe, outcome, start.elapsed(), Timestamp::now());
        if state.is_news(&told) {
            told = state.clone();
            context.tell(&target.key, Report::Probed(name.clone(), state.clone()));
        }
        let Some(pause) = state.next_pause(&probe) else {
            return;
        };
        sleep(pause).await;
    }
}

async fn attempt(context: &Context, target: &Target, action: &Action, limit: Duration) -> Attempt {
    match action {
        Action::Ours(action) => attempt_ours(context, target, action, limit).await.into(),
        Action::Request(request) => match resolved(context, target, request).await {
            Ok((url, headers)) => http::get_url(&url, &headers).await,
            Err(reason) => Err(reason).into(),
        },
        Action::Program(program) => run_program(context, target, program).await.into(),
    }
}

/// The ports that a workload itself listens on, as this machine reaches them.
fn serving(target: &Target) -> BTreeMap<String, u16> {
    match target.slot.get() {
        Some(Live::Process(process)) => process.serving.clone(),
        // From here a container is reached where its endpoints are.
        Some(Live::Container { .. }) | None => target
            .services
            .iter()
            .map(|(service, address)| (service.clone(), address.port()))
            .collect(),
    }
}

/// Runs a program of this machine, as an executable with this spec would be run.
async fn run_program(
    context: &Context,
    target: &Target,
    spec: &ExecutableSpec,
) -> Result<(), String> {
    let scope = context.scope(&target.key, Viewpoint::Machine, serving(target), &|_| {});
    let folder = working_folder(context, spec.working_directory.as_deref())?;
    let given = given(&scope, spec).await?;
    let mut marks = marks(context, &target.key);
    marks.insert(CREATOR_VARIABLE.to_owned(), context.creator.clone());
    let env = surroundings(context, spec.ambient_environment.as_ref(), &given, marks);
    let name = scope.resolve(&spec.executable_path).await?;
    let args = scope.resolve_all(&spec.args).await?;
    let path = env.get(std::ffi::OsStr::new("PATH"));
    let path = path.or(context.config.environment.get(std::ffi::OsStr::new("PATH")));
    let program = find_program(&name, &folder, path.map(std::ffi::OsString::as_os_str))
        .ok_or_else(|| format!("program `{name}` is missing"))?;
    let args = std::iter::once(name).chain(args);
    let request = Spawn {
        program,
        args: args.map(Into::into).collect(),
        env: env.into_iter().collect(),
        directory: folder,
        stdin: false,
        user: None,
        files: None,
    };
    judge_run(context, target, request).await
}

async fn judge_run(context: &Context, target: &Target, request: Spawn) -> Result<(), String> {
    let words = LastWords::default();
    let object = target.key.to_string();
    let code = run(&context.spawner, object, request, Vec::new(), words.taker()).await;
    let code = code.map_err(|error| error.to_string())?;
    judge(i64::from(code), &words.line())
}

/// URL and headers with their placeholders replaced.
async fn resolved(
    context: &Context,
    target: &Target,
    request: &HttpProbe,
) -> Result<(String, Vec<(String, String)>), String> {
    let scope = context.scope(&target.key, Viewpoint::Machine, serving(target), &|_| {});
    let url = scope.resolve(&request.url).await?;
    let mut headers = Vec::new();
    for header in &request.headers {
        headers.push((header.name.clone(), scope.resolve(&header.value).await?));
    }
    Ok((url, headers))
}

async fn attempt_ours(
    context: &Context,
    target: &Target,
    action: &ProbeAction,
    limit: Duration,
) -> Result<(), String> {
    let address = |endpoint: &str| {
        target
            .addresses
            .get(endpoint)
            .copied()
            .ok_or_else(|| format!("no endpoint {endpoint}"))
    };
    match action {
        ProbeAction::Tcp { endpoint } => connect(address(endpoint)?).await.map(drop),
        ProbeAction::Http {
            endpoint,
            path,
            status,
        } => http::get(address(endpoint)?, path, *status).await,
        ProbeAction::Command { command } => run_command(context, target, command, limit).await,
    }
}

/// Connects to a workload, on either loopback address where it is a process.
pub(crate) async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let mut first = None;
    for address in dialled(address) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    let reason = match first {
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "connection refused".to_owned()
        }
        Some(error) => error.to_string(),
        None => "nothing to dial".to_owned(),
    };
    Err(format!("{reason} at {address}"))
}

async fn run_command(
    context: &Context,
    target: &Target,
    command: &[String],
    limit: Duration,
) -> Result<(), String> {
    match target.slot.get() {
        None => Err("not started".to_owned()),
        Some(Live::Process(process)) => {
            let scope = context.scope(
                &target.key,
                Viewpoint::Machine,
                process.serving.clone(),
                &|_| {},
            );
            let args = scope.resolve_all(command).await?;
            let program = args.first().ok_or("an empty command")?;
            let path = process.env.iter().find(|(name, _)| name == "PATH");
            let program = find_program(
                program,
                &process.folder,
                path.map(|(_, path)| path.as_os_str()),
            )
            .ok_or_else(|| format!("program `{program}` is missing"))?;
            let request = Spawn {
                program,
                args: args.into_iter().map(Into::into).collect(),
                env: process.env.clone(),
                directory: process.folder.clone(),
                stdin: false,
                user: process.user.clone(),
                files: None,
            };
            judge_run(context, target, request).await
        }
        Some(Live::Container {
            id,
            viewpoint,
            serving,
        }) => {
            let engine = context.engine.as_ref().ok_or("no container engine")?;
            let scope = context.scope(&target.key, viewpoint.clone(), serving.clone(), &|_| {});
            let command = scope.resolve_all(command).await?;
            let outcome = engine
                .raw()
                .exec(id, &command, limit)
                .await
                .map_err(|error| error.to_string())?;
            judge(outcome.exit_code, &last_line(&outcome.output))
        }
    }
}

fn judge(code: i64, words: &str) -> Result<(), String> {
    match (code, words) {
        (0, _) => Ok(()),
        (code, "") => Err(format!("exit code {code}")),
        (code, words) => Err(format!("exit code {code}: {words}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tcp() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        connect(address).await.unwrap();
        drop(listener);
        let reason = connect(address).await.unwrap_err();
        assert_eq!(reason, format!("connection refused at {address}"));
    }

    #[tokio::test]
    async fn tcp_on_the_other_loopback() {
        let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
            return;
        };
        let port = listener.local_addr().unwrap().port();
        connect(SocketAddr::from(([127, 0, 0, 1], port)))
            .await
            .unwrap();
    }

    #[test]
    fn words() {
        assert_eq!(judge(0, "x"), Ok(()));
        assert_eq!(judge(2, ""), Err("exit code 2".into()));
        assert_eq!(judge(2, "no"), Err("exit code 2: no".into()));
        assert_eq!(in_words(Duration::from_millis(1500)), "1500 ms");
        assert_eq!(in_words(Duration::from_secs(3)), "3 s");
    }
}
