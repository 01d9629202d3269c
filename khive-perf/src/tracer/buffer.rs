//! Trace: the spans of one trace, as slots in a buffer, until its root ends.

use std::borrow::Cow;
use std::fmt;

use crate::attributes::AttributeValue;
use crate::clock::{self, Scale, Source};
use crate::ids::{SpanId, TraceId, random_here};
use crate::outcome::Outcome;
use crate::recorder::frame::SpanRef;
use crate::recorder::local::quiet;
use crate::registry::Registry;
use crate::sync::{Arc, AtomicU32, Mutex, Ordering, lock};
use crate::tracer::collector::{Batch, Limits, Loss, Shared};
use crate::tracer::context::{Remote, SpanContext};
use crate::tracer::finished::{Kept, Link, SpanKind};
#[cfg(feature = "opentelemetry")]
use crate::tracer::opentelemetry::{Attached, attach};

/// A trace, as far as it happens in this process. Kept alive by whoever may still add spans to it.
pub(crate) struct Trace {
    /// `None` if it is not recorded.
    collector: Option<Arc<Shared>>,
    /// Nobody collects: it goes on as it came, if it came from anywhere.
    is_passed_on: bool,
    pub(crate) facts: Arc<Facts>,
    mark: u16,
    spans: Mutex<Spans>,
}

/// What is said of a trace when it begins.
pub(crate) struct Beginning {
    pub(crate) remote: Remote,
    pub(crate) kind: SpanKind,
    pub(crate) links: Vec<Link>,
    pub(crate) attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// Where its calls are recorded; `None` is the process's registry.
    pub(crate) registry: Option<Arc<Registry>>,
    pub(crate) source: Source,
    /// Whether it is passed on to OpenTelemetry's library, too.
    #[cfg(feature = "opentelemetry")]
    pub(crate) is_told: bool,
}

/// What all spans of a trace have in common.
pub(crate) struct Facts {
    pub(crate) trace_id: TraceId,
    /// Whether it was to be kept from the beginning.
    pub(crate) is_sampled: bool,
    seed: u64,
    pub(crate) remote: Remote,
    pub(crate) kind: SpanKind,
    pub(crate) registry: Option<Arc<Registry>>,
    #[cfg(feature = "opentelemetry")]
    is_told: bool,
    scale: Scale,
    ticks_at_start: u64,
    start_unix_ns: u64,
}

#[derive(Default)]
struct Spans {
    slots: Vec<Slot>,
    /// How many have begun and not ended.
    open: u64,
    verdict: Verdict,
    failed: bool,
    panicked: bool,
    was_slow: bool,
    /// For the root, until it begins.
    of_root: Option<Box<Extra>>,
}

/// What becomes of the spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    /// The root has not ended.
    #[default]
    Open,
    Kept,
    Dropped,
}

/// A span, in ticks.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) series: u32,
    /// Number of the span around it, and 1; 0 for none.
    parent: u16,
    /// `None` until it ends.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// What few spans have.
    pub(crate) extra: Option<Box<Extra>>,
}

/// What was said of a span while it was open.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) said: Said,
    pub(crate) events: Vec<Moment>,
    pub(crate) links: Vec<Link>,
    /// What did not fit.
    pub(crate) dropped_events: u32,
    pub(crate) dropped_links: u32,
    pub(crate) kept: Option<Kept>,
    pub(crate) kind: Option<SpanKind>,
}

/// Attributes of a span, or of an event.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// What did not fit.
    pub(crate) dropped: u32,
}

/// Something that happened in a span.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) name: Cow<'static, str>,
    pub(crate) ticks: u64,
    pub(crate) said: Said,
}

impl Trace {
    /// Begins a trace. Without a collector, or if it is not to be recorded, it only passes on what names it.
    pub(crate) fn begin(collector: Option<Arc<Shared>>, beginning: Beginning) -> Self {
        static MARKS: AtomicU32 = AtomicU32::new(0);
        let caller = beginning.remote.caller.as_ref();
        let trace_id = caller.map_or_else(TraceId::random, SpanContext::trace_id);
        let caller_samples = caller.map(SpanContext::is_sampled);
        let is_sampled = match &collector {
            Some(collector) => collector.config.sampler.samples(trace_id, caller_samples),
            None => false,
        };
        let is_passed_on = collector.is_none();
        let collector = collector.filter(|collector| collector.admit(is_sampled));
        let mut of_root = Extra::default();
        if let Some(collector) = &collector {
            of_root.links = beginning.links;
            for (key, value) in beginning.attributes {
                of_root.set(&collector.config.limits, key, value);
            }
        }
        Self {
            collector,
            is_passed_on,
            facts: Arc::new(Facts {
                trace_id,
                is_sampled,
                seed: random_here(),
                remote: beginning.remote,
                kind: beginning.kind,
                registry: beginning.registry,
                #[cfg(feature = "opentelemetry")]
                is_told: beginning.is_told,
                scale: beginning.source.scale(),
                ticks_at_start: beginning.source.now(),
                start_unix_ns: clock::unix_ns(),
            }),
            mark: MARKS.fetch_add(1, Ordering::Relaxed) as u16,
            spans: Mutex::new(Spans {
                of_root: Some(Box::new(of_root)),
                ..Spans::default()
            }),
        }
    }

    /// Whether its calls become spans.
    pub(crate) const fn is_recorded(&self) -> bool {
        self.collector.is_some()
    }

    /// What names a span of it to others: the root, for one that was not recorded; where nobody collects, the caller.
    pub(crate) fn context_of(&self, span: SpanRef) -> Option<SpanContext> {
        let facts = &self.facts;
        let caller = facts.remote.caller.as_ref();
        if self.is_passed_on {
            return caller.cloned();
        }
        let number = span.number(self.mark).unwrap_or(0);
        let context = SpanContext::new(facts.trace_id, facts.id_of(number), facts.is_sampled);
        Some(match caller {
            Some(caller) => context.with_state(caller.state()),
            None => context,
        })
    }

    /// Tells OpenTelemetry's library of a span that this thread is in, if that was asked for, and it is recorded.
    #[cfg(feature = "opentelemetry")]
    pub(crate) fn attach(&self, span: SpanRef) -> Option<Attached> {
        if !self.facts.is_told || !self.is_recorded() {
            return None;
        }
        Some(attach(&self.context_of(span)?))
    }

    /// Begins a span below another one.
    pub(crate) fn open(&self, series: u32, parent: SpanRef, start: u64) -> SpanRef {
        let Some(collector) = &self.collector else {
            return SpanRef::NONE;
        };
        let _quiet = quiet();
        let mut spans = lock(&self.spans);
        if spans.verdict == Verdict::Dropped {
            return SpanRef::NONE;
        }
        let number = spans.slots.len();
        if number >= collector.config.spans_per_trace_max {
            collector.count(Loss::TraceSpansMax, 1);
            return SpanRef::NONE;
        }
        let extra = spans.of_root.take();
        spans.slots.push(Slot {
            series,
            parent: parent.number(self.mark).map_or(0, |at| at as u16 + 1),
            outcome: None,
            start,
            end: start,
            extra: extra.filter(|extra| !extra.is_empty()),
        });
        spans.open += 1;
        SpanRef::new(self.mark, number)
    }

    /// Ends a span; with the first one, the root, it is decided what becomes of all.
    pub(crate) fn close(self: &Arc<Self>, span: SpanRef, end: u64, outcome: Outcome, slow: bool) {
        let (Some(number), Some(collector)) = (span.number(self.mark), &self.collector) else {
            return;
        };
        let _quiet = quiet();
        let mut spans = lock(&self.spans);
        let verdict = spans.verdict;
        let Some(slot) = spans.slots.get_mut(number) else {
            return;
        };
        if slot.outcome.is_some() {
            return;
        }
        slot.end = end.max(slot.start);
        slot.outcome = Some(outcome);
        let (series, ticks) = (slot.series, slot.end - slot.start);
        let late = (verdict == Verdict::Kept).then(|| slot.take());
        spans.open -= 1;
        spans.failed |= outcome == Outcome::Error;
        spans.panicked |= outcome == Outcome::Panic;
        spans.was_slow |= slow;
        if let Some(late) = late {
            drop(spans);
            return collector.push(Batch::of(&self.facts, vec![(number as u32, late)]));
        }
        if number == 0 && verdict == Verdict::Open {
            let unusual = collector.is_unusual(series, self.facts.scale.ns(ticks));
            let kept = spans.reason(collector, &self.facts, unusual);
            let finished = spans.settle(kept);
            drop(spans);
            if let Some(finished) = finished {
                collector.push(Batch::of(&self.facts, finished));
            }
        }
    }

    /// Changes what is said of a span, if it is open and recorded. `change` gets the limits on its entries, and the ticks now.
    pub(crate) fn change(&self, span: SpanRef, change: impl FnOnce(&mut Extra, &Limits, u64)) {
        let (Some(number), Some(collector)) = (span.number(self.mark), &self.collector) else {
            return;
        };
        let _quiet = quiet();
        let now = self.now();
        let mut spans = lock(&self.spans);
        let slot = spans.slots.get_mut(number);
        if let Some(slot) = slot.filter(|slot| slot.outcome.is_none()) {
            let extra = slot.extra.get_or_insert_default();
            change(extra, &collector.config.limits, now);
        }
    }

    fn now(&self) -> u64 {
        let registry = self.facts.registry.as_deref();
        registry
            .map_or_else(Source::of_process, Registry::clock)
            .now()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if let Some(collector) = &self.collector {
            let spans = lock(&self.spans);
            let lost = match spans.verdict {
                // The root never ended, so nobody asked what becomes of them.
                Verdict::Open => spans.slots.len() as u64,
                Verdict::Kept => spans.open,
                Verdict::Dropped => 0,
            };
            collector.leave(lost);
        }
    }
}

impl Spans {
    /// Why the trace is kept; `None` if it is not.
    fn reason(&self, collector: &Shared, facts: &Facts, is_unusual: bool) -> Option<Kept> {
        let config = &collector.config;
        [
            (facts.is_sampled, Kept::Sampled),
            (self.panicked && config.keep_failed, Kept::Panicked),
            (self.failed && config.keep_failed, Kept::Failed),
            (
                (self.was_slow || is_unusual) && config.keep_slow,
                Kept::Slow,
            ),
        ]
        .into_iter()
        .find_map(|(is_so, kept)| is_so.then_some(kept))
    }

    /// Hands out what has ended if it is kept. Those that are open go out when they end.
    fn settle(&mut self, kept: Option<Kept>) -> Option<Vec<(u32, Slot)>> {
        let Some(kept) = kept else {
            self.verdict = Verdict::Dropped;
            self.slots = Vec::new();
            return None;
        };
        self.verdict = Verdict::Kept;
        if let Some(root) = self.slots.first_mut() {
            root.extra.get_or_insert_default().kept = Some(kept);
        }
        let slots = self.slots.iter_mut().enumerate();
        let finished = slots.filter(|(_, slot)| slot.outcome.is_some());
        Some(
            finished
                .map(|(number, slot)| (number as u32, slot.take()))
                .collect(),
        )
    }
}

impl Slot {
    /// Leaves one behind that has ended and says nothing.
    fn take(&mut self) -> Self {
        Self {
            extra: self.extra.take(),
            ..*self
        }
    }
}

impl Extra {
    fn is_empty(&self) -> bool {
        self.said.attributes.is_empty() && self.events.is_empty() && self.links.is_empty()
    }

    /// Sets an attribute; the last value of a name holds.
    pub(crate) fn set(&mut self, limits: &Limits, key: Cow<'static, str>, value: AttributeValue) {
        self.said.set(limits.attributes, key, value);
    }

    /// Notes what happened, with no more attributes than the limit, the first ones.
    pub(crate) fn happen(&mut self, limits: &Limits, mut moment: Moment) {
        if self.events.len() < limits.events {
            moment.said.cut(limits.event_attributes);
            self.events.push(moment);
        } else {
            self.dropped_events += 1;
        }
    }

    pub(crate) fn link(&mut self, limits: &Limits, link: Link) {
        if self.links.len() < limits.links {
            self.links.push(link);
        } else {
            self.dropped_links += 1;
        }
    }
}

impl Said {
    /// Sets an attribute; the last value of a name holds.
    pub(crate) fn set(&mut self, max: usize, key: Cow<'static, str>, value: AttributeValue) {
        let is_full = self.attributes.len() >= max;
        match self.attributes.iter_mut().find(|(of, _)| *of == key) {
            Some((_, of)) => *of = value,
            None if is_full => self.dropped += 1,
            None => self.attributes.push((key, value)),
        }
    }

    fn cut(&mut self, max: usize) {
        let beyond = self.attributes.len().saturating_sub(max);
        self.attributes.truncate(max);
        self.dropped = self.dropped.saturating_add(beyond as u32);
    }
}

impl Facts {
    /// Id of the span with this number.
    pub(crate) fn id_of(&self, number: usize) -> SpanId {
        SpanId::of(self.seed, number as u32)
    }

    /// Id of the span around one; the caller's around the root.
    pub(crate) fn parent_of(&self, slot: &Slot, number: u32) -> Option<SpanId> {
        match usize::from(slot.parent).checked_sub(1) {
            Some(parent) => Some(self.id_of(parent)),
            None if number == 0 => self.remote.caller.as_ref().map(SpanContext::span_id),
            None => Some(self.id_of(0)),
        }
    }

    pub(crate) fn ns(&self, ticks: u64) -> u64 {
        self.scale.ns(ticks)
    }

    /// When a tick was, in nanoseconds since the Unix epoch.
    pub(crate) fn unix_ns(&self, ticks: u64) -> u64 {
        let after = self.scale.ns(ticks.saturating_sub(self.ticks_at_start));
        let before = self.scale.ns(self.ticks_at_start.saturating_sub(ticks));
        (self.start_unix_ns + after).saturating_sub(before)
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("trace_id", &self.trace_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("trace_id", &self.facts.trace_id)
            .field("recorded", &self.is_recorded())
            .finish_non_exhaustive()
    }
}
