//! Config: every limit and switch, what its default is, and what happens when it is reached.

pub(crate) mod switches;

use std::fmt;

use crate::config::switches::Switch;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Once, Ordering};

/// Series that a process can hold; ids beyond name the shared overflow series.
pub(crate) const SERIES_CAPACITY: usize = 16_384 - 2;

/// Blocks that can be tracked at once, at most.
pub(crate) const HEAP_BLOCKS_CAPACITY: usize = 4_194_304;
/// Frames of a stack that can be kept.
pub(crate) const HEAP_STACK_FRAMES_CAPACITY: usize = 64;

/// Limits and switches of the recorder. Apply it with [`configure`](crate::configure), at any time.
///
/// # Examples
///
/// ```
/// use khive_perf::Config;
///
/// khive_perf::configure(Config::default().call_tree_nodes_max(1_000))?;
/// # Ok::<(), khive_perf::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    enabled: bool,
    callsites_max: usize,
    series_per_callsite_max: usize,
    call_tree_nodes_max: usize,
    attribute_bytes_max: usize,
    heap_sample_bytes: u64,
    heap_blocks_max: usize,
    heap_stack_frames: usize,
    heap_frame_pointers: bool,
    /// `None` times every call.
    overhead_budget: Option<Share>,
    process_overhead_budget: Share,
    switches: Vec<Switch>,
}

/// The defaults, and what holds before anything was configured.
const DEFAULT: &Config = &Config {
    enabled: true,
    callsites_max: SERIES_CAPACITY,
    series_per_callsite_max: 64,
    call_tree_nodes_max: 16_384,
    attribute_bytes_max: 128,
    heap_sample_bytes: 512 << 10,
    heap_blocks_max: 262_144,
    heap_stack_frames: 32,
    heap_frame_pointers: false,
    overhead_budget: Some(Share::of(0.01)),
    process_overhead_budget: Share::of(0.01),
    switches: Vec::new(),
};

impl Default for Config {
    fn default() -> Self {
        DEFAULT.clone()
    }
}

/// A share as it was given, by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share(u64);

impl Share {
    const fn of(share: f64) -> Self {
        Self(share.to_bits())
    }

    const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }

    fn is_valid(self) -> bool {
        self.get() > 0.0 && self.get() <= 1.0
    }
}

impl Config {
    /// Switches recording off: a measured call then costs a load and a branch.
    ///
    /// Calls that are under way are still recorded when they end. `KHIVE_PERF=off` in the environment
    /// does the same, from the start, and wins over the program.
    #[must_use]
    pub fn disable(mut self) -> Self {
        self.enabled = false;
        self
    }

    /// Switches recording on; the default.
    #[must_use]
    pub fn enable(mut self) -> Self {
        self.enabled = true;
        self
    }

    /// Switches off the callsites whose name or path is like the pattern, in which `*` stands for any text; or with
    /// `group:` before it, whose group is. Those that have not been called yet, too.
    ///
    /// Switches hold in the order in which they were given, the last that fits decides:
    /// `Config::default().switch_off("*").switch_on("group:checkout")` leaves one group on. They are part of the
    /// configuration: the next one that is applied says anew which there are.
    ///
    /// # Examples
    ///
    /// ```
    /// use khive_perf::Config;
    ///
    /// #[khive_perf::measure(group = "checkout")]
    /// fn pay() {}
    ///
    /// let calls = || khive_perf::snapshot().callsite("pay").map_or(0, |stats| stats.calls());
    /// khive_perf::configure(Config::default().switch_off("group:checkout"))?;
    /// pay();
    /// assert_eq!(calls(), 0);
    /// khive_perf::configure(Config::default())?;
    /// pay();
    /// assert_eq!(calls(), 1);
    /// # Ok::<(), khive_perf::ConfigError>(())
    /// ```
    #[must_use]
    pub fn switch_off(self, pattern: &str) -> Self {
        self.switch(pattern, false)
    }

    /// Switches on what an earlier [`switch_off`](Self::switch_off) has switched off.
    #[must_use]
    pub fn switch_on(self, pattern: &str) -> Self {
        self.switch(pattern, true)
    }

    fn switch(mut self, pattern: &str, on: bool) -> Self {
        let pattern = pattern.into();
        self.switches.push(Switch { pattern, on });
        self
    }

    /// Number of series, that is callsites times their attribute sets, `1..=16_382`.
    ///
    /// Default 16,382. What comes later is recorded in one shared series that has
    /// [`is_overflow`](crate::snapshot::CallsiteStats::is_overflow), and counted as `series_max`.
    #[must_use]
    pub fn callsites_max(mut self, count: usize) -> Self {
        self.callsites_max = count;
        self
    }

    /// Number of attribute sets of one callsite, at least 1. Default 64.
    ///
    /// What comes later is recorded in the callsite's own overflow series, and counted as
    /// `series_per_callsite_max`.
    #[must_use]
    pub fn series_per_callsite_max(mut self, count: usize) -> Self {
        self.series_per_callsite_max = count;
        self
    }

    /// Number of call-tree nodes per thread, and in a snapshot. Default 16,384; 0 keeps no tree.
    ///
    /// Calls on further paths are added to one node for all of them, and counted as
    /// `call_tree_nodes_max`. Their callsites' own figures are not affected.
    #[must_use]
    pub fn call_tree_nodes_max(mut self, count: usize) -> Self {
        self.call_tree_nodes_max = count;
        self
    }

    /// Number of bytes kept of a text attribute, at least 1. Default 128. What is longer is cut.
    #[must_use]
    pub fn attribute_bytes_max(mut self, bytes: usize) -> Self {
        self.attribute_bytes_max = bytes;
        self
    }

    /// Bytes that are allocated between two samples, on average, where a
    /// [`TrackingAllocator`](crate::alloc::TrackingAllocator) is installed. Default 524,288, that is 512 KiB; 0 samples
    /// none, 1 samples each block. Others are rounded to a power of two.
    ///
    /// It says how well what is retained is known, and what that costs: blocks worth eight times this are enough to tell
    /// a leak. From 32 KiB on, a sampled block costs up to a page; below, or with each block sampled, every free looks
    /// into the table of them. A thread takes it on with its next sample, at the latest after 16 MiB.
    #[must_use]
    pub fn heap_sample_bytes(mut self, bytes: u64) -> Self {
        self.heap_sample_bytes = bytes;
        self
    }

    /// Number of sampled blocks that can be alive at once, `1..=4_194_304`. Default 262,144.
    ///
    /// What comes later is counted as `heap_blocks_max`, and is missing in what is retained. A block takes about 100 bytes
    /// of the table.
    #[must_use]
    pub fn heap_blocks_max(mut self, count: usize) -> Self {
        self.heap_blocks_max = count;
        self
    }

    /// Return addresses that are kept of the stack a sampled block was allocated from, `0..=64`. Default 32, the innermost
    /// ones; 0 keeps none.
    ///
    /// They are found by the unwinder that the standard library brings with it, on Linux with x86-64 or AArch64;
    /// elsewhere none are. That costs a
    /// sampled block about a microsecond for three frames, see `docs/heap.md`, and
    /// [`heap_frame_pointers`](Self::heap_frame_pointers) next to nothing. What they are called is asked for when a snapshot is
    /// [named](crate::alloc::HeapSnapshot::named).
    #[must_use]
    pub fn heap_stack_frames(mut self, count: usize) -> Self {
        self.heap_stack_frames = count;
        self
    }

    /// Finds the stacks of sampled blocks by frame pointers, a hundred times as fast.
    ///
    /// Only for a program that is built with them, by `-C force-frame-pointers=yes`, on x86-64 or AArch64. In one that is not
    /// stacks are cut short, or have addresses that are none.
    #[must_use]
    pub fn heap_frame_pointers(mut self) -> Self {
        self.heap_frame_pointers = true;
        self
    }

    /// What measuring a callsite may cost, as a share of the time that its calls take themselves, measured callees left
    /// out. Above 0, at most 1. Default 0.01.
    ///
    /// Where timing each call would cost more, only one in so many is timed, at random, and the others are counted:
    /// calls and outcomes stay exact, times become estimates that say so, see
    /// [`sampled`](crate::snapshot::CallsiteStats::sampled) and
    /// [`total_error`](crate::snapshot::CallsiteStats::total_error). What takes less than a ten-thousandth of a thread's
    /// time is timed in full, however short the calls are, and so are the first 64 calls on each path of a thread.
    /// `#[measure(sample = N)]` says how many in the code; this does not change it then.
    #[must_use]
    pub fn overhead_budget(mut self, share: f64) -> Self {
        self.overhead_budget = Some(Share::of(share));
        self
    }

    /// What measuring may cost a thread, as a share of its time, over all callsites. Above 0, at most 1. Default 0.01.
    ///
    /// A thread that spends more cuts what [`overhead_budget`](Self::overhead_budget) allows its callsites.
    #[must_use]
    pub fn process_overhead_budget(mut self, share: f64) -> Self {
        self.process_overhead_budget = Share::of(share);
        self
    }

    /// Times every call, whatever that costs, but those of callsites with `sample = N`.
    #[must_use]
    pub fn time_every_call(mut self) -> Self {
        self.overhead_budget = None;
        self
    }

    /// Makes this the configuration of the process.
    pub(crate) fn apply(&self) -> Result<(), ConfigError> {
        let at_least_one = [
            ("callsites_max", self.callsites_max),
            ("series_per_callsite_max", self.series_per_callsite_max),
            ("attribute_bytes_max", self.attribute_bytes_max),
            ("heap_blocks_max", self.heap_blocks_max),
        ];
        let impossible = |limit, value: &dyn fmt::Display, allowed| ConfigError {
            limit,
            value: value.to_string(),
            allowed,
        };
        if let Some((limit, value)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return Err(impossible(limit, value, "at least 1"));
        }
        if self.callsites_max > SERIES_CAPACITY {
            let (limit, value) = ("callsites_max", self.callsites_max);
            return Err(impossible(limit, &value, "at most 16382"));
        }
        if self.heap_blocks_max > HEAP_BLOCKS_CAPACITY {
            let (limit, value) = ("heap_blocks_max", self.heap_blocks_max);
            return Err(impossible(limit, &value, "at most 4194304"));
        }
        if self.heap_stack_frames > HEAP_STACK_FRAMES_CAPACITY {
            let (limit, value) = ("heap_stack_frames", self.heap_stack_frames);
            return Err(impossible(limit, &value, "at most 64"));
        }
        let shares = [
            ("overhead_budget", self.overhead_budget),
            (
                "process_overhead_budget",
                Some(self.process_overhead_budget),
            ),
        ];
        for (limit, share) in shares {
            if let Some(share) = share.filter(|share| !share.is_valid()) {
                let allowed = "above 0 and at most 1";
                return Err(impossible(limit, &share.get(), allowed));
            }
        }
        if let Some(switch) = self.switches.iter().find(|switch| !switch.is_valid()) {
            let limit = if switch.on { "switch_on" } else { "switch_off" };
            let pattern = format!("\"{}\"", switch.pattern);
            return Err(impossible(limit, &pattern, "a pattern that fits something"));
        }
        switches::apply(&self.switches);
        CALLSITES_MAX.store(self.callsites_max, Ordering::Relaxed);
        SERIES_PER_CALLSITE_MAX.store(self.series_per_callsite_max, Ordering::Relaxed);
        CALL_TREE_NODES_MAX.store(self.call_tree_nodes_max, Ordering::Relaxed);
        ATTRIBUTE_BYTES_MAX.store(self.attribute_bytes_max, Ordering::Relaxed);
        HEAP_SAMPLE_BYTES.store(self.heap_sample_bytes, Ordering::Relaxed);
        HEAP_BLOCKS_MAX.store(self.heap_blocks_max, Ordering::Relaxed);
        HEAP_STACK_FRAMES.store(self.heap_stack_frames, Ordering::Relaxed);
        HEAP_FRAME_POINTERS.store(self.heap_frame_pointers, Ordering::Relaxed);
        OVERHEAD.store(overhead_word(self.overhead_budget), Ordering::Relaxed);
        PROCESS_OVERHEAD.store(self.process_overhead_budget.0, Ordering::Relaxed);
        WANTED.store(self.enabled, Ordering::Relaxed);
        Ok(())
    }
}

/// A limit that cannot be what was asked for. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    limit: &'static str,
    value: String,
    allowed: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`Config::{}` is {}; it must be {}",
            self.limit, self.value, self.allowed
        )
    }
}

impl std::error::Error for ConfigError {}

// Written by `Config::apply`, read on cold paths only; each stands alone, so `Relaxed` suffices.
static CALLSITES_MAX: AtomicUsize = AtomicUsize::new(DEFAULT.callsites_max);
static SERIES_PER_CALLSITE_MAX: AtomicUsize = AtomicUsize::new(DEFAULT.series_per_callsite_max);
static CALL_TREE_NODES_MAX: AtomicUsize = AtomicUsize::new(DEFAULT.call_tree_nodes_max);
static ATTRIBUTE_BYTES_MAX: AtomicUsize = AtomicUsize::new(DEFAULT.attribute_bytes_max);
static HEAP_SAMPLE_BYTES: AtomicU64 = AtomicU64::new(DEFAULT.heap_sample_bytes);
static HEAP_BLOCKS_MAX: AtomicUsize = AtomicUsize::new(DEFAULT.heap_blocks_max);
static HEAP_STACK_FRAMES: AtomicUsize = AtomicUsize::new(DEFAULT.heap_stack_frames);
static HEAP_FRAME_POINTERS: AtomicBool = AtomicBool::new(DEFAULT.heap_frame_pointers);
static OVERHEAD: AtomicU64 = AtomicU64::new(overhead_word(DEFAULT.overhead_budget));
static PROCESS_OVERHEAD: AtomicU64 = AtomicU64::new(DEFAULT.process_overhead_budget.0);
/// Instead of a budget: every call is timed. No valid share.
const NO_BUDGET: u64 = 0;

const fn overhead_word(budget: Option<Share>) -> u64 {
    match budget {
        Some(share) => share.0,
        None => NO_BUDGET,
    }
}

static WANTED: AtomicBool = AtomicBool::new(DEFAULT.enabled);
static FORBIDDEN: AtomicBool = AtomicBool::new(false);

pub(crate) fn callsites_max() -> usize {
    CALLSITES_MAX.load(Ordering::Relaxed)
}

pub(crate) fn series_per_callsite_max() -> usize {
    SERIES_PER_CALLSITE_MAX.load(Ordering::Relaxed)
}

pub(crate) fn call_tree_nodes_max() -> usize {
    CALL_TREE_NODES_MAX.load(Ordering::Relaxed)
}

/// Share of its own time that measuring a callsite may cost; `None` where every call is timed.
pub(crate) fn overhead_budget() -> Option<f64> {
    let share = OVERHEAD.load(Ordering::Relaxed);
    (share != NO_BUDGET).then(|| f64::from_bits(share))
}

/// Share of its time that measuring may cost a thread.
pub(crate) fn process_overhead_budget() -> f64 {
    f64::from_bits(PROCESS_OVERHEAD.load(Ordering::Relaxed))
}

pub(crate) fn heap_sample_bytes() -> u64 {
    HEAP_SAMPLE_BYTES.load(Ordering::Relaxed)
}

pub(crate) fn heap_blocks_max() -> usize {
    HEAP_BLOCKS_MAX.load(Ordering::Relaxed)
}

pub(crate) fn heap_stack_frames() -> usize {
    HEAP_STACK_FRAMES.load(Ordering::Relaxed)
}

#[cfg_attr(
    not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(miri)
    )),
    expect(dead_code, reason = "no stack is walked")
)]
pub(crate) fn heap_frame_pointers() -> bool {
    HEAP_FRAME_POINTERS.load(Ordering::Relaxed)
}

pub(crate) fn attribute_bytes_max() -> usize {
    ATTRIBUTE_BYTES_MAX.load(Ordering::Relaxed)
}

/// Whether the process records, as far as is known without asking the environment: for the allocator's hook, which must
/// not.
pub(crate) fn is_wanted() -> bool {
    WANTED.load(Ordering::Relaxed) && !FORBIDDEN.load(Ordering::Relaxed)
}

/// Whether the process records: the program's wish, unless the environment forbids it.
pub(crate) fn is_enabled() -> bool {
    static ENVIRONMENT: Once = Once::new();
    ENVIRONMENT.call_once(|| {
        let value = std::env::var("KHIVE_PERF").unwrap_or_default();
        let off = ["off", "0", "false", "no"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word));
        FORBIDDEN.store(off, Ordering::Relaxed);
    });
    is_wanted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_before_anything_was_configured_is_the_default() {
        // No other test of this program configures anything that is valid.
        let budget = Config::default().overhead_budget.map(Share::get);
        assert_eq!(overhead_budget(), budget);
        assert_eq!(budget, Some(0.01));
        assert_eq!(heap_sample_bytes(), Config::default().heap_sample_bytes);
    }

    #[test]
    fn an_impossible_limit_is_named_with_what_is_allowed() {
        let error = Config::default().callsites_max(20_000).apply().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Config::callsites_max` is 20000; it must be at most 16382"
        );
        let error = Config::default()
            .attribute_bytes_max(0)
            .apply()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Config::attribute_bytes_max` is 0; it must be at least 1"
        );
    }
}
