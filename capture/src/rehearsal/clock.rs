//! Calendar dates as PTP and EXIF write them. The body's clock runs in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment taken apart: year, month, day, hour, minute, second, millisecond.
fn civil(time: SystemTime) -> (i64, i64, i64, u64, u64, u64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = ((since.as_secs() / 86_400) as i64, since.as_secs() % 86_400);
    // Days to civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, day, rest / 3600, rest / 60 % 60, rest % 60, since.subsec_millis())
}

/// `20261123T021500`.
pub(super) fn ptp(time: SystemTime) -> String {
    let (y, m, d, h, min, s, _) = civil(time);
    format!("{y:04}{m:02}{d:02}T{h:02}{min:02}{s:02}")
}

/// `2026:11:23 02:15:00`, and the hundredths of the second.
pub(super) fn exif(time: SystemTime) -> (String, String) {
    let (y, m, d, h, min, s, ms) = civil(time);
    (format!("{y:04}:{m:02}:{d:02} {h:02}:{min:02}:{s:02}"), format!("{:02}", ms / 10))
}

/// The moment that PTP text names; none when it is no date.
pub(super) fn parse_ptp(text: &str) -> Option<SystemTime> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (y, m, d) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (h, min, s) = (number(9..11)?, number(11..13)?, number(13..15)?);
    let valid = y >= 1970 && (1..=12).contains(&m) && (1..=31).contains(&d) && h < 24 && min < 60 && s < 60;
    if !valid || text.get(8..9) != Some("T") {
        return None;
    }
    // The inverse of `civil`, from the same source: days_from_civil.
    let year = if m <= 2 { y - 1 } else { y };
    let (era, yoe) = (year / 400, year % 400);
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    let seconds = u64::try_from(days * 86_400 + h * 3600 + min * 60 + s).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_match_the_calendar() {
        let leap = UNIX_EPOCH + Duration::from_millis(1_709_209_845_678);
        assert_eq!(ptp(leap), "20240229T123045");
        assert_eq!(exif(leap), ("2024:02:29 12:30:45".into(), "67".into()));
        assert_eq!(parse_ptp("20240229T123045"), Some(UNIX_EPOCH + Duration::from_secs(1_709_209_845)));
        assert_eq!(parse_ptp("20241329T123045"), None);
        assert_eq!(parse_ptp("yesterday"), None);
    }
}
