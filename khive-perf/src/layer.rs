//! Layer: spans of `tracing`, from any crate, measured as calls.
//!
//! ```text
//! new span ──> callsite of its metadata ──> Call, kept with the span
//! enter    ──> Call entered ──> on this thread's stack      exit ──> off the stack, Call left
//! close    ──> Call ended
//! ```
//!
//! No lock is held while code of others runs, and fields are never read: what a `Debug` implementation does is none of
//! our business.

use std::fmt;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

#[cfg(feature = "enabled")]
mod calls;
#[cfg(feature = "enabled")]
mod places;

/// A layer that measures spans, for [`tracing_subscriber::registry()`].
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let subscriber = tracing_subscriber::registry().with(khive_perf::layer());
/// let (_, captured) = khive_perf::testing::capture(|| {
///     tracing::subscriber::with_default(subscriber, || {
///         tracing::info_span!(target: "http", "request").in_scope(|| {});
///     })
/// });
/// assert_eq!(captured.callsite("http::request").unwrap().calls(), 1);
/// ```
#[must_use]
pub fn layer() -> SpanLayer {
    SpanLayer {
        #[cfg(feature = "enabled")]
        number: calls::next_number(),
        max_level: LevelFilter::TRACE,
        wants: None,
        counts_events: false,
    }
}

/// Which spans are measured, by their metadata.
type Wants = Box<dyn Fn(&Metadata<'_>) -> bool + Send + Sync>;

/// Measures the spans of any crate that speaks `tracing`, as `#[measure]` does functions. From [`layer()`].
///
/// A span is a call of the callsite that is named after its target and name. The call begins when the span is entered for
/// the first time, each time that it is entered counts as a poll, and what lies between as idle; it ends when the span is
/// closed, and took until it was left last. It stands in the call tree below what was open where it was entered, measured
/// functions as well as spans; what is allocated inside is booked to it. A span that is closed without having been entered
/// was never called. One that is left while the thread unwinds panicked; else it ended well, because a span does not say
/// how.
///
/// Spans of functions with `#[measure(span)]` are measured already, and left out.
///
/// # Limits
///
/// One layer for each subscriber: of a second one in the same, nothing is recorded. Callsites beyond
/// [`Config::callsites_max`](crate::Config::callsites_max) share one. A span that is closed in another
/// [capture](crate::testing::capture) than it was entered in counts as begun, and as lost.
///
/// # Overhead
///
/// A new span: an allocation and a write lock of the registry's extensions. Entering and leaving it: two readings of the
/// clock, unless it is not timed by the budget, and an uncontended lock each. A span that is not measured: one comparison.
pub struct SpanLayer {
    /// No other layer has it.
    #[cfg(feature = "enabled")]
    number: u64,
    max_level: LevelFilter,
    wants: Option<Wants>,
    counts_events: bool,
}

impl SpanLayer {
    /// Leaves out spans that are more verbose than this; none by default.
    #[must_use]
    pub const fn max_level(mut self, level: LevelFilter) -> Self {
        self.max_level = level;
        self
    }

    /// Measures only spans whose metadata satisfy this. It is asked when a thread meets a callsite, and seldom again.
    ///
    /// ```
    /// let layer = khive_perf::layer().filter(|metadata| metadata.target().starts_with("sqlx"));
    /// ```
    #[must_use]
    pub fn filter(mut self, wants: impl Fn(&Metadata<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.wants = Some(Box::new(wants));
        self
    }

    /// Counts events, too: as calls that take no time, of a callsite `<span> (events)` with the attribute `level`. Off by
    /// default.
    #[must_use]
    pub const fn count_events(mut self) -> Self {
        self.counts_events = true;
        self
    }

    #[cfg(feature = "enabled")]
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.max_level
            && !crate::span::traced::is_measured(metadata)
            && self.wants.as_ref().is_none_or(|wants| wants(metadata))
    }
}

impl fmt::Debug for SpanLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanLayer")
            .field("max_level", &self.max_level)
            .field("filtered", &self.wants.is_some())
            .field("counts_events", &self.counts_events)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "enabled")]
impl<S> tracing_subscriber::Layer<S> for SpanLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let callsite = places::of(self.number, attributes.metadata(), |metadata| {
            self.wants(metadata)
        });
        if let (Some(callsite), Some(span)) = (callsite, context.span(id)) {
            calls::begin(self.number, callsite, &mut span.extensions_mut());
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let call = context.span(id);
        let call = call.and_then(|span| calls::of(self.number, &span.extensions()));
        if let Some(call) = call {
            calls::enter(call, id.into_u64());
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        calls::leave(self.number, id.into_u64());
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let call = context.span(&id);
        let call = call.and_then(|span| calls::of(self.number, &span.extensions()));
        if let Some(call) = call {
            calls::end(&call);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !self.counts_events || *event.metadata().level() > self.max_level {
            return;
        }
        let span = context.event_span(event).map(|span| span.metadata());
        places::count_event(span, event.metadata().level().as_str());
    }
}

#[cfg(not(feature = "enabled"))]
impl<S> tracing_subscriber::Layer<S> for SpanLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {}

    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {}
}
