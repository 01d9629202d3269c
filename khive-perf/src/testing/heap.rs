//! Assertions about memory: exact, blind to other tests, and failing where they cannot know.

use std::fmt::Write as _;
use std::time::Duration;

use crate::alloc::{HeapCall, HeapSite, HeapSnapshot, is_installed};
use crate::context::Context;
use crate::registry::Registry;
use crate::registry::live::Scope;
use crate::report::bytes;
use crate::symbols;
use crate::sync::Arc;

/// Milliseconds that other threads have to free what they are about to.
const GRACE_MS: u32 = 100;
/// Blocks whose stack is kept, where it can be put into words: some microseconds for each.
const STACKS: u32 = if symbols::ARE_KNOWN { 4_096 } else { 0 };
/// Places that a failed assertion names.
const SITES_SHOWN: usize = 10;

/// What an assertion watches: a capture of its own, in which every block is tracked. What the macros expand to.
#[derive(Debug)]
pub struct Watched {
    registry: Arc<Registry>,
    assertion: &'static str,
}

impl Watched {
    /// Begins to watch.
    ///
    /// # Panics
    ///
    /// If no allocator counts, so that nothing could be known.
    #[must_use]
    #[track_caller]
    pub fn new(assertion: &'static str) -> Self {
        assert!(
            is_installed(),
            "`{assertion}` cannot know what is allocated: no `TrackingAllocator` is installed, or khive-perf is built without \
             its feature `enabled`; put `#[global_allocator] static ALLOCATOR: khive_perf::alloc::TrackingAllocator = \
             khive_perf::alloc::TrackingAllocator::system();` into this test program"
        );
        Self {
            registry: Arc::new(Registry::new(None, false, Some(STACKS))),
            assertion,
        }
    }

    /// Where the code must run that is watched.
    #[must_use]
    pub fn context(&self) -> Context {
        Context::of(Arc::clone(&self.registry))
    }

    /// Fails if anything is alive that was allocated.
    #[track_caller]
    pub fn assert_no_leaks(&self) {
        self.await_frees();
        let (heap, all) = self.look();
        let blocks = heap.sites().iter().map(HeapSite::blocks).sum::<f64>();
        let left = heap.bytes();
        if left > 0 || blocks > 0.0 {
            let what = format!("{} in {}", bytes(left), plural(blocks));
            self.fail(
                &format!("{what} of {} allocated is left", bytes(all.0)),
                heap,
                |site| (site.bytes(), site.blocks()),
            );
        }
    }

    /// Fails if more than this was allocated in all.
    #[track_caller]
    pub fn assert_allocates_at_most(&self, limit: u64) {
        let (heap, (allocated, _)) = self.look();
        if allocated > limit {
            let what = format!(
                "{} were allocated, and {} may be",
                exact(allocated),
                exact(limit)
            );
            self.fail(&what, heap, |site| (site.allocated(), 0.0));
        }
    }

    /// Fails if as much as this was alive at once.
    #[track_caller]
    pub fn assert_peak_below(&self, limit: u64) {
        let (heap, (_, peak)) = self.look();
        if peak >= limit {
            let what = format!(
                "{} were alive at once, and it must be less than {}",
                exact(peak),
                exact(limit)
            );
            self.fail(&what, heap, |site| (site.peak(), 0.0));
        }
    }

    /// Gives other threads time to free what they are about to: a runtime's worker lets go of a task after it has told
    /// who waits for it. Costs time only where the assertion would fail.
    fn await_frees(&self) {
        for _ in 0..GRACE_MS {
            if self.registry.ledger().all.read().live_bytes == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// What is alive, and what was allocated in all and at once.
    #[track_caller]
    fn look(&self) -> (HeapSnapshot, (u64, u64)) {
        let heap = HeapSnapshot::of(&Scope::of(Arc::clone(&self.registry)));
        let missing = heap.untracked();
        assert!(
            missing == 0,
            "`{}` cannot know what is allocated: {missing} blocks found no room in the table; raise \
             `Config::heap_blocks_max`",
            self.assertion
        );
        let all = self.registry.ledger().all.read();
        (heap, (all.allocated_bytes, all.peak_bytes))
    }

    /// Panics, with the places that matter most.
    #[expect(clippy::panic, reason = "an assertion that fails")]
    #[track_caller]
    fn fail(&self, what: &str, heap: HeapSnapshot, of: impl Fn(&HeapSite) -> (u64, f64)) {
        let heap = heap.named();
        let mut sites: Vec<_> = heap.sites().iter().map(|site| (of(site), site)).collect();
        sites.retain(|((bytes, blocks), _)| *bytes > 0 || *blocks > 0.0);
        sites.sort_by_key(|((bytes, _), _)| std::cmp::Reverse(*bytes));
        let mut message = format!("`{}`: {what}", self.assertion);
        for ((size, blocks), site) in sites.iter().take(SITES_SHOWN) {
            // Writing to a `String` cannot fail, here and below.
            let _ = write!(message, "\n  {}", bytes(*size));
            if *blocks > 0.0 {
                let _ = write!(message, " in {}", plural(*blocks));
            }
            let _ = write!(message, ", allocated in {}", place(site));
        }
        if sites.len() > SITES_SHOWN {
            let _ = write!(
                message,
                "\n  .. and in {} other places",
                sites.len() - SITES_SHOWN
            );
        }
        panic!("{message}");
    }
}

fn plural(blocks: f64) -> String {
    let blocks = blocks.round();
    format!("{blocks} block{}", if blocks > 1.0 { "s" } else { "" })
}

/// A number of bytes, to the byte.
fn exact(count: u64) -> String {
    if count < 1_024 {
        bytes(count)
    } else {
        format!("{count} B ({})", bytes(count))
    }
}

/// Where a site is: the innermost measured call, its line, and what led there.
fn place(site: &HeapSite) -> String {
    let line = site.line().map_or_else(String::new, |symbol| {
        let (function, file, line) = (symbol.function(), symbol.file(), symbol.line());
        format!("{function} ({file}:{line})")
    });
    let Some(call) = site.path().last() else {
        if line.is_empty() {
            return "code that is not measured: `#[khive_perf::measure]` on its function, or the feature `symbols`, tells which"
                .to_owned();
        }
        return line;
    };
    let within = if line.is_empty() {
        line
    } else {
        format!("{line}, in ")
    };
    let mut place = format!("{within}{} ({}:{})", call.name(), call.file(), call.line());
    if site.path().len() > 1 {
        let path: Vec<&str> = site.path().iter().map(HeapCall::name).collect();
        let _ = write!(place, ", on the path {}", path.join(" > "));
    }
    place
}

/// Asserts that code leaves nothing allocated behind, what it returns included.
///
/// `assert_no_leaks!(expression)`, or `assert_no_leaks!(async { .. }).await`, also on a runtime of several threads.
///
/// Exact: every block is tracked that is allocated by the code itself, by the futures that it awaits, and by tasks and
/// threads that were given its [`Context`](crate::Context); a free counts on whichever thread it happens. Other tests of
/// the process are not seen. Other threads have 100 ms to free what they are about to. What is made once and kept, like a lazy `static`, counts as left: run the code once before.
///
/// # Panics
///
/// If anything is left: with how much, and which measured functions allocated it. Also where that cannot be known, as no
/// [`TrackingAllocator`](crate::alloc::TrackingAllocator) is installed.
///
/// # Examples
///
/// ```
/// use khive_perf::alloc::TrackingAllocator;
/// use khive_perf::testing::assert_no_leaks;
///
/// #[global_allocator]
/// static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();
///
/// #[khive_perf::measure]
/// fn fill(cache: &mut Vec<String>) {
///     cache.push("kept".repeat(10));
/// }
///
/// assert_no_leaks!(fill(&mut Vec::new()));
///
/// let mut cache = Vec::new();
/// let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
///     assert_no_leaks!(fill(&mut cache));
/// }));
/// let message = *failed.unwrap_err().downcast::<String>().unwrap();
/// assert!(message.contains("allocated in") && message.contains("fill"), "{message}");
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_no_leaks {
    (async move $body:block) => {
        $crate::__watched_async!("assert_no_leaks!", (async move $body), |watched, _returned| {
            ::core::mem::drop(_returned);
            watched.assert_no_leaks();
        })
    };
    (async $body:block) => {
        $crate::__watched_async!("assert_no_leaks!", (async $body), |watched, _returned| {
            ::core::mem::drop(_returned);
            watched.assert_no_leaks();
        })
    };
    ($body:expr $(,)?) => {{
        let watched = $crate::testing::Watched::new("assert_no_leaks!");
        watched.context().scope(|| {
            let _ = $body;
        });
        watched.assert_no_leaks();
    }};
}

/// Asserts that code allocates at most so many bytes in all, freed or not, and gives back what it returns.
///
/// `assert_allocates_at_most!(bytes, expression)`, or `assert_allocates_at_most!(bytes, async { .. }).await`. A block that
/// grows counts with what it grows by. What is seen is what [`assert_no_leaks!`](crate::testing::assert_no_leaks) sees.
///
/// # Panics
///
/// If it allocates more: with how much, and which measured functions did. Also where that cannot be known, as no
/// [`TrackingAllocator`](crate::alloc::TrackingAllocator) is installed.
///
/// # Examples
///
/// ```
/// # use khive_perf::alloc::TrackingAllocator;
/// # #[global_allocator]
/// # static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();
/// use khive_perf::testing::assert_allocates_at_most;
///
/// let line = assert_allocates_at_most!(64, "a line".to_owned());
/// assert_eq!(line, "a line");
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_allocates_at_most {
    ($limit:expr, async move $body:block) => {
        $crate::__watched_async!("assert_allocates_at_most!", (async move $body), |watched, returned| {
            watched.assert_allocates_at_most($limit);
            returned
        })
    };
    ($limit:expr, async $body:block) => {
        $crate::__watched_async!("assert_allocates_at_most!", (async $body), |watched, returned| {
            watched.assert_allocates_at_most($limit);
            returned
        })
    };
    ($limit:expr, $body:expr $(,)?) => {{
        let watched = $crate::testing::Watched::new("assert_allocates_at_most!");
        let returned = watched.context().scope(|| $body);
        watched.assert_allocates_at_most($limit);
        returned
    }};
}

/// Asserts that less than so many bytes are alive at once of what code allocates, and gives back what it returns.
///
/// `assert_peak_below!(bytes, expression)`, or `assert_peak_below!(bytes, async { .. }).await`. What is seen is what
/// [`assert_no_leaks!`](crate::testing::assert_no_leaks) sees.
///
/// # Panics
///
/// If more are: with how much, and which measured functions allocated it. Also where that cannot be known, as no
/// [`TrackingAllocator`](crate::alloc::TrackingAllocator) is installed.
///
/// # Examples
///
/// ```
/// # use khive_perf::alloc::TrackingAllocator;
/// # #[global_allocator]
/// # static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();
/// use khive_perf::testing::assert_peak_below;
///
/// // One after the other.
/// assert_peak_below!(2_000, (0..100).for_each(|_| drop(vec![0_u8; 1_000])));
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_peak_below {
    ($limit:expr, async move $body:block) => {
        $crate::__watched_async!("assert_peak_below!", (async move $body), |watched, returned| {
            watched.assert_peak_below($limit);
            returned
        })
    };
    ($limit:expr, async $body:block) => {
        $crate::__watched_async!("assert_peak_below!", (async $body), |watched, returned| {
            watched.assert_peak_below($limit);
            returned
        })
    };
    ($limit:expr, $body:expr $(,)?) => {{
        let watched = $crate::testing::Watched::new("assert_peak_below!");
        let returned = watched.context().scope(|| $body);
        watched.assert_peak_below($limit);
        returned
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __watched_async {
    ($name:literal, ($future:expr), |$watched:ident, $returned:ident| $check:block) => {
        async {
            let $watched = $crate::testing::Watched::new($name);
            let $returned = $watched.context().attach($future).await;
            $check
        }
    };
}
