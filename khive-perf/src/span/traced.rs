//! Traced: the span of `tracing` that a call opens beside its measurement, for `#[measure(span)]`.
//!
//! The span is opened before the measurement begins and closed after it has ended, so that neither is measured.
//!
//! # How a layer tells these spans from others
//!
//! Each of them declares the field [`MARKER`] and never records it, and so no subscriber shows it. A layer that
//! measures spans leaves out those with [`is_measured`], because their calls have been counted already. It
//! needs to look once per callsite, when that is registered or its first span is made.

use std::array;
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::UnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use tracing::callsite::Identifier;
use tracing::field::{DisplayValue, FieldSet, display};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::metadata::Kind;
use tracing::span::EnteredSpan;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Span, dispatcher};

use crate::attributes::Value;
use crate::callsite::Callsite;
use crate::span::{Series, SpanGuard, enter_with, series};
use crate::sync::{AtomicBool, AtomicU32, Ordering};

/// The field that every span of a measured call declares, as its last one, and that is never recorded.
pub const MARKER: &str = "khive_perf.callsite";

/// Whether spans with this metadata belong to a call that is measured already.
#[must_use]
pub fn is_measured(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.fields().field(MARKER).is_some()
}

/// What is known about a span when the program is compiled.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "written out by macro expansions")]
pub struct SpanSpec {
    /// The name of the callsite or, without one, of the function.
    pub name: &'static str,
    /// Path of the module.
    pub target: &'static str,
    /// Level of the span.
    pub level: Level,
    /// Source file.
    pub file: &'static str,
    /// Line in it.
    pub line: u32,
    /// The names of the fields, and [`MARKER`] behind them.
    pub fields: &'static [&'static str],
}

/// The static place in the source that opens spans: a callsite in the sense of `tracing`.
#[derive(Debug)]
pub struct SpanSite {
    metadata: Metadata<'static>,
    /// What subscribers said last: one of the constants below.
    interest: AtomicU32,
    registered: AtomicBool,
}

const UNKNOWN: u32 = 0;
const NEVER: u32 = 1;
const SOMETIMES: u32 = 2;
const ALWAYS: u32 = 3;

impl tracing::Callsite for SpanSite {
    fn set_interest(&self, interest: Interest) {
        let word = match interest {
            interest if interest.is_never() => NEVER,
            interest if interest.is_always() => ALWAYS,
            _ => SOMETIMES,
        };
        self.interest.store(word, Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        &self.metadata
    }
}

impl SpanSite {
    /// A place that has opened no span yet; `this` is the static that it is stored in.
    #[must_use]
    pub const fn new(spec: SpanSpec, this: &'static Self) -> Self {
        Self {
            metadata: Metadata::new(
                spec.name,
                spec.target,
                spec.level,
                Some(spec.file),
                Some(spec.line),
                Some(spec.target),
                FieldSet::new(spec.fields, Identifier(this)),
                Kind::SPAN,
            ),
            interest: AtomicU32::new(UNKNOWN),
            registered: AtomicBool::new(false),
        }
    }

    /// What subscribers have said about the place so far; [`NEVER`] also where its level is off.
    #[inline]
    fn interest(&self) -> u32 {
        let level = self.metadata.level();
        if *level > STATIC_MAX_LEVEL || *level > LevelFilter::current() {
            return NEVER;
        }
        self.interest.load(Ordering::Relaxed)
    }

    /// Asks subscribers about the place: those of the thread that will open the span, as one that is for
    /// some threads only is not asked on others.
    #[cold]
    fn register(&'static self) -> u32 {
        if self.registered.swap(true, Ordering::AcqRel) {
            // Another thread is registering it, or this one is, further down its stack.
            return SOMETIMES;
        }
        tracing::callsite::register(self);
        self.interest.load(Ordering::Relaxed)
    }

    /// Opens a span, if the current subscriber wants it.
    fn open<const N: usize>(&'static self, values: [Recorded<'_>; N]) -> Option<Span> {
        let wanted = match self.interest() {
            NEVER => false,
            ALWAYS => true,
            UNKNOWN if self.register() == NEVER => false,
            _ => dispatcher::get_default(|subscriber| subscriber.enabled(&self.metadata)),
        };
        if !wanted {
            return None;
        }
        let mut declared = self.metadata.fields().iter();
        let marker = self.metadata.fields().field(MARKER)?;
        let fields: [_; N] = array::from_fn(|_| declared.next().unwrap_or_else(|| marker.clone()));
        let mut values = values.iter();
        let pairs = fields
            .each_ref()
            .map(|field| (field, values.next().map(Recorded::as_dyn)));
        let values = self.metadata.fields().value_set(&pairs);
        Some(Span::new(&self.metadata, &values))
    }
}

/// The value of a field in the form in which `tracing` takes it.
enum Recorded<'a> {
    Bool(bool),
    I64(i64),
    F64(f64),
    Str(&'a str),
    /// What `Display` or `Debug` made of it.
    Shown(DisplayValue<&'a str>),
}

impl<'a> Recorded<'a> {
    fn of(value: &'a Value<'_>) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::I64(value) => Self::I64(*value),
            Value::F64(value) => Self::F64(*value),
            Value::Str(text) => Self::Str(text),
            Value::String(text) => Self::Shown(display(text)),
        }
    }

    fn as_dyn(&self) -> &dyn tracing::Value {
        match self {
            Self::Bool(value) => value,
            Self::I64(value) => value,
            Self::F64(value) => value,
            Self::Str(text) => text,
            Self::Shown(text) => text,
        }
    }
}

/// A value that is kept until the span opens.
#[derive(Debug)]
enum Kept {
    /// One that borrows nothing.
    Value(Value<'static>),
    Text(Box<str>),
}

impl Kept {
    fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Bool(value) => Self::Value(Value::Bool(*value)),
            Value::I64(value) => Self::Value(Value::I64(*value)),
            Value::F64(value) => Self::Value(Value::F64(*value)),
            Value::Str(text) => Self::Text((*text).into()),
            Value::String(text) => Self::Value(Value::String(text.clone())),
        }
    }

    fn recorded(&self) -> Recorded<'_> {
        match self {
            Self::Value(value) => Recorded::of(value),
            Self::Text(text) => Recorded::Str(text),
        }
    }
}

/// An entered region and its span. Dropping it ends the measurement, and then the span.
#[must_use = "a region ends when its guard is dropped; bind it: `let _guard = ..`"]
#[derive(Debug)]
pub struct TracedGuard {
    guard: SpanGuard,
    _span: Option<EnteredSpan>,
}

/// Opens and enters a span, and then a region, of the series that these fields name.
pub fn enter_traced<const N: usize>(
    callsite: &'static Callsite,
    site: &'static SpanSite,
    fields: &[(&'static str, Value<'_>); N],
) -> TracedGuard {
    let values = fields.each_ref().map(|(_, value)| Recorded::of(value));
    let span = site.open(values).map(Span::entered);
    let guard = if N == 0 {
        callsite.enter_noted()
    } else {
        enter_with(callsite, fields)
    };
    TracedGuard { guard, _span: span }
}

/// Whatever can be said of the region can be said of it in its span.
impl Deref for TracedGuard {
    type Target = SpanGuard;

    fn deref(&self) -> &SpanGuard {
        &self.guard
    }
}

impl DerefMut for TracedGuard {
    fn deref_mut(&mut self) -> &mut SpanGuard {
        &mut self.guard
    }
}

/// The values of the fields of a span to come; nothing where nobody would see the span.
#[derive(Debug)]
pub struct SpanValues<const N: usize>(Option<Box<[Kept; N]>>);

/// Finds the series that these fields name, and keeps their values for the span.
pub fn series_traced<const N: usize>(
    callsite: &'static Callsite,
    site: &'static SpanSite,
    fields: &[(&'static str, Value<'_>); N],
) -> (Series, SpanValues<N>) {
    let keep = || Box::new(fields.each_ref().map(|(_, value)| Kept::of(value)));
    let values = (site.interest() != NEVER).then(keep);
    (series(callsite, fields), SpanValues(values))
}

/// A future with a span: opened at its first poll, entered in every poll and while it is dropped on the
/// way, closed when it is ready or dropped.
#[must_use = "a future does nothing unless it is polled"]
pub struct Traced<F: Future, const N: usize = 0> {
    /// Pinned with `self`; dropped once, in `Drop`.
    inner: ManuallyDrop<F>,
    span: State<N>,
}

#[derive(Debug)]
enum State<const N: usize> {
    Waiting(&'static SpanSite, SpanValues<N>),
    Open(Span),
    /// Ended, or nobody wanted the span.
    Closed,
}

/// Gives a future a span without fields.
pub fn trace_future<F: Future>(site: &'static SpanSite, future: F) -> Traced<F> {
    trace_future_with(site, SpanValues(Some(Box::new([]))), future)
}

/// Gives a future a span with the fields that were kept for it.
pub fn trace_future_with<F: Future, const N: usize>(
    site: &'static SpanSite,
    values: SpanValues<N>,
    future: F,
) -> Traced<F, N> {
    Traced {
        inner: ManuallyDrop::new(future),
        span: State::Waiting(site, values),
    }
}

impl<const N: usize> State<N> {
    fn open(&mut self) {
        if let Self::Waiting(site, SpanValues(values)) = self {
            let values = values.take();
            let span = values.and_then(|kept| site.open(kept.each_ref().map(Kept::recorded)));
            *self = span.map_or(Self::Closed, Self::Open);
        }
    }
}

impl<F: Future, const N: usize> Future for Traced<F, N> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: nothing is moved out of `this`; `inner` is pinned again below.
        let this = unsafe { self.get_unchecked_mut() };
        this.span.open();
        let entered = match &this.span {
            State::Open(span) => Some(span.enter()),
            _ => None,
        };
        // SAFETY: `inner` is pinned because `self` is, and is moved by nobody.
        let polled = unsafe { Pin::new_unchecked(&mut *this.inner) }.poll(context);
        drop(entered);
        if polled.is_ready() {
            this.span = State::Closed;
        }
        polled
    }
}

impl<F: Future, const N: usize> Drop for Traced<F, N> {
    fn drop(&mut self) {
        let _entered = match &self.span {
            State::Open(span) => Some(span.enter()),
            _ => None,
        };
        // SAFETY: dropped in place, so a pinned future stays pinned; once, because this is `Drop`.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
    }
}

/// The span is only replaced, never half changed.
impl<F: Future + UnwindSafe, const N: usize> UnwindSafe for Traced<F, N> {}

impl<F: Future, const N: usize> fmt::Debug for Traced<F, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced")
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}
