//! Span: a call of a trace that was kept, as plain values.

use std::borrow::Cow;
use std::time::Duration;

use crate::attributes::AttributeValue;
use crate::ids::{SpanId, TraceId};
use crate::outcome::Outcome;
use crate::registry::identity::Identity;
use crate::sync::Arc;
use crate::tracer::buffer::{Facts, Slot};
use crate::tracer::collector::is_failure;
use crate::tracer::context::SpanContext;

/// What a span is to those that it talks with, as OpenTelemetry tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpanKind {
    /// It talks with nobody outside of the process.
    #[default]
    Internal,
    /// It answers a request.
    Server,
    /// It makes a request and waits for the answer.
    Client,
    /// It sends a message.
    Producer,
    /// It handles a message.
    Consumer,
}

/// Why a trace was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kept {
    /// The sampler said so when it began.
    Sampled,
    /// A call panicked.
    Panicked,
    /// A call failed.
    Failed,
    /// A call took as long as its `slow = ".."` says, or the root longer than usual.
    Slow,
}

impl Kept {
    /// The word in attributes: `sampled`, `panicked`, `failed`, `slow`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::Panicked => "panicked",
            Self::Failed => "failed",
            Self::Slow => "slow",
        }
    }
}

/// Another span that has to do with one, and is not around it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The other span.
    pub span: SpanContext,
}

/// Something that happened at one moment of a span.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// What it was.
    pub name: Cow<'static, str>,
    /// When, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
    /// What was said of it, each key once.
    pub attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// Attributes beyond [`TraceConfig::event_attributes_max`](crate::trace::TraceConfig::event_attributes_max).
    pub dropped_attributes: u32,
}

/// A call of a trace that was kept.
#[derive(Clone, Debug)]
pub struct Span {
    facts: Arc<Facts>,
    identity: Arc<Identity>,
    number: u32,
    parent_id: Option<SpanId>,
    start_unix_ns: u64,
    end_unix_ns: u64,
    outcome: Outcome,
    attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    events: Vec<Event>,
    links: Vec<Link>,
    dropped: [u32; 3],
    kept: Option<Kept>,
    kind: Option<SpanKind>,
}

impl Span {
    pub(super) fn of(facts: &Arc<Facts>, number: u32, slot: Slot, identity: Arc<Identity>) -> Self {
        let parent_id = facts.parent_of(&slot, number);
        let extra = slot.extra.map(|extra| *extra).unwrap_or_default();
        let mut attributes = identity.attributes.to_vec();
        attributes.extend(extra.said.attributes);
        let events = extra.events.into_iter().map(|moment| Event {
            name: moment.name,
            time_unix_ns: facts.unix_ns(moment.ticks),
            attributes: moment.said.attributes,
            dropped_attributes: moment.said.dropped,
        });
        let start_unix_ns = facts.unix_ns(slot.start);
        Self {
            number,
            parent_id,
            start_unix_ns,
            end_unix_ns: start_unix_ns + facts.ns(slot.end - slot.start),
            outcome: slot.outcome.unwrap_or(Outcome::Ok),
            attributes,
            events: events.collect(),
            links: extra.links,
            dropped: [
                extra.said.dropped,
                extra.dropped_events,
                extra.dropped_links,
            ],
            kept: extra.kept,
            kind: extra.kind,
            facts: Arc::clone(facts),
            identity,
        }
    }

    /// Id of its trace.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.facts.trace_id
    }

    /// Its id.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.facts.id_of(self.number as usize)
    }

    /// Id of the span around it: for the root its caller's in another process, if it has one.
    #[must_use]
    pub fn parent_id(&self) -> Option<SpanId> {
        self.parent_id
    }

    /// Whether it is the first one of its trace in this process.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.number == 0
    }

    /// The `tracestate` that came with its caller; empty where none did.
    #[must_use]
    pub fn trace_state(&self) -> &str {
        let caller = self.facts.remote.caller.as_ref();
        caller.map_or("", SpanContext::state)
    }

    /// Whether its trace was to be kept from the beginning.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.facts.is_sampled
    }

    /// Why its trace was kept; of the root only.
    #[must_use]
    pub fn kept(&self) -> Option<Kept> {
        self.kept
    }

    /// The given `name` of its callsite, else the path of the function.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// Full path of the function.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.identity.function
    }

    /// The given `group` of its callsite.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.identity.group
    }

    /// Source file, as the compiler names it; empty where it is not known.
    #[must_use]
    pub fn file(&self) -> &str {
        self.identity.file
    }

    /// Line in the file.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.identity.line
    }

    /// What it is to those that it talks with.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        let of_root = self.is_root().then_some(self.facts.kind);
        self.kind.or(of_root).unwrap_or_default()
    }

    /// When it began, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn start_unix_ns(&self) -> u64 {
        self.start_unix_ns
    }

    /// When it ended, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn end_unix_ns(&self) -> u64 {
        self.end_unix_ns
    }

    /// How long it took.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.end_unix_ns - self.start_unix_ns)
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Whether it failed or panicked.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        is_failure(self.outcome)
    }

    /// What `fields(..)` recorded, and what was said of it while it was open.
    #[must_use]
    pub fn attributes(&self) -> &[(Cow<'static, str>, AttributeValue)] {
        &self.attributes
    }

    /// What happened in it.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What it has to do with, too.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Attributes, events and links beyond the limits of [`TraceConfig`](crate::trace::TraceConfig).
    #[must_use]
    pub fn dropped(&self) -> [u32; 3] {
        self.dropped
    }
}
