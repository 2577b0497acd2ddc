//! Who runs an instance: what the owner of its lock has written into it.
//!
//! The locks of all instances of a user are the register of running apps. Knows pids and start
//! times. Locks nothing itself, so that a look never stands in the way of a run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Instance;
use crate::files;

/// The process that runs an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Process id.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since the boot; 0: not to be found out.
    started: u64,
    /// The app.
    pub(crate) app: String,
    /// The instance.
    pub(crate) instance: String,
    /// The app's folder.
    pub(crate) folder: PathBuf,
    /// By which file its control plane is found.
    pub(crate) kubeconfig: PathBuf,
}

impl Owner {
    /// This process.
    pub(super) fn this(instance: &Instance) -> Self {
        let pid = std::process::id();
        let folder = instance.state.parent().unwrap_or(&instance.state);
        Self {
            pid,
            started: start_time(pid).unwrap_or_default(),
            app: instance.app.clone(),
            instance: instance.id.clone(),
            folder: folder.to_owned(),
            kubeconfig: instance.kubeconfig(),
        }
    }

    /// The text of a lock.
    pub(super) fn write(&self) -> String {
        let Self {
            pid,
            started,
            app,
            instance,
            folder,
            kubeconfig,
        } = self;
        format!(
            "pid {pid}\nstarted {started}\napp {app}\ninstance {instance}\nfolder {}\n\
             kubeconfig {}\n",
            folder.display(),
            kubeconfig.display()
        )
    }

    /// The owner that a lock names, if it lives.
    pub(super) fn read(lock: &Path) -> Option<Self> {
        parse(&fs::read_to_string(lock).ok()?).filter(Self::is_alive)
    }

    /// The very process, not one that got its number later.
    pub(crate) fn is_alive(&self) -> bool {
        if cfg!(target_os = "linux") {
            self.started != 0 && start_time(self.pid) == Some(self.started)
        } else {
            // Whoever connects finds out.
            true
        }
    }
}

/// Every instance of this user that runs, in order of app and instance.
///
/// # Errors
/// There is no folder for data of this user.
pub(crate) fn running_instances() -> Result<Vec<Owner>> {
    let folder = files::user_data()?.join("instances");
    let mut owners: Vec<Owner> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Owner::read(&entry.path().join("lock")))
        .collect();
    owners.sort_by(|one, other| {
        (&one.app, &one.folder, &one.instance).cmp(&(&other.app, &other.folder, &other.instance))
    });
    Ok(owners)
}

fn parse(text: &str) -> Option<Owner> {
    let word = |name: &str| {
        text.lines().find_map(|line| {
            line.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '))
        })
    };
    Some(Owner {
        pid: word("pid")?.parse().ok()?,
        started: word("started")?.parse().ok()?,
        app: word("app")?.to_owned(),
        instance: word("instance")?.to_owned(),
        folder: PathBuf::from(word("folder")?),
        kubeconfig: PathBuf::from(word("kubeconfig")?),
    })
}

/// When a process started, in clock ticks since the boot; none: it is gone, or only a zombie.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything; field 22 is the twentieth after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next() == Some("Z") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_process_is_an_owner() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("lock");
        let mut owner = Owner {
            pid: std::process::id(),
            started: start_time(std::process::id()).unwrap(),
            app: "shop".into(),
            instance: "abc".into(),
            folder: "/a folder/shop".into(),
            kubeconfig: "/a folder/shop/.aspire-host/kubeconfig".into(),
        };
        fs::write(&lock, owner.write()).unwrap();
        assert_eq!(Owner::read(&lock), Some(owner.clone()));
        // The same number, another process.
        owner.started += 1;
        fs::write(&lock, owner.write()).unwrap();
        assert_eq!(Owner::read(&lock), None);
        // A lock of an older version, and none at all.
        fs::write(&lock, "pid 1\nstarted 1\n").unwrap();
        assert_eq!(Owner::read(&lock), None);
        fs::remove_file(&lock).unwrap();
        assert_eq!(Owner::read(&lock), None);
    }
}
