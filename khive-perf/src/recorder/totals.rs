//! Totals: what shards add up to, as plain values.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::heap::ledger::{Lives, Sums};
use crate::recorder::node::{OVERFLOW_ID, ROOT_ID};
use crate::stats::Histogram;
use crate::stats::estimate::Estimate;

/// What calls of one series have allocated, and what is left of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AllocTotals {
    pub(crate) bytes: u64,
    pub(crate) allocations: u64,
    pub(crate) max_bytes: u64,
    /// As sampled, callees included.
    pub(crate) heap: Sums,
    /// Of what is alive, callees included.
    pub(crate) retained: Estimate,
    pub(crate) retained_blocks: f64,
    /// Of what is alive, measured callees left out.
    pub(crate) own: Estimate,
    pub(crate) lives: Lives,
}

impl AllocTotals {
    /// What came after an earlier state. The largest call and the peak cannot be subtracted, and stay; so does what is
    /// alive.
    pub(crate) fn since(self, earlier: &Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(earlier.bytes),
            allocations: self.allocations.saturating_sub(earlier.allocations),
            heap: self.heap.since(&earlier.heap),
            lives: self.lives.since(&earlier.lives),
            ..self
        }
    }

    fn merge(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.allocations += other.allocations;
        self.max_bytes = self.max_bytes.max(other.max_bytes);
        self.heap.merge(&other.heap);
        self.retained.merge(&other.retained);
        self.retained_blocks += other.retained_blocks;
        self.own.merge(&other.own);
        self.lives.add(&other.lives);
    }
}

/// What was recorded of one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeriesTotals {
    /// Wall time of outermost calls, by outcome; where some were not timed, each that was stands for several.
    pub(crate) wall: [Histogram; 4],
    /// Finished calls, by outcome.
    pub(crate) calls: [u64; 4],
    /// Those of them that were not timed.
    pub(crate) untimed: u64,
    /// Those of them that were inside a call of the same series.
    pub(crate) inner: u64,
    /// Time of outermost calls on a thread.
    pub(crate) total_ns: u64,
    /// Of the total, in square nanoseconds, where it is an estimate.
    pub(crate) variance: f64,
    /// Number of calls that the estimate rests on.
    pub(crate) sampled: u64,
    pub(crate) slow: u64,
    pub(crate) alloc: AllocTotals,
    /// Below zero for a while where callees are sampled.
    pub(crate) self_ns: i64,
    pub(crate) idle_ns: u64,
    pub(crate) polls: u64,
    pub(crate) max_poll_ns: u64,
    /// Calls, and polls of futures, that are under way.
    pub(crate) open: u64,
    /// Futures that were polled, and those of them that have ended.
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    /// Those of them that began before the last census of calls in flight, and ended after it.
    pub(crate) crossed: u64,
}

impl SeriesTotals {
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.wall.iter_mut().zip(&other.wall) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.calls.iter_mut().zip(&other.calls) {
            *mine += theirs;
        }
        self.untimed += other.untimed;
        self.inner += other.inner;
        self.total_ns += other.total_ns;
        self.variance += other.variance;
        self.sampled += other.sampled;
        self.slow += other.slow;
        self.alloc.merge(&other.alloc);
        self.self_ns = self.self_ns.saturating_add(other.self_ns);
        self.idle_ns += other.idle_ns;
        self.polls += other.polls;
        self.max_poll_ns = self.max_poll_ns.max(other.max_poll_ns);
        self.open += other.open;
        self.begun += other.begun;
        self.ended += other.ended;
        self.crossed += other.crossed;
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
    /// As in [`SeriesTotals`].
    pub(crate) self_ns: i64,
}

/// What one thread adds to a path of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathFigures {
    pub(crate) calls: u64,
    pub(crate) total_ns: u64,
    /// As in [`SeriesTotals`].
    pub(crate) self_ns: i64,
}

/// The paths of calls of all threads, from one root.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeTotals {
    /// The root first; empty while there is none else.
    nodes: Vec<TreeNode>,
    index: HashMap<(usize, u32), usize, BuildHasherDefault<Mix>>,
}

/// Mixes numbers that nobody chooses to make us slow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl TreeTotals {
    const fn new() -> Self {
        Self {
            nodes: Vec::new(),
            index: HashMap::with_hasher(BuildHasherDefault::new()),
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

    pub(crate) fn add(&mut self, index: usize, figures: PathFigures) {
        if let Some(node) = self.nodes.get_mut(index) {
            node.calls += figures.calls;
            node.total_ns += figures.total_ns;
            node.self_ns = node.self_ns.saturating_add(figures.self_ns);
        }
    }
}

/// Totals by series. Numbers are given in a row, so the place is the number.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeriesMap(Vec<Option<Box<SeriesTotals>>>);

impl SeriesMap {
    /// The totals of a series, made if need be.
    pub(crate) fn of(&mut self, id: u32) -> &mut SeriesTotals {
        let at = id as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        #[expect(clippy::indexing_slicing, reason = "made long enough just now")]
        self.0[at].get_or_insert_default()
    }

    /// All there are, in the order of their numbers.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut SeriesTotals)> {
        (0..)
            .zip(&mut self.0)
            .filter_map(|(id, totals)| Some((id, &mut **totals.as_mut()?)))
    }

    /// The same, to be kept.
    pub(crate) fn into_all(self) -> impl Iterator<Item = (u32, SeriesTotals)> {
        (0..)
            .zip(self.0)
            .filter_map(|(id, totals)| Some((id, *totals?)))
    }
}

/// What shards add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) series: SeriesMap,
    pub(crate) tree: TreeTotals,
}

impl Totals {
    pub(crate) const fn new() -> Self {
        Self {
            series: SeriesMap(Vec::new()),
            tree: TreeTotals::new(),
        }
    }
}
