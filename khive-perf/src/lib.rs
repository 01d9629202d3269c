//! Embeddable performance instrumentation: one attribute on a function, and a service knows where its time
//! goes.
//!
//! ```
//! #[khive_perf::measure]
//! fn parse(line: &str) -> usize {
//!     line.split(',').count()
//! }
//!
//! parse("a,b,c");
//! let snapshot = khive_perf::snapshot();
//! assert_eq!(snapshot.callsite("parse").map(|stats| stats.calls()), Some(1));
//! println!("{}", khive_perf::report::text(&snapshot));
//! ```
//!
//! # How it works
//!
//! ```text
//! #[measure] ─┐
//! span!       ├─> callsite ─> recorder (one shard per thread) ─> registry ─> Snapshot ─> report, OTLP
//! .measured() ┘       a static      plain stores, no lock          reads, never resets
//! ```
//!
//! A measured call reads the clock twice and adds to histograms that belong to its thread. Nothing is
//! queued per call, so memory depends on the number of callsites and threads, not on the number of
//! calls. A [`snapshot()`] adds up what all threads have; taking one disturbs nobody.
//!
//! # What is recorded
//!
//! Per callsite: calls by outcome (ok, error, panic, cancelled), a histogram of wall time for each
//! outcome, time spent in the function itself, calls in flight; of futures also busy and idle time,
//! polls and the longest poll. Per path of calls: calls, total and self time.
//!
//! # Where it goes
//!
//! To [`report::text`] and [`report::json`]; to any OpenTelemetry backend through the `khive-perf-otel`
//! crate; in tests, to [`testing::capture`].
//!
//! # Switching it off
//!
//! `KHIVE_PERF=off` in the environment, or [`Config::disable`], leaves a load and a branch per call.
//! Without the `enabled` feature, which is on by default, [`measure`] leaves functions as they are.

#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "a test may fail"))]
#![cfg_attr(
    not(feature = "enabled"),
    expect(dead_code, reason = "the recorder stays, and nobody records")
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts become floats for quantiles and shares; each narrowing is masked or clamped"
)]

extern crate self as khive_perf;

mod attributes;
mod callsite;
mod clock;
mod config;
mod context;
mod exemplars;
mod future_ext;
mod heap;
mod ids;
#[cfg(feature = "tracing")]
mod layer;
mod outcome;
mod recorder;
mod registry;
mod span;
mod symbols;
mod sync;
mod tracer;

pub mod alloc;
pub mod leak;
pub mod process;
pub mod report;
pub mod snapshot;
pub mod stats;
pub mod testing;
pub mod trace;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use khive_perf_macros::measure;

pub use crate::attributes::{AttributeValue, ToValue, Value};
pub use crate::callsite::Kind;
pub use crate::config::{Config, ConfigError};
pub use crate::context::{Context, InContext};
pub use crate::future_ext::FutureExt;
#[cfg(feature = "tracing")]
pub use crate::layer::{SpanLayer, layer};
pub use crate::outcome::Outcome;
pub use crate::snapshot::Snapshot;
#[cfg(feature = "tracing")]
pub use crate::span::traced::is_measured;
pub use crate::span::{Measured, SpanGuard};

/// What the process has recorded since it started.
///
/// # Overhead
///
/// Reads every thread's figures: tens of nanoseconds per callsite and thread. Takes a lock that other
/// readers take; threads that record never do.
#[must_use]
pub fn snapshot() -> Snapshot {
    snapshot::take(&registry::current::PROCESS)
}

/// Applies limits and switches to the process. Can be called again at any time.
///
/// A limit that is lowered applies to what is yet to come.
///
/// # Errors
///
/// If a limit cannot be what was asked for; nothing is changed then.
pub fn configure(config: Config) -> Result<(), ConfigError> {
    config.apply()?;
    heap::use_in_place(heap::User::Process(heap::rate_of_process()));
    registry::series::apply_switch();
    Ok(())
}

/// Enters a region of a function, until the guard that it returns is dropped.
///
/// The region has a row of its own, and a place in the call tree below the function.
///
/// # Overhead
///
/// That of a measured function: two readings of the clock, and plain stores.
///
/// # Examples
///
/// ```
/// fn handle(request: &str) -> usize {
///     let header = {
///         let _span = khive_perf::span!("parse header");
///         request.lines().next().unwrap_or_default()
///     };
///     let _span = khive_perf::span!("reply", group = "http");
///     header.len()
/// }
///
/// let (_, captured) = khive_perf::testing::capture(|| handle("GET /\n"));
/// assert_eq!(captured.callsite("parse header").map(|stats| stats.calls()), Some(1));
/// ```
#[macro_export]
macro_rules! span {
    ($name:expr $(,)?) => {
        $crate::__span!($name, "")
    };
    ($name:expr, group = $group:expr $(,)?) => {
        $crate::__span!($name, $group)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __span {
    ($name:expr, $group:expr) => {{
        static __KHIVE_PERF_CALLSITE: $crate::__private::Callsite =
            $crate::__private::Callsite::new(
                &const { $crate::__private::Spec::REGION.name($name).group($group) },
            );
        enum __KhivePerfFunction {}
        __KHIVE_PERF_CALLSITE.enter::<__KhivePerfFunction>()
    }};
}
