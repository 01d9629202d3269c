//! Testing: capture what code under test recorded, isolated from every other test of the process.
//!
//! ```
//! #[khive_perf::measure(err)]
//! fn checkout(items: u32) -> Result<u32, &'static str> {
//!     if items == 0 { Err("empty basket") } else { Ok(items * 100) }
//! }
//!
//! let (price, captured) = khive_perf::testing::capture(|| {
//!     let _ = checkout(0);
//!     checkout(2)
//! });
//! assert_eq!(price, Ok(200));
//! let stats = captured.callsite("checkout").expect("checkout was called");
//! assert_eq!((stats.ok(), stats.errors()), (1, 1));
//! ```
//!
//! A capture sees what its own closure, the futures it awaits, and the tasks and threads that were given
//! its [`Context`] recorded. It sees nothing else, and what it sees is not in the process's snapshot.

mod heap;

use std::fmt;
use std::future::Future;
use std::ops::Deref;

use crate::clock::Source;
use crate::context::Context;
use crate::registry::Registry;
use crate::snapshot::{self, Snapshot};
use crate::sync::Arc;

#[doc(hidden)]
pub use self::heap::Watched;
pub use crate::clock::ManualClock;
#[doc(inline)]
pub use khive_perf::{
    __assert_allocates_at_most as assert_allocates_at_most, __assert_no_leaks as assert_no_leaks,
    __assert_peak_below as assert_peak_below,
};

/// Runs `f` and returns what it recorded beside its result.
///
/// Every call is timed. Works, and isolates, under parallel `cargo test`, and also where recording is
/// switched off for the process.
///
/// # Panics
///
/// When `f` does; the capture is lost.
pub fn capture<R>(f: impl FnOnce() -> R) -> (R, Captured) {
    Capture::new().run(f)
}

/// Awaits `future` and returns what it recorded beside its output, on whichever threads it was polled.
///
/// Tasks that it spawns are captured if they are given its context:
/// [`FutureExt::in_current_context`](crate::FutureExt::in_current_context).
pub async fn capture_async<F: Future>(future: F) -> (F::Output, Captured) {
    Capture::new().run_async(future).await
}

/// A capture with settings of its own.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use khive_perf::testing::{Capture, ManualClock};
///
/// # #[khive_perf::measure]
/// # fn brew(clock: &ManualClock) { clock.advance(Duration::from_secs(90)); }
/// let clock = ManualClock::new();
/// let ((), captured) = Capture::new().clock(&clock).run(|| brew(&clock));
/// assert_eq!(captured.callsite("brew").unwrap().wall().max(), Duration::from_secs(90));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Capture {
    clock: Option<ManualClock>,
    samples: bool,
    stacks: bool,
}

impl Capture {
    /// A capture by the process's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the time by a clock that stands still until the test moves it.
    #[must_use]
    pub fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Leaves calls untimed as outside of captures: where a callsite has `sample = N`, and where timing each would cost
    /// more than the [budget](crate::Config::overhead_budget). The latter depends on the machine, also where time is
    /// told by a manual clock; `sample = 1` keeps it from a callsite.
    #[must_use]
    pub fn sampled(mut self) -> Self {
        self.samples = true;
        self
    }

    /// Keeps the stack of each block that is tracked, of as many frames as
    /// [`Config::heap_stack_frames`](crate::Config::heap_stack_frames) says. Some microseconds for each.
    #[must_use]
    pub fn stacks(mut self) -> Self {
        self.stacks = true;
        self
    }

    /// Runs `f` and returns what it recorded beside its result.
    ///
    /// # Panics
    ///
    /// When `f` does; the capture is lost.
    pub fn run<R>(self, f: impl FnOnce() -> R) -> (R, Captured) {
        let registry = self.registry();
        let result = Context::of(Arc::clone(&registry)).scope(f);
        (
            result,
            Captured {
                snapshot: snapshot::take(&registry),
            },
        )
    }

    /// Awaits `future` and returns what it recorded beside its output.
    pub async fn run_async<F: Future>(self, future: F) -> (F::Output, Captured) {
        let registry = self.registry();
        let output = Context::of(Arc::clone(&registry)).attach(future).await;
        (
            output,
            Captured {
                snapshot: snapshot::take(&registry),
            },
        )
    }

    fn registry(self) -> Arc<Registry> {
        let stacks = if self.stacks { None } else { Some(0) };
        let source = self.clock.map(Source::Manual);
        Arc::new(Registry::new(source, self.samples, stacks))
    }
}

/// What a capture saw. It reads like a [`Snapshot`].
#[derive(Clone)]
pub struct Captured {
    snapshot: Snapshot,
}

impl Captured {
    /// The snapshot itself.
    #[must_use]
    pub fn into_snapshot(self) -> Snapshot {
        self.snapshot
    }
}

impl Deref for Captured {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot.fmt(f)
    }
}
