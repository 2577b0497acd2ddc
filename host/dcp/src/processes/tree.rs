//! All that came of a process: its group, its session, its descendants, and everything that
//! carries our mark in its environment.
//!
//! Whoever forks twice, starts a session of its own and forgets its environment still writes into
//! our pipes. Whoever closes those, too, has at least come to us as an orphan, and is ended with
//! the run; and after our death it is known by the mark that it inherited (`os::mark`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::os::{self, Entry, Identity, Urgency};

/// After SIGKILL, for the kernel to do it.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// Rounds of killing, against something that forks as fast as it is killed.
const ROUNDS: usize = 50;

/// The table of processes at a moment, with the marks.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    entries: Vec<Entry>,
    marks: BTreeMap<u32, BTreeMap<String, String>>,
    pipes: BTreeMap<u32, Vec<u64>>,
}

impl Snapshot {
    /// Looks now; takes a few milliseconds.
    pub(crate) fn take() -> Self {
        let entries = os::table();
        let alive = || entries.iter().filter(|entry| !entry.zombie);
        let pipes = alive()
            .map(|entry| (entry.id.pid, os::output_pipes(entry.id.pid)))
            .filter(|(_, pipes)| !pipes.is_empty())
            .collect();
        let marks = alive()
            .filter_map(|entry| {
                let marks = marks(&os::environment_of(entry.id.pid)?);
                (!marks.is_empty()).then_some((entry.id.pid, marks))
            })
            .collect();
        Self {
            entries,
            marks,
            pipes,
        }
    }

    /// Processes with a mark of which something is true.
    pub(crate) fn marked(
        &self,
        is_it: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> Vec<Identity> {
        let alive = self.entries.iter().filter(|entry| !entry.zombie);
        alive
            .filter(|entry| self.marks.get(&entry.id.pid).is_some_and(&is_it))
            .map(|entry| entry.id)
            .collect()
    }

    /// Processes that write into one of some pipes.
    pub(crate) fn writing(&self, into: &[u64]) -> Vec<Identity> {
        let writes = |entry: &&Entry| {
            let pipes = self.pipes.get(&entry.id.pid);
            pipes.into_iter().flatten().any(|pipe| into.contains(pipe))
        };
        self.entries
            .iter()
            .filter(writes)
            .map(|entry| entry.id)
            .collect()
    }

    /// Processes that inherited a host's own mark; looked up now.
    pub(crate) fn inheriting(&self, hosts: &[u64]) -> Vec<Identity> {
        if hosts.is_empty() {
            return Vec::new();
        }
        let alive = self.entries.iter().filter(|entry| !entry.zombie);
        alive
            .filter(|entry| os::mark_of(entry.id.pid).is_some_and(|mark| hosts.contains(&mark)))
            .map(|entry| entry.id)
            .collect()
    }

    /// Orphans that came to us.
    pub(crate) fn adopted(&self) -> Vec<Identity> {
        let adopted = |entry: &&Entry| !entry.zombie && os::is_adopted(entry);
        self.entries
            .iter()
            .filter(adopted)
            .map(|entry| entry.id)
            .collect()
    }

    /// Everything that came of some processes: those in `roots` and their sessions and groups even
    /// when they themselves have ended, those in `also`, and all descendants. Never ourselves nor
    /// an ancestor of ours.
    pub(crate) fn family(&self, roots: &[Identity], also: &[Identity]) -> Vec<Identity> {
        let by_pid: BTreeMap<u32, &Entry> = self
            .entries
            .iter()
            .map(|entry| (entry.id.pid, entry))
            .collect();
        let mut spared = BTreeSet::new();
        let mut ancestor = std::process::id();
        while ancestor != 0 && spared.insert(ancestor) {
            ancestor = by_pid.get(&ancestor).map_or(0, |entry| entry.parent);
        }
        let is_of = |entry: &Entry, root: &Identity| {
            let led = entry.session == root.pid || entry.group == root.pid;
            // The number may be somebody else's by now; then its sessions and groups are, too.
            let reused = by_pid.get(&root.pid).is_some_and(|now| now.id != *root);
            entry.id == *root || led && !reused && entry.id.start >= root.start
        };
        let mut family: BTreeSet<u32> = self
            .entries
            .iter()
            .filter(|entry| also.contains(&entry.id) || roots.iter().any(|root| is_of(entry, root)))
            .map(|entry| entry.id.pid)
            .filter(|pid| !spared.contains(pid))
            .collect();
        loop {
            let children: Vec<u32> = self
                .entries
                .iter()
                .filter(|entry| family.contains(&entry.parent) && !family.contains(&entry.id.pid))
                .map(|entry| entry.id.pid)
                .filter(|pid| !spared.contains(pid))
                .collect();
            if children.is_empty() {
                break;
            }
            family.extend(children);
        }
        self.entries
            .iter()
            .filter(|entry| family.contains(&entry.id.pid) && !entry.zombie)
            .map(|entry| entry.id)
            .collect()
    }
}

/// The variables of ours in an environment.
fn marks(environment: &[u8]) -> BTreeMap<String, String> {
    if memchr::memmem::find(environment, b"ASPIRE_HOST_").is_none() {
        return BTreeMap::new();
    }
    environment
        .split(|byte| *byte == 0)
        .filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='))
        .filter(|(name, _)| name.starts_with("ASPIRE_HOST_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Takes snapshots for many at once: whoever asks while one is being taken gets the next one.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    asked: AtomicU64,
    last: tokio::sync::Mutex<(u64, Arc<Snapshot>)>,
}

impl Scanner {
    /// A snapshot that was begun after this call.
    pub(crate) async fn snapshot(&self) -> Arc<Snapshot> {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.0 < ticket {
            let begun = self.asked.load(Ordering::SeqCst);
            let snapshot = tokio::task::spawn_blocking(Snapshot::take)
                .await
                .unwrap_or_default();
            *last = (begun, Arc::new(snapshot));
        }
        Arc::clone(&last.1)
    }
}

/// What is to be ended.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// The processes that were started.
    pub(crate) roots: Vec<Identity>,
    /// The variables that all of it carries.
    pub(crate) marks: BTreeMap<String, String>,
    /// The pipes that it was given for its output.
    pub(crate) pipes: Vec<u64>,
    /// How it is asked to end.
    pub(crate) ask: Urgency,
}

impl Tree {
    async fn members(&self, scanner: &Scanner) -> Vec<Identity> {
        let snapshot = scanner.snapshot().await;
        let mut also = snapshot.marked(|marks| {
            let has = |(name, value): (&String, &String)| marks.get(name) == Some(value);
            self.marks.iter().all(has)
        });
        also.extend(snapshot.writing(&self.pipes));
        snapshot.family(&self.roots, &also)
    }

    /// Asks all to end, waits for as long as the grace lasts, then forces what is left. False:
    /// something could not be ended.
    pub(crate) async fn end(
        &self,
        scanner: &Scanner,
        grace: Duration,
        force: &mut watch::Receiver<bool>,
    ) -> bool {
        let deadline = Instant::now() + grace;
        let mut asked = BTreeSet::new();
        for root in &self.roots {
            // The whole group: that is what a terminal does, and what a shell script relies on.
            os::end_group(*root, self.ask);
            asked.insert(*root);
        }
        let patient = async {
            join_all(self.roots.iter().copied()).await;
            loop {
                let members = self.members(scanner).await;
                if members.is_empty() {
                    return;
                }
                for member in &members {
                    if asked.insert(*member) {
                        os::end(*member, self.ask);
                    }
                }
                join_all(members.into_iter()).await;
            }
        };
        tokio::select! {
            ended = timeout_at(deadline, patient) => {
                if ended.is_ok() {
                    return true;
                }
            }
            _ = force.wait_for(|force| *force) => {}
        }
        for _ in 0..ROUNDS {
            let members = self.members(scanner).await;
            if members.is_empty() {
                return true;
            }
            kill(&members).await;
        }
        self.members(scanner).await.is_empty()
    }
}

/// Forces processes to end, and waits until they have.
pub(crate) async fn kill(members: &[Identity]) {
    for member in members {
        os::end(*member, Urgency::Force);
    }
    let _ = timeout(KILL_PATIENCE, join_all(members.iter().copied())).await;
}

async fn join_all(ids: impl Iterator<Item = Identity>) {
    futures_util::future::join_all(ids.map(os::gone)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: u32, parent: u32, session: u32, start: u64) -> Entry {
        Entry {
            id: Identity { pid, start },
            parent,
            group: session,
            session,
            zombie: false,
        }
    }

    fn pids(family: Vec<Identity>) -> Vec<u32> {
        family.into_iter().map(|id| id.pid).collect()
    }

    #[test]
    fn families() {
        let me = std::process::id();
        let snapshot = Snapshot {
            entries: vec![
                entry(1, 0, 1, 0),
                entry(me, 1, 1, 5),
                entry(1_000_001, me, 1_000_001, 10), // a root
                entry(1_000_002, 1_000_001, 1_000_002, 11), // its child in its own session
                entry(1_000_003, 1_000_002, 1_000_003, 12), // and a grandchild
                entry(1_000_004, me, 1_000_009, 13), // an orphan of a root that has ended
                entry(1_000_005, 1, 1_000_005, 14),  // a stranger
                entry(1_000_006, 1_000_005, 1_000_005, 15),
            ],
            ..Snapshot::default()
        };
        let root = |pid, start| Identity { pid, start };
        assert_eq!(
            pids(snapshot.family(&[root(1_000_001, 10)], &[])),
            [1_000_001, 1_000_002, 1_000_003]
        );
        assert_eq!(
            pids(snapshot.family(&[root(1_000_009, 9)], &[])),
            [1_000_004]
        );
        assert!(snapshot.family(&[root(1_000_009, 14)], &[]).is_empty());
        // The stranger has the number of a root of ours that has ended.
        assert!(snapshot.family(&[root(1_000_005, 3)], &[]).is_empty());
        // Never ourselves, nor init, whatever the marks say.
        assert!(
            snapshot
                .family(&[root(me, 5), root(1, 0)], &[root(me, 5)])
                .iter()
                .all(|id| id.pid > 1 && id.pid != me)
        );
    }

    #[test]
    fn marks_of_an_environment() {
        let found = marks(b"A=1\0ASPIRE_HOST_RUN=r\0\xff=\0ASPIRE_HOST_OBJECT=executables/x\0");
        assert_eq!(found.len(), 2);
        assert_eq!(found["ASPIRE_HOST_RUN"], "r");
        assert!(marks(b"A=1\0").is_empty());
    }
}
