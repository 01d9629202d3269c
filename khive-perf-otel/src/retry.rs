//! Retry: which answers mean "again", and when; a state machine without a clock.
//!
//! The tables are those of the OTLP specification, sections "Failures" and "Retryable response codes".

use std::time::Duration;

/// The longest pause between two attempts that nobody asked for.
const PAUSE_MAX: Duration = Duration::from_secs(5);
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Taken, but for so many points.
    Taken { rejected: u64, message: String },
    /// Not taken, and to be sent again; not before `after`, if the receiver said so.
    Again {
        after: Option<Duration>,
        error: String,
    },
    /// Not taken, and never to be sent again.
    Refused { error: String },
}

/// Whether a gRPC code is to be retried. `RESOURCE_EXHAUSTED` is only if the receiver says when.
pub(crate) fn is_retryable_code(code: tonic::Code, says_when: bool) -> bool {
    use tonic::Code;
    match code {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::ResourceExhausted => says_when,
        _ => false,
    }
}

/// Whether an HTTP status is to be retried.
pub(crate) fn is_retryable_status(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// Pauses that grow: exponential, with full jitter, so that many senders do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next pause: what the receiver asked for, else a part of the growing pause. `random` is in
    /// `0.0..1.0`.
    pub(crate) fn next(&mut self, asked: Option<Duration>, random: f64) -> Duration {
        let grown = PAUSE_FIRST
            .saturating_mul(1 << self.attempts.min(16))
            .min(PAUSE_MAX);
        self.attempts = self.attempts.saturating_add(1);
        asked.unwrap_or_else(|| grown.mul_f64(random.clamp(0.0, 1.0)).max(PAUSE_FIRST / 10))
    }
}

/// `Retry-After`, as seconds or as a date; `now` is the time in seconds since the Unix epoch.
pub(crate) fn retry_after(value: &str, now_unix_s: u64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then = http_date(value)?;
    Some(Duration::from_secs(then.saturating_sub(now_unix_s)))
}

/// Seconds since the Unix epoch of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form senders must use.
fn http_date(value: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, date) = value.split_once(", ")?;
    let mut parts = date.split(' ');
    let day: u64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = parts.next()?.parse().ok()?;
    let mut time = parts
        .next()?
        .split(':')
        .map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if parts.next() != Some("GMT") || !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since the epoch, by the civil calendar that begins in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    Some((days.checked_sub(719_469)? * 24 + hour) * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_seconds_say_when_to_come_back() {
        assert_eq!(retry_after("7", 0), Some(Duration::from_secs(7)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(
            retry_after(date, 784_111_777 - 30),
            Some(Duration::from_secs(30))
        );
        assert_eq!(retry_after(date, 784_111_777 + 30), Some(Duration::ZERO));
        assert_eq!(
            http_date("Thu, 29 Feb 2024 00:00:00 GMT"),
            Some(1_709_164_800)
        );
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:01 GMT"), Some(1));
        for bad in [
            "",
            "soon",
            "-1",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
        ] {
            assert_eq!(retry_after(bad, 0), None, "{bad}");
        }
    }

    #[test]
    fn pauses_grow_to_a_limit_and_give_way_to_what_the_receiver_asks() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8)
            .map(|_| backoff.next(None, 1.0).as_millis())
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(
            backoff.next(Some(Duration::from_secs(9)), 0.5),
            Duration::from_secs(9)
        );
        assert!(
            backoff.next(None, 0.0) > Duration::ZERO,
            "never a busy loop"
        );
    }

    #[test]
    fn the_codes_of_the_specification_are_retried_and_no_others() {
        use tonic::Code;
        let again: Vec<i32> = (0..17)
            .filter(|code| is_retryable_code(Code::from_i32(*code), false))
            .collect();
        assert_eq!(again, [1, 4, 10, 11, 14, 15]);
        assert!(is_retryable_code(Code::ResourceExhausted, true));
        let again: Vec<u16> = (100..600)
            .filter(|status| is_retryable_status(*status))
            .collect();
        assert_eq!(again, [429, 502, 503, 504]);
    }
}
