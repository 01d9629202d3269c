//! The only caller of the system clock in this package.

use std::time::{SystemTime, UNIX_EPOCH};

/// Wall time in milliseconds since the Unix epoch; 0 where the clock stands before it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the crate's clock module"
)]
pub(crate) fn now_unix_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}
