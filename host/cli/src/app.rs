//! The app file: found, read, parsed.
//!
//! Knows where `aspire.toml` is looked for. Doesn't know what its kinds mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use aspire_compiler::document::{Document, Source};
use aspire_compiler::source;
use aspire_model::Diagnostics;

use crate::error::Problem;
use crate::host::Host;
use crate::render::Sources;

/// Name of the app file.
pub(crate) const FILE: &str = "aspire.toml";

/// An app as written.
#[derive(Debug)]
pub(crate) struct App {
    /// The folder that its relative paths begin at.
    pub(crate) folder: PathBuf,
    /// Its file; none: a run of plugins alone.
    pub(crate) file: Option<PathBuf>,
    /// What was read.
    pub(crate) document: Document,
    /// For rendering.
    pub(crate) sources: Sources,
    /// What parsing found.
    pub(crate) diagnostics: Diagnostics,
}

/// The app file that the options name, or the nearest one here or above.
///
/// # Errors
/// A named one that is not there.
pub(crate) fn find(host: &Host) -> Result<Option<PathBuf>> {
    match &host.options.app {
        Some(path) => {
            let path = host.here.join(path);
            let path = if path.is_dir() { path.join(FILE) } else { path };
            if !path.is_file() {
                bail!(
                    Problem::usage(format!("there is no app file {}", path.display()))
                        .help("`aspire-host init` writes a first one")
                );
            }
            Ok(Some(path))
        }
        None => Ok(host
            .here
            .ancestors()
            .map(|above| above.join(FILE))
            .find(|file| file.is_file())),
    }
}

/// The app of the options. Without an app file, plugins alone are one: `None`.
///
/// # Errors
/// There is neither an app file nor a plugin, or the file cannot be read.
pub(crate) fn open(host: &Host) -> Result<Option<App>> {
    // An explicit plugin without an app file here is a run of the plugin alone, whatever may lie
    // in folders above; with one in this folder it is one more plugin of the app.
    let file = find(host)?;
    match file {
        Some(file) => read(host, &file).map(Some),
        None if host.options.plugins.is_empty() => bail!(Problem::app(format!(
            "there is no {FILE} in {} or above",
            host.here.display()
        ))
        .help("write a first one with `aspire-host init`, name one with --app FILE, or run a plugin alone: `aspire-host --plugin redis`")),
        None => Ok(None),
    }
}

/// Reads and parses a file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(host: &Host, file: &Path) -> Result<App> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Problem::app(format!(
            "{} is no UTF-8 text (byte {})",
            file.display(),
            error.utf8_error().valid_up_to()
        ))
        .help("save it as UTF-8")
    })?;
    let source = Source {
        file: Arc::from(shown_name(host, file)),
        text: Arc::from(text),
    };
    let (document, diagnostics) = source::parse(&source);
    let mut sources = Sources::default();
    sources.add(source.file, source.text);
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| host.here.clone(), Path::to_owned);
    let folder = std::fs::canonicalize(&folder)
        .with_context(|| format!("cannot find {}", folder.display()))?;
    Ok(App {
        folder,
        file: Some(file.to_owned()),
        document,
        sources,
        diagnostics,
    })
}

/// The file as messages name it: relative where it is here or below, its own name where it is in a
/// folder above and was found by itself.
fn shown_name(host: &Host, file: &Path) -> String {
    let shown = file.strip_prefix(&host.here).unwrap_or_else(|_| {
        if host.options.app.is_some() {
            file
        } else {
            file.file_name().map_or(file, Path::new)
        }
    });
    shown.to_string_lossy().into_owned()
}
