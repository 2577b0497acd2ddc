//! Times: the clocks that children stamp with, and the median.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// Milliseconds.
pub(crate) type Ms = f64;

/// The monotonic clock, which `stamp` writes.
pub(crate) fn now() -> Ms {
    read(ClockId::Monotonic)
}

/// The clock of `/proc/uptime`, which containers write.
pub(crate) fn since_boot() -> Ms {
    read(ClockId::Boottime)
}

#[expect(clippy::cast_precision_loss, reason = "a clock needs 50 bits at most")]
fn read(clock: ClockId) -> Ms {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// A length in milliseconds.
pub(crate) fn ms(length: Duration) -> Ms {
    length.as_secs_f64() * 1e3
}

/// The middle one; of an even number the mean of the two.
pub(crate) fn median(values: impl IntoIterator<Item = Ms>) -> Ms {
    let mut values: Vec<Ms> = values.into_iter().collect();
    values.sort_by(Ms::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => Ms::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Waits until something is there.
pub(crate) fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > end {
            return Err(format!("waited {} s for {what}", limit.as_secs()));
        }
        // Rarely, so that looking costs nobody anything: the times are in the stamps.
        thread::sleep(Duration::from_millis(10));
    }
}

/// First and last stamp of this many children below a folder.
pub(crate) fn stamps(folder: &Path, count: usize, limit: Duration) -> Result<(Ms, Ms)> {
    let what = format!("{count} stamps of children");
    let all = until(limit, &what, || {
        if fs::read_dir(folder).ok()?.count() < count {
            return None;
        }
        let all: Option<Vec<Ms>> = fs::read_dir(folder)
            .ok()?
            .flatten()
            .map(|entry| stamp(&fs::read_to_string(entry.path()).ok()?))
            .collect();
        all.filter(|all| all.len() >= count)
    })?;
    let first = all.iter().copied().fold(f64::INFINITY, f64::min);
    let last = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok((first, last))
}

/// The stamp in a file, once it is written as a whole.
fn stamp(text: &str) -> Option<Ms> {
    let nanoseconds: f64 = text.strip_suffix('\n')?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median([]).is_nan());
    }

    #[test]
    fn half_a_stamp_is_none() {
        assert_eq!(stamp("1500000"), None);
        assert_eq!(stamp("1500000\n"), Some(1.5));
        assert!(now() > 0.0 && since_boot() >= now() - 1.0);
    }
}
