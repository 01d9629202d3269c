//! Durations as they are written in an argument: `250ms`, `1.5s`.

use crate::args::near;

/// Every unit, and its nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    // The same for the eye: above is the micro sign, here the Greek letter.
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
];

/// What people write for these units elsewhere.
const OTHER_NAMES: [(&str, &[&str]); 5] = [
    ("ns", &["nsec", "nanos", "nanosecond", "nanoseconds"]),
    (
        "us",
        &["usec", "micro", "micros", "microsecond", "microseconds"],
    ),
    (
        "ms",
        &["msec", "milli", "millis", "millisecond", "milliseconds"],
    ),
    ("s", &["sec", "secs", "second", "seconds"]),
    ("min", &["m", "mins", "minute", "minutes"]),
];

/// The nanoseconds of a duration, or what is wrong with it and what to write instead.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let numeric = |c: char| c.is_ascii_digit() || c == '.';
    let split = trimmed.find(|c| !numeric(c)).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let unit = unit.trim_start();
    let Some((whole, fraction)) = decimal(number) else {
        return Err(not_a_duration(text));
    };
    if unit.is_empty() {
        return Err(format!(
            "`{text}` has no unit; write `{trimmed}ms`, for example; {}",
            supported()
        ));
    }
    // `1e3s`, `1_000ms`, `5-10ms`: the mistake is in the number.
    if !unit.chars().all(char::is_alphabetic) {
        return Err(not_a_duration(text));
    }
    let Some(&(_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(unknown_unit(unit));
    };
    match nanoseconds(whole, fraction, scale) {
        Ok(0) => Err(String::from(
            "must be longer than nothing, or every call would be slow; write `250ms`, for example",
        )),
        Ok(ns) => Ok(ns),
        Err(Misfit::TooLong) => Err(format!(
            "`{text}` is too long: the longest is {}s, which is 584 years",
            u64::MAX / 1_000_000_000
        )),
        Err(Misfit::TooFine) => Err(format!(
            "`{text}` has more digits than nanoseconds can tell apart; leave the last ones out"
        )),
    }
}

/// The digits before and after the point.
fn decimal(number: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let is_number = !whole.is_empty() && !fraction.contains('.');
    is_number.then_some((whole, fraction))
}

/// Why a number does not fit.
enum Misfit {
    TooLong,
    TooFine,
}

fn nanoseconds(whole: &str, fraction: &str, scale: u64) -> Result<u64, Misfit> {
    let whole: u64 = whole.parse().map_err(|_| Misfit::TooLong)?;
    let whole = whole.checked_mul(scale).ok_or(Misfit::TooLong)?;
    let mut parts = 0;
    // What is left of the unit to be divided among the digits that follow.
    let mut left = scale;
    for digit in fraction.trim_end_matches('0').bytes() {
        if !left.is_multiple_of(10) {
            return Err(Misfit::TooFine);
        }
        left /= 10;
        parts += u64::from(digit - b'0') * left;
    }
    whole.checked_add(parts).ok_or(Misfit::TooLong)
}

fn supported() -> String {
    let units: Vec<_> = UNITS
        .iter()
        .filter(|(name, _)| *name != "μs")
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    format!("supported units: {}", units.join(", "))
}

fn not_a_duration(text: &str) -> String {
    format!(
        "`{text}` is not a duration; write a number and a unit, such as `250ms` or `1.5s`; {}",
        supported()
    )
}

fn unknown_unit(unit: &str) -> String {
    let lower = unit.to_lowercase();
    let alias = OTHER_NAMES
        .iter()
        .find(|(_, others)| others.contains(&lower.as_str()));
    let hint = match alias {
        Some((name, _)) => format!(" (did you mean `{name}`?)"),
        None => near(&lower, UNITS.iter().map(|(name, _)| *name)),
    };
    format!("unknown unit `{unit}`{hint}; {}", supported())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_unit_and_decimals_are_exact_nanoseconds() {
        let durations = [
            ("1ns", 1),
            ("250us", 250_000),
            ("250µs", 250_000),
            ("250μs", 250_000),
            ("1.5s", 1_500_000_000),
            ("0.000000001s", 1),
            ("1.10ms", 1_100_000),
            ("1.000000000000s", 1_000_000_000),
            ("0.5min", 30_000_000_000),
            (" 2 min ", 120_000_000_000),
            ("18446744073.709551615s", u64::MAX),
        ];
        for (text, ns) in durations {
            assert_eq!(parse(text), Ok(ns), "{text}");
        }
    }

    #[test]
    fn whatever_is_wrong_is_told_with_what_is_right() {
        let mistakes = [
            ("", "is not a duration; write a number and a unit"),
            ("ms", "is not a duration"),
            ("-5ms", "is not a duration"),
            ("1.ms", "is not a duration"),
            (".5s", "is not a duration"),
            ("1.2.3s", "is not a duration"),
            ("1_000ms", "is not a duration"),
            ("1e3ms", "is not a duration"),
            ("1s 5ms", "is not a duration"),
            (
                "250",
                "has no unit; write `250ms`, for example; supported units: `ns`, `us`, `µs`, `ms`, `s`, `min`",
            ),
            ("5m", "unknown unit `m` (did you mean `min`?)"),
            ("5secs", "unknown unit `secs` (did you mean `s`?)"),
            ("5MS", "unknown unit `MS` (did you mean `ms`?)"),
            (
                "5Milliseconds",
                "unknown unit `Milliseconds` (did you mean `ms`?)",
            ),
            ("5fortnights", "unknown unit `fortnights`; supported units"),
            ("0ms", "must be longer than nothing"),
            ("0.0s", "must be longer than nothing"),
            ("1.5ns", "more digits than nanoseconds"),
            ("0.0000000001s", "more digits than nanoseconds"),
            (
                "18446744073.709551616s",
                "too long: the longest is 18446744073s",
            ),
            ("99999999999999999999ns", "too long"),
            ("307445735min", "too long"),
        ];
        for (text, part) in mistakes {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
