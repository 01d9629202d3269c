//! Root: the call with which a trace begins in this process.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;

use crate::attributes::{AttributeValue, ToValue};
use crate::callsite::Callsite;
use crate::clock::Source;
use crate::config;
use crate::context::{Context, InContext};
use crate::registry::Registry;
use crate::registry::series::named_future;
use crate::span::{Measured, measure_future};
#[cfg(feature = "tower")]
use crate::span::{OkIf, measure_future_if};
use crate::sync::Arc;
use crate::trace::Extract;
use crate::tracer::{
    Baggage, Beginning, Collector, Link, Remote, Shared, SpanContext, SpanKind, Trace, of_process,
};

/// The call with which a trace is to begin; from [`root`], or from [`Collector::root`].
#[must_use = "a trace begins with `scope` or `attach`"]
pub struct Root {
    callsite: &'static Callsite,
    collector: Option<Arc<Shared>>,
    remote: Remote,
    kind: SpanKind,
    links: Vec<Link>,
    attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    #[cfg(feature = "opentelemetry")]
    is_told: bool,
}

/// A trace that begins with a call of this name, which is measured as `#[measure]` measures a function.
///
/// One row per name and place in the source. The name should be one of few: the route of a request, not its path.
///
/// # Overhead
///
/// A lock when it is made; see [`trace`](crate::trace) for the rest.
#[track_caller]
pub fn root(name: &'static str) -> Root {
    Root::new(name, Location::caller(), of_process())
}

impl Collector {
    /// A trace that this collector takes in, whoever collects the traces of the process. See [`root`].
    #[track_caller]
    pub fn root(&self, name: &'static str) -> Root {
        Root::new(name, Location::caller(), Some(Arc::clone(&self.shared)))
    }
}

impl Root {
    fn new(
        name: &'static str,
        place: &'static Location<'static>,
        collector: Option<Arc<Shared>>,
    ) -> Self {
        Self {
            callsite: named_future(name, place),
            collector,
            remote: Remote::default(),
            kind: SpanKind::default(),
            links: Vec::new(),
            attributes: Vec::new(),
            #[cfg(feature = "opentelemetry")]
            is_told: false,
        }
    }

    /// What it is to those that it talks with; [`SpanKind::Internal`] by default.
    pub const fn kind(mut self, kind: SpanKind) -> Self {
        self.kind = kind;
        self
    }

    /// Goes on with the trace of the caller, if headers name one: `traceparent`, `tracestate` and `baggage`, as the W3C
    /// recommends. Headers that say nothing sensible are passed over.
    pub fn caller<'a>(mut self, headers: impl Extract<'a>) -> Self {
        let parent = headers.get("traceparent");
        let parent = parent.and_then(SpanContext::from_traceparent);
        self.remote.caller = parent.map(|span| match headers.get("tracestate") {
            Some(state) => span.with_state(state),
            None => span,
        });
        if let Some(baggage) = headers.get("baggage") {
            self.remote.baggage = Baggage::from_header(baggage);
        }
        self
    }

    /// Goes on with the trace of this span.
    pub fn parent(mut self, span: SpanContext) -> Self {
        self.remote.caller = Some(span);
        self
    }

    /// Goes on with the span that OpenTelemetry's library says is current, unless a [caller](Self::caller) was named; and
    /// has what the library begins inside, on this thread or where the root's future is polled, go on with this root.
    ///
    /// So an application's own spans, by `opentelemetry_sdk` or `tracing-opentelemetry`, and those of this trace have one
    /// trace id. See [the module](crate::trace#beside-opentelemetrys-own-library) for how none becomes two spans. The
    /// library's spans stand below the root, whatever else is around them.
    #[cfg(feature = "opentelemetry")]
    pub fn with_opentelemetry(mut self) -> Self {
        if self.remote.caller.is_none() {
            self.remote.caller = crate::tracer::current_of_opentelemetry();
        }
        self.is_told = true;
        self
    }

    /// Hands this on to all callees.
    pub fn baggage(mut self, baggage: Baggage) -> Self {
        self.remote.baggage = baggage;
        self
    }

    /// Says of the root's span that it has to do with another one, which is not around it.
    pub fn link(mut self, span: SpanContext) -> Self {
        self.links.push(Link { span });
        self
    }

    /// Says something of the root's span.
    pub fn attribute(mut self, key: impl Into<Cow<'static, str>>, value: impl ToValue) -> Self {
        let value = value.to_value().to_stored(config::attribute_bytes_max());
        self.attributes.push((key.into(), value));
        self
    }

    /// Runs `f` as the root of the trace.
    pub fn scope<R>(self, f: impl FnOnce() -> R) -> R {
        let callsite = self.callsite;
        self.context().scope(|| {
            let _root = callsite.enter_noted();
            f()
        })
    }

    /// Polls `future` as the root of the trace, on whichever thread it is polled.
    pub fn attach<F: Future>(self, future: F) -> InContext<Measured<F>> {
        let callsite = self.callsite;
        self.context().attach(measure_future(callsite, future))
    }

    /// The same, for a future whose output may be an error.
    #[cfg(feature = "tower")]
    pub(super) fn attach_if<F: Future, P: FnOnce(&F::Output) -> bool>(
        self,
        future: F,
        ok_if: P,
    ) -> InContext<Measured<F, OkIf<P>>> {
        let callsite = self.callsite;
        let measured = measure_future_if(callsite, future, ok_if);
        self.context().attach(measured)
    }

    /// The context of what belongs to the trace, whose spans are below the first one that begins in it.
    fn context(self) -> Context {
        let here = Context::current();
        let registry = here.registry();
        let source = registry.as_deref();
        let beginning = Beginning {
            source: source.map_or_else(Source::of_process, Registry::clock),
            remote: self.remote,
            kind: self.kind,
            links: self.links,
            attributes: self.attributes,
            #[cfg(feature = "opentelemetry")]
            is_told: self.is_told,
            registry,
        };
        here.in_trace(Trace::begin(self.collector, beginning))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("name", &self.callsite.name().unwrap_or_default())
            .field("caller", &self.remote.caller)
            .finish_non_exhaustive()
    }
}
