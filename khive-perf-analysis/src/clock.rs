//! The only place that asks the operating system for the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Wall time as OTLP counts it; 0 before 1970 and capped in 2262.
pub(crate) fn unix_now_ns() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    let now = SystemTime::now();
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX as u64)
}
