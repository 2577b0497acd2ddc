//! Why a plugin could not be loaded.

use std::fmt::Write;
use std::path::PathBuf;

use aspire_model::Diagnostic;
use aspire_model::diagnostic::Blame;
use aspire_model::hook::{FailureKind, HookFailure, INTERFACE_VERSION};
use thiserror::Error;

use crate::limits::bytes;

/// A plugin that was not loaded. `origin` is the file, or what the caller called the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No file of this name.
    #[error("there is no plugin `{value}`")]
    NotFound {
        /// As given.
        value: String,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
        /// A name on the plugin path that was perhaps meant.
        nearest: Option<String>,
    },
    /// An address that this version cannot fetch from.
    #[error("`{value}`: plugins are loaded from files only in this version")]
    NotServed {
        /// As given.
        value: String,
    },
    /// The file cannot be read.
    #[error("cannot read the plugin {origin}: {reason}")]
    Unreadable {
        /// The file.
        origin: String,
        /// What the system said.
        reason: String,
    },
    /// The file is larger than the limit.
    #[error("the plugin {origin} has {}, more than its limit of {}", bytes(*size), bytes(*limit))]
    TooLarge {
        /// The file.
        origin: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The file is something else, or damaged.
    #[error("{origin} is no WebAssembly component: {reason}")]
    NotWasm {
        /// The file.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// A module that was not made a component.
    #[error("{origin} is a core WebAssembly module, not a component")]
    CoreModule {
        /// The file.
        origin: String,
    },
    /// A component without the section `aspire:manifest`.
    #[error(
        "{origin} is a component, but no plugin of aspire-host: it has no section `aspire:manifest`"
    )]
    NoManifest {
        /// The file.
        origin: String,
    },
    /// A manifest that cannot be used.
    #[error("the manifest of {origin} is not valid: {reason}")]
    BadManifest {
        /// The file.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// Built for another version of the interface.
    #[error(
        "{origin} was built for version {wants} of the plugin interface, and this host serves {INTERFACE_VERSION}"
    )]
    InterfaceVersion {
        /// The file.
        origin: String,
        /// The version that it needs.
        wants: String,
    },
    /// It needs something that is not part of the interface.
    #[error("{origin} imports `{import}`, which this host does not offer")]
    Import {
        /// The file.
        origin: String,
        /// The import.
        import: String,
    },
    /// It has no `descriptor`.
    #[error("{origin} does not export `aspire:host/descriptor`")]
    NoDescriptor {
        /// The file.
        origin: String,
    },
    /// It passed every check before, and the engine still refuses it.
    #[error("{origin} cannot be used: {reason}")]
    Refused {
        /// The file.
        origin: String,
        /// What the engine said.
        reason: String,
    },
    /// `describe` failed.
    #[error("{0}")]
    Describe(Box<HookFailure>),
    /// `describe` says something that cannot be, or that the manifest contradicts.
    #[error("the plugin {id} in {origin} describes itself wrongly: {reason}")]
    Descriptor {
        /// The file.
        origin: String,
        /// Its manifest id.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// Two different files claim to be one plugin.
    #[error("two different files are the plugin `{id}`: {first} and {second}")]
    Twice {
        /// The id.
        id: String,
        /// One file with its digest.
        first: String,
        /// The other with its digest.
        second: String,
    },
}

impl LoadError {
    /// A stable name of the error.
    pub fn code(&self) -> &str {
        match self {
            Self::NotFound { .. } => "plugin-not-found",
            Self::NotServed { .. } => "plugin-source-not-served",
            Self::Unreadable { .. } => "plugin-unreadable",
            Self::TooLarge { .. } => "plugin-too-large",
            Self::NotWasm { .. } => "plugin-not-wasm",
            Self::CoreModule { .. } => "plugin-core-module",
            Self::NoManifest { .. } => "plugin-no-manifest",
            Self::BadManifest { .. } => "plugin-bad-manifest",
            Self::InterfaceVersion { .. } => "plugin-interface-version",
            Self::Import { .. } => "plugin-unknown-import",
            Self::NoDescriptor { .. } => "plugin-no-descriptor",
            Self::Refused { .. } => "plugin-refused",
            Self::Describe(failure) => failure_code(&failure.kind),
            Self::Descriptor { .. } => "plugin-bad-descriptor",
            Self::Twice { .. } => "plugin-twice",
        }
    }

    /// What to do next.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { searched, nearest, .. } => {
                let mut help = String::new();
                if let Some(nearest) = nearest {
                    let _ = write!(help, "did you mean `{nearest}`? ");
                }
                help.push_str("looked for");
                for path in searched {
                    let _ = write!(help, " {}", path.display());
                }
                help
            }
            Self::NotServed { .. } => "download it and give its path".into(),
            Self::TooLarge { .. } => "build it with optimisation for size and without debug information".into(),
            Self::NotWasm { .. } => "a plugin is a file that `aspire-host plugin build` or `cargo build --target wasm32-wasip2` makes".into(),
            Self::CoreModule { origin } => format!("make it one with `aspire-host plugin build {origin}`"),
            Self::NoManifest { .. } | Self::BadManifest { .. } => {
                "the SDK writes the manifest; build the plugin with it".into()
            }
            Self::InterfaceVersion { .. } => {
                "get the plugin for this host, or the host for this plugin".into()
            }
            Self::Import { .. } => "plugins are linked to `aspire:host` only; `wasi:*` is answered by inert stubs".into(),
            Self::NoDescriptor { .. } => "a plugin exports `descriptor` and any of `integration`, `pass` and `publisher`".into(),
            Self::Twice { .. } => "name only one of them, or give one another id".into(),
            Self::Describe(failure) => match &failure.kind {
                FailureKind::Guest(error) => return error.help.clone(),
                _ => "tell the plugin's author".into(),
            },
            Self::Descriptor { .. } | Self::Refused { .. } => "tell the plugin's author".into(),
            Self::Unreadable { .. } => return None,
        })
    }

    /// As a finding.
    pub fn to_diagnostic(&self) -> Diagnostic {
        if let Self::Describe(failure) = self {
            return failure_diagnostic(failure);
        }
        let mut diagnostic = Diagnostic::error(self.code(), self.to_string()).blame(Blame::Plugin);
        diagnostic.help = self.help();
        diagnostic
    }
}

/// The guest's own code where it has one.
fn failure_code(kind: &FailureKind) -> &str {
    match kind {
        FailureKind::Guest(error) => &error.code,
        FailureKind::Trap(_) => "plugin-crashed",
        FailureKind::Timeout(_) => "plugin-timeout",
        FailureKind::Limit(_) => "plugin-limit",
    }
}

/// A failed call as a finding: code, message, help, and as details the digest, the guest's
/// backtrace and the end of its standard error.
pub fn failure_diagnostic(failure: &HookFailure) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::error(failure_code(&failure.kind), failure.to_string()).blame(Blame::Plugin);
    if let FailureKind::Guest(error) = &failure.kind {
        diagnostic.help = error.help.clone();
        if let Some((resource, pointer)) = &error.location {
            diagnostic.resource = Some(resource.clone());
            diagnostic.pointer = Some(pointer.clone()).filter(|pointer| !pointer.is_empty());
        }
    }
    diagnostic
        .details
        .push(format!("digest {}", failure.digest));
    diagnostic
        .details
        .extend(failure.backtrace.iter().map(|frame| format!("at {frame}")));
    diagnostic
        .details
        .extend(failure.stderr.iter().map(|line| format!("stderr: {line}")));
    diagnostic
}

/// The host itself cannot work with plugins at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this machine cannot run WebAssembly: {0}")]
pub struct HostError(pub String);
