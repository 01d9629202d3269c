//! OpenTelemetry's library in the same process: traces that go on with its current span, and its spans that go on with ours.

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext as Theirs, SpanId as TheirSpanId, TraceContextExt as _, TraceFlags,
    TraceId as TheirTraceId, TraceState,
};

use crate::ids::{SpanId, TraceId};
use crate::tracer::context::SpanContext;

/// While it lives, what OpenTelemetry's library begins on this thread is below a span of ours.
pub(crate) type Attached = opentelemetry::ContextGuard;

/// The span that the library says is current.
pub(crate) fn current() -> Option<SpanContext> {
    Context::map_current(|context| {
        context
            .has_active_span()
            .then(|| SpanContext::try_from(context.span().span_context()).ok())
            .flatten()
    })
}

/// Tells the library that a span of ours is the current one on this thread.
pub(crate) fn attach(span: &SpanContext) -> Attached {
    Context::current()
        .with_remote_span_context(span.into())
        .attach()
}

impl From<&SpanContext> for Theirs {
    fn from(span: &SpanContext) -> Self {
        let flags = if span.is_sampled() {
            TraceFlags::SAMPLED
        } else {
            TraceFlags::default()
        };
        // One that the library cannot read is not passed on.
        let state: TraceState = span.state().parse().unwrap_or_default();
        Self::new(
            TheirTraceId::from_bytes(span.trace_id().to_bytes()),
            TheirSpanId::from_bytes(span.span_id().to_bytes()),
            flags,
            true,
            state,
        )
    }
}

/// The span of the library is none: its ids are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoSpan;

impl std::fmt::Display for NoSpan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("there is no such span: its ids are zero")
    }
}

impl std::error::Error for NoSpan {}

impl TryFrom<&Theirs> for SpanContext {
    type Error = NoSpan;

    fn try_from(span: &Theirs) -> Result<Self, NoSpan> {
        let trace_id = TraceId::from_bytes(span.trace_id().to_bytes()).ok_or(NoSpan)?;
        let span_id = SpanId::from_bytes(span.span_id().to_bytes()).ok_or(NoSpan)?;
        let context = Self::new(trace_id, span_id, span.is_sampled());
        Ok(context.with_state(&span.trace_state().header()))
    }
}
