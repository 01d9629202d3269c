//! Spans: one timed region of one execution, on a thread or of a future.

#[cfg(feature = "enabled")]
mod alloc;
#[cfg(feature = "enabled")]
mod enabled;
#[cfg(feature = "enabled")]
mod future;
#[cfg(feature = "enabled")]
pub(crate) use self::future::measure_named;
#[cfg(feature = "enabled")]
pub use self::{
    alloc::{AllocGuard, CountAlloc, count_alloc, count_alloc_future, count_alloc_future_with},
    enabled::{SpanGuard, enter, enter_with},
    future::{
        Measured, Series, measure_future, measure_future_if, measure_future_with,
        measure_future_with_if, series,
    },
};

#[cfg(not(feature = "enabled"))]
mod disabled;
#[cfg(not(feature = "enabled"))]
pub(crate) use self::disabled::measure_named;
#[cfg(not(feature = "enabled"))]
pub use self::disabled::{
    AllocGuard, CountAlloc, Measured, Series, SpanGuard, count_alloc, count_alloc_future,
    count_alloc_future_with, enter, enter_with, measure_future, measure_future_if,
    measure_future_with, measure_future_with_if, series,
};

#[cfg(feature = "tracing")]
pub(crate) mod traced;

/// The test that nothing fails: the outcome of a future that ends is ok.
pub(crate) type Always<T> = fn(&T) -> bool;
