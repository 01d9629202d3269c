//! FutureExt: what any future gains, to be measured and to record where its parent does.

use std::future::Future;

use crate::context::{Context, InContext};
use crate::span::{Measured, measure_named};

/// What any future gains.
pub trait FutureExt: Future + Sized {
    /// Measures this future under `name`, as `#[measure]` measures an `async fn`.
    ///
    /// One row per name and place in the source.
    ///
    /// # Overhead
    ///
    /// That of a measured future, and a lock when it is made.
    ///
    /// # Examples
    ///
    /// ```
    /// use khive_perf::FutureExt as _;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let ((), captured) = khive_perf::testing::capture_async(async {
    ///     async { /* wait for a reply */ }.measured("await reply").await;
    /// })
    /// .await;
    /// assert_eq!(captured.callsite("await reply").map(|stats| stats.ok()), Some(1));
    /// # });
    /// ```
    #[track_caller]
    fn measured(self, name: &'static str) -> Measured<Self> {
        measure_named(self, name)
    }

    /// Lets this future, wherever it is spawned, record where the current code records.
    ///
    /// See [`Context`](crate::Context).
    fn in_current_context(self) -> InContext<Self> {
        Context::current().attach(self)
    }
}

impl<F: Future> FutureExt for F {}
