//! Points in time as the objects and the logs write them: RFC 3339 in UTC with microseconds.
//!
//! Knows the calendar. Doesn't know who asks; whatever needs a time gets one from here, so that
//! the pure parts of the control plane can be given any time they like. Clocks are put forward and
//! back while a run goes on, so nothing but what people read is made from them: how long something
//! took is taken from [`uptime`].

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// By how much tests have put the clock forward or back: microseconds.
static JUMPED: AtomicI64 = AtomicI64::new(0);

/// Puts the clock forward or back, as far as this program sees it; for tests.
pub fn jump(micros: i64) {
    JUMPED.fetch_add(micros, Ordering::Relaxed);
}

/// How long this program has been running, whatever is done to the clock; counted from the first
/// call.
pub(crate) fn uptime() -> Duration {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    BEGINNING.get_or_init(Instant::now).elapsed()
}

/// A point in time: microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

/// Bytes of the written form.
pub(crate) const WIDTH: usize = 27;

impl Timestamp {
    /// The machine's clock.
    pub fn now() -> Self {
        let micros = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_micros());
        let jumped = JUMPED.load(Ordering::Relaxed);
        Self(
            i64::try_from(micros)
                .unwrap_or(i64::MAX)
                .saturating_add(jumped),
        )
    }

    /// The written form, `2026-01-02T03:04:05.123456Z`.
    pub fn write(self) -> [u8; WIDTH] {
        let (days, of_day) = (
            self.0.div_euclid(86_400_000_000),
            self.0.rem_euclid(86_400_000_000),
        );
        let (year, month, day) = civil_from_days(days);
        let seconds = of_day / 1_000_000;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |range: std::ops::Range<usize>, mut value: i64| {
            for place in text[range].iter_mut().rev() {
                *place = b'0' + u8::try_from(value % 10).unwrap_or(0);
                value /= 10;
            }
        };
        put(0..4, year.clamp(0, 9999));
        put(5..7, month);
        put(8..10, day);
        put(11..13, seconds / 3600);
        put(14..16, seconds / 60 % 60);
        put(17..19, seconds % 60);
        put(20..26, of_day % 1_000_000);
        text
    }

    /// As metadata has it, `2026-01-02T03:04:05Z`.
    pub fn seconds(self) -> String {
        let text = self.to_string();
        format!("{}Z", &text[..19])
    }

    /// Reads the written form.
    pub fn read(text: &[u8]) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            text.get(range)?.iter().try_fold(0i64, |sum, digit| {
                digit
                    .is_ascii_digit()
                    .then(|| sum * 10 + i64::from(digit - b'0'))
            })
        };
        if text.len() != WIDTH || text[19] != b'.' || text[26] != b'Z' {
            return None;
        }
        let days = days_from_civil(number(0..4)?, number(5..7)?, number(8..10)?);
        let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
        Some(Self(
            (days * 86_400 + seconds) * 1_000_000 + number(20..26)?,
        ))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.write()).unwrap_or_default())
    }
}

/// Year, month and day of a day count since 1970 (Howard Hinnant's algorithm).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (1_767_323_045_123_456, "2026-01-02T03:04:05.123456Z"),
            (4_102_444_799_999_999, "2099-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp(micros).to_string(), text);
            assert_eq!(Timestamp::read(text.as_bytes()), Some(Timestamp(micros)));
        }
        assert_eq!(Timestamp::read(b"2026-01-02T03:04:05.12345xZ"), None);
        assert_eq!(Timestamp::read(b""), None);
    }

    #[test]
    fn every_day_of_four_centuries() {
        for day in 0..146_097 {
            let (y, m, d) = civil_from_days(day);
            assert_eq!(days_from_civil(y, m, d), day);
        }
    }
}
