//! Layer: spans of `tracing`, from any crate, measured as calls.
//!
//! ```text
//! new span ──> callsite of its metadata, noted
//! enter    ──> Call, made or found in the table ──> on this thread's stack      exit ──> off the stack, Call left
//! close    ──> Call ended
//! ```
//!
//! No lock is held while code of others runs: a `Debug` implementation may open spans and log as it likes. Fields are read
//! only if that is asked for.

use std::fmt;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
#[cfg(feature = "enabled")]
use tracing::{Dispatch, span::Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

#[cfg(feature = "enabled")]
use crate::sync::{AtomicBool, Ordering};
#[cfg(feature = "enabled")]
use crate::tracer;

#[cfg(feature = "enabled")]
mod call;
#[cfg(feature = "enabled")]
mod calls;
#[cfg(feature = "enabled")]
mod details;
#[cfg(feature = "enabled")]
mod places;
#[cfg(feature = "enabled")]
mod table;

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
        open: calls::Open::new(),
        max_level: LevelFilter::TRACE,
        wants: None,
        counts_events: false,
        tells_details: false,
        #[cfg(feature = "enabled")]
        is_second: AtomicBool::new(false),
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
/// A span that is entered once: two read-modify-writes, and two readings of the clock unless the budget leaves it untimed. No
/// lock, and no allocation, while no more than a few hundred spans are open: beyond that, one of each, in the registry. A
/// span that is not measured: a few comparisons.
pub struct SpanLayer {
    #[cfg(feature = "enabled")]
    open: calls::Open,
    max_level: LevelFilter,
    wants: Option<Wants>,
    counts_events: bool,
    tells_details: bool,
    /// Another one measures the spans of this subscriber.
    #[cfg(feature = "enabled")]
    is_second: AtomicBool,
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

    /// In [traces](crate::trace) that are recorded, tells what spans say of themselves: their fields as attributes, events as
    /// what happened in the innermost span or call, and what they follow from as links. Off by default.
    ///
    /// An event is named by its message, and its fields are its attributes, with `level` and `target` before them.
    ///
    /// # Limits
    ///
    /// Those of [`TraceConfig`](crate::trace::TraceConfig), and
    /// [`Config::attribute_bytes_max`](crate::Config::attribute_bytes_max), for events and their messages as for spans. A value
    /// that logs while it is shown is heard, and so is what is shown for that; events and spans of the latter are told without
    /// fields.
    ///
    /// # Overhead
    ///
    /// Outside of such traces a few comparisons. Inside, that of showing each value, and an allocation or two for each.
    #[must_use]
    pub const fn tell_details(mut self) -> Self {
        self.tells_details = true;
        self
    }

    /// Leaves spans out of [traces](crate::trace), where something else exports them: they are measured, and are no spans of ours.
    #[must_use]
    pub const fn leave_out_of_traces(self) -> Self {
        #[cfg(feature = "enabled")]
        let this = {
            let mut this = self;
            this.open.is_hidden = true;
            this
        };
        #[cfg(not(feature = "enabled"))]
        let this = self;
        this
    }

    #[cfg(feature = "enabled")]
    fn is_second(&self) -> bool {
        self.is_second.load(Ordering::Relaxed)
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
            .field("tells_details", &self.tells_details)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "enabled")]
impl<S> tracing_subscriber::Layer<S> for SpanLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        let first = subscriber.downcast_ref::<Self>();
        if first.is_some_and(|first| first.open.number() != self.open.number()) {
            self.is_second.store(true, Ordering::Relaxed);
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if self.is_second() {
            return;
        }
        let callsite = places::of(self.open.number(), attributes.metadata(), |metadata| {
            self.wants(metadata)
        });
        if self.tells_details && callsite.is_some() {
            details::read(attributes, id, &context);
        }
        // Last: values that were read may have made spans.
        self.open.note(id, callsite);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if self.tells_details && !self.is_second() {
            details::record(&self.open, id, values, &context);
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        if self.tells_details && !self.is_second() {
            details::follow(&self.open, id, follows, &context);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if self.is_second() {
            return;
        }
        self.open.enter(id, &context, |metadata| {
            places::of(self.open.number(), metadata, |metadata| {
                self.wants(metadata)
            })
        });
        if self.tells_details
            && tracer::is_recording()
            && let Some(place) = self.open.place(id, &context)
        {
            details::say(&place, id, &context);
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.open.leave(id);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.open.close(&id, &context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.is_second() || *event.metadata().level() > self.max_level {
            return;
        }
        if self.counts_events {
            let span = context.event_span(event).map(|span| span.metadata());
            places::count_event(span, event.metadata().level().as_str());
        }
        if self.tells_details {
            details::happen(event);
        }
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
