//! Who wrote a fact, and where.
//!
//! Knows authors and positions. Doesn't know how to render them against a source text.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A range of bytes in one source file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Line of the first byte, counted from 1.
    pub line: usize,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The author of one assignment, in rising precedence: host, plugin, app, operator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Author {
    /// A default or a derivation of the host's own, by pass.
    Host {
        /// Name of the pass.
        pass: Arc<str>,
        /// The text of `aspire.toml` that caused it, where one did.
        cause: Option<Span>,
    },
    /// A plugin.
    Plugin {
        /// Manifest id.
        plugin: Arc<str>,
        /// Its version.
        version: Arc<str>,
        /// Name of the pass, or `expand`.
        pass: Arc<str>,
        /// The declaration that it was called for, where there is one.
        cause: Option<Span>,
        /// It speaks for the operator, whose word beats the app's.
        operator: bool,
    },
    /// The user, in `aspire.toml`.
    App {
        /// Where.
        span: Span,
    },
    /// Given on the command line or by a caller of the library.
    Option {
        /// Such as `--plugin redis.wasm`.
        text: Arc<str>,
    },
}

impl Author {
    /// Which author wins when two wrote one field: operator over app over everything else.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Host { .. } => 0,
            Self::Plugin {
                operator: false, ..
            } => 1,
            Self::App { .. } | Self::Option { .. } => 2,
            Self::Plugin { operator: true, .. } => 3,
        }
    }

    /// The position in a source file that this goes back to.
    pub fn span(&self) -> Option<&Span> {
        match self {
            Self::App { span } => Some(span),
            Self::Plugin { cause, .. } | Self::Host { cause, .. } => cause.as_ref(),
            Self::Option { .. } => None,
        }
    }

    /// The plugin's id.
    pub fn plugin(&self) -> Option<&str> {
        match self {
            Self::Plugin { plugin, .. } => Some(plugin),
            _ => None,
        }
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = match self {
            Self::App { span } => return write!(f, "{span}"),
            Self::Option { text } => return f.write_str(text),
            Self::Host { pass, cause } => {
                write!(f, "host, pass {pass}")?;
                cause
            }
            Self::Plugin {
                plugin,
                version,
                pass,
                cause,
                ..
            } => {
                write!(f, "plugin {plugin} {version}, pass {pass}")?;
                cause
            }
        };
        match cause {
            Some(span) => write!(f, ", for {span}"),
            None => Ok(()),
        }
    }
}
