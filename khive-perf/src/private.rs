//! What macros expand to, and nothing else. Not a public interface: it may change in any release.

pub use crate::attributes::{ToValue, Value, debug, display};
pub use crate::callsite::{Callsite, FUNCTION, FUTURE, Here, Spec};
#[cfg(feature = "tracing")]
pub use crate::span::traced::{
    MARKER, SpanSite, SpanSpec, SpanValues, Traced, TracedGuard, enter_traced, is_measured,
    series_traced, trace_future, trace_future_with,
};
pub use crate::span::{
    AllocGuard, Always, Around, CountAlloc, Hold, Judge, Measured, OkIf, Returned, ReturnedOther,
    Series, SpanGuard, count_alloc, count_alloc_future, count_alloc_future_with, enter_with, hold,
    measure_future, measure_future_if, measure_future_with, measure_future_with_if, series,
};
#[cfg(feature = "tracing")]
pub use tracing::Level;

/// Stands where a value is returned that never is, so that the compiler knows its type.
#[must_use]
pub const fn never_called<T>() -> T {
    unreachable!()
}

/// What `err` tests.
#[inline(always)]
pub fn is_ok<R: ResultLike>(returned: &R) -> bool {
    returned.is_ok()
}

/// A `Result`. A trait, because then the compiler can be told what to say about any other type.
#[diagnostic::on_unimplemented(
    message = "`err` needs a function that returns a `Result`, and this one returns `{Self}`",
    label = "`{Self}` is not a `Result`",
    note = "remove `err`, or say which values are no errors: `ok_if = Option::is_some`, `ok_if = |value| ..`"
)]
pub trait ResultLike {
    /// Whether it is `Ok`.
    fn is_ok(&self) -> bool;
}

impl<T, E> ResultLike for Result<T, E> {
    #[inline(always)]
    fn is_ok(&self) -> bool {
        Self::is_ok(self)
    }
}
