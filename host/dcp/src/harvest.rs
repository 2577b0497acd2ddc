//! Removes what a dead host left, at its death (by its watchdog) or at the start of the next run,
//! and nothing else: not what a live host runs, not what another machine or namespace made, not what
//! somebody wants to keep.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::context::Context;
use crate::engine::{Engine, within};
use crate::identity::{
    CREATOR_LABEL, CREATOR_VARIABLE, HOST_LABEL, KEPT_VARIABLE, PERSISTENT_LABEL, RUN_LABEL,
    RUN_VARIABLE, is_dead_here,
};
use crate::os::Identity;
use crate::processes::tree::{Snapshot, kill};
use crate::records::{Found, read};
use crate::runtime::Leftover;

/// Rounds of killing; a process that was just forked is seen in the next.
const ROUNDS: usize = 20;
const LIMIT: Duration = Duration::from_secs(30);
/// For another who looks through the same folder, in hundredths of a second.
const TURNS: usize = 500;
/// Before each look at the engine.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_millis(1500),
    Duration::from_secs(5),
];

/// What is still to be removed from the engine.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    journals: Vec<PathBuf>,
    /// Containers and networks that dead hosts were about to make, by name. Their last request
    /// may still be on its way through the engine.
    announced: BTreeSet<String>,
}

/// Waits until nobody else ends processes by these records, or begins some. None: that can't be
/// known here, or takes too long; it is for tidiness, since two at once only do the same twice.
pub(crate) async fn turn(records: &Path) -> Option<File> {
    let folder = File::open(records).ok()?;
    for _ in 0..TURNS {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Ends the processes of dead hosts: recorded ones, all that carry a dead host's mark, and all that
/// inherited the mark of the host that is known to be dead.
pub(crate) async fn processes(records: &Path, data: &Path, mark: Option<u64>) -> Remains {
    let mut journals = Vec::new();
    let mut left = Vec::new();
    let mut is_in_use = false;
    for file in fs::read_dir(records).into_iter().flatten().flatten() {
        let path = file.path();
        let text = fs::read(&path).unwrap_or_default();
        match read(&String::from_utf8_lossy(&text)) {
            Some(Found::Dead(dead)) => {
                journals.push(path);
                left.push(dead);
            }
            Some(Found::Live) => is_in_use = true,
            None => {}
        }
    }
    let roots: Vec<Identity> = left
        .iter()
        .flat_map(|left| left.processes.iter().map(|(_, id)| *id))
        .collect();
    let pipes: Vec<u64> = left
        .iter()
        .flat_map(|left| left.pipes.iter().copied())
        .collect();
    let inherited: Vec<u64> = left
        .iter()
        .filter_map(|left| left.mark)
        .chain(mark)
        .collect();
    let open = left.iter().any(|left| left.open);
    for round in 0..ROUNDS {
        let snapshot = tokio::task::spawn_blocking(Snapshot::take)
            .await
            .unwrap_or_default();
        let mut also = snapshot.marked(|marks| {
            marks
                .get(CREATOR_VARIABLE)
                .is_some_and(|mark| is_dead_here(mark))
        });
        also.extend(snapshot.writing(&pipes));
        also.extend(snapshot.inheriting(&inherited));
        let family = snapshot.family(&roots, &also);
        if family.is_empty() {
            if open && round == 0 {
                // A child that its host started in its last moment may not carry its mark yet.
                tokio::time::sleep(Duration::from_millis(30)).await;
                continue;
            }
            break;
        }
        tracing::info!(
            count = family.len(),
            "ending processes that a dead host left"
        );
        kill(&family).await;
    }
    if !journals.is_empty() && !is_in_use {
        // Private files of workloads that are dead by now.
        let _ = fs::remove_dir_all(data.join("files"));
    }
    let announced = left
        .into_iter()
        .flat_map(|left| left.containers.into_iter().chain(left.networks))
        .collect();
    Remains {
        journals,
        announced,
    }
}

/// Removes containers and networks of dead hosts, then lets new ones be made. What was announced
/// and isn't there is looked for a few more times.
pub(crate) async fn engine(engine: Option<&Engine>, mut remains: Remains) {
    let Some(engine) = engine else {
        // The journals stay for a run that has an engine, if they announce anything to it.
        if remains.announced.is_empty() {
            forget(&remains.journals);
        }
        return;
    };
    let mut clean = true;
    for pause in PAUSES {
        tokio::time::sleep(pause).await;
        // An engine that doesn't answer is told about by whoever needs it.
        match within(LIMIT, engine.raw().leftovers_but_volumes(HOST_LABEL)).await {
            Ok(found) => {
                let dead: Vec<Leftover> = found.into_iter().filter(is_of_dead_host).collect();
                for leftover in &dead {
                    remains.announced.remove(&leftover.name);
                }
                clean &= remove(engine, dead).await;
            }
            Err(error) => {
                clean = false;
                tracing::debug!(%error, "the engine was not looked through");
            }
        }
        engine.set_harvested();
        if remains.announced.is_empty() {
            break;
        }
    }
    if clean {
        forget(&remains.journals);
    }
}

fn forget(journals: &[PathBuf]) {
    for journal in journals {
        // It is read again the next time, and nothing of it is found.
        let _ = fs::remove_file(journal);
    }
}

fn is_of_dead_host(leftover: &Leftover) -> bool {
    let label = |name: &str| leftover.labels.get(name).map(String::as_str);
    if label(PERSISTENT_LABEL).is_some() || leftover.what == "volume" {
        return false;
    }
    match (label(HOST_LABEL), label(CREATOR_LABEL)) {
        (Some(host), Some(creator)) => is_dead_here(&format!("{host}/{creator}")),
        _ => false,
    }
}

/// Containers first, all at once; then the networks that they were on.
async fn remove(engine: &Engine, found: Vec<Leftover>) -> bool {
    let (containers, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|leftover| leftover.what == "container");
    let mut clean = true;
    for group in [containers, others] {
        let removals = group.iter().map(|leftover| async {
            let _turn = engine.turn().await;
            let removed = match leftover.what {
                "container" => within(LIMIT, engine.raw().remove(&leftover.id)).await,
                "network" => within(LIMIT, engine.raw().remove_network(&leftover.id)).await,
                _ => within(LIMIT, engine.raw().remove_volume(&leftover.id)).await,
            };
            if let Err(error) = &removed {
                tracing::warn!(name = leftover.name, %error, "a {} stays", leftover.what);
            }
            removed.is_ok()
        });
        clean &= futures_util::future::join_all(removals)
            .await
            .into_iter()
            .all(|done| done);
    }
    clean
}

/// Ends every process that carries this run's mark, and, while this program has no other run, every
/// orphan that came to us; none that is to outlive the run.
pub(crate) async fn processes_of_this_run(context: &Context, is_alone: impl Fn() -> bool) {
    for _ in 0..ROUNDS {
        let snapshot = context.scanner.snapshot().await;
        let mut ours = snapshot.marked(|marks| {
            marks
                .get(RUN_VARIABLE)
                .is_some_and(|run| *run == context.config.run)
        });
        // Asked after looking: what a run that begins meanwhile starts is not in the picture.
        if is_alone() {
            ours.extend(snapshot.adopted());
        }
        let mut family = snapshot.family(&[], &ours);
        let kept = context.kept();
        let marked = snapshot.marked(|marks| marks.contains_key(KEPT_VARIABLE));
        let spared = snapshot.family(&kept, &marked);
        family.retain(|id| !spared.contains(id));
        if family.is_empty() {
            return;
        }
        kill(&family).await;
    }
}

/// Ends and removes everything of this run without the help of its controllers.
pub(crate) async fn everything_of_this_run(context: &Context) {
    processes_of_this_run(context, || false).await;
    if let Some(engine) = &context.engine {
        let label = format!("{RUN_LABEL}={}", context.config.run);
        if let Ok(found) = within(LIMIT, engine.raw().leftovers(&label)).await {
            remove(engine, found).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os;
    use crate::records::Journal;

    #[tokio::test]
    async fn files_of_a_run_that_has_begun_meanwhile_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (records, data) = (folder.path().join("records"), folder.path().join("data"));
        let live = Journal::begin(&records, "live").unwrap();
        let text = fs::read_to_string(live.path()).unwrap();
        let me = os::myself();
        let dead = text.replace(&format!("{}:{}", me.pid, me.start), "1:0");
        fs::write(records.join("dead.jsonl"), dead).unwrap();
        let file = data.join("files/web/password");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "secret").unwrap();
        let remains = processes(&records, &data, None).await;
        assert_eq!(remains.journals, [records.join("dead.jsonl")]);
        assert!(file.exists());
        fs::remove_file(live.path()).unwrap();
        let remains = processes(&records, &data, None).await;
        assert!(!file.exists());
        engine(None, remains).await;
        assert_eq!(fs::read_dir(&records).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let first = turn(folder.path()).await.unwrap();
        let mut second = std::pin::pin!(turn(folder.path()));
        let soon = tokio::time::timeout(Duration::from_millis(50), &mut second);
        assert!(soon.await.is_err());
        drop(first);
        assert!(second.await.is_some());
        assert!(turn(&folder.path().join("none")).await.is_none());
    }
}
