//! Collector: takes in the spans of traces that are kept, and holds them until somebody takes them out.

use std::collections::VecDeque;
use std::fmt;

use crate::exemplars::Exemplar;
use crate::outcome::Outcome;
use crate::recorder::frame::SpanRef;
use crate::registry::{current, series};
use crate::sync::{Arc, AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, lock};
use crate::tracer::buffer::{Facts, Slot};
use crate::tracer::finished::Span;
use crate::tracer::policy::Usual;
use crate::tracer::sampler::Sampler;

/// Which traces are kept, and how many spans are held at once.
///
/// # Memory
///
/// A trace that is under way holds 48 bytes for each of its spans, and one that waits to be taken out as much: with the
/// limits as they are at most 50 MB, and usually less than one.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceConfig {
    pub(super) sampler: Sampler,
    pub(super) keep_slow: bool,
    pub(super) keep_failed: bool,
    pub(super) spans_per_trace_max: usize,
    pub(super) traces_max: usize,
    pub(super) spans_max: usize,
    pub(super) limits: Limits,
}

/// How much is told of one span, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) attributes: usize,
    pub(crate) events: usize,
    pub(crate) links: usize,
    /// Of one event.
    pub(crate) event_attributes: usize,
}

impl Limits {
    /// As OpenTelemetry has them.
    const USUAL: Self = Self {
        attributes: 128,
        events: 128,
        links: 128,
        event_attributes: 128,
    };
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            sampler: Sampler::default(),
            keep_slow: true,
            keep_failed: true,
            spans_per_trace_max: 1_024,
            traces_max: 1_024,
            spans_max: 16_384,
            limits: Limits::USUAL,
        }
    }
}

impl TraceConfig {
    /// Which traces are kept whatever becomes of them; as the caller decided, and all without caller, by default.
    #[must_use]
    pub const fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self
    }

    /// Whether traces are kept, too, in which a call took as long as its `slow = ".."` says, or whose root took longer
    /// than 99 of 100 like it did lately. On by default.
    ///
    /// While this or [`keep_failed`](Self::keep_failed) is on, the spans of all traces are recorded, because nobody knows
    /// how they end. With both off, a trace that was not sampled costs what no trace costs.
    #[must_use]
    pub const fn keep_slow(mut self, keep: bool) -> Self {
        self.keep_slow = keep;
        self
    }

    /// Whether traces are kept, too, in which a call failed or panicked. On by default.
    #[must_use]
    pub const fn keep_failed(mut self, keep: bool) -> Self {
        self.keep_failed = keep;
        self
    }

    /// Spans of one trace that are recorded, at most; 1,024 by default, 65,535 at most. Further ones are counted.
    #[must_use]
    pub fn spans_per_trace_max(mut self, max: usize) -> Self {
        self.spans_per_trace_max = max.min(SpanRef::MAX);
        self
    }

    /// Traces under way that are recorded, at most; 1,024 by default. Further ones are counted.
    #[must_use]
    pub const fn traces_max(mut self, max: usize) -> Self {
        self.traces_max = max;
        self
    }

    /// Spans that may wait to be taken out, at most; 16,384 by default. Further ones are counted. An exporter lets as many
    /// wait for its receiver, and drops the oldest of those.
    #[must_use]
    pub const fn spans_max(mut self, max: usize) -> Self {
        self.spans_max = max;
        self
    }

    /// Attributes of one span, at most; 128 by default, as OpenTelemetry has it. Further ones are counted.
    #[must_use]
    pub const fn attributes_max(mut self, max: usize) -> Self {
        self.limits.attributes = max;
        self
    }

    /// Events of one span, at most; 128 by default. Further ones are counted.
    #[must_use]
    pub const fn events_max(mut self, max: usize) -> Self {
        self.limits.events = max;
        self
    }

    /// Links of one span, at most; 128 by default. Further ones are counted.
    #[must_use]
    pub const fn links_max(mut self, max: usize) -> Self {
        self.limits.links = max;
        self
    }

    /// Attributes of one event, at most; 128 by default. Further ones are counted.
    #[must_use]
    pub const fn event_attributes_max(mut self, max: usize) -> Self {
        self.limits.event_attributes = max;
        self
    }
}

/// Why a span is missing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loss {
    TraceSpansMax,
    SpansMax,
    Unfinished,
    /// Counts traces.
    TracesMax,
}

/// What a collector could not take in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Losses {
    /// Spans beyond [`TraceConfig::spans_per_trace_max`].
    pub trace_spans_max: u64,
    /// Spans of traces that were kept, beyond [`TraceConfig::spans_max`].
    pub spans_max: u64,
    /// Spans that had not ended when the last of those who might have ended them was gone.
    pub unfinished: u64,
    /// Whole traces, beyond [`TraceConfig::traces_max`]: what they would have had in spans is not known.
    pub traces_max: u64,
}

impl Losses {
    /// Spans that are missing, by reason.
    pub fn spans(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let Self {
            trace_spans_max,
            spans_max,
            unfinished,
            ..
        } = *self;
        [
            ("spans_max", spans_max),
            ("spans_per_trace_max", trace_spans_max),
            ("unfinished", unfinished),
        ]
        .into_iter()
    }
}

/// Holds the spans of traces that are kept, until they are taken out.
///
/// The exporter has one. A test makes its own:
///
/// ```
/// use khive_perf::trace::{Collector, TraceConfig};
///
/// # #[khive_perf::measure]
/// # fn load() {}
/// let collector = Collector::new(TraceConfig::default());
/// collector.root("request").scope(|| load());
/// let names: Vec<String> = collector.take(10).iter().map(|span| span.name().to_owned()).collect();
/// assert_eq!(names[0], "request");
/// assert!(names[1].ends_with("load"));
/// ```
pub struct Collector {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(super) config: TraceConfig,
    queue: Mutex<Queue>,
    usual: Mutex<Usual>,
    /// Traces under way.
    traces: AtomicUsize,
    losses: [AtomicU64; 4],
    /// Spans of traces that were kept.
    kept: AtomicU64,
    is_asked: AtomicBool,
    ask: Mutex<Option<Ask>>,
}

/// Asks whoever takes spans out to do so.
type Ask = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    /// Number of spans in them.
    len: usize,
}

/// Spans of one trace.
pub(super) struct Batch {
    facts: Arc<Facts>,
    spans: Vec<(u32, Slot)>,
}

impl Batch {
    pub(super) fn of(facts: &Arc<Facts>, spans: Vec<(u32, Slot)>) -> Self {
        Self {
            facts: Arc::clone(facts),
            spans,
        }
    }
}

/// A process collects its traces in one place, and something does so already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlreadyCollected;

impl fmt::Display for AlreadyCollected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the traces of this process are collected already; \
             drop the collector, or shut the exporter down, that does so",
        )
    }
}

impl std::error::Error for AlreadyCollected {}

/// Who collects the traces of the process; gone with its collector.
static OF_PROCESS: Mutex<Option<std::sync::Weak<Shared>>> = Mutex::new(None);

impl Collector {
    /// A collector of those traces whose root it [makes](Self::root).
    #[must_use]
    pub fn new(config: TraceConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                queue: Mutex::default(),
                usual: Mutex::default(),
                traces: AtomicUsize::new(0),
                losses: [const { AtomicU64::new(0) }; 4],
                kept: AtomicU64::new(0),
                is_asked: AtomicBool::new(false),
                ask: Mutex::new(None),
            }),
        }
    }

    /// Collects the traces of the process from now on, those of [`trace::root`](crate::trace::root), until it is dropped.
    ///
    /// # Errors
    ///
    /// If another one does.
    pub fn collect_process(self) -> Result<Self, AlreadyCollected> {
        let mut of_process = lock(&OF_PROCESS);
        let is_taken = of_process.as_ref().and_then(std::sync::Weak::upgrade);
        if is_taken.is_some() {
            return Err(AlreadyCollected);
        }
        *of_process = Some(Arc::downgrade(&self.shared));
        Ok(self)
    }

    /// Calls this, on a thread of the application, once each time that half of the spans that may wait do. It must not
    /// block.
    pub fn when_half_full(&self, ask: impl Fn() + Send + Sync + 'static) {
        *lock(&self.shared.ask) = Some(Box::new(ask));
    }

    /// Takes out spans of whole traces, those that were kept first; as many as there are until `max` is reached.
    #[must_use]
    pub fn take(&self, max: usize) -> Vec<Span> {
        let mut taken = Vec::new();
        self.shared.is_asked.store(false, Ordering::Relaxed);
        {
            let mut queue = lock(&self.shared.queue);
            let mut len = 0;
            while len < max
                && let Some(batch) = queue.batches.pop_front()
            {
                len += batch.spans.len();
                queue.len -= batch.spans.len();
                taken.push(batch);
            }
        }
        if taken.is_empty() {
            return Vec::new();
        }
        let identities = series::identities();
        let mut spans = Vec::new();
        for Batch { facts, spans: of } in taken {
            let of = of.into_iter();
            let of: Vec<(u32, Span)> = of
                .filter_map(|(number, slot)| {
                    let identity = Arc::clone(identities.get(slot.series as usize)?);
                    Some((slot.series, Span::of(&facts, number, slot, identity)))
                })
                .collect();
            add_exemplars(&facts, &of);
            spans.extend(of.into_iter().map(|(_, span)| span));
        }
        spans
    }

    /// Number of spans that may wait: [`TraceConfig::spans_max`].
    #[must_use]
    pub fn room(&self) -> usize {
        self.shared.config.spans_max
    }

    /// Number of spans that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.shared.queue).len
    }

    /// Spans of traces that were kept so far: each was taken out, waits, or is among the [losses](Self::losses).
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.shared.kept.load(Ordering::Relaxed)
    }

    /// What is missing.
    #[must_use]
    pub fn losses(&self) -> Losses {
        let of = |loss: Loss| {
            let count = self.shared.losses.get(loss as usize);
            count.map_or(0, |count| count.load(Ordering::Relaxed))
        };
        Losses {
            trace_spans_max: of(Loss::TraceSpansMax),
            spans_max: of(Loss::SpansMax),
            unfinished: of(Loss::Unfinished),
            traces_max: of(Loss::TracesMax),
        }
    }
}

/// Lets the calls stand for those around them.
fn add_exemplars(facts: &Facts, spans: &[(u32, Span)]) {
    let registry = facts.registry.as_deref().unwrap_or(&current::PROCESS);
    let mut exemplars = registry.exemplars();
    for (series, span) in spans {
        let exemplar = Exemplar {
            value: span.duration(),
            time_unix_ns: span.end_unix_ns(),
            trace_id: span.trace_id(),
            span_id: span.span_id(),
            outcome: span.outcome(),
        };
        exemplars.add(*series, exemplar);
    }
}

/// Who collects the traces of the process.
pub(crate) fn of_process() -> Option<Arc<Shared>> {
    lock(&OF_PROCESS).as_ref()?.upgrade()
}

impl Shared {
    /// Whether a trace that begins is to be recorded; it must [`leave`](Self::leave) then.
    pub(super) fn admit(&self, is_sampled: bool) -> bool {
        if !is_sampled && !self.config.keep_slow && !self.config.keep_failed {
            return false;
        }
        let under_way = self.traces.fetch_add(1, Ordering::Relaxed);
        let is_admitted = under_way < self.config.traces_max;
        if !is_admitted {
            self.traces.fetch_sub(1, Ordering::Relaxed);
            self.count(Loss::TracesMax, 1);
        }
        is_admitted
    }

    /// Ends a trace, of which so many spans did not end.
    pub(super) fn leave(&self, unfinished: u64) {
        self.traces.fetch_sub(1, Ordering::Relaxed);
        self.count(Loss::Unfinished, unfinished);
    }

    pub(super) fn count(&self, loss: Loss, spans: u64) {
        if let Some(count) = self.losses.get(loss as usize) {
            count.fetch_add(spans, Ordering::Relaxed);
        }
    }

    /// Whether a root took longer than those before it usually did.
    pub(super) fn is_unusual(&self, series: u32, ns: u64) -> bool {
        self.config.keep_slow && lock(&self.usual).note(series, ns)
    }

    /// Takes in spans of a trace that is kept.
    pub(super) fn push(&self, batch: Batch) {
        let len = batch.spans.len();
        self.kept.fetch_add(len as u64, Ordering::Relaxed);
        let mut queue = lock(&self.queue);
        if queue.len + len > self.config.spans_max {
            drop(queue);
            return self.count(Loss::SpansMax, len as u64);
        }
        queue.len += len;
        queue.batches.push_back(batch);
        let is_half_full = queue.len >= self.config.spans_max / 2;
        drop(queue);
        if is_half_full
            && !self.is_asked.swap(true, Ordering::Relaxed)
            && let Some(ask) = &*lock(&self.ask)
        {
            ask();
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("config", &self.shared.config)
            .field("waiting", &self.waiting())
            .field("losses", &self.losses())
            .finish_non_exhaustive()
    }
}

/// Whether a call counts as a failed one.
pub(super) const fn is_failure(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Error | Outcome::Panic)
}
