//! What a plugin may do: the one decision, as a pure function.

use aspire_model::grant::{Grants, Permission};

use super::LockEntry;
use crate::manifest::Manifest;

/// What the user and the operator say beside the lock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed<'a> {
    /// `allow` in `aspire.toml`.
    pub by_app: &'a [Permission],
    /// `--allow`, and what was answered yes to on a terminal. Kept in the lock.
    pub by_command: &'a [Permission],
    /// What the operator lets any plugin have; none: everything.
    pub ceiling: Option<&'a [Permission]>,
}

/// Why a plugin does not get what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// Nobody has granted it.
    NotGranted,
    /// The operator does not let plugins have it.
    Forbidden,
    /// This version of the host has nothing behind it.
    NotServed,
}

/// A new digest that asks for more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Version and digest before.
    pub before: (String, String),
    /// Version and digest now.
    pub now: (String, String),
    /// Asked for now and not before, and not granted by anybody.
    pub added: Vec<Permission>,
    /// Asked for before and not now.
    pub removed: Vec<Permission>,
}

/// What becomes of a plugin's wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What it may do.
    pub granted: Grants,
    /// What it asks for and does not get, in order.
    pub missing: Vec<(Permission, Missing)>,
    /// Its file has changed and asks for more than was granted: stop, and show this.
    pub changed: Option<Change>,
    /// What the lock should say from now on. While `changed` is there, only after the user has seen
    /// the change and said to go on without what it asks for.
    pub entry: LockEntry,
}

impl Decision {
    /// What the user could grant: asked for, served, not forbidden, not granted.
    pub fn to_ask(&self) -> impl Iterator<Item = &Permission> {
        let asking = self
            .missing
            .iter()
            .filter(|(_, why)| *why == Missing::NotGranted);
        asking.map(|(permission, _)| permission)
    }

    /// The options that would grant it, for a message.
    pub fn allow_options(&self, plugin: &str) -> Vec<String> {
        self.to_ask()
            .map(|permission| format!("--allow {plugin}={permission}"))
            .collect()
    }
}

/// Decides what a plugin may do: asked for ∩ granted ∩ allowed by the operator.
///
/// The lock's grant belongs to a digest. Another digest that asks for no more keeps it; one that
/// asks for more, and does not get that from [`Allowed`], is a [`Change`].
pub fn decide(
    manifest: &Manifest,
    digest: &str,
    entry: Option<&LockEntry>,
    allowed: Allowed<'_>,
) -> Decision {
    let wishes = &manifest.wishes;
    let covered = |by: &[Permission], one: &Permission| by.iter().any(|have| have.covers(one));
    let allowed_now =
        |one: &Permission| covered(allowed.by_app, one) || covered(allowed.by_command, one);

    let changed = entry
        .filter(|entry| entry.sha256 != digest)
        .and_then(|entry| {
            let is_new = |one: &&Permission| !covered(&entry.asked, one) && !allowed_now(one);
            let added: Vec<Permission> = wishes.iter().filter(is_new).cloned().collect();
            let gone = |one: &&Permission| !wishes.contains(one);
            (!added.is_empty()).then(|| Change {
                before: (entry.version.clone(), entry.sha256.clone()),
                now: (manifest.version.to_string(), digest.to_owned()),
                added,
                removed: entry.asked.iter().filter(gone).cloned().collect(),
            })
        });

    // A grant is a sentence about something that was asked for. What is no longer asked for is
    // forgotten, so that it does not come back by itself later.
    let kept: &[Permission] = entry.map_or(&[], |entry| &entry.granted);
    let mut recorded: Vec<Permission> = wishes
        .iter()
        .filter(|one| covered(kept, one) || covered(allowed.by_command, one))
        .cloned()
        .collect();
    recorded.sort();

    let mut granted: Vec<Permission> = recorded.clone();
    granted.extend(wishes.iter().filter(|one| allowed_now(one)).cloned());
    if changed.is_some() {
        granted.clear();
    }
    let served = wishes
        .iter()
        .filter(|one| !matches!(one, Permission::NotServed(_)));
    let effective = Grants::effective(served, &granted, allowed.ceiling);
    let why = |one: &Permission| {
        if matches!(one, Permission::NotServed(_)) {
            Missing::NotServed
        } else if allowed
            .ceiling
            .is_some_and(|ceiling| !covered(ceiling, one))
        {
            Missing::Forbidden
        } else {
            Missing::NotGranted
        }
    };
    Decision {
        missing: wishes
            .iter()
            .filter(|one| !effective.allows(one))
            .map(|one| (one.clone(), why(one)))
            .collect(),
        granted: effective,
        changed,
        entry: LockEntry {
            version: manifest.version.to_string(),
            sha256: digest.to_owned(),
            asked: wishes.clone(),
            granted: recorded,
        },
    }
}
