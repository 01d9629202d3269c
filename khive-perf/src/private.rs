//! What macros expand to, and nothing else. Not a public interface: it may change in any release.

pub use std::boxed::Box;

pub use crate::attributes::{ToValue, Value, debug, display};
pub use crate::callsite::{Callsite, Kind, Spec};
#[cfg(feature = "tracing")]
pub use crate::span::traced::{
    MARKER, SpanSite, SpanSpec, SpanValues, Traced, TracedGuard, enter_traced, is_measured,
    series_traced, trace_future, trace_future_with,
};
pub use crate::span::{
    AllocGuard, CountAlloc, Measured, Series, SpanGuard, count_alloc, count_alloc_future,
    count_alloc_future_with, enter, enter_with, measure_future, measure_future_if,
    measure_future_with, measure_future_with_if, series,
};
#[cfg(feature = "tracing")]
pub use tracing::Level;

/// The path of an item, as the compiler spells types.
#[must_use]
pub fn path_of<T>(_: &T) -> &'static str {
    core::any::type_name::<T>()
}

/// What `err` tests.
pub const fn is_ok<T, E>(result: &Result<T, E>) -> bool {
    result.is_ok()
}

/// `None`, where the prelude may be another.
#[must_use]
pub const fn none() -> Option<&'static str> {
    None
}

/// `Some`, where the prelude may be another.
#[must_use]
pub const fn some(text: &'static str) -> Option<&'static str> {
    Some(text)
}
