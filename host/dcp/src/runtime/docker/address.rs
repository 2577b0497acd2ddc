//! Which addresses an engine may have, in the order in which they are tried.
//!
//! Knows how Docker's command line chooses an engine and where engines listen. Doesn't connect to
//! anything, and reads the environment only in [`EngineEnvironment::from_process`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::runtime::EngineError;

/// Everything that decides which engine is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEnvironment {
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_TLS_VERIFY`.
    pub docker_tls_verify: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`; none: `.docker` in the home folder.
    pub docker_config: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// Where `var/run` and `run` are looked for: `/`.
    pub root: PathBuf,
}

impl Default for EngineEnvironment {
    fn default() -> Self {
        Self {
            docker_host: None,
            docker_tls_verify: None,
            docker_context: None,
            docker_config: None,
            home: None,
            xdg_runtime_dir: None,
            root: PathBuf::from("/"),
        }
    }
}

impl EngineEnvironment {
    /// What this process was started with.
    #[must_use]
    pub fn from_process() -> Self {
        let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Self {
            docker_host: text("DOCKER_HOST"),
            docker_tls_verify: text("DOCKER_TLS_VERIFY"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_config: path("DOCKER_CONFIG"),
            home: std::env::home_dir(),
            xdg_runtime_dir: path("XDG_RUNTIME_DIR"),
            ..Self::default()
        }
    }
}

/// Why an address is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// `DOCKER_HOST` names it.
    Host,
    /// Docker's context of this name does.
    Context(String),
    /// Engines listen there.
    WellKnown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) address: String,
    pub(super) origin: Origin,
}

/// The addresses to try; one alone where the user chose.
pub(super) fn candidates(environment: &EngineEnvironment) -> Result<Vec<Candidate>, EngineError> {
    let given = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    if let Some(host) = given(&environment.docker_host) {
        let tls = given(&environment.docker_tls_verify).is_some();
        let address = usable(&host, tls)?;
        let origin = Origin::Host;
        return Ok(vec![Candidate { address, origin }]);
    }
    let config = environment
        .docker_config
        .clone()
        .or_else(|| Some(environment.home.as_ref()?.join(".docker")));
    if let Some(config) = config {
        let name = given(&environment.docker_context).or_else(|| current_context(&config));
        if let Some(name) = name.filter(|name| !name.is_empty() && name != "default") {
            let address = context_address(&config, &name)?;
            let origin = Origin::Context(name);
            return Ok(vec![Candidate { address, origin }]);
        }
    }
    let root = &environment.root;
    let runtime = environment.xdg_runtime_dir.as_deref();
    let sockets = [
        Some(root.join("var/run/docker.sock")),
        runtime.map(|folder| folder.join("docker.sock")),
        runtime.map(|folder| folder.join("podman/podman.sock")),
        Some(root.join("run/podman/podman.sock")),
    ];
    Ok(sockets
        .into_iter()
        .flatten()
        .map(|socket| Candidate {
            address: format!("unix://{}", socket.display()),
            origin: Origin::WellKnown,
        })
        .collect())
}

/// The address as we can use it.
fn usable(host: &str, tls: bool) -> Result<String, EngineError> {
    let refuse = |cause: &str| {
        Err(EngineError::Refused {
            address: host.to_owned(),
            cause: cause.to_owned(),
        })
    };
    if host.starts_with("unix:///") || (cfg!(windows) && host.starts_with("npipe://")) {
        return Ok(host.to_owned());
    }
    let Some(authority) = host.strip_prefix("tcp://") else {
        return refuse("only unix:// and tcp:// addresses are served");
    };
    if tls {
        return refuse("TLS to an engine is not served");
    }
    let authority = authority.trim_end_matches('/');
    let bare = authority.rsplit(']').next().unwrap_or(authority);
    Ok(if bare.contains(':') {
        format!("tcp://{authority}")
    } else {
        format!("tcp://{authority}:2375")
    })
}

/// The context that `docker context use` chose.
fn current_context(config: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "currentContext")]
        current_context: Option<String>,
    }
    let path = config.join("config.json");
    let text = std::fs::read(&path).ok()?;
    match serde_json::from_slice::<Config>(&text) {
        Ok(config) => config.current_context,
        Err(error) => {
            tracing::warn!("{} is not understood: {error}", path.display());
            None
        }
    }
}

fn context_address(config: &Path, name: &str) -> Result<String, EngineError> {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(rename = "Endpoints", default)]
        endpoints: BTreeMap<String, Endpoint>,
    }
    #[derive(Deserialize)]
    struct Endpoint {
        #[serde(rename = "Host")]
        host: Option<String>,
    }
    let refuse = |cause: String| EngineError::Refused {
        address: format!("docker's context `{name}`"),
        cause,
    };
    let digest: String = Sha256::digest(name.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let path = config.join("contexts/meta").join(&digest).join("meta.json");
    let text = std::fs::read(&path)
        .map_err(|error| refuse(format!("{} can't be read: {error}", path.display())))?;
    let meta: Meta = serde_json::from_slice(&text)
        .map_err(|error| refuse(format!("{} is not understood: {error}", path.display())))?;
    let host = meta
        .endpoints
        .into_iter()
        .find_map(|(kind, endpoint)| (kind == "docker").then_some(endpoint.host).flatten())
        .ok_or_else(|| refuse("it names no address".to_owned()))?;
    let tls = config.join("contexts/tls").join(&digest).is_dir();
    usable(&host, tls)
}

#[cfg(test)]
mod tests;
