//! What the engine's errors mean to us.
//!
//! Knows the engine's status codes and wordings, and nothing of what was attempted beyond the
//! name of the thing that it was attempted on.

use std::error::Error as _;
use std::io;

use bollard::errors::Error;

use super::DockerEngine;
use crate::runtime::EngineError;

impl DockerEngine {
    /// Translates an error about `what` (`container web`, `network shop`).
    pub(super) fn error(&self, what: &str, error: &Error) -> EngineError {
        match error {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => self.response(what, *status_code, message),
            Error::DockerStreamError { error } => EngineError::Other(tidy(error)),
            Error::HyperLegacyError { .. }
            | Error::HyperResponseError { .. }
            | Error::IOError { .. }
            | Error::RequestTimeoutError
            | Error::SocketNotFoundError(_) => self.lost(&cause(error)),
            other => EngineError::Other(format!("{what}: {other}")),
        }
    }

    /// The engine went away, or never was.
    pub(super) fn lost(&self, cause: &str) -> EngineError {
        EngineError::Unreachable {
            address: self.shared.address.clone(),
            cause: cause.to_owned(),
        }
    }

    /// Translates an answer that says no.
    pub(super) fn response(&self, what: &str, status: u16, message: &str) -> EngineError {
        if let Some(image) = missing_image(message) {
            return EngineError::Image {
                image: image.to_owned(),
                cause: "it is not there".to_owned(),
                conclusive: true,
            };
        }
        if let Some(taken) = port_taken(message) {
            return EngineError::PortTaken(taken);
        }
        if status == 401 || message.contains("authorization denied") {
            return EngineError::Refused {
                address: self.shared.address.clone(),
                cause: tidy(message),
            };
        }
        if status == 404 {
            return EngineError::NotFound(
                missing_network(message).unwrap_or_else(|| what.to_owned()),
            );
        }
        EngineError::Other(format!("{what}: {}", tidy(message)))
    }
}

/// Whether the engine says that the thing is not there.
pub(super) fn is_missing(error: &Error) -> bool {
    status(error) == Some(404)
}

/// The status code, where the engine answered at all.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What the engine said, or what kept it from saying anything.
pub(super) fn cause(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => tidy(message),
        Error::DockerStreamError { error } => tidy(error),
        Error::RequestTimeoutError => "no answer in time".to_owned(),
        other => io_cause(other).map_or_else(|| other.to_string(), ToString::to_string),
    }
}

/// The error of the operating system below an error, if that is what it comes from.
pub(super) fn io_cause(error: &Error) -> Option<&io::Error> {
    if let Error::IOError { err } = error {
        return Some(err);
    }
    let mut next = error.source();
    let mut found = None;
    while let Some(source) = next {
        found = source.downcast_ref::<io::Error>().or(found);
        next = source.source();
    }
    found
}

/// Whether no connection was made at all.
pub(super) fn never_connected(error: &Error) -> bool {
    matches!(error, Error::HyperLegacyError { err } if err.is_connect())
}

/// Engine messages end in newlines and begin with what everybody knows.
pub(super) fn tidy(message: &str) -> String {
    message
        .trim()
        .trim_start_matches("Error response from daemon: ")
        .to_owned()
}

fn missing_image(message: &str) -> Option<&str> {
    // Docker begins it with a capital letter, podman doesn't.
    let (_, rest) = message.split_once("o such image: ")?;
    Some(rest.split_whitespace().next()?.trim_end_matches(':'))
}

fn missing_network(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("network ")?;
    let (name, _) = rest.split_once(" not found")?;
    (!name.contains(' ')).then(|| format!("network {name}"))
}

fn port_taken(message: &str) -> Option<String> {
    if !message.contains("port is already allocated") && !message.contains("address already in use")
    {
        return None;
    }
    let port = message
        .split_whitespace()
        .filter_map(|word| {
            let word = word.trim_end_matches([':', ',']);
            let word = word.split('/').next()?;
            word.rsplit_once(':')?.1.parse::<u16>().ok()
        })
        .next_back();
    Some(match port {
        Some(port) => format!("port {port} of this machine is taken"),
        None => format!("a port of this machine is taken: {}", tidy(message)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_ports_are_recognised() {
        for message in [
            "driver failed programming external connectivity on endpoint web (0af3): Bind for \
             127.0.0.1:5432 failed: port is already allocated",
            "driver failed programming external connectivity on endpoint web (0af3): Error \
             starting userland proxy: listen tcp4 127.0.0.1:5432: bind: address already in use",
            "failed to set up container networking: driver failed programming external \
             connectivity on endpoint web (0af3): failed to bind host port 127.0.0.1:5432/tcp: \
             address already in use",
        ] {
            assert_eq!(
                port_taken(message).as_deref(),
                Some("port 5432 of this machine is taken")
            );
        }
        assert_eq!(port_taken("no such container"), None);
    }

    #[test]
    fn missing_things_are_named() {
        assert_eq!(missing_image("No such image: a/b:1"), Some("a/b:1"));
        let podman = "no such image: a/b:1: image not known";
        assert_eq!(missing_image(podman), Some("a/b:1"));
        assert_eq!(
            missing_network("network shop not found").as_deref(),
            Some("network shop")
        );
        assert_eq!(missing_network("the network of it was not found"), None);
    }
}
