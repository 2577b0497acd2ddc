//! Watched files: what `watch` says of resources, done while their app runs.
//!
//! Knows how to see changes, and how to have a build, a restart or a copy made. What follows from
//! what is decided in [`decide`], what is watched in [`rules`], what has changed in [`files`].

mod decide;
mod files;
mod follow;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use aspire_api::{Object, ObjectKey};
use aspire_compiler::run::Watched;
use aspire_dcp::{BuildFailure, ControlPlane};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::decide::{Paths, Plan, State};
use self::files::Files;
use self::follow::Follower;
use self::rules::Rules;
use super::live::News;

/// What is told of a resource whose files are watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The resource.
    pub(super) resource: String,
    /// What of it.
    pub(super) what: What,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// It is built because of these files.
    Builds(Vec<String>),
    /// It was built, and is stopped and started again.
    Built,
    /// It is stopped and started again because of these files.
    Restarts(Vec<String>),
    /// That is done; what could not be.
    Restarted(Option<String>),
    /// These files were copied to a folder of its container.
    Copied(Vec<String>, String),
    /// It could not be done. What ran before goes on.
    Failed(String, Vec<String>),
    /// Something can't be watched.
    Unwatched(String),
}

/// What happens to files.
enum Event {
    Touched(Vec<PathBuf>),
    /// Something was missed.
    Everything,
}

/// How a piece of work went.
enum Done {
    Looked(Paths, Rules, Vec<String>),
    Built(Result<(), BuildFailure>),
    Replaced(Option<String>),
    Copied(Vec<String>, Result<(), String>),
}

type Notifier = Arc<Mutex<RecommendedWatcher>>;

/// A resource.
struct One {
    watched: Arc<Watched>,
    files: Arc<Mutex<Files>>,
    rules: Rules,
    touched: Paths,
    state: State,
    objects: BTreeMap<ObjectKey, Arc<Object>>,
    /// Told once.
    problems: BTreeSet<String>,
}

/// Everything that is watched.
pub(super) struct Watching {
    resources: BTreeMap<String, One>,
    notifier: Notifier,
    events: mpsc::UnboundedReceiver<Event>,
    jobs: JoinSet<(String, Done)>,
    begun: Instant,
}

impl Watching {
    /// Watches files from now on; what is done about it begins with [`Watching::follow`].
    ///
    /// # Errors
    /// The system cannot watch anything.
    pub(super) async fn begin(watches: Vec<Watched>) -> Result<Self> {
        let (send, events) = mpsc::unbounded_channel();
        let notifier = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let event = match event {
                Ok(event) if event.need_rescan() => Event::Everything,
                // Reading is not writing; and we read.
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
                Ok(event) => Event::Touched(event.paths),
                Err(_) => Event::Everything,
            };
            // Nobody listens at the end of a run.
            let _ = send.send(event);
        });
        let notifier = notifier.context("cannot watch files")?;
        let mut watching = Self {
            resources: BTreeMap::new(),
            notifier: Arc::new(Mutex::new(notifier)),
            events,
            jobs: JoinSet::new(),
            begun: Instant::now(),
        };
        watching.update(watches).await;
        Ok(watching)
    }

    /// Watches these from now on; what did not change stays as it is.
    async fn update(&mut self, watches: Vec<Watched>) {
        let names: BTreeSet<String> = watches.iter().map(|one| one.resource.clone()).collect();
        self.resources.retain(|name, _| names.contains(name));
        for watched in watches {
            let known = self.resources.get(&watched.resource);
            if known.is_some_and(|known| *known.watched == watched) {
                continue;
            }
            let watched = Arc::new(watched);
            let (shared, notifier) = (Arc::clone(&watched), Arc::clone(&self.notifier));
            let begun = tokio::task::spawn_blocking(move || {
                let mut problems = Vec::new();
                let files = Files::begin(&shared, &mut watcher(&notifier, &mut problems));
                (files, problems)
            });
            let Ok((files, problems)) = begun.await else {
                continue;
            };
            let plan = Plan {
                action: watched.action,
                builds: watched.context.is_some() || watched.builds_here,
                builds_here: watched.builds_here,
            };
            let one = One {
                rules: files.rules().clone(),
                files: Arc::new(Mutex::new(files)),
                touched: Paths::new(),
                state: State::new(plan),
                objects: BTreeMap::new(),
                problems: problems.into_iter().collect(),
                watched: Arc::clone(&watched),
            };
            self.resources.insert(watched.resource.clone(), one);
        }
    }

    /// Does what is to be done, until nobody wants to hear of it any more.
    pub(super) async fn follow(
        self,
        plane: Arc<ControlPlane>,
        turn: Arc<tokio::sync::Mutex<()>>,
        news: mpsc::UnboundedSender<News>,
        updates: mpsc::UnboundedReceiver<Vec<Watched>>,
    ) {
        let follower = Follower {
            watching: self,
            plane,
            turn,
            news,
        };
        follower.run(updates).await;
    }
}

/// Has folders watched; problems are collected.
fn watcher<'a>(
    notifier: &'a Notifier,
    problems: &'a mut Vec<String>,
) -> impl FnMut(&Path) + use<'a> {
    move |folder| {
        let mut notifier = notifier.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = notifier.watch(folder, RecursiveMode::NonRecursive) {
            let more = match error.kind {
                notify::ErrorKind::MaxFilesWatch => " (raise fs.inotify.max_user_watches)",
                _ => "",
            };
            problems.push(format!("{}: {error}{more}", folder.display()));
        }
    }
}
