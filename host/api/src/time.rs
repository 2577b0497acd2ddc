//! Points in time as clients write them: RFC 3339, with a fraction of any length and any offset.
//!
//! Knows the calendar of the written form. Doesn't know the machine's clock.

/// A written point in time, as microseconds since 1970; negative before.
pub fn micro_time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = bytes.get(range)?;
        digits.iter().try_fold(0i64, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + i64::from(digit - b'0'))
        })
    };
    for (place, mark) in [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')] {
        if bytes.get(place) != Some(&mark) {
            return None;
        }
    }
    if !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let is_day = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_day || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = fraction(text.get(19..)?)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((seconds - offset(zone)?) * 1_000_000 + fraction)
}

/// The microseconds of a fraction, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    let micros = rest[..end].chars().chain("000000".chars()).take(6);
    let micros = micros.collect::<String>().parse().ok()?;
    (end > 0).then_some((micros, &rest[end..]))
}

/// The seconds by which a zone is ahead.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |text: &str| -> Option<i64> {
        let digits = text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    };
    Some(sign * (two(hours)? * 3600 + two(minutes)? * 60))
}

/// Days since 1970 (Howard Hinnant's algorithm).
fn days(year: i64, month: i64, day: i64) -> i64 {
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
    fn spellings() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.000001Z", Some(1)),
            ("1970-01-01T00:00:00.1234567Z", Some(123_456)),
            ("1970-01-01T02:00:00.5+02:00", Some(500_000)),
            ("2026-01-02T03:04:05.123456Z", Some(1_767_323_045_123_456)),
            // A time since boot, as DCP identifies processes on Linux.
            ("0001-01-01T00:00:01Z", Some(-62_135_596_799_000_000)),
            ("1970-01-01T00:00:00", None),
            ("1970-13-01T00:00:00Z", None),
            ("1970-01-01T24:00:00Z", None),
            ("1970-01-01T00:00:00.Z", None),
            ("1970-01-01T00:00:00+2:00", None),
            ("1970-01-01", None),
            ("soon", None),
            ("", None),
            ("1970-01-01T00:00:0é", None),
        ] {
            assert_eq!(micro_time(text), expected, "{text}");
        }
    }
}
