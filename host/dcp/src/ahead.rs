//! What is done for a workload while it goes on: the build that its next start needs, files that
//! are copied into its container.
//!
//! Changes no object. Doesn't know why it is done, or what follows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aspire_api::{Object, ObjectKey};
use bytes::Bytes;
use thiserror::Error;

use crate::containers::image;
use crate::context::Context;
use crate::engine::within;
use crate::processes::place;
use crate::processes::run::LastWords;
use crate::runtime::{EngineError, FileKind, FileRequest};

/// Lines of a build's output that are handed on.
const LINES: usize = 20;
/// For the engine to take files, or to end a command.
const SLOW: Duration = Duration::from_secs(120);
const QUICK: Duration = Duration::from_secs(10);

/// A build that failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct BuildFailure {
    /// What went wrong.
    pub message: String,
    /// The last lines that it said; secrets are masked.
    pub lines: Vec<String>,
}

/// Builds what a workload is made of.
pub(crate) async fn build(context: &Context, key: &ObjectKey) -> Result<(), BuildFailure> {
    let words = LastWords::default();
    let built = match context.store.get(key).as_deref() {
        Ok(Object::Executable(executable)) => {
            place::build_ahead(context, key, executable, &words).await
        }
        Ok(Object::Container(container)) => {
            image::build_ahead(context, key, container, &words).await
        }
        _ => Err(format!("{key} does not exist")),
    };
    let shown = |text: &str| context.redactor.text(text);
    built.map_err(|message| BuildFailure {
        message: shown(&message),
        lines: words.lines(LINES).iter().map(|line| shown(line)).collect(),
    })
}

/// Copies files into a container: path here, path there. One that is not here any more is removed
/// there, by the container's own `rm`.
pub(crate) async fn copy(
    context: &Context,
    key: &ObjectKey,
    files: Vec<(PathBuf, String)>,
) -> Result<(), String> {
    let engine = context.engine.as_ref().ok_or("no container engine")?;
    let id = match context.store.get(key).as_deref() {
        Ok(Object::Container(container)) => container.status.container_id.clone(),
        _ => None,
    };
    let id = id.ok_or("there is no container")?;
    let read = tokio::task::spawn_blocking(move || read(files)).await;
    let (requests, gone) = read.map_err(|error| error.to_string())??;
    if !requests.is_empty() {
        let _turn = engine.turn().await;
        let copied = within(SLOW, engine.raw().copy(&id, &requests)).await;
        copied.map_err(|error| error.to_string())?;
    }
    if !gone.is_empty() {
        let words = ["rm", "-f", "--"].map(str::to_owned);
        let command: Vec<String> = words.into_iter().chain(gone).collect();
        let removed = within(SLOW, engine.raw().exec(&id, &command, QUICK)).await;
        let failed = |why: &str| format!("what is gone could not be removed: {why}");
        match removed {
            Ok(outcome) if outcome.exit_code == 0 => {}
            Ok(outcome) => return Err(failed(outcome.output.trim())),
            Err(EngineError::Other(why)) => return Err(failed(&why)),
            Err(error) => return Err(failed(&error.to_string())),
        }
    }
    Ok(())
}

type Read = (Vec<FileRequest>, Vec<String>);

/// Files with what is in them, and those that are gone.
fn read(files: Vec<(PathBuf, String)>) -> Result<Read, String> {
    let (mut requests, mut gone) = Read::default();
    for (from, to) in files {
        match std::fs::read(&from) {
            Ok(bytes) => requests.push(FileRequest {
                path: to,
                kind: FileKind::File(Bytes::from(bytes)),
                mode: mode(&from),
                owner: 0,
                group: 0,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => gone.push(to),
            Err(error) => return Err(format!("{}: {error}", from.display())),
        }
    }
    Ok((requests, gone))
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).map_or(0o644, |found| found.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> u32 {
    0o644
}
