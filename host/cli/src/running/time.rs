//! Points in time as objects and logs carry them, and durations as people write them.
//!
//! Knows RFC 3339 in UTC. Doesn't know the clock, except for [`now`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970.
pub(crate) type Micros = i64;

/// Now.
pub(crate) fn now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros().try_into().unwrap_or(i64::MAX))
}

/// `2026-01-02T03:04:05[.123456]Z` (or with an offset).
pub(crate) fn read(text: &str) -> Option<Micros> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let bytes = text.as_bytes();
    if bytes.get(4) != Some(&b'-') || !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let mut rest = text.get(19..)?;
    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit())?;
        let digits = format!("{:0<6.6}", &fraction[..end]);
        micros = digits.parse::<i64>().ok()?;
        rest = &fraction[end..];
    }
    let offset = match rest {
        "Z" | "z" => 0,
        _ => {
            let sign = if rest.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = rest.get(1..)?.split_once(':')?;
            sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)
        }
    };
    let days = days_from_civil(year, month, day);
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * 1_000_000 + micros)
}

/// Days since 1970 of a date of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// How long ago, for people: `5s`, `3m`, `2h10m`, `4d`.
pub(crate) fn ago(then: Micros, now: Micros) -> String {
    let seconds = (now - then).max(0) / 1_000_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `1h2m`, `30s`, `500ms`, or a plain number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    aspire_api::validate::duration(text)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is no duration such as `30s`, `5m` or `1h30m`"))
}

/// A point in time, or how long ago it is.
pub(crate) fn since(text: &str) -> Result<Micros, String> {
    if let Some(time) = read(text) {
        return Ok(time);
    }
    let ago = duration(text).map_err(|error| format!("{error}, and no time in RFC 3339 either"))?;
    Ok(now() - i64::try_from(ago.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(read("2026-11-24T12:25:27.5Z"), Some(1_795_523_127_500_000));
        assert_eq!(
            read("2026-11-24T13:25:27.500000+01:00"),
            Some(1_795_523_127_500_000)
        );
        assert_eq!(read("2000-02-29T00:00:00Z"), Some(951_782_400_000_000));
        assert_eq!(read("yesterday"), None);
        assert_eq!(read("2026-11-24T12:25:27"), None);
    }

    #[test]
    fn durations() {
        let of = |seconds: i64| ago(0, seconds * 1_000_000);
        assert_eq!(
            [of(-1), of(59), of(61), of(3 * 3600 + 61), of(200_000)],
            ["0s", "59s", "1m", "3h01m", "2d"]
        );
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert!(duration("soon").is_err());
        assert_eq!(since("1970-01-01T00:00:01Z").unwrap(), 1_000_000);
    }
}
