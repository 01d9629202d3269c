//! The twin of measuring when the `enabled` feature is off: the same functions, which do nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::attributes::Value;
use crate::callsite::Callsite;
use crate::span::{Always, OkIf};

/// An entered region; without the `enabled` feature, nothing.
#[must_use = "a region ends when its guard is dropped; bind it: `let _guard = ..`"]
#[derive(Debug)]
pub struct SpanGuard(());

impl Callsite {
    /// Does nothing.
    #[inline(always)]
    pub fn enter<Marker>(&'static self) -> SpanGuard {
        SpanGuard(())
    }

    /// Does nothing.
    #[inline(always)]
    pub(crate) fn enter_noted(&'static self) -> SpanGuard {
        SpanGuard(())
    }
}

/// Does nothing.
#[inline(always)]
pub fn enter_with(_: &'static Callsite, _: &[(&'static str, Value<'_>)]) -> SpanGuard {
    SpanGuard(())
}

impl SpanGuard {
    /// Does nothing.
    #[inline(always)]
    pub fn outcome(&mut self, _: bool) {}
}

/// The series of a call to come; without the `enabled` feature, nothing.
#[derive(Clone, Copy, Debug)]
pub struct Series(());

/// Does nothing.
#[inline(always)]
pub fn series(_: &'static Callsite, _: &[(&'static str, Value<'_>)]) -> Series {
    Series(())
}

/// A future that would be measured; without the `enabled` feature, just the future.
#[must_use = "a future does nothing unless it is polled"]
#[derive(Debug)]
pub struct Measured<F: Future, P = Always> {
    inner: F,
    ok_if: std::marker::PhantomData<fn() -> P>,
}

impl<F: Future, P> Measured<F, P> {
    fn new(inner: F) -> Self {
        Self {
            inner,
            ok_if: std::marker::PhantomData,
        }
    }
}

impl<F: Future, P> Future for Measured<F, P> {
    type Output = F::Output;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `inner` is pinned because `self` is, and is moved by nobody.
        unsafe { self.map_unchecked_mut(|this| &mut this.inner) }.poll(context)
    }
}

/// Gives the future as it is.
#[inline(always)]
pub fn measure_future<F: Future>(_: &'static Callsite, future: F) -> Measured<F> {
    Measured::new(future)
}

/// Gives the future as it is.
#[inline(always)]
pub fn measure_future_if<F, P>(_: &'static Callsite, future: F, _: P) -> Measured<F, OkIf<P>>
where
    F: Future,
    P: FnOnce(&F::Output) -> bool,
{
    Measured::new(future)
}

/// Gives the future as it is.
#[inline(always)]
pub fn measure_future_with<F: Future>(_: &'static Callsite, future: F, _: Series) -> Measured<F> {
    Measured::new(future)
}

/// Gives the future as it is.
#[inline(always)]
pub fn measure_future_with_if<F, P>(
    _: &'static Callsite,
    future: F,
    _: P,
    _: Series,
) -> Measured<F, OkIf<P>>
where
    F: Future,
    P: FnOnce(&F::Output) -> bool,
{
    Measured::new(future)
}

/// Gives the future as it is.
#[inline(always)]
pub(crate) fn measure_named<F: Future>(future: F, _: &'static str) -> Measured<F> {
    Measured::new(future)
}

/// Counts nothing.
#[must_use = "it counts until it is dropped; bind it: `let _alloc = ..`"]
#[derive(Debug)]
pub struct AllocGuard(());

/// Does nothing.
#[inline(always)]
pub fn count_alloc(_: &SpanGuard) -> AllocGuard {
    AllocGuard(())
}

/// Just the future.
pub type CountAlloc<F> = F;

/// Gives the future as it is.
#[inline(always)]
pub fn count_alloc_future<F: Future>(_: &'static Callsite, future: F) -> CountAlloc<F> {
    future
}

/// Gives the future as it is.
#[inline(always)]
pub fn count_alloc_future_with<F: Future>(
    _: &'static Callsite,
    future: F,
    _: Series,
) -> CountAlloc<F> {
    future
}
