//! Who started a thing: the marks that let a later run tell what a dead host left from what is
//! somebody else's.
//!
//! A host is this machine and namespace, a process id, its start time and the boot. The same text
//! stands in a process's environment, in a container's labels and at the head of a journal.

use std::fmt;
use std::str::FromStr;

use crate::os::{self, Identity};

/// Variable: the run that a process belongs to.
pub(crate) const RUN_VARIABLE: &str = "ASPIRE_HOST_RUN";
/// Variable: the object that a process belongs to.
pub(crate) const OBJECT_VARIABLE: &str = "ASPIRE_HOST_OBJECT";
/// Variable: the host that started a process.
pub(crate) const CREATOR_VARIABLE: &str = "ASPIRE_HOST_CREATOR";

/// Variable: what a process is recorded as that outlives the run; it has none of the others.
pub(crate) const KEPT_VARIABLE: &str = "ASPIRE_HOST_KEPT";

/// Label: the app.
pub const APP_LABEL: &str = "aspire-host.app";
/// Label: the instance of the app.
pub const INSTANCE_LABEL: &str = "aspire-host.instance";
/// Label: the run.
pub const RUN_LABEL: &str = "aspire-host.run";
/// Label: the resource.
pub const RESOURCE_LABEL: &str = "aspire-host.resource";
/// Label: machine and process namespace of the host.
pub const HOST_LABEL: &str = "aspire-host.host";
/// Label: the host's process.
pub const CREATOR_LABEL: &str = "aspire-host.creator";
/// Label: kept after the run.
pub const PERSISTENT_LABEL: &str = "aspire-host.persistent";

/// Waits until a process, which need not be ours, has ended. False: there is none.
pub async fn process_ended(pid: u32) -> bool {
    let Some(entry) = os::entry(pid).filter(|entry| !entry.zombie) else {
        return false;
    };
    os::gone(entry.id).await;
    true
}

/// A process of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Creator {
    pub(crate) id: Identity,
    pub(crate) boot: String,
}

impl Creator {
    /// This process.
    pub(crate) fn myself() -> Self {
        Self {
            id: os::myself(),
            boot: os::boot_id().to_owned(),
        }
    }

    /// Whether it is still there; only meaningful on its own machine and namespace.
    pub(crate) fn is_alive(&self) -> bool {
        self.boot == os::boot_id() && os::is_alive(self.id)
    }
}

impl fmt::Display for Creator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.id.pid, self.id.start, self.boot)
    }
}

impl FromStr for Creator {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, ':');
        let mut number = || parts.next().ok_or(())?.parse::<u64>().map_err(|_| ());
        let (pid, start) = (number()?, number()?);
        let id = Identity {
            pid: u32::try_from(pid).map_err(|_| ())?,
            start,
        };
        Ok(Self {
            id,
            boot: parts.next().ok_or(())?.to_owned(),
        })
    }
}

/// The value of [`CREATOR_VARIABLE`]: machine and namespace, then the process.
pub(crate) fn creator_mark() -> String {
    format!("{}/{}", os::machine(), Creator::myself())
}

/// A dead creator of this machine and namespace, from the value of [`CREATOR_VARIABLE`].
pub(crate) fn is_dead_here(mark: &str) -> bool {
    mark.rsplit_once('/')
        .filter(|(machine, _)| *machine == os::machine())
        .and_then(|(_, creator)| creator.parse::<Creator>().ok())
        .is_some_and(|creator| !creator.is_alive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alive_dead_and_foreign() {
        let me = creator_mark();
        assert!(!is_dead_here(&me));
        let (machine, creator) = me.rsplit_once('/').unwrap();
        let creator: Creator = creator.parse().unwrap();
        assert_eq!(creator, Creator::myself());
        let mut dead = creator.clone();
        dead.id.start += 1;
        assert!(is_dead_here(&format!("{machine}/{dead}")));
        assert!(!is_dead_here(&format!("{machine}x/{dead}")));
        let before = Creator {
            boot: "other".into(),
            ..creator
        };
        assert!(is_dead_here(&format!("{machine}/{before}")));
        for rubbish in [
            "",
            "/",
            &format!("{machine}/1:2"),
            &format!("{machine}/x:2:b"),
        ] {
            assert!(!is_dead_here(rubbish));
        }
    }
}
