//! The process that a workload is to end with (`monitorPid`): whether it is there, and its end.
//!
//! A number alone may be somebody else's by now, so the start counts as well. Clients write it in
//! two ways: by the clock, or, as DCP does on Linux, as the time since boot put onto the first day
//! of the year 1.

use std::time::Duration;

use aspire_api::time::micro_time;

use crate::os::{self, Identity};

/// 0001-01-01, in microseconds since 1970.
const YEAR_ONE: i64 = -62_135_596_800_000_000;
/// By the clock, starts are known to the second, and the clock may have been set a little since.
const BY_CLOCK: u64 = 2_000_000;
/// Ticks since boot are hundredths of a second, and DCP compares with 2 ms.
const SINCE_BOOT: u64 = 12_000;

/// A process as an object names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Monitored {
    /// Process id.
    pub(crate) pid: u32,
    /// When it started, in microseconds since 1970.
    started: i64,
}

impl Monitored {
    /// From the fields of a spec; none: there is no such process to end with.
    pub(crate) fn of(pid: Option<i64>, timestamp: Option<&str>) -> Option<Self> {
        Some(Self {
            pid: u32::try_from(pid?).ok()?,
            started: micro_time(timestamp?)?,
        })
    }

    /// The process itself, if it is still there.
    pub(crate) fn find(self) -> Option<Identity> {
        let entry = os::entry(self.pid).filter(|entry| !entry.zombie)?;
        let since_boot = os::since_boot(entry.id)?;
        self.is_it(since_boot, os::boot_time()).then_some(entry.id)
    }

    /// Whether a process with its number is the one that is meant, by its start in microseconds
    /// since boot.
    fn is_it(self, since_boot: u64, boot: i64) -> bool {
        let since_boot = i64::try_from(since_boot).unwrap_or(i64::MAX);
        let (expected, slack) = if self.started < 0 {
            (YEAR_ONE.saturating_add(since_boot), SINCE_BOOT)
        } else {
            (boot.saturating_add(since_boot), BY_CLOCK)
        };
        self.started.abs_diff(expected) <= slack
    }
}

/// Waits until a process has ended.
pub(crate) async fn ended(id: Identity) {
    loop {
        os::gone(id).await;
        if !os::is_alive(id) {
            return;
        }
        // No file could be opened for it.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn monitored(started: &str) -> Monitored {
        Monitored::of(Some(i64::from(std::process::id())), Some(started)).unwrap()
    }

    #[test]
    fn both_ways_of_writing_a_start() {
        let boot = micro_time("2026-01-02T00:00:00Z").unwrap();
        let hour = 3_600_000_000;
        for (text, since_boot, expected) in [
            ("2026-01-02T01:00:00.000000Z", hour, true),
            ("2026-01-02T01:00:01.500000Z", hour, true),
            ("2026-01-02T01:00:03.000000Z", hour, false),
            ("2026-01-02T02:00:00+01:00", hour, true),
            ("0001-01-01T01:00:00.000000Z", hour, true),
            ("0001-01-01T01:00:00.010000Z", hour, true),
            ("0001-01-01T01:00:00.020000Z", hour, false),
        ] {
            assert_eq!(monitored(text).is_it(since_boot, boot), expected, "{text}");
        }
    }

    #[test]
    fn this_process_is_found_and_a_later_one_with_its_number_is_not() {
        let me = os::myself();
        let since_boot = i64::try_from(os::since_boot(me).unwrap()).unwrap();
        let at = |micros| Timestamp(os::boot_time() + since_boot + micros).to_string();
        assert_eq!(monitored(&at(0)).find(), Some(me));
        assert_eq!(monitored(&at(-60_000_000)).find(), None);
        assert_eq!(Monitored::of(Some(1), None), None);
    }
}
