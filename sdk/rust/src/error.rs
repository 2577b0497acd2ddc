//! What a plugin tells the user: errors that end a hook and diagnostics that don't.
//!
//! Both are data; the host renders them with the offending line of `aspire.toml`.

use std::fmt;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The resource's name.
    pub resource: String,
    /// RFC 6901 pointer into its options, such as `/persistence/interval`; empty: all of it.
    pub pointer: String,
}

/// Why a hook cannot do its work. Everything that it recorded is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Namespaced and stable, such as `redis:bad-eviction-policy`.
    pub code: String,
    /// What happened, in one sentence.
    pub message: String,
    /// Where it was written.
    pub location: Option<Location>,
    /// What to do next.
    pub help: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is started or published.
    Error,
    /// Probably not meant.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something to tell the user without giving up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// Namespaced and stable.
    pub code: String,
    /// What happened, in one sentence.
    pub message: String,
    /// Where it was written.
    pub location: Option<Location>,
    /// What to do next.
    pub help: Option<String>,
}

macro_rules! builder {
    ($type:ident) => {
        impl $type {
            /// With a place: a resource, and an RFC 6901 pointer into its options (empty: all of it).
            #[must_use]
            pub fn at(mut self, resource: impl Into<String>, pointer: impl Into<String>) -> Self {
                self.location = Some(Location {
                    resource: resource.into(),
                    pointer: pointer.into(),
                });
                self
            }

            /// With what to do next.
            #[must_use]
            pub fn help(mut self, help: impl Into<String>) -> Self {
                self.help = Some(help.into());
                self
            }
        }
    };
}

builder!(Error);
builder!(Diagnostic);

impl Error {
    /// With a code such as `redis:bad-eviction-policy` and one sentence.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            location: None,
            help: None,
        }
    }
}

impl Diagnostic {
    fn new(severity: Severity, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity,
            code: code.into(),
            message: message.into(),
            location: None,
            help: None,
        }
    }

    /// Nothing is started or published.
    pub fn error(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// Probably not meant.
    pub fn warning(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// Good to know.
    pub fn note(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message)
    }
}

fn write_rest(
    f: &mut fmt::Formatter<'_>,
    location: Option<&Location>,
    help: Option<&String>,
) -> fmt::Result {
    if let Some(Location { resource, pointer }) = location {
        write!(f, " (at {resource}{pointer})")?;
    }
    match help {
        Some(help) => write!(f, "; {help}"),
        None => Ok(()),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        write_rest(f, self.location.as_ref(), self.help.as_ref())
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.severity.as_str(),
            self.code,
            self.message
        )?;
        write_rest(f, self.location.as_ref(), self.help.as_ref())
    }
}
