//! Live editing: the app file is followed, and what differs is changed in the running app.
//!
//! Knows what a save is and the order of an edit. Doesn't know how anything is compiled or shown.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use aspire_api::{Kind, Object, ObjectKey};
use aspire_compiler::run::Watched;
use aspire_dcp::{Client, SecretSource};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::apply::apply;
use super::watching::{Told, What};
use aspire_dcp::answers::{Step, diff, wishes};

/// Without a word about the file for so long, a save is over.
const SETTLED: Duration = Duration::from_millis(150);

/// What a saved file has come to.
pub(crate) enum Edit {
    /// It cannot run like this.
    Refused {
        /// What was found, ready to be shown.
        found: String,
        /// In a few words.
        why: String,
    },
    /// It can.
    Wanted(Wanted),
}

/// What is to run.
pub(crate) struct Wanted {
    /// What is worth telling, ready to be shown; may be empty.
    pub(crate) found: String,
    /// The objects.
    pub(crate) objects: Vec<Object>,
    /// Values of secrets.
    pub(crate) secrets: BTreeMap<String, String>,
    /// What is watched for resources.
    pub(crate) watches: Vec<Watched>,
}

/// What live editing needs.
pub(crate) struct Live {
    /// The file.
    pub(crate) saves: Saves,
    /// Compiles it. May take long and is called on a thread of its own.
    pub(crate) lower: Arc<dyn Fn() -> Edit + Send + Sync>,
}

/// What happens to a file.
pub(crate) struct Saves {
    file: PathBuf,
    events: mpsc::UnboundedReceiver<()>,
    _watcher: RecommendedWatcher,
}

impl Saves {
    /// Watches its folder, since an editor may put another file in its place.
    ///
    /// # Errors
    /// The system cannot watch it.
    pub(crate) fn of(file: &Path) -> Result<Self> {
        let (send, events) = mpsc::unbounded_channel();
        let name: Option<OsString> = file.file_name().map(ToOwned::to_owned);
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let cannot = || format!("cannot watch {}", folder.display());
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let is_ours = match &event {
                    // Reading is not writing; and we read it.
                    Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
                    Ok(event) => {
                        let mut names = event.paths.iter().map(|path| path.file_name());
                        event.need_rescan() || names.any(|other| other == name.as_deref())
                    }
                    // Something was missed, perhaps this.
                    Err(_) => true,
                };
                if is_ours {
                    // Nobody listens at the end of a run.
                    let _ = send.send(());
                }
            })
            .with_context(cannot)?;
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .with_context(cannot)?;
        Ok(Self {
            file: file.to_owned(),
            events,
            _watcher: watcher,
        })
    }

    /// Waits for a save; false: there will be none any more. An empty file is one that is being
    /// written, a missing one is about to be replaced.
    async fn next(&mut self) -> bool {
        loop {
            if self.events.recv().await.is_none() {
                return false;
            }
            while let Ok(event) = tokio::time::timeout(SETTLED, self.events.recv()).await {
                if event.is_none() {
                    return false;
                }
            }
            let text = std::fs::read(&self.file).unwrap_or_default();
            if !text.trim_ascii().is_empty() {
                return true;
            }
        }
    }

    fn name(&self) -> String {
        let name = self.file.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// Values of secrets, to which an edit may add.
#[derive(Default)]
pub(super) struct Secrets(RwLock<BTreeMap<String, String>>);

impl Secrets {
    pub(super) fn add(&self, more: BTreeMap<String, String>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(more);
    }
}

impl SecretSource for Secrets {
    fn secret(&self, name: &str) -> Option<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(name).cloned()
    }
}

/// What the session has to know.
pub(super) enum News {
    /// The file cannot run like this, and nothing was changed.
    Refused {
        file: String,
        found: String,
        why: String,
    },
    /// These steps are made as soon as the session says so.
    Begins {
        file: String,
        found: String,
        steps: Vec<Step>,
        workloads: BTreeSet<ObjectKey>,
        go: oneshot::Sender<()>,
    },
    /// They are made; some could not be.
    Done(BTreeMap<ObjectKey, String>),
    /// Files of a resource changed.
    Watched(Told),
}

impl News {
    /// It is about to happen, and has not yet.
    pub(super) fn is_announced(&self) -> bool {
        matches!(self, Self::Watched(told) if matches!(told.what, What::Built | What::Restarts(_)))
    }
}

/// The workloads among some objects.
pub(super) fn workloads(objects: &[Object]) -> BTreeSet<ObjectKey> {
    let is_workload = |key: &ObjectKey| matches!(key.kind, Kind::Container | Kind::Executable);
    objects
        .iter()
        .map(Object::key)
        .filter(is_workload)
        .collect()
}

/// With what an edit is made.
pub(super) struct Tools {
    pub(super) client: Client,
    pub(super) secrets: Arc<Secrets>,
    /// Held by whoever replaces objects.
    pub(super) turn: Arc<Mutex<()>>,
    /// Who watches files of resources.
    pub(super) watches: mpsc::UnboundedSender<Vec<Watched>>,
}

/// Follows the file as long as the session listens. What an edit changes is what `plan` says of it:
/// what the control plane makes of an object, and what was started or stopped by hand, is no
/// difference.
pub(super) async fn follow(mut live: Live, tools: Tools, news: mpsc::UnboundedSender<News>) {
    let Tools {
        client,
        secrets,
        turn,
        watches,
    } = tools;
    let file = live.saves.name();
    while live.saves.next().await {
        let wanted = match compiled(&live.lower).await {
            Edit::Wanted(wanted) => wanted,
            Edit::Refused { found, why } => {
                let file = file.clone();
                if news.send(News::Refused { file, found, why }).is_err() {
                    return;
                }
                continue;
            }
        };
        // While nobody replaces any of it.
        let present = {
            let _turn = turn.lock().await;
            everything(&client).await
        };
        let steps = diff(&wishes(&present), &wanted.objects);
        let (go, may_go) = oneshot::channel();
        let begins = News::Begins {
            file: file.clone(),
            found: wanted.found,
            steps: steps.clone(),
            workloads: workloads(&wanted.objects),
            go,
        };
        if news.send(begins).is_err() || may_go.await.is_err() {
            return;
        }
        secrets.add(wanted.secrets);
        let failed = {
            let _turn = turn.lock().await;
            apply(&client, &steps, &wanted.objects).await
        };
        // Without anybody who watches, that is no news.
        let _ = watches.send(wanted.watches);
        if news.send(News::Done(failed)).is_err() {
            return;
        }
    }
}

async fn everything(client: &Client) -> Vec<Object> {
    let (objects, _) = client.list(None).await;
    let objects = objects.into_iter();
    objects.map(|object| Object::clone(&object)).collect()
}

/// Compiles on a thread that nobody waits for when the run ends.
async fn compiled(lower: &Arc<dyn Fn() -> Edit + Send + Sync>) -> Edit {
    let (send, done) = oneshot::channel();
    let lower = Arc::clone(lower);
    let thread = std::thread::Builder::new().name("compile".to_owned());
    let started = thread.spawn(move || drop(send.send(lower())));
    let found = match started {
        Ok(_) => match done.await {
            Ok(edit) => return edit,
            Err(_) => "compiling failed: this is a bug of aspire-host".to_owned(),
        },
        Err(error) => format!("no thread could be started: {error}"),
    };
    Edit::Refused {
        found,
        why: "1 error".to_owned(),
    }
}
