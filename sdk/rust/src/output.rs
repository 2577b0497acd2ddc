//! The files that a publisher writes, as data.
//!
//! Nothing reaches the disk before every publisher has finished; that is the host's work.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Diagnostic;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Artifact {
    /// With these contents.
    Contents(Vec<u8>),
    /// A copy of a project file, named as in `aspire.toml`.
    Copy(String),
}

/// The files of one call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    files: BTreeMap<String, Artifact>,
    diagnostics: Vec<Diagnostic>,
}

impl Output {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a file. `path` is relative, with `/`, without `..`; text ends with a newline.
    pub fn write(&mut self, path: impl Into<String>, contents: impl Into<Vec<u8>>) {
        self.files
            .insert(path.into(), Artifact::Contents(contents.into()));
    }

    /// Copies a project file beside the others.
    pub fn copy(&mut self, path: impl Into<String>, source: impl Into<String>) {
        self.files
            .insert(path.into(), Artifact::Copy(source.into()));
    }

    /// Something to tell the user without giving up.
    pub fn diagnose(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The files, by path.
    pub fn files(&self) -> &BTreeMap<String, Artifact> {
        &self.files
    }

    /// The contents of a file, if it is text that was written (not copied).
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.files.get(path)? {
            Artifact::Contents(bytes) => std::str::from_utf8(bytes).ok(),
            Artifact::Copy(_) => None,
        }
    }

    /// What it had to say.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
}

/// Every file under its path, for snapshot tests.
impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, artifact) in &self.files {
            match artifact {
                Artifact::Contents(bytes) => {
                    writeln!(f, "=== {path}\n{}", String::from_utf8_lossy(bytes))?;
                }
                Artifact::Copy(source) => writeln!(f, "=== {path} copied from {source}")?,
            }
        }
        for diagnostic in &self.diagnostics {
            writeln!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}
