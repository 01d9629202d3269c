//! HeapSnapshot: what is alive, by where it was allocated, at one moment.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::alloc::modules::{self, HeapModule};
use crate::clock;
use crate::recorder::local::quiet;
use crate::registry::live::{Scope, SiteFigures, SiteId};
use crate::stats::estimate::Estimate;
use crate::sync::OnceLock;

/// What is alive, by where it was allocated, at one moment: of the process, or inside of a
/// [capture](crate::testing::capture) of that.
///
/// # What it knows
///
/// The blocks that are [sampled](crate::Config::heap_sample_bytes), each of which stands for others like it: so bytes and
/// blocks are unbiased estimates, with an interval; exact where each block is sampled. A site is a path of measured calls
/// and, where stacks are [kept](crate::Config::heap_stack_frames), a stack; what is allocated outside of measured functions is
/// there, too.
///
/// # Overhead
///
/// Reads the table of sampled blocks: tens of nanoseconds for each. Nobody who allocates waits for it.
///
/// # Examples
///
/// ```
/// use khive_perf::alloc::{HeapSnapshot, TrackingAllocator};
///
/// #[global_allocator]
/// static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();
///
/// #[khive_perf::measure]
/// fn fill() -> Vec<u8> {
///     Vec::with_capacity(1_000)
/// }
///
/// let (snapshot, _) = khive_perf::testing::capture(|| {
///     let filled = fill();
///     let snapshot = HeapSnapshot::take();
///     drop(filled);
///     snapshot
/// });
/// let site = snapshot.sites().iter().find(|site| site.name().ends_with("fill")).unwrap();
/// assert_eq!((site.bytes(), site.blocks()), (1_000, 1.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HeapSnapshot {
    pub(super) time_unix_ns: u64,
    /// Largest mean of the rates; 0 where each block is sampled.
    pub(super) mean: f64,
    pub(super) untracked: u64,
    pub(super) own_bytes: u64,
    pub(super) stacks_cut: u64,
    /// A number of the process that it was taken in.
    pub(super) process: u64,
    /// What was loaded where in that process; empty where no stacks are kept.
    pub(super) modules: Vec<HeapModule>,
    /// Those with the most bytes first.
    pub(super) sites: Vec<HeapSite>,
}

/// Blocks that were allocated at one place: on one path of measured calls, from one stack.
#[derive(Clone, Debug, PartialEq)]
pub struct HeapSite {
    /// The outermost first.
    pub(super) path: Vec<HeapCall>,
    /// Return addresses, the allocating function's first.
    pub(super) stack: Vec<HeapFrame>,
    pub(super) live: Estimate,
    pub(super) blocks: f64,
    pub(super) samples: u64,
    pub(super) allocated: u64,
    pub(super) freed: u64,
    pub(super) peak: u64,
    pub(super) oldest: Duration,
}

/// A measured call on the path to a [`HeapSite`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeapCall {
    pub(super) name: String,
    pub(super) function: String,
    pub(super) group: Option<String>,
    pub(super) file: String,
    pub(super) line: u32,
}

/// A return address on the stack of a [`HeapSite`], and what is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeapFrame {
    pub(super) address: u64,
    /// Inlined functions first.
    pub(super) symbols: Vec<HeapSymbol>,
}

/// A function on the stack of a [`HeapSite`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeapSymbol {
    pub(super) function: String,
    pub(super) file: String,
    pub(super) line: u32,
}

impl HeapSnapshot {
    /// What is alive now: of the process, or inside of a capture of that.
    #[must_use]
    pub fn take() -> Self {
        Self::of(&Scope::current())
    }

    pub(crate) fn of(scope: &Scope) -> Self {
        // What it takes itself is nobody's.
        let _quiet = quiet();
        let now = scope.now();
        let mut live: BTreeMap<SiteId, Live> = BTreeMap::new();
        scope.census(|sample| {
            let site = live.entry(sample.site).or_default();
            site.estimate.add(sample.size, sample.blocks, sample.mean);
            site.blocks += sample.blocks;
            site.samples += 1;
            site.oldest = site.oldest.max(now.saturating_sub(sample.born));
        });
        let figures = scope.sites();
        let mut sites: Vec<HeapSite> = figures
            .iter()
            .map(|figures| {
                let live = live.get(&figures.site).copied().unwrap_or_default();
                HeapSite::of(scope, figures, live)
            })
            .collect();
        sort(&mut sites);
        let has_stacks = sites.iter().any(|site| !site.stack.is_empty());
        Self {
            time_unix_ns: clock::unix_ns(),
            mean: scope.mean(),
            untracked: scope.untracked(),
            own_bytes: scope.own_bytes(),
            stacks_cut: scope.stacks_cut(),
            process: this_process(),
            modules: if has_stacks {
                modules::loaded()
            } else {
                Vec::new()
            },
            sites,
        }
    }

    /// The places at which blocks were allocated, those with the most bytes alive first; also those of which none is left.
    #[must_use]
    pub fn sites(&self) -> &[HeapSite] {
        &self.sites
    }

    /// Bytes that are alive.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.total().bytes.round() as u64
    }

    /// What [`bytes`](Self::bytes) is within, in at least 95 of 100 cases.
    #[must_use]
    pub fn interval(&self) -> RangeInclusive<u64> {
        interval(&self.total())
    }

    fn total(&self) -> Estimate {
        let mut total = Estimate {
            mean: self.mean,
            ..Estimate::default()
        };
        self.sites.iter().for_each(|site| total.merge(&site.live));
        total
    }

    /// Whether all that is alive is known: each block was sampled, and there was room for it.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let sampled = self.mean > 0.0 || self.sites.iter().any(|site| site.live.mean > 0.0);
        !sampled && self.untracked == 0
    }

    /// Sampled blocks that found no room in the table, and are missing here.
    #[must_use]
    pub const fn untracked(&self) -> u64 {
        self.untracked
    }

    /// Bytes that the table of sampled blocks takes itself, about.
    #[must_use]
    pub const fn own_bytes(&self) -> u64 {
        self.own_bytes
    }

    /// Sampled blocks whose stack is not known, or not to its end, for want of room.
    #[must_use]
    pub const fn stacks_cut(&self) -> u64 {
        self.stacks_cut
    }

    /// When it was taken, in nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn time_unix_ns(&self) -> u64 {
        self.time_unix_ns
    }
}

/// A number that another process is not likely to have.
pub(super) fn this_process() -> u64 {
    static NUMBER: OnceLock<u64> = OnceLock::new();
    *NUMBER.get_or_init(|| {
        use std::hash::{BuildHasher as _, RandomState};
        RandomState::new().hash_one(std::process::id())
    })
}

/// Those with the most bytes first; then by place, so that the order is always the same.
pub(super) fn sort(sites: &mut [HeapSite]) {
    sites.sort_by(|a, b| {
        let bytes = b.live.bytes.total_cmp(&a.live.bytes);
        bytes.then_with(|| (&a.path, &a.stack).cmp(&(&b.path, &b.stack)))
    });
}

pub(super) fn interval(estimate: &Estimate) -> RangeInclusive<u64> {
    let (low, high) = estimate.interval();
    low.floor() as u64..=high.ceil() as u64
}

/// What a census says of a site.
#[derive(Clone, Copy, Default)]
struct Live {
    estimate: Estimate,
    blocks: f64,
    samples: u64,
    oldest: Duration,
}

impl HeapSite {
    fn of(scope: &Scope, figures: &SiteFigures, live: Live) -> Self {
        let place = scope.place(figures.site);
        let path = place.path.iter().map(|call| HeapCall {
            name: call.name.to_string(),
            function: call.function.to_string(),
            group: call.group.map(str::to_owned),
            file: call.file.to_owned(),
            line: call.line,
        });
        let stack = place.stack.iter().map(|address| HeapFrame {
            address: *address as u64,
            symbols: Vec::new(),
        });
        Self {
            path: path.collect(),
            stack: stack.collect(),
            live: live.estimate,
            blocks: live.blocks,
            samples: live.samples,
            allocated: figures.sums.allocated_bytes,
            freed: figures.sums.freed_bytes,
            peak: figures.sums.peak_bytes,
            oldest: live.oldest,
        }
    }

    /// Name of the innermost measured call.
    #[must_use]
    pub fn name(&self) -> &str {
        let innermost = self.path.last();
        innermost.map_or("(outside of measured functions)", |call| &call.name)
    }

    /// Measured calls that led here, the outermost first; empty outside of any.
    #[must_use]
    pub fn path(&self) -> &[HeapCall] {
        &self.path
    }

    /// The stack below the innermost measured call, the allocating function first; empty where stacks are not kept.
    #[must_use]
    pub fn stack(&self) -> &[HeapFrame] {
        &self.stack
    }

    /// Bytes that are alive.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.live.bytes.round() as u64
    }

    /// What [`bytes`](Self::bytes) is within, in at least 95 of 100 cases.
    #[must_use]
    pub fn interval(&self) -> RangeInclusive<u64> {
        interval(&self.live)
    }

    /// Blocks that are alive.
    #[must_use]
    pub const fn blocks(&self) -> f64 {
        self.blocks
    }

    /// Sampled blocks that this rests on.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// Bytes allocated since the process, or the capture, began.
    #[must_use]
    pub const fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Bytes of them that were freed.
    #[must_use]
    pub const fn freed(&self) -> u64 {
        self.freed
    }

    /// Most bytes alive at once.
    #[must_use]
    pub const fn peak(&self) -> u64 {
        self.peak
    }

    /// Age of the oldest sampled block that is alive.
    #[must_use]
    pub const fn oldest(&self) -> Duration {
        self.oldest
    }
}

impl HeapCall {
    /// A call of which only the function and its file are known; `None` without.
    pub(crate) fn of_function(function: &str, file: &str) -> Option<Self> {
        (!function.is_empty()).then(|| Self {
            name: function.to_owned(),
            function: function.to_owned(),
            group: None,
            file: file.to_owned(),
            line: 0,
        })
    }

    /// The given name, else the function's path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Full path of the function.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// The given group.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Source file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Line in it.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.line
    }
}

impl HeapFrame {
    /// The return address, in the process that the snapshot was taken in.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// The function there, after those that were inlined into it; empty before the snapshot is [named](HeapSnapshot::named).
    #[must_use]
    pub fn symbols(&self) -> &[HeapSymbol] {
        &self.symbols
    }
}

impl HeapSymbol {
    /// Full path of the function.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.function
    }

    /// Source file; empty if it is not known.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Line in it; 0 if it is not known.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.line
    }
}
