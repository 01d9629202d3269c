//! What both programs need: the configuration that they were built for, and the clocks.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

/// Holds the configuration.
#[derive(Debug)]
pub struct Attached {
    #[cfg(feature = "measured")]
    _exporter: Option<khive_perf_benches::Attached>,
}

/// Attaches the exporter, where functions are measured.
///
/// # Errors
///
/// If there can be no exporter.
#[cfg(feature = "measured")]
pub fn configure() -> Result<Attached, String> {
    let exporter = khive_perf_benches::Configuration::Exporter.apply()?;
    Ok(Attached {
        _exporter: exporter,
    })
}

/// Attaches the exporter, where functions are measured.
///
/// # Errors
///
/// None here, where they are not.
#[cfg(not(feature = "measured"))]
pub fn configure() -> Result<Attached, String> {
    Ok(Attached {})
}

/// The time that passes.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the door to the clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// The processor time that all threads of this process have had, the exporter's too.
#[must_use]
pub fn process_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}
