//! Totals: what shards add up to, as plain values.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::recorder::finished::Finished;
use crate::recorder::node::{OVERFLOW_ID, ROOT_ID};
use crate::stats::Histogram;

/// What calls of one series have allocated.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AllocTotals {
    pub(crate) bytes: u64,
    pub(crate) allocations: u64,
    pub(crate) max_bytes: u64,
}

impl AllocTotals {
    /// What came after an earlier state. The largest call cannot be subtracted, and stays.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(earlier.bytes),
            allocations: self.allocations.saturating_sub(earlier.allocations),
            max_bytes: self.max_bytes,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.allocations += other.allocations;
        self.max_bytes = self.max_bytes.max(other.max_bytes);
    }
}

/// What was recorded of one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeriesTotals {
    /// Wall time of outermost calls, by outcome.
    pub(crate) wall: [Histogram; 4],
    /// Calls inside a call of the same series, by outcome.
    pub(crate) recursive: [u64; 4],
    /// Calls that `wall` holds beyond those there were, by outcome; below zero where it holds fewer.
    pub(crate) surplus: [i64; 4],
    /// Calls that were counted and not timed.
    pub(crate) untimed: u64,
    pub(crate) slow: u64,
    pub(crate) alloc: AllocTotals,
    pub(crate) self_ns: u64,
    pub(crate) busy_ns: u64,
    pub(crate) idle_ns: u64,
    pub(crate) polls: u64,
    pub(crate) max_poll_ns: u64,
    pub(crate) active: u64,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
}

impl SeriesTotals {
    /// Adds the counts of calls of which not every one was timed, after their histograms, which held `before`
    /// calls until then.
    pub(crate) fn add_sampled(&mut self, before: [u64; 4], counted: [u64; 4], timed: u64) {
        let estimated = self.wall.each_ref().map(Histogram::count);
        for (at, surplus) in self.surplus.iter_mut().enumerate() {
            let of = |counts: &[u64; 4]| counts.get(at).copied().unwrap_or(0) as i64;
            *surplus += of(&estimated) - of(&before) - of(&counted);
        }
        let counted: u64 = counted.iter().sum();
        self.untimed += counted.saturating_sub(timed);
    }

    /// Adds one call that has ended, without its polls and its self time.
    pub(crate) fn add(&mut self, call: &Finished, is_sampled: bool, slow_ns: u64) {
        let at = call.outcome.index();
        if let (true, Some(surplus)) = (is_sampled, self.surplus.get_mut(at)) {
            *surplus += if call.outermost {
                call.weight as i64 - 1
            } else {
                -1
            };
        }
        if call.outermost {
            if let Some(wall) = self.wall.get_mut(at) {
                wall.record_many(Duration::from_nanos(call.wall_ns), call.weight);
            }
            if call.wall_ns >= slow_ns {
                self.slow += call.weight;
            }
        } else if let (false, Some(count)) = (is_sampled, self.recursive.get_mut(at)) {
            *count += 1;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.wall.iter_mut().zip(&other.wall) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.recursive.iter_mut().zip(&other.recursive) {
            *mine += theirs;
        }
        for (mine, theirs) in self.surplus.iter_mut().zip(&other.surplus) {
            *mine += theirs;
        }
        self.untimed += other.untimed;
        self.slow += other.slow;
        self.alloc.merge(&other.alloc);
        self.self_ns += other.self_ns;
        self.busy_ns += other.busy_ns;
        self.idle_ns += other.idle_ns;
        self.polls += other.polls;
        self.max_poll_ns = self.max_poll_ns.max(other.max_poll_ns);
        self.active += other.active;
        self.begun += other.begun;
        self.ended += other.ended;
    }
}

/// What was recorded of one path of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeNode {
    pub(crate) id: u32,
    /// Index of the caller; the root is its own.
    pub(crate) parent: usize,
    pub(crate) calls: u64,
    pub(crate) total_ns: u64,
    pub(crate) self_ns: u64,
}

/// The paths of calls of all threads, from one root.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeTotals {
    /// The root first; empty while there is none else.
    nodes: Vec<TreeNode>,
    index: BTreeMap<(usize, u32), usize>,
}

impl TreeTotals {
    const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            index: BTreeMap::new(),
        }
    }

    /// All nodes; a caller comes before its callees, the root first.
    pub(crate) fn nodes(&self) -> &[TreeNode] {
        &self.nodes
    }

    /// Index of the child `id` of `parent`; beyond `nodes_max`, that of the overflow node.
    pub(crate) fn child(&mut self, parent: usize, id: u32, nodes_max: usize) -> usize {
        let inside = self
            .nodes
            .get(parent)
            .is_some_and(|node| node.id == OVERFLOW_ID);
        let (parent, id) = if inside { return parent } else { (parent, id) };
        if let Some(index) = self.index.get(&(parent, id)) {
            return *index;
        }
        if self.nodes.is_empty() {
            let root = TreeNode {
                id: ROOT_ID,
                parent: 0,
                calls: 0,
                total_ns: 0,
                self_ns: 0,
            };
            self.nodes.push(root);
        }
        let full = self.nodes.len() > nodes_max && id != OVERFLOW_ID;
        let (parent, id) = if full || id == OVERFLOW_ID {
            (0, OVERFLOW_ID)
        } else {
            (parent, id)
        };
        if let Some(index) = self.index.get(&(parent, id)) {
            return *index;
        }
        let index = self.nodes.len();
        self.nodes.push(TreeNode {
            id,
            parent,
            calls: 0,
            total_ns: 0,
            self_ns: 0,
        });
        self.index.insert((parent, id), index);
        index
    }

    pub(crate) fn add(&mut self, index: usize, calls: u64, total_ns: u64, self_ns: u64) {
        if let Some(node) = self.nodes.get_mut(index) {
            node.calls += calls;
            node.total_ns += total_ns;
            node.self_ns += self_ns;
        }
    }
}

/// What shards add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) series: BTreeMap<u32, SeriesTotals>,
    pub(crate) tree: TreeTotals,
}

impl Totals {
    pub(crate) const fn new() -> Self {
        Self {
            series: BTreeMap::new(),
            tree: TreeTotals::new(),
        }
    }
}
