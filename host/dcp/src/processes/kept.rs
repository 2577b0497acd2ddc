//! Processes that outlive the run (modes `persistent` and `cleanup`): recorded in what all hosts
//! of a user share, found again by the next run, ended when they are not what is wanted any more.
//!
//! Such a process writes into files instead of our pipes and carries a mark of its own instead of
//! the run's, so that nobody who ends what a host left takes it for that. Its record is there
//! before it is: one that says nothing yet is of a host that died in between, and then the mark
//! finds the process. Doesn't know how a process is prepared.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aspire_api::ObjectKey;
use aspire_api::container::Mode;
use aspire_api::executable::{EnvVar, Executable};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use super::tree::{Scanner, Tree};
use crate::clock::Timestamp;
use crate::context::Context;
use crate::controllers::workload::{Report, Stage};
use crate::identity::{Creator, KEPT_VARIABLE};
use crate::lifecycle::Lifecycle;
use crate::logs::Log;
use crate::monitor::Monitored;
use crate::os::{self, Identity, Urgency};
use crate::runtime::OutputStream;
use crate::state::{Lease, Record};
use crate::watchdog::Minder;

/// The kind of its records.
const KIND: &str = "executable";
/// Between two looks for a process that somebody else is to start.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Between two looks at a file that may have grown. The process writes it itself, and tells nobody.
const TAIL: Duration = Duration::from_millis(100);

/// What is recorded of such a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    /// What it was made from, as of [`Lifecycle::labels`].
    made_from: BTreeMap<String, String>,
    /// When, in microseconds since 1970.
    pub(super) started: i64,
    /// Its working directory.
    pub(super) folder: PathBuf,
    /// The files of its output: standard output, standard error.
    pub(super) output: [PathBuf; 2],
    /// Its private files.
    private: PathBuf,
    /// Port by service.
    pub(super) serving: BTreeMap<String, u16>,
    /// Where its endpoints are, by name.
    pub(super) addresses: BTreeMap<String, SocketAddr>,
    /// The variables that it was given, secrets masked.
    pub(super) env: Vec<EnvVar>,
    /// Its arguments, secrets masked.
    pub(super) args: Vec<String>,
}

/// How a launch begins.
pub(super) enum Begin {
    /// It is there already.
    There(Identity, Box<Kept>),
    /// It is to be made, by whoever has the lease.
    Make(Lease),
}

/// What it is recorded as. One of an app is the app's; names of other clients are their own.
pub(super) fn name(context: &Context, executable: &Executable) -> String {
    let first = executable.metadata.first();
    match executable.spec.aspire {
        Some(_) => format!("{}/{first}", context.config.instance),
        None => first.to_owned(),
    }
}

/// How it is known among all processes: by its name and by where that is recorded.
pub(super) fn marks(context: &Context, name: &str) -> BTreeMap<String, String> {
    marks_in(&context.config.shared_folder, name)
}

fn marks_in(records: &Path, name: &str) -> BTreeMap<String, String> {
    let records = std::path::absolute(records).unwrap_or_else(|_| records.to_owned());
    let mark = format!("{}/{name}", records.display());
    BTreeMap::from([(KEPT_VARIABLE.to_owned(), mark)])
}

/// Looks for it. One that isn't what is wanted any more is ended, and the object says why; what
/// somebody else is to start is waited for.
pub(super) async fn begin(
    context: &Context,
    executable: &Executable,
    key: &ObjectKey,
    cancel: &mut watch::Receiver<bool>,
) -> Result<Begin, String> {
    let name = name(context, executable);
    loop {
        let lease = context
            .state
            .lease(&format!("{KIND} {name}"), cancel)
            .await?;
        if let Some((id, kept)) = find(context, executable, key, &name).await? {
            if executable.spec.effective_mode() == Mode::Persistent {
                take_over(context, executable).await;
            }
            context.containers.change(key, |page| page.missing = false);
            return Ok(Begin::There(id, Box::new(kept)));
        }
        if executable.spec.effective_mode().creates() {
            return Ok(Begin::Make(lease));
        }
        drop(lease);
        context.containers.change(key, |page| page.missing = true);
        let note = format!("no process is kept as {name}");
        context.tell(key, Report::Progress(Stage::Starting, note));
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            _ = cancel.wait_for(|cancel| *cancel) => {
                return Err("stopped before it was there".to_owned());
            }
        }
    }
}

async fn find(
    context: &Context,
    executable: &Executable,
    key: &ObjectKey,
    name: &str,
) -> Result<Option<(Identity, Kept)>, String> {
    let Some(record) = record(context, name).await? else {
        return Ok(None);
    };
    let kept = record
        .details
        .and_then(|it| serde_json::from_value(it).ok());
    let kept: Option<Kept> = kept;
    if let (Some(id), Some(kept)) = (identity(&record.id), kept.as_ref()) {
        let lifecycle = Lifecycle::of_executable(executable);
        let adopts_any = executable.spec.effective_mode() == Mode::Cleanup;
        if adopts_any || lifecycle.is_of(&kept.made_from) {
            return Ok(Some((id, kept.clone())));
        }
        let note = format!("made anew: {}", lifecycle.changes(&kept.made_from));
        context.log(key).system(&note);
        context
            .containers
            .change(key, |page| page.note.clone_from(&note));
    }
    // It has ended, is to be replaced, or its host died while it was being started.
    let roots = identity(&record.id).into_iter().collect();
    if !end(
        context,
        name,
        roots,
        context.grace(executable.spec.aspire.as_ref()),
    )
    .await
    {
        return Err("the process that it is to replace could not be ended".to_owned());
    }
    forget(context, name, kept.map(|kept| kept.private)).await;
    Ok(None)
}

/// Ends it with all that came of it.
async fn end(context: &Context, name: &str, roots: Vec<Identity>, grace: Duration) -> bool {
    let tree = Tree {
        roots,
        marks: marks(context, name),
        pipes: Vec::new(),
        ask: Urgency::Ask,
    };
    let mut force = context.force.subscribe();
    tree.end(&context.scanner, grace, &mut force).await
}

/// Ends one by its record, without a run; false: it could not be.
pub(crate) async fn end_recorded(records: &Path, record: &Record, grace: Duration) -> bool {
    let tree = Tree {
        roots: identity(&record.id).into_iter().collect(),
        marks: marks_in(records, &record.name),
        pipes: Vec::new(),
        ask: Urgency::Ask,
    };
    let (_force, mut never) = watch::channel(false);
    let ended = tree.end(&Scanner::default(), grace, &mut never).await;
    let kept = record
        .details
        .clone()
        .and_then(|it| serde_json::from_value(it).ok());
    if let Some(kept) = kept.filter(|_| ended) {
        let kept: Kept = kept;
        let _ = std::fs::remove_dir_all(kept.private);
    }
    ended
}

/// Ends one that is to go with its object, although it was never adopted.
pub(super) async fn remove(context: &Context, executable: &Executable) {
    let name = name(context, executable);
    let Ok(Some(record)) = record(context, &name).await else {
        return;
    };
    let roots = identity(&record.id).into_iter().collect();
    let grace = context.grace(executable.spec.aspire.as_ref());
    end(context, &name, roots, grace).await;
    let kept = record
        .details
        .and_then(|it| serde_json::from_value(it).ok());
    forget(context, &name, kept.map(|kept: Kept| kept.private)).await;
}

async fn record(context: &Context, name: &str) -> Result<Option<Record>, String> {
    let state = context.state.clone();
    let records = tokio::task::spawn_blocking(move || state.records()).await;
    let records = records.map_err(|error| error.to_string())?;
    let records = records.map_err(|error| error.to_string())?;
    let is_it = |record: &Record| record.kind == KIND && record.name == name;
    Ok(records.into_iter().find(is_it))
}

/// The process of a record, if it is one of this machine and lives.
fn identity(id: &str) -> Option<Identity> {
    let (machine, creator) = id.rsplit_once('/')?;
    let creator: Creator = creator.parse().ok()?;
    (machine == os::machine() && creator.is_alive()).then_some(creator.id)
}

/// The files that it is to write into, made anew.
pub(super) fn make_output(context: &Context, key: &ObjectKey) -> Result<[PathBuf; 2], String> {
    let folder = context.config.data_folder.join("output").join(&key.name);
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder).map_err(failed)?;
    let files = ["stdout", "stderr"].map(|name| folder.join(name));
    for file in &files {
        // Not emptied: somebody may still read what the one before wrote.
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
    }
    Ok(files)
}

/// Records that it is about to be started.
pub(super) async fn announce(context: &Context, name: &str) {
    context.remember(KIND, name, "", None).await;
}

/// Takes that back.
pub(super) async fn withdraw(context: &Context, name: &str) {
    forget(context, name, None).await;
}

/// What is recorded of it once it runs.
pub(super) struct Running<'a> {
    pub(super) started: Timestamp,
    pub(super) folder: &'a Path,
    pub(super) output: &'a [PathBuf; 2],
    pub(super) serving: &'a BTreeMap<String, u16>,
    pub(super) addresses: &'a BTreeMap<String, SocketAddr>,
    pub(super) env: &'a [EnvVar],
    pub(super) args: &'a [String],
}

/// Records that it was started.
pub(super) async fn remember(
    context: &Context,
    executable: &Executable,
    key: &ObjectKey,
    id: Identity,
    running: Running<'_>,
) {
    let kept = Kept {
        made_from: Lifecycle::of_executable(executable).labels().collect(),
        started: running.started.0,
        folder: running.folder.to_owned(),
        output: running.output.clone(),
        private: context.private_folder(key),
        serving: running.serving.clone(),
        addresses: running.addresses.clone(),
        env: running.env.to_vec(),
        args: running.args.to_vec(),
    };
    let id = written(id);
    let details = serde_json::to_value(&kept).ok();
    let name = name(context, executable);
    context.remember(KIND, &name, &id, details).await;
}

/// Has it minded after this run, if it is to end with another process.
pub(super) fn mind(context: &Context, executable: &Executable, id: Identity) -> Option<Minder> {
    let spec = &executable.spec;
    let over = Monitored::of(spec.monitor_pid, spec.monitor_timestamp.as_deref())?.find();
    let name = name(context, executable);
    Minder::start(context, over, KIND, &name, &written(id))
}

/// It goes on under this run: so that others know whose it is to stop.
async fn take_over(context: &Context, executable: &Executable) {
    let name = name(context, executable);
    if let Ok(Some(record)) = record(context, &name).await {
        context
            .remember(KIND, &name, &record.id, record.details)
            .await;
    }
}

/// A process as a record has it.
fn written(id: Identity) -> String {
    let boot = os::boot_id().to_owned();
    format!("{}/{}", os::machine(), Creator { id, boot })
}

/// It has ended: it is forgotten, unless another one took its place.
pub(super) async fn ended(context: &Context, executable: &Executable, id: Identity) {
    let name = name(context, executable);
    if let Ok(Some(record)) = record(context, &name).await {
        let of = record.id.rsplit_once('/').map(|(_, creator)| creator);
        let of = of.and_then(|creator| creator.parse::<Creator>().ok());
        if of.is_some_and(|creator| creator.id == id) {
            let kept = record
                .details
                .and_then(|it| serde_json::from_value(it).ok());
            forget(context, &name, kept.map(|kept: Kept| kept.private)).await;
        }
    }
}

async fn forget(context: &Context, name: &str, private: Option<PathBuf>) {
    let (state, name) = (context.state.clone(), name.to_owned());
    let forgotten = tokio::task::spawn_blocking(move || {
        if let Some(folder) = private {
            // Most have none.
            let _ = std::fs::remove_dir_all(folder);
        }
        state.forget(KIND, &name, None)
    })
    .await;
    if let Ok(Err(error)) = forgotten {
        tracing::warn!(%error, "a process that has ended stays recorded");
    }
}

/// Reads what it has written and writes, until it has ended.
pub(super) fn follow(context: &Arc<Context>, key: &ObjectKey, output: &[PathBuf; 2]) -> Tail {
    let ended = watch::Sender::new(false);
    let log = context.log(key);
    for (stream, path) in [OutputStream::Stdout, OutputStream::Stderr]
        .into_iter()
        .zip(output)
    {
        let (log, path, ended) = (Arc::clone(&log), path.clone(), ended.subscribe());
        let guard = log.reading();
        context.tasks.spawn("output of a kept process", async move {
            tail(&log, stream, &path, ended).await;
            log.finish(stream);
            drop(guard);
        });
    }
    Tail(ended)
}

/// Dropped, nothing more is expected in the files.
pub(super) struct Tail(watch::Sender<bool>);

impl Drop for Tail {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

async fn tail(log: &Log, stream: OutputStream, path: &Path, mut ended: watch::Receiver<bool>) {
    let mut file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) => return log.system(&format!("{}: {error}", path.display())),
    };
    let mut buffer = vec![0; 16 << 10];
    loop {
        // Asked before: what was written before the end is read after it.
        let last = *ended.borrow_and_update();
        match file.read(&mut buffer).await {
            Ok(0) if last => return,
            Ok(0) => {
                tokio::select! {
                    () = tokio::time::sleep(TAIL) => {}
                    _ = ended.changed() => {}
                }
            }
            Ok(length) => log.write(stream, &buffer[..length]),
            Err(error) => return log.system(&format!("{}: {error}", path.display())),
        }
    }
}
