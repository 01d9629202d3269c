//! Context: what a spawned task or thread must be given, to record where its parent records.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task;

use crate::registry::Registry;
use crate::registry::current::{self, Scope};
use crate::snapshot::{self, Snapshot};
use crate::sync::Arc;

/// Where the current code records: into the process's registry, or into a capture.
///
/// A measured future needs none: it records wherever it is polled. A task that is spawned, or a thread,
/// starts out in the process's registry; hand it the context of its parent to have it captured, too.
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
}

impl Context {
    /// The context of the code that runs now.
    #[must_use]
    pub fn current() -> Self {
        Self {
            registry: current::registry(),
        }
    }

    pub(crate) fn of(registry: Arc<Registry>) -> Self {
        Self {
            registry: Some(registry),
        }
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
        let _scope = Scope::enter(self.registry.clone());
        f()
    }

    /// Polls `future` in the context, on whichever thread it is polled.
    pub fn attach<F: Future>(&self, future: F) -> InContext<F> {
        InContext {
            future,
            context: self.clone(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("captured", &self.registry.is_some())
            .finish()
    }
}

/// A future with a context of its own.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct InContext<F> {
    /// Pinned with `self`.
    future: F,
    context: Context,
}

impl<F: Future> Future for InContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<F::Output> {
        // SAFETY: nothing is moved out of `this`; `future` is pinned again below.
        let this = unsafe { self.get_unchecked_mut() };
        let _scope = Scope::enter(this.context.registry.clone());
        // SAFETY: `future` is pinned because `self` is, and is moved by nobody.
        unsafe { Pin::new_unchecked(&mut this.future) }.poll(context)
    }
}
