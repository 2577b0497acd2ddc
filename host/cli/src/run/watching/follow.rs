//! What is done about changed files: builds, restarts and copies, each as a task.
//!
//! Knows objects and how far they are. What follows from what is decided in [`super::decide`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use aspire_api::{Object, ObjectKey};
use aspire_compiler::run::Watched;
use aspire_dcp::store::{EventKind, Gone};
use aspire_dcp::{BuildFailure, ControlPlane};
use aspire_model::annotation::WatchAction;
use tokio::sync::mpsc;

use super::decide::{Effect, Input, Life, Paths, step};
use super::rules::{self, Rules};
use super::{Done, Event, One, Told, Watching, What, watcher};
use crate::run::apply::{self, Built};
use crate::run::live::News;
use crate::run::view::{Phase, View, is_replaced, row_key};

/// Somebody who does something about it.
pub(super) struct Follower {
    pub(super) watching: Watching,
    pub(super) plane: Arc<ControlPlane>,
    /// Held by whoever replaces objects.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    pub(super) news: mpsc::UnboundedSender<News>,
}

impl Follower {
    /// Does what is to be done, until nobody wants to hear of it any more.
    pub(super) async fn run(mut self, mut updates: mpsc::UnboundedReceiver<Vec<Watched>>) {
        let client = self.plane.client();
        let (objects, revision) = client.list(None).await;
        let mut changes = client.watch(revision);
        self.relist(&objects);
        for (name, one) in &self.watching.resources {
            for problem in &one.problems {
                self.tell(name, What::Unwatched(problem.clone()));
            }
        }
        while !self.news.is_closed() {
            let due = self.watching.resources.values();
            let due = due.filter_map(|one| one.state.due()).min();
            let tick = self.watching.begun + due.unwrap_or_default();
            tokio::select! {
                Some(event) = self.watching.events.recv() => self.touched(&event),
                change = changes.next() => match change {
                    Ok(event) => {
                        let object = event.object;
                        let gone = event.kind == EventKind::Deleted;
                        self.look_at(&object, gone);
                    }
                    Err(Gone { .. }) => {
                        let (objects, revision) = client.list(None).await;
                        changes = client.watch(revision);
                        self.relist(&objects);
                    }
                },
                Some(done) = self.watching.jobs.join_next() => {
                    if let Ok((name, done)) = done {
                        self.done(&name, done);
                    }
                }
                Some(watches) = updates.recv() => {
                    self.watching.update(watches).await;
                    self.relist(&client.list(None).await.0);
                }
                () = tokio::time::sleep_until(tick), if due.is_some() => {
                    self.feed_all(|_| Some(Input::Tick));
                }
            }
        }
    }

    fn tell(&self, name: &str, what: What) {
        let resource = name.to_owned();
        // The session has ended.
        let _ = self.news.send(News::Watched(Told { resource, what }));
    }

    /// Files were touched.
    fn touched(&mut self, event: &Event) {
        self.feed_all(|one| {
            match event {
                Event::Everything => {
                    let places = one.rules.places.iter();
                    one.touched.extend(places.map(|place| place.root.clone()));
                }
                Event::Touched(paths) => {
                    let ours = paths.iter().filter(|path| one.rules.concerns(path));
                    let ours: Vec<PathBuf> = ours.cloned().collect();
                    if ours.is_empty() {
                        return None;
                    }
                    one.touched.extend(ours);
                }
            }
            Some(Input::Touched)
        });
    }

    fn relist(&mut self, objects: &[Arc<Object>]) {
        self.feed_all(|one| {
            let ours = objects.iter();
            let ours = ours.filter(|object| one.watched.workloads.contains(&row_key(object)));
            one.objects = ours
                .map(|object| (object.key(), Arc::clone(object)))
                .collect();
            one.news()
        });
    }

    /// An object is as it is now, or gone.
    fn look_at(&mut self, object: &Arc<Object>, gone: bool) {
        let first = row_key(object);
        self.feed_all(|one| {
            if !one.watched.workloads.contains(&first) {
                return None;
            }
            if gone {
                one.objects.remove(&object.key());
            } else {
                one.objects.insert(object.key(), Arc::clone(object));
            }
            one.news()
        });
    }

    fn feed_all(&mut self, mut input: impl FnMut(&mut One) -> Option<Input>) {
        let names: Vec<String> = self.watching.resources.keys().cloned().collect();
        for name in names {
            let one = self.watching.resources.get_mut(&name);
            if let Some(input) = one.and_then(&mut input) {
                self.feed(&name, input);
            }
        }
    }

    fn feed(&mut self, name: &str, input: Input) {
        let now = self.watching.begun.elapsed();
        let Some(one) = self.watching.resources.get_mut(name) else {
            return;
        };
        let (state, effects) = step(&one.state, now, input);
        one.state = state;
        for effect in effects {
            self.perform(name, effect);
        }
    }

    fn perform(&mut self, name: &str, effect: Effect) {
        let Some(one) = self.watching.resources.get_mut(name) else {
            return;
        };
        let (plane, watched) = (Arc::clone(&self.plane), Arc::clone(&one.watched));
        let owner = name.to_owned();
        match effect {
            Effect::Look | Effect::LookAtAll => {
                let all = effect == Effect::LookAtAll;
                let touched = std::mem::take(&mut one.touched);
                let (files, notifier) =
                    (Arc::clone(&one.files), Arc::clone(&self.watching.notifier));
                self.watching.jobs.spawn_blocking(move || {
                    let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                    let mut problems = Vec::new();
                    let found = files.look(&touched, all, &mut watcher(&notifier, &mut problems));
                    (owner, Done::Looked(found, files.rules().clone(), problems))
                });
            }
            Effect::Build(because) => {
                let key = one.present().next().map(|object| object.key());
                let told = What::Builds(names(&watched.folder, &because));
                self.watching.jobs.spawn(async move {
                    let built = match key {
                        Some(key) => plane.build(&key).await,
                        // It is being replaced by somebody else, who builds it.
                        None => Ok(()),
                    };
                    (owner, Done::Built(built))
                });
                self.tell(name, told);
            }
            Effect::Replace { built, because } => {
                let told = match watched.action {
                    WatchAction::Rebuild => What::Built,
                    _ => What::Restarts(names(&watched.folder, &because)),
                };
                self.tell(name, told);
                let turn = Arc::clone(&self.turn);
                let when = match watched.action {
                    WatchAction::Rebuild => Built::Anew,
                    WatchAction::Restart | WatchAction::Sync => Built::Before,
                };
                let built = built.then_some(when);
                self.watching.jobs.spawn(async move {
                    let _turn = turn.lock().await;
                    let client = plane.client();
                    let mut problem = None;
                    for key in &watched.workloads {
                        if let Err(error) = apply::restart(&client, key, built).await {
                            problem = Some(error.to_string());
                        }
                    }
                    (owner, Done::Replaced(problem))
                });
            }
            Effect::Copy(files) => {
                let pairs: Vec<(PathBuf, String)> = files
                    .iter()
                    .filter_map(|file| Some((file.clone(), target(&one.rules, &watched, file)?)))
                    .collect();
                let keys: Vec<ObjectKey> = one.present().map(|object| object.key()).collect();
                let shown = names(&watched.folder, &files);
                self.watching.jobs.spawn(async move {
                    let mut result = Ok(());
                    for key in keys {
                        result = result.and(plane.copy_into(&key, pairs.clone()).await);
                    }
                    (owner, Done::Copied(shown, result))
                });
            }
        }
    }

    fn done(&mut self, name: &str, done: Done) {
        let Some(one) = self.watching.resources.get_mut(name) else {
            return;
        };
        match done {
            Done::Looked(found, rules, problems) => {
                one.rules = rules;
                let news: Vec<String> = problems
                    .into_iter()
                    .filter(|problem| one.problems.insert(problem.clone()))
                    .collect();
                for problem in news {
                    self.tell(name, What::Unwatched(problem));
                }
                self.feed(name, Input::Looked(found));
            }
            Done::Built(built) => {
                let good = built.is_ok();
                if let Err(BuildFailure { message, lines }) = built {
                    self.tell(name, What::Failed(message, lines));
                }
                self.feed(name, Input::Built(good));
            }
            Done::Replaced(problem) => {
                self.tell(name, What::Restarted(problem));
                self.feed(name, Input::Acted);
            }
            Done::Copied(files, result) => {
                let target = one.watched.target.clone();
                let told = match result {
                    Ok(()) => What::Copied(files, target),
                    Err(message) => What::Failed(message, Vec::new()),
                };
                self.tell(name, told);
                self.feed(name, Input::Acted);
            }
        }
    }
}

impl One {
    /// The objects that it goes on in.
    fn present(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects
            .values()
            .filter(|object| !is_replaced(object) && object.metadata().deletion_timestamp.is_none())
    }

    /// How far it is, where that is news.
    fn news(&self) -> Option<Input> {
        let life = self.life();
        (life != self.state.life()).then_some(Input::Life(life))
    }

    /// How far all of its workloads are.
    fn life(&self) -> Life {
        let lives: Vec<Life> = self.present().filter_map(|object| life(object)).collect();
        let order = [
            Life::Starting { builds: true },
            Life::Starting { builds: false },
            Life::Running,
            Life::Ended,
            Life::Waiting,
            Life::ByHand,
        ];
        let found = order.into_iter().find(|life| lives.contains(life));
        found.unwrap_or(Life::Waiting)
    }
}

fn life(object: &Object) -> Option<Life> {
    let mut view = View::default();
    let row = view.apply(object)?;
    if row.stopped || row.manual {
        return Some(Life::ByHand);
    }
    Some(match row.phase {
        Phase::Waiting | Phase::Stopping => Life::Waiting,
        // Its policy would start it again after a pause.
        Phase::Starting if row.exit_code.is_some() => Life::Ended,
        Phase::Starting => Life::Starting {
            builds: builds(object) && !object.metadata().is_built(),
        },
        Phase::Running => Life::Running,
        Phase::Finished | Phase::Failed => Life::Ended,
    })
}

fn builds(object: &Object) -> bool {
    match object {
        Object::Container(container) => container.spec.build.is_some(),
        Object::Executable(executable) => {
            let aspire = executable.spec.aspire.as_ref();
            aspire.is_some_and(|aspire| !aspire.build_command.is_empty())
        }
        _ => false,
    }
}

/// Where a file is copied to: as far below the target as it is below what was named.
fn target(rules: &Rules, watched: &Watched, file: &Path) -> Option<String> {
    let place = rules.place_of(file)?;
    let below = match file.strip_prefix(&place.root) {
        Ok(below) if !below.as_os_str().is_empty() => below,
        _ => Path::new(file.file_name()?),
    };
    let folder = watched.target.trim_end_matches('/');
    Some(format!("{folder}/{}", below.display()))
}

/// Files as people call them.
fn names(folder: &Path, files: &Paths) -> Vec<String> {
    let folder = rules::plain(folder);
    let shown = |file: &PathBuf| {
        let below = file.strip_prefix(&folder).unwrap_or(file);
        below.display().to_string()
    };
    files.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::running::workloads::samples::process;
    use aspire_api::executable::ExecutableState;
    use aspire_api::meta::BUILT_ANNOTATION;

    #[test]
    fn how_far_a_workload_is() {
        let life_of = |state: ExecutableState,
                       change: fn(&mut aspire_api::executable::Executable)| {
            life(&process("web", |it| {
                it.status.state = state;
                it.spec.aspire.get_or_insert_default().build_command = vec!["make".into()];
                change(it);
            }))
        };
        use ExecutableState as S;
        let builds = |builds| Some(Life::Starting { builds });
        assert_eq!(life_of(S::Initial, |_| {}), Some(Life::Waiting));
        assert_eq!(
            life_of(S::Initial, |it| it.spec.start = false),
            Some(Life::ByHand)
        );
        assert_eq!(life_of(S::Starting, |_| {}), builds(true));
        let built = |it: &mut aspire_api::executable::Executable| {
            it.metadata
                .annotations
                .insert(BUILT_ANNOTATION.into(), "true".into());
        };
        assert_eq!(life_of(S::Starting, built), builds(false));
        assert_eq!(life_of(S::Running, |_| {}), Some(Life::Running));
        assert_eq!(
            life_of(S::Running, |it| it.spec.stop = true),
            Some(Life::ByHand)
        );
        assert_eq!(life_of(S::Finished, |_| {}), Some(Life::Ended));
        assert_eq!(life_of(S::FailedToStart, |_| {}), Some(Life::Ended));
        let again = |it: &mut aspire_api::executable::Executable| {
            it.status.exit_code = Some(1);
            it.status.restart_timestamp = Some("2026-01-01T00:00:00Z".into());
        };
        assert_eq!(life_of(S::Finished, again), Some(Life::Ended));
    }
}
