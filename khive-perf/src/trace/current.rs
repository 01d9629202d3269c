//! What can be said of the span that the thread is in, and to whom.

use std::borrow::Cow;

use crate::attributes::ToValue;
use crate::config;
use crate::trace::Inject;
use crate::tracer::{Link, Moment, Said, SpanContext, SpanKind, active, is_recording, with_extra};

/// What names the current span to others: for a line in a log, or for a caller who asks. `None` outside of traces.
#[must_use]
pub fn span() -> Option<SpanContext> {
    let (trace, span) = active()?;
    trace.context_of(span)
}

/// Says something of the current span, if it is recorded; the last value of a key holds.
///
/// Text is cut as that of `fields(..)` is, see [`Config::attribute_bytes_max`](crate::Config::attribute_bytes_max).
pub fn set_attribute(key: impl Into<Cow<'static, str>>, value: impl ToValue) {
    if !is_recording() {
        return;
    }
    // Before the trace is held: these run code of others, which may have something to say of the span.
    let value = value.to_value().to_stored(config::attribute_bytes_max());
    let key = key.into();
    with_extra(|extra, limits, _| extra.set(limits, key, value));
}

/// Says what the current span is to those that it talks with, if it is recorded: [`SpanKind::Internal`] unless it is said.
pub fn set_kind(kind: SpanKind) {
    with_extra(|extra, _, _| extra.kind = Some(kind));
}

/// Says that something happened in the current span, now, if it is recorded.
pub fn event(name: impl Into<Cow<'static, str>>) {
    if !is_recording() {
        return;
    }
    let name = name.into();
    with_extra(|extra, limits, ticks| {
        let said = Said::default();
        extra.happen(limits, Moment { name, ticks, said });
    });
}

/// Says that the current span has to do with another one, if it is recorded.
pub fn link(span: SpanContext) {
    with_extra(|extra, limits, _| extra.link(limits, Link { span }));
}

/// Tells a callee in another process which trace it is part of: sets `traceparent`, and `tracestate` and `baggage` where
/// there is something to say. Sets nothing outside of traces.
///
/// ```
/// # #[cfg(feature = "http")] {
/// let mut headers = http::HeaderMap::new();
/// khive_perf::trace::inject(&mut headers);
/// # }
/// ```
pub fn inject(mut headers: impl Inject) {
    let Some((trace, span)) = active() else {
        return;
    };
    if let Some(span) = trace.context_of(span) {
        headers.set("traceparent", span.to_traceparent());
        if !span.state().is_empty() {
            headers.set("tracestate", span.state().to_owned());
        }
    }
    let baggage = &trace.facts.remote.baggage;
    if !baggage.is_empty() {
        headers.set("baggage", baggage.as_header().to_owned());
    }
}
