//! Snapshot: plain values at one moment, that can be subtracted, added and read.

mod alloc;
mod callsite;
mod tree;

use std::collections::HashMap;
use std::time::Duration;

use crate::clock;
use crate::registry::{Loss, Registry, series};

pub use self::alloc::AllocStats;
pub use self::callsite::CallsiteStats;
pub use self::tree::{CallPath, CallTree};

/// What a registry has recorded, at one moment.
///
/// Cumulative since the process started, unless it came from [`since`](Self::since). Taking one takes
/// nothing away, so any number of readers can do so.
///
/// While other threads record, a snapshot is a little behind: each figure is one that the thread had at
/// some moment of the reading. A call that ended before the reading began is in it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    start_unix_ns: u64,
    time_unix_ns: u64,
    is_delta: bool,
    /// Sorted by name, then file, line and attributes.
    callsites: Vec<CallsiteStats>,
    tree: CallTree,
    overflow: Overflow,
}

/// What could not be recorded in full, by reason.
///
/// | reason | what happened to the calls |
/// | --- | --- |
/// | `series_max` | recorded in one series for all callsites beyond the limit |
/// | `series_per_callsite_max` | recorded in the callsite's overflow series, without attributes |
/// | `call_tree_nodes_max` | recorded, but in one node of the tree for all further paths |
/// | `heap_blocks_max` | sampled blocks, not calls: not tracked, and so missing in what is retained |
/// | `thread_ending` | not recorded: the thread's recorder was gone already |
/// | `inside_recorder` | not recorded: the recorder itself was allocating, through a measured allocator |
/// | `guard_outlived_scope` | not recorded: a guard was dropped outside its capture |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overflow {
    counts: Vec<(&'static str, u64)>,
}

impl Overflow {
    /// Reasons that occurred, with the number of calls.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.counts.iter().copied()
    }

    /// Whether everything was recorded in full.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn combine(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let of = |counts: &[(&str, u64)], reason| {
            counts
                .iter()
                .find(|(name, _)| *name == reason)
                .map_or(0, |(_, count)| *count)
        };
        let mut reasons: Vec<&'static str> =
            self.iter().chain(other.iter()).map(|(r, _)| r).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let counts = reasons
            .into_iter()
            .map(|reason| {
                (
                    reason,
                    with(of(&self.counts, reason), of(&other.counts, reason)),
                )
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        Self { counts }
    }
}

/// Reads what a registry has recorded.
pub(crate) fn take(registry: &Registry) -> Snapshot {
    let start_unix_ns = registry.started_unix_ns();
    let totals = registry.totals();
    // Read after the totals, so that every number in them has a name.
    let identities = series::identities();
    let tree = CallTree::of(&totals.tree, &identities);
    let callsites = CallsiteStats::all(totals, &identities, &registry.exemplars());
    let overflow = overflow(registry, &callsites, &tree);
    Snapshot {
        start_unix_ns,
        time_unix_ns: clock::unix_ns().max(start_unix_ns),
        is_delta: false,
        callsites,
        tree,
        overflow,
    }
}

fn overflow(registry: &Registry, callsites: &[CallsiteStats], tree: &CallTree) -> Overflow {
    let (mut series_max, mut per_callsite) = (0, 0);
    for stats in callsites.iter().filter(|stats| stats.is_overflow()) {
        if stats.is_of_all_callsites() {
            series_max += stats.calls();
        } else {
            per_callsite += stats.calls();
        }
    }
    let mut counts = vec![
        ("series_max", series_max),
        ("series_per_callsite_max", per_callsite),
        ("call_tree_nodes_max", tree.overflow_calls()),
    ];
    counts.push(("heap_blocks_max", registry.ledger().untracked()));
    counts.push(("heap_stacks_cut", registry.ledger().stacks_cut()));
    counts.extend(Loss::ALL.map(|loss| (loss.as_str(), registry.losses(loss))));
    counts.retain(|(_, count)| *count > 0);
    counts.sort_unstable();
    Overflow { counts }
}

impl Snapshot {
    /// A snapshot of nothing, at the time it is made. Something to merge into.
    #[must_use]
    pub fn empty() -> Self {
        let now = clock::unix_ns();
        Self {
            start_unix_ns: now,
            time_unix_ns: now,
            is_delta: false,
            callsites: Vec::new(),
            tree: CallTree::default(),
            overflow: Overflow::default(),
        }
    }

    /// Every callsite that was called, one entry per set of attributes; sorted by name.
    #[must_use]
    pub fn callsites(&self) -> &[CallsiteStats] {
        &self.callsites
    }

    /// A callsite by name.
    ///
    /// Takes the first, in the order of [`callsites`](Self::callsites), whose name is `name`, or else whose
    /// path is; else whose name, or path, ends in `::name`; else in whose name, or path, it occurs. With `fields(..)`, that
    /// is the first set of attributes; to tell them apart, go through `callsites`.
    #[must_use]
    pub fn callsite(&self, name: &str) -> Option<&CallsiteStats> {
        let last = |full: &str| {
            full.strip_suffix(name)
                .is_some_and(|rest| rest.ends_with("::"))
        };
        let find = |test: &dyn Fn(&str) -> bool| {
            // A region's path is that of the function around it, which has a name of its own.
            let mut callsites = self.callsites.iter();
            callsites
                .find(|stats| test(stats.name()))
                .or_else(|| self.callsites.iter().find(|stats| test(stats.function())))
        };
        find(&|full| full == name)
            .or_else(|| find(&last))
            .or_else(|| find(&|full| full.contains(name)))
    }

    /// What measuring has cost, over all callsites, by what a call costs on this machine. An estimate.
    #[must_use]
    pub fn overhead(&self) -> Duration {
        self.callsites.iter().map(CallsiteStats::overhead).sum()
    }

    /// Paths of calls, with self and total time.
    #[must_use]
    pub const fn call_tree(&self) -> &CallTree {
        &self.tree
    }

    /// What could not be recorded in full.
    #[must_use]
    pub const fn overflow(&self) -> &Overflow {
        &self.overflow
    }

    /// When the recording began, in nanoseconds since the Unix epoch; for a difference, when the earlier
    /// snapshot was taken.
    #[must_use]
    pub const fn start_unix_ns(&self) -> u64 {
        self.start_unix_ns
    }

    /// When it was taken, in nanoseconds since the Unix epoch.
    #[must_use]
    pub const fn time_unix_ns(&self) -> u64 {
        self.time_unix_ns
    }

    /// Whether it is a difference of two snapshots.
    #[must_use]
    pub const fn is_delta(&self) -> bool {
        self.is_delta
    }

    /// What was recorded between `earlier` and this snapshot, of the same process.
    ///
    /// Counts, sums and buckets are exact. Callsites that were not called in between are left out,
    /// unless calls are under way. In-flight counts and the longest poll stay those of this snapshot,
    /// because they are states; minima and maxima become bounds, see
    /// [`Histogram::range_is_exact`](crate::stats::Histogram::range_is_exact).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[khive_perf::measure]
    /// # fn work() {}
    /// work();
    /// let before = khive_perf::snapshot();
    /// work();
    /// let delta = khive_perf::snapshot().since(&before);
    /// assert_eq!(delta.callsite("work").map(|stats| stats.calls()), Some(1));
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before: HashMap<&str, &CallsiteStats> = earlier
            .callsites
            .iter()
            .map(|stats| (stats.key(), stats))
            .collect();
        let callsites = self
            .callsites
            .iter()
            .map(|stats| match before.get(stats.key()) {
                Some(before) => stats.since(before),
                None => stats.clone(),
            })
            .filter(|stats| stats.calls() > 0 || stats.polls() > 0 || stats.in_flight() > 0)
            .collect();
        Self {
            start_unix_ns: earlier.time_unix_ns,
            time_unix_ns: self.time_unix_ns,
            is_delta: true,
            callsites,
            tree: self.tree.since(&earlier.tree),
            overflow: self
                .overflow
                .combine(&earlier.overflow, u64::saturating_sub),
        }
    }

    /// Adds another snapshot: of another process, or of the time before or after.
    ///
    /// Callsites are the same if name, path, file, line and attributes are.
    pub fn merge(&mut self, other: &Self) {
        let index: HashMap<String, usize> = self
            .callsites
            .iter()
            .enumerate()
            .map(|(i, stats)| (stats.key().into(), i))
            .collect();
        for stats in &other.callsites {
            match index
                .get(stats.key())
                .and_then(|i| self.callsites.get_mut(*i))
            {
                Some(mine) => mine.merge(stats),
                None => self.callsites.push(stats.clone()),
            }
        }
        self.callsites.sort_by(|a, b| a.key().cmp(b.key()));
        self.tree.merge(&other.tree);
        self.overflow = self.overflow.combine(&other.overflow, u64::saturating_add);
        self.start_unix_ns = self.start_unix_ns.min(other.start_unix_ns);
        self.time_unix_ns = self.time_unix_ns.max(other.time_unix_ns);
        self.is_delta |= other.is_delta;
    }
}
