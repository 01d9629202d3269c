//! Context: what a spawned task or thread must be given, to record where its parent records.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task;

use crate::recorder::frame::SpanRef;
use crate::registry::Registry;
use crate::registry::current::{self, Scope};
use crate::snapshot::{self, Snapshot};
use crate::sync::Arc;
use crate::tracer::{self, Active, SpanContext, Trace};

/// Where the current code records: into the process's registry or into a capture, and as part of which trace.
///
/// A measured future needs none: it records wherever it is polled. A task that is spawned, or a thread,
/// starts out in the process's registry, and in no trace; hand it the context of its parent to have it captured, too, and
/// to make its calls spans of the same trace, below the span in which the context was asked for.
///
/// # Examples
///
/// ```
/// use khive_perf::Context;
///
/// # #[khive_perf::measure]
/// # fn work() {}
/// let ((), captured) = khive_perf::testing::capture(|| {
///     let context = Context::current();
///     std::thread::spawn(move || context.scope(|| work())).join().unwrap();
/// });
/// assert_eq!(captured.callsite("work").map(|stats| stats.calls()), Some(1));
/// ```
#[derive(Clone)]
pub struct Context {
    registry: Option<Arc<Registry>>,
    /// The trace, and the span whose callees come next.
    trace: Option<(Arc<Trace>, SpanRef)>,
}

impl Context {
    /// The context of the code that runs now.
    #[must_use]
    pub fn current() -> Self {
        Self {
            registry: current::registry(),
            trace: tracer::active(),
        }
    }

    pub(crate) fn of(registry: Arc<Registry>) -> Self {
        Self {
            registry: Some(registry),
            trace: None,
        }
    }

    /// The same place, at the beginning of a trace.
    pub(crate) fn in_trace(mut self, trace: Trace) -> Self {
        self.trace = Some((Arc::new(trace), SpanRef::NONE));
        self
    }

    pub(crate) fn registry(&self) -> Option<Arc<Registry>> {
        self.registry.clone()
    }

    /// The span whose callees come next, as other services are told of it; `None` outside any trace.
    #[must_use]
    pub fn span(&self) -> Option<SpanContext> {
        let (trace, span) = self.trace.as_ref()?;
        trace.context_of(*span)
    }

    /// What has been recorded in the context so far, by all threads: inside of a
    /// [capture](crate::testing::capture) what that has seen, else the process's [`snapshot`](crate::snapshot()).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        match &self.registry {
            Some(registry) => snapshot::take(registry),
            None => crate::snapshot(),
        }
    }

    /// Runs `f` on this thread in the context.
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        f()
    }

    /// Makes it the thread's, until what is given back is dropped.
    fn enter(&self) -> Entered {
        let is_traced = self
            .trace
            .as_ref()
            .is_some_and(|(trace, _)| trace.is_recorded());
        let scope = Scope::enter(self.registry.clone(), is_traced);
        Entered {
            #[cfg(feature = "opentelemetry")]
            _attached: self
                .trace
                .as_ref()
                .and_then(|(trace, span)| trace.attach(*span)),
            _active: Active::enter(self.trace.clone()),
            _scope: scope,
        }
    }

    /// Polls `future` in the context, on whichever thread it is polled.
    pub fn attach<F: Future>(&self, future: F) -> InContext<F> {
        InContext {
            future: ManuallyDrop::new(future),
            context: self.clone(),
        }
    }
}

/// While it lives, the thread is in a context. What came last goes first.
struct Entered {
    #[cfg(feature = "opentelemetry")]
    _attached: Option<tracer::Attached>,
    _active: Active,
    _scope: Scope,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("captured", &self.registry.is_some())
            .field("span", &self.span())
            .finish()
    }
}

/// A future with a context of its own, also while it is dropped.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct InContext<F> {
    /// Pinned with `self`; dropped once, in `Drop`.
    future: ManuallyDrop<F>,
    context: Context,
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<F::Output> {
        // SAFETY: nothing is moved out of `this`; `future` is pinned again below.
        let this = unsafe { self.get_unchecked_mut() };
        let _entered = this.context.enter();
        // SAFETY: `future` is pinned because `self` is, and is moved by nobody.
        unsafe { Pin::new_unchecked(&mut *this.future) }.poll(context)
    }
}

impl<F> Drop for InContext<F> {
    fn drop(&mut self) {
        let _entered = self.context.enter();
        // SAFETY: dropped in place, so a pinned future stays pinned; once, because this is `Drop`.
        unsafe { ManuallyDrop::drop(&mut self.future) };
    }
}
