//! Active: the trace that the calling thread is in, and the span whose callees come next.

use std::cell::Cell;
use std::marker::PhantomData;

use crate::outcome::Outcome;
use crate::recorder::frame::{Frame, SpanRef};
use crate::sync::Arc;
use crate::tracer::buffer::{Extra, Trace};
use crate::tracer::collector::Limits;
#[cfg(all(feature = "enabled", feature = "tracing"))]
use crate::tracer::context::SpanContext;

/// It has no destructor, so it can be read while the thread ends.
struct Local {
    /// Null outside any trace.
    trace: Cell<*const Trace>,
    span: Cell<SpanRef>,
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            trace: Cell::new(std::ptr::null()),
            span: Cell::new(SpanRef::NONE),
        }
    };
}

/// The trace that this thread is in, and its current span.
pub(crate) fn active() -> Option<(Arc<Trace>, SpanRef)> {
    LOCAL.with(|local| Some((local.trace()?, local.span.get())))
}

/// Whether this thread is in a trace whose calls become spans.
pub(crate) fn is_recording() -> bool {
    active().is_some_and(|(trace, _)| trace.is_recorded())
}

/// A span of a trace, for who may have left it.
#[cfg(all(feature = "enabled", feature = "tracing"))]
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) trace: Arc<Trace>,
    pub(crate) span: SpanRef,
}

#[cfg(all(feature = "enabled", feature = "tracing"))]
impl Place {
    /// Changes what is said of the span, if it is open.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Extra, &Limits, u64)) {
        self.trace.change(self.span, change);
    }

    /// What names it to others.
    pub(crate) fn context(&self) -> Option<SpanContext> {
        self.trace.context_of(self.span)
    }
}

/// Changes what is said of the current span, if it is recorded.
pub(crate) fn with_extra(change: impl FnOnce(&mut Extra, &Limits, u64)) {
    if let Some((trace, span)) = active() {
        trace.change(span, change);
    }
}

impl Local {
    fn trace(&self) -> Option<Arc<Trace>> {
        let trace = self.trace.get();
        if trace.is_null() {
            return None;
        }
        // SAFETY: set from an `Arc` that the scope's guard holds, so the count is at least one.
        unsafe { Arc::increment_strong_count(trace) };
        // SAFETY: the count was just raised for this one.
        Some(unsafe { Arc::from_raw(trace) })
    }
}

/// While it lives, the thread is in a trace, or in none. It stays on its thread.
pub(crate) struct Active {
    /// Kept alive for the pointer in `LOCAL`.
    _trace: Option<Arc<Trace>>,
    trace_before: *const Trace,
    span_before: SpanRef,
    not_send: PhantomData<*const ()>,
}

impl Active {
    pub(crate) fn enter(trace: Option<(Arc<Trace>, SpanRef)>) -> Self {
        let (trace, span) = match trace {
            Some((trace, span)) => (Some(trace), span),
            None => (None, SpanRef::NONE),
        };
        let at = trace.as_ref().map_or(std::ptr::null(), Arc::as_ptr);
        LOCAL.with(|local| Self {
            _trace: trace,
            trace_before: local.trace.replace(at),
            span_before: local.span.replace(span),
            not_send: PhantomData,
        })
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        LOCAL.with(|local| {
            local.trace.set(self.trace_before);
            local.span.set(self.span_before);
        });
    }
}

/// What is done for a call of a traced shard.
pub(crate) struct Opened;

impl Opened {
    /// Begins the span of a call whose frame was just opened.
    pub(crate) fn begin(frame: &mut Frame, series: u32) {
        LOCAL.with(|local| {
            frame.span_before = local.span.get();
            if let Some(trace) = local.trace() {
                frame.span = trace.open(series, frame.span_before, frame.start);
                if frame.span != SpanRef::NONE {
                    local.span.set(frame.span);
                }
            }
        });
    }

    /// Makes the span of a call that began before the current one, for a poll whose frame was just opened.
    pub(crate) fn resume(frame: &mut Frame, span: SpanRef) {
        LOCAL.with(|local| {
            frame.span = span;
            frame.span_before = local.span.get();
            if span != SpanRef::NONE {
                local.span.set(span);
            }
        });
    }

    /// Leaves the span of a frame that was closed, and ends it if that was its last one.
    pub(crate) fn leave(frame: &Frame, end: Option<(u64, Outcome, bool)>) {
        LOCAL.with(|local| {
            local.span.set(frame.span_before);
            if let (Some((end, outcome, slow)), Some(trace)) = (end, local.trace()) {
                trace.close(frame.span, end, outcome, slow);
            }
        });
    }
}
