//! Which failures are tried again, and when.
//!
//! The table is that of the OTLP specification. Nothing here waits or asks for the time.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

/// What a receiver made of a request, as far as the queue is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Accepted, but for `rejected` data points; a message without a rejection is a warning.
    Accepted {
        rejected: u64,
        message: Option<String>,
    },
    /// Refused for good.
    Refused(String),
    /// To be tried again, after the time that the receiver asked for.
    TryAgain {
        after: Option<Duration>,
        why: String,
    },
}

/// What a transport saw go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No whole response came: refused, broken off, or too late.
    Connection(String),
    /// A response other than 2xx.
    Http {
        status: u16,
        retry_after: Option<Duration>,
        message: String,
    },
    /// A gRPC status other than OK.
    Grpc {
        code: i32,
        retry_info: Option<Duration>,
        message: String,
    },
}

/// Decides what a failure means.
pub(crate) fn judge(failure: Failure) -> Answer {
    match failure {
        Failure::Connection(why) => Answer::TryAgain { after: None, why },
        Failure::Http {
            status,
            retry_after,
            message,
        } => {
            let why = described(&format!("HTTP status {status}"), &message);
            match status {
                429 | 502 | 503 | 504 => Answer::TryAgain {
                    after: retry_after,
                    why,
                },
                _ => Answer::Refused(why),
            }
        }
        Failure::Grpc {
            code,
            retry_info,
            message,
        } => {
            let why = described(&format!("gRPC status {}", code_name(code)), &message);
            let is_retryable = match code {
                // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
                1 | 4 | 10 | 11 | 14 | 15 => true,
                // RESOURCE_EXHAUSTED: only where the receiver says that it will recover.
                8 => retry_info.is_some(),
                _ => false,
            };
            if is_retryable {
                Answer::TryAgain {
                    after: retry_info,
                    why,
                }
            } else {
                Answer::Refused(why)
            }
        }
    }
}

fn described(what: &str, message: &str) -> String {
    if message.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {message}")
    }
}

fn code_name(code: i32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    usize::try_from(code)
        .ok()
        .and_then(|code| NAMES.get(code))
        .map_or_else(|| code.to_string(), |name| (*name).to_owned())
}

/// Reads a `Retry-After` header: seconds, or a date. A date that is past means "now".
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// How long to wait before each further attempt: exponential, with full jitter.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempts: u32,
    random: Random,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);
    /// Jitter never makes it a busy loop.
    const SHORTEST: Duration = Duration::from_millis(10);

    pub(crate) const fn new(random: Random) -> Self {
        Self {
            attempts: 0,
            random,
        }
    }

    /// The receiver answers again.
    pub(crate) const fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The wait before the next attempt; `None` if that would be at or after the deadline, which is
    /// `remaining` away.
    ///
    /// A receiver that says when to come back is not asked earlier, and not much later.
    pub(crate) fn next(
        &mut self,
        after: Option<Duration>,
        remaining: Duration,
    ) -> Option<Duration> {
        let ceiling = Self::FIRST
            .saturating_mul(1_u32.checked_shl(self.attempts.min(16)).unwrap_or(u32::MAX))
            .min(Self::LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        let jittered = ceiling.mul_f64(self.random.unit()).max(Self::SHORTEST);
        let wait = match after {
            Some(after) if !after.is_zero() => after,
            _ => jittered,
        };
        (wait < remaining).then_some(wait)
    }
}

/// Random numbers for jitter (`splitmix64`); no secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        Self(RandomState::new().hash_one("khive-perf"))
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    fn unit(&mut self) -> f64 {
        let upper = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(upper) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grpc(code: i32, retry_info: Option<Duration>) -> bool {
        let message = String::new();
        matches!(
            judge(Failure::Grpc {
                code,
                retry_info,
                message
            }),
            Answer::TryAgain { .. }
        )
    }

    #[test]
    fn the_grpc_codes_of_the_specification_are_tried_again() {
        let retried: Vec<i32> = (1..=16).filter(|code| grpc(*code, None)).collect();
        assert_eq!(retried, [1, 4, 10, 11, 14, 15]);
        let advised = Some(Duration::from_secs(1));
        let retried: Vec<i32> = (1..=16).filter(|code| grpc(*code, advised)).collect();
        assert_eq!(retried, [1, 4, 8, 10, 11, 14, 15]);
    }

    #[test]
    fn the_http_statuses_of_the_specification_are_tried_again() {
        let retried: Vec<u16> = (300..600)
            .filter(|status| {
                let failure = Failure::Http {
                    status: *status,
                    retry_after: None,
                    message: String::new(),
                };
                matches!(judge(failure), Answer::TryAgain { .. })
            })
            .collect();
        assert_eq!(retried, [429, 502, 503, 504]);
    }

    #[test]
    fn a_failure_names_the_status_and_the_message() {
        let failure = Failure::Grpc {
            code: 3,
            retry_info: None,
            message: "no start time".into(),
        };
        assert_eq!(
            judge(failure),
            Answer::Refused("gRPC status INVALID_ARGUMENT: no start time".into())
        );
        let failure = Failure::Grpc {
            code: 77,
            retry_info: None,
            message: String::new(),
        };
        assert_eq!(judge(failure), Answer::Refused("gRPC status 77".into()));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let after = |value| retry_after(value, now);
        assert_eq!(after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(
            after("Wed, 21 Oct 2015 07:28:30 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            after("Wed, 21 Oct 2015 07:27:00 GMT"),
            Some(Duration::ZERO),
            "the past is now"
        );
        for nonsense in ["", "-1", "soon", "1.5"] {
            assert_eq!(after(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_backoff_doubles_its_ceiling_and_stays_below_it() {
        let day = Duration::from_secs(86_400);
        for seed in 0..100 {
            let mut backoff = Backoff::new(Random(seed));
            for attempt in 0..40_u32 {
                let wait = backoff.next(None, day).unwrap();
                let ceiling = Duration::from_millis(100 << attempt.min(6)).min(Backoff::LONGEST);
                assert!(
                    Backoff::SHORTEST <= wait && wait <= ceiling,
                    "{attempt}: {wait:?}"
                );
            }
            backoff.reset();
            assert!(backoff.next(None, day).unwrap() <= Backoff::FIRST);
        }
    }

    #[test]
    fn jitter_spreads_over_the_whole_range() {
        let day = Duration::from_secs(86_400);
        let waits: Vec<Duration> = (0..200)
            .map(|seed| Backoff::new(Random(seed)).next(None, day).unwrap())
            .collect();
        assert!(waits.iter().any(|wait| *wait < Backoff::FIRST / 4));
        assert!(waits.iter().any(|wait| *wait > Backoff::FIRST * 3 / 4));
    }

    #[test]
    fn the_receiver_says_how_long_and_the_deadline_says_whether() {
        let mut backoff = Backoff::new(Random(1));
        let second = Duration::from_secs(1);
        assert_eq!(backoff.next(Some(second), second * 2), Some(second));
        assert_eq!(backoff.next(Some(second), second), None);
        assert_eq!(backoff.next(None, Duration::ZERO), None);
        let soon = backoff.next(Some(Duration::ZERO), second * 60).unwrap();
        assert!(soon >= Backoff::SHORTEST, "\"now\" is no busy loop");
    }
}
