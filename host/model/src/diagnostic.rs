//! Findings as data. A pass collects all of them; the command line renders them.

use std::fmt;

use serde::Serialize;

use crate::provenance::{Author, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what was meant.
    Warning,
    /// The model cannot be used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Whose fault it is, which decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The app: exit code 1.
    #[default]
    App,
    /// The machine: exit code 3.
    Environment,
    /// A plugin: exit code 4.
    Plugin,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable, such as `unknown-kind` or `redis:bad-policy`.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// One sentence, what happened.
    pub message: String,
    /// Where in a source file.
    pub span: Option<Span>,
    /// More places that matter, each with a few words.
    pub related: Vec<(Span, String)>,
    /// Who wrote what it is about, where that is not a place in a file.
    pub author: Option<Author>,
    /// The resource that it is about.
    pub resource: Option<String>,
    /// Where in that resource's options: an RFC 6901 pointer.
    pub pointer: Option<String>,
    /// What to do next.
    pub help: Option<String>,
    /// More text, such as a guest backtrace.
    pub details: Vec<String>,
    /// Who has to act.
    pub blame: Blame,
}

impl Diagnostic {
    /// A finding of a severity.
    pub fn new(severity: Severity, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            severity,
            message: message.into(),
            span: None,
            related: Vec::new(),
            author: None,
            resource: None,
            pointer: None,
            help: None,
            details: Vec::new(),
            blame: Blame::App,
        }
    }

    /// An error.
    pub fn error(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    /// With a place.
    #[must_use]
    pub fn at(mut self, span: impl Into<Option<Span>>) -> Self {
        self.span = span.into();
        self
    }

    /// With one more place.
    #[must_use]
    pub fn related(mut self, span: impl Into<Option<Span>>, text: impl Into<String>) -> Self {
        if let Some(span) = span.into() {
            self.related.push((span, text.into()));
        }
        self
    }

    /// With its author, and the author's place unless there is one already.
    #[must_use]
    pub fn by(mut self, author: &Author) -> Self {
        if self.span.is_none() {
            self.span = author.span().cloned();
        }
        self.author = Some(author.clone());
        self
    }

    /// With the resource that it is about.
    #[must_use]
    pub fn about(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// With what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With a suggestion of a nearby name, if there is one.
    #[must_use]
    pub fn suggest<'a>(self, wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match crate::name::nearest(wanted, candidates) {
            Some(found) => self.help(format!("did you mean `{found}`?")),
            None => self,
        }
    }

    /// With a line of detail.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.details.push(text.into());
        self
    }

    /// With whose fault it is.
    #[must_use]
    pub fn blame(mut self, blame: Blame) -> Self {
        self.blame = blame;
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: {}", self.severity, self.code, self.message)?;
        if let Some(span) = &self.span {
            write!(f, " ({span})")?;
        }
        Ok(())
    }
}

/// Everything that was found so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more; the same finding twice counts once.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    /// All of another collection.
    pub fn extend(&mut self, other: impl IntoIterator<Item = Diagnostic>) {
        for diagnostic in other {
            self.push(diagnostic);
        }
    }

    /// In the order found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Whether the model cannot be used.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By place, then by text: the order in which a reader wants them.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort_by(|a, b| {
            (a.span.is_none(), &a.span, &a.resource, &a.code, &a.message).cmp(&(
                b.span.is_none(),
                &b.span,
                &b.resource,
                &b.code,
                &b.message,
            ))
        });
        self
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<T: IntoIterator<Item = Diagnostic>>(iter: T) -> Self {
        let mut all = Self::new();
        all.extend(iter);
        all
    }
}
