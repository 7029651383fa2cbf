//! The time of day as manifests write it, and durations, sizes and counts as people read them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, UTC.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// Now, UTC, RFC 3339: `2026-03-14T09:26:53Z`.
pub(crate) fn now() -> String {
    rfc3339(unix_seconds())
}

fn rfc3339(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // Hinnant's civil_from_days: the year is counted from 1 March 0000 in eras of 400 years, 146,097 days each.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Seconds since 1970 of a date and a time of day, both taken for UTC, as RFC 3339 and EXIF write them:
/// `2026-03-14T09:26:53Z`, `2026:03:14 09:26:53`. None for what is no date, such as the zeros of a clock that was never set.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<i64>().ok()
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let valid = year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // The inverse of what is above, days_from_civil, from the same source; years count from March.
    let shifted = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Seconds that this computer's local time is ahead of UTC at a moment.
pub(crate) fn local_offset(unix: u64) -> Option<i64> {
    let time = libc::time_t::try_from(unix).ok()?;
    let mut local = std::mem::MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are to live values of the types that the function wants, and it writes `local` whole where it
    // does not answer null.
    let local = unsafe {
        if libc::localtime_r(&raw const time, local.as_mut_ptr()).is_null() {
            return None;
        }
        local.assume_init()
    };
    Some(local.tm_gmtoff)
}

/// A duration as `1 h 05 min`, `3 min 20 s` or `12 s`.
pub(crate) fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// A size as `12.5 MB`, in powers of 1000.
pub(crate) fn size(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e6 => format!("{:.0} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

/// A count as `1 shot` or `12 shots`.
pub(crate) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_leap_years_and_centuries() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(rfc3339(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn dates_are_read_as_they_are_written() {
        for unix in [0, 951_782_400, 951_868_799, 1_735_689_599, 1_800_000_000, 4_107_542_399, 4_107_542_400] {
            assert_eq!(parse(&rfc3339(unix)), i64::try_from(unix).ok());
        }
        assert_eq!(parse("2000:02:29 00:00:01"), Some(951_782_401));
        for none in ["", "0000:00:00 00:00:00", "2000:13:01 00:00:00", "    :  :     :  :  ", "2000:02:29", "yesterday"]
        {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
