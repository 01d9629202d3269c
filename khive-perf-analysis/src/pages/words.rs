//! Wording that the pages share: times of the calendar, counts, places, attributes.

use crate::points;
use crate::recommend::Leak;
use crate::report::words::{self, bytes};

/// `2026-11-23 07:05:00`, by Howard Hinnant's days-to-civil algorithm.
#[must_use]
pub fn utc(unix_ns: u64) -> String {
    let seconds = unix_ns / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}",
        second % 60
    )
}

/// A time, or a dash.
#[must_use]
pub fn time(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), words::seconds)
}

/// A share in percent, or a dash.
pub(super) fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// Bytes per call, or a dash.
pub(super) fn bytes_or_none(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), bytes)
}

/// File and line, where they are known.
pub(super) fn place(place: Option<&(String, i64)>) -> String {
    place.map_or_else(String::new, |(file, line)| {
        format!("{}:{line}", words::clean(file))
    })
}

/// What a leak is said to be, in one line.
pub(super) fn leak(leak: &Leak) -> String {
    let rate = if leak.bytes_per_hour > 0.0 {
        format!("{} an hour come to stay, ", bytes(leak.bytes_per_hour))
    } else {
        String::new()
    };
    format!(
        "{} is {}: {rate}{} alive",
        words::clean(&leak.name),
        leak.verdict,
        bytes(leak.retained_bytes)
    )
}

/// A value of a resource as text.
pub(super) fn attribute(value: &serde_json::Value) -> String {
    words::clean(&points::text(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_calendar_does() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(951_827_696_000_000_000), "2000-02-29 12:34:56");
        assert_eq!(utc(1_795_417_499_999_999_999), "2026-11-23 07:04:59");
        assert_eq!(utc(4_107_542_400_000_000_000), "2100-03-01 00:00:00");
    }
}
