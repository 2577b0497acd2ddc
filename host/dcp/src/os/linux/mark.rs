//! A mark that nothing loses by accident: it survives a cleared environment, a new session, a
//! forgotten parent, closed pipes and another user.
//!
//! Limits of resources are inherited by whatever a process starts, and everybody may read them.
//! The one for the time of real-time tasks, some ten thousand years instead of no limit, limits
//! nothing and leaves room for a number.

use std::fs;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Marks are from here to twice this, in microseconds.
const FLOOR: u64 = 1 << 59;

fn is_mark(value: u64) -> bool {
    (FLOOR..2 * FLOOR).contains(&value)
}

/// Marks this process and all that it will start; none where the limit is used for what it is for.
pub(crate) fn mark() -> Option<u64> {
    static MARK: OnceLock<Option<u64>> = OnceLock::new();
    *MARK.get_or_init(|| {
        let Rlimit { current, maximum } = getrlimit(Resource::Rttime);
        let in_use = current.is_some_and(|current| !is_mark(current));
        if in_use || maximum.is_some_and(|maximum| maximum < 2 * FLOOR) {
            return None;
        }
        let mark = FLOOR + rand::random::<u64>() % FLOOR;
        let limit = Rlimit {
            current: Some(mark),
            maximum,
        };
        setrlimit(Resource::Rttime, limit).ok().map(|()| mark)
    })
}

/// Takes the mark off this process.
pub(super) fn unmark() {
    let Rlimit { current, maximum } = getrlimit(Resource::Rttime);
    if current.is_some_and(is_mark) {
        let limit = Rlimit {
            current: maximum,
            maximum,
        };
        let _ = setrlimit(Resource::Rttime, limit);
    }
}

/// Does something while this process is not marked, so that what it starts isn't.
pub(super) fn without<T>(start: impl FnOnce() -> T) -> T {
    let Rlimit { current, maximum } = getrlimit(Resource::Rttime);
    let is_marked = current.is_some_and(is_mark);
    if is_marked {
        unmark();
    }
    let done = start();
    if is_marked {
        let _ = setrlimit(Resource::Rttime, Rlimit { current, maximum });
    }
    done
}

/// The mark of a process.
pub(crate) fn mark_of(pid: u32) -> Option<u64> {
    parse(&fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
}

fn parse(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max realtime timeout"))?;
    let soft = line.split_ascii_whitespace().next()?;
    soft.parse().ok().filter(|value| is_mark(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_a_process() {
        let with = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max realtime priority     0                    0                    \n\
                 Max realtime timeout      {soft}   unlimited            us        \n"
            )
        };
        assert_eq!(parse(&with("unlimited")), None);
        assert_eq!(parse(&with("200000")), None);
        assert_eq!(parse(&with(&(FLOOR + 7).to_string())), Some(FLOOR + 7));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn what_is_to_outlive_us_does_not() {
        let Some(mark) = mark() else { return };
        let limits = || {
            let output = std::process::Command::new("cat")
                .arg("/proc/self/limits")
                .output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        assert_eq!(parse(&without(limits)), None);
        assert_eq!(mark_of(std::process::id()), Some(mark));
    }

    #[test]
    fn children_inherit_it_whatever_they_forget() {
        let Some(mark) = mark() else { return };
        assert_eq!(mark_of(std::process::id()), Some(mark));
        let output = std::process::Command::new("setsid")
            .args(["cat", "/proc/self/limits"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .unwrap();
        assert_eq!(parse(&String::from_utf8_lossy(&output.stdout)), Some(mark));
    }
}
