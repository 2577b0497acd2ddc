//! Finds the engine, agrees on an API version with it, and says what it is.
//!
//! Knows what an address may answer. Doesn't know where addresses come from.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::models::SystemVersion;
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::address::{Candidate, EngineEnvironment, Origin, candidates};
use super::{DockerEngine, Shared, errors};
use crate::runtime::{EngineError, EngineInfo};

/// All of the search together.
const PATIENCE: Duration = Duration::from_secs(2);
/// For requests that move no data; the engine may be busy with many of them.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Docker 20.10 and podman 4.
const OLDEST_API: (usize, usize) = (1, 41);

/// What trying an address showed.
enum Trial {
    Answers(Box<DockerEngine>),
    Nothing(String),
    Refuses(String),
}

pub(super) async fn connect(environment: &EngineEnvironment) -> Result<DockerEngine, EngineError> {
    let deadline = Instant::now() + PATIENCE;
    let mut tried = Vec::new();
    for Candidate { address, origin } in candidates(environment)? {
        let nothing = match attempt(&address, deadline).await {
            Trial::Answers(engine) => return Ok(*engine),
            Trial::Refuses(cause) => return Err(EngineError::Refused { address, cause }),
            Trial::Nothing(cause) => cause,
        };
        match origin {
            Origin::Host => {
                return Err(EngineError::Unreachable {
                    address,
                    cause: format!("{nothing} (DOCKER_HOST names this address)"),
                });
            }
            Origin::Context(name) => {
                return Err(EngineError::Refused {
                    address,
                    cause: format!(
                        "{nothing} (docker's context `{name}` names this address; choose \
                         another with `docker context use`)"
                    ),
                });
            }
            Origin::WellKnown => tried.push((address, nothing)),
        }
    }
    // A socket on which nothing listens says more than one that is not there.
    let telling = tried.iter().position(|(_, cause)| cause != MISSING);
    let (address, cause) = tried.swap_remove(telling.unwrap_or(0));
    Err(EngineError::Unreachable { address, cause })
}

const MISSING: &str = "there is no such socket";

async fn attempt(address: &str, deadline: Instant) -> Trial {
    if let Some(path) = address.strip_prefix("unix://") {
        match std::fs::metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Trial::Nothing(MISSING.to_owned());
            }
            // The folder is closed to us: whether an engine is in it can't be known.
            Err(error) => return Trial::Nothing(error.to_string()),
        }
    }
    let docker = match Docker::connect_with_host(address) {
        Ok(docker) => docker.with_timeout(REQUEST_TIMEOUT),
        Err(error) => return Trial::Nothing(errors::cause(&error)),
    };
    match timeout_at(deadline, docker.version()).await {
        Err(_) => Trial::Refuses("it has not answered within 2 s".to_owned()),
        Ok(Err(error)) => failed(&error),
        Ok(Ok(version)) => match agree(&version) {
            Err(cause) => Trial::Refuses(cause),
            Ok(api) => Trial::Answers(Box::new(engine(docker, address, &version, api))),
        },
    }
}

fn failed(error: &bollard::errors::Error) -> Trial {
    let cause = errors::cause(error);
    match errors::io_cause(error).map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied) => Trial::Refuses(format!(
            "{cause}; the user needs access to the socket (for Docker: `sudo usermod -aG docker \
             $USER`, then log in anew)"
        )),
        Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            Trial::Nothing(format!("nothing listens there: {cause}"))
        }
        _ if matches!(
            error,
            bollard::errors::Error::DockerResponseServerError { .. }
        ) =>
        {
            Trial::Refuses(cause)
        }
        // A host name that doesn't resolve, a host that is down.
        _ if errors::never_connected(error) => Trial::Nothing(cause),
        _ => Trial::Refuses(format!("what answers is no container engine: {cause}")),
    }
}

/// The API version to speak.
fn agree(version: &SystemVersion) -> Result<(usize, usize), String> {
    let newest = (
        API_DEFAULT_VERSION.major_version,
        API_DEFAULT_VERSION.minor_version,
    );
    let parse = |text: &Option<String>| {
        let (major, minor) = text.as_deref()?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let Some(theirs) = parse(&version.api_version) else {
        return Err("what answers is no container engine: it names no API version".to_owned());
    };
    if theirs < OLDEST_API {
        return Err(format!(
            "its API {}.{} is too old; {}.{} is needed (Docker 20.10 or newer)",
            theirs.0, theirs.1, OLDEST_API.0, OLDEST_API.1
        ));
    }
    if let Some(least) = parse(&version.min_api_version).filter(|least| *least > newest) {
        return Err(format!(
            "it asks for API {}.{} or newer, and {}.{} is the newest spoken here",
            least.0, least.1, newest.0, newest.1
        ));
    }
    Ok(theirs.min(newest))
}

fn engine(
    docker: Docker,
    address: &str,
    version: &SystemVersion,
    api: (usize, usize),
) -> DockerEngine {
    let podman = version
        .components
        .iter()
        .flatten()
        .any(|component| component.name.starts_with("Podman"));
    DockerEngine {
        shared: Arc::new(Shared {
            docker: docker.with_request_modifier(move |request| versioned(request, api)),
            address: address.to_owned(),
            name: if podman { "podman" } else { "docker" }.to_owned(),
            version: version.version.clone().unwrap_or_default(),
            api,
            info: OnceCell::new(),
            attached: Mutex::default(),
            networks: tokio::sync::Mutex::default(),
        }),
    }
}

/// bollard sends its requests without a version, which asks for the engine's newest.
fn versioned(mut request: bollard::BollardRequest, api: (usize, usize)) -> bollard::BollardRequest {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("/v{}.{}{path}", api.0, api.1).parse().ok();
    if let Ok(uri) = hyper::Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

impl DockerEngine {
    /// What the engine is; asked once.
    pub(super) async fn engine_info(&self) -> Result<EngineInfo, EngineError> {
        let ask = || async {
            let info = self
                .docker()
                .info()
                .await
                .map_err(|error| self.error("the engine", &error))?;
            let rootless = info
                .security_options
                .iter()
                .flatten()
                .any(|option| option.contains("rootless"));
            let desktop = info
                .operating_system
                .as_deref()
                .is_some_and(|system| system.contains("Docker Desktop"));
            let here = this_machine(info.kernel_version.as_deref(), info.name.as_deref());
            let local = self.shared.address.starts_with("unix://");
            Ok(EngineInfo {
                name: self.shared.name.clone(),
                version: self.shared.version.clone(),
                api_version: format!("{}.{}", self.shared.api.0, self.shared.api.1),
                address: self.shared.address.clone(),
                dials_containers: local && here && !rootless && !desktop,
            })
        };
        self.shared.info.get_or_try_init(ask).await.cloned()
    }
}

/// Whether an engine runs on this very machine: a virtual machine has another kernel, and we may
/// ourselves be in a container that was given the socket.
fn this_machine(kernel: Option<&str>, host: Option<&str>) -> bool {
    let same = |file: &str, theirs: Option<&str>| {
        std::fs::read_to_string(file).is_ok_and(|ours| Some(ours.trim()) == theirs)
    };
    cfg!(target_os = "linux")
        && same("/proc/sys/kernel/osrelease", kernel)
        && same("/proc/sys/kernel/hostname", host)
}

#[cfg(test)]
mod tests;
