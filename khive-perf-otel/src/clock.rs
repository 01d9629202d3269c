//! The only place that asks the operating system for the time of day.

use std::time::SystemTime;

/// The time of day, to which dates that receivers send are compared.
pub(crate) fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the clock module")]
    SystemTime::now()
}
