//! Spans: one timed region of one execution, on a thread or of a future.

#[cfg(feature = "enabled")]
mod alloc;
#[cfg(feature = "enabled")]
mod enabled;
#[cfg(feature = "enabled")]
mod future;
#[cfg(all(feature = "enabled", feature = "tracing"))]
mod resumed;
#[cfg(feature = "enabled")]
pub(crate) use self::future::measure_named;
#[cfg(feature = "enabled")]
pub use self::{
    alloc::{AllocGuard, CountAlloc, count_alloc, count_alloc_future, count_alloc_future_with},
    enabled::{SpanGuard, enter_with},
    future::{
        Measured, Series, measure_future, measure_future_if, measure_future_with,
        measure_future_with_if, series,
    },
};
#[cfg(all(feature = "enabled", feature = "tracing"))]
pub(crate) use self::{enabled::Word, resumed::Resumed};

#[cfg(not(feature = "enabled"))]
mod disabled;
#[cfg(not(feature = "enabled"))]
pub(crate) use self::disabled::measure_named;
#[cfg(not(feature = "enabled"))]
pub use self::disabled::{
    AllocGuard, CountAlloc, Measured, Series, SpanGuard, count_alloc, count_alloc_future,
    count_alloc_future_with, enter_with, measure_future, measure_future_if, measure_future_with,
    measure_future_with_if, series,
};

#[cfg(feature = "tracing")]
pub(crate) mod traced;

mod boxed;
pub use self::boxed::{Around, Hold, Returned, ReturnedOther, hold};

/// Tells the output of a future from an error.
///
/// The types that do must not name the output: a measured future lives as long as the future does, also
/// where its output need not.
pub trait Judge<T> {
    /// Whether the output is a success.
    fn judge(self, output: &T) -> bool;
}

/// Nothing is an error, and nobody has to be asked: there is no value of this type.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Always {}

impl<T> Judge<T> for Always {
    #[inline(always)]
    fn judge(self, _: &T) -> bool {
        match self {}
    }
}

/// What satisfies this predicate is a success.
#[derive(Clone, Copy, Debug)]
pub struct OkIf<P>(pub(crate) P);

impl<T, P: FnOnce(&T) -> bool> Judge<T> for OkIf<P> {
    #[inline]
    fn judge(self, output: &T) -> bool {
        self.0(output)
    }
}
