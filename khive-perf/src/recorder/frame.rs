//! Frame: an open call, as plain values on the caller's stack.

use std::ptr;

use crate::outcome::Outcome;
use crate::recorder::cell::Cell;
use crate::recorder::node::Node;

/// What is to be said of a call beside its node, in the low bits of the node's address. Nothing is said of a call
/// that is timed for itself alone, ends well, and has no other call of its series around it: the address is then
/// the shard's current node, and one comparison tells so.
pub(crate) struct Tags;

impl Tags {
    /// Of a call that has ended: its [`Outcome`]. Of one that is open: what a guard notes.
    pub(crate) const OUTCOME: usize = 3;
    /// A call of the same series is around it.
    pub(crate) const INNER: usize = 1 << 2;
    /// Its cell has a sampler, or a threshold for slow calls.
    pub(crate) const SPECIAL: usize = 1 << 3;
    const ALL: usize = Self::OUTCOME | Self::INNER | Self::SPECIAL;

    /// The node without what is said of the call.
    #[inline(always)]
    pub(crate) fn strip(tagged: *const Node) -> *const Node {
        tagged.map_addr(|address| address & !Self::ALL)
    }

    /// What is said of the call.
    #[inline(always)]
    pub(crate) fn of(tagged: *const Node) -> usize {
        tagged.addr() & Self::ALL
    }
}

/// Instead of a beginning: the call is not timed.
const UNTIMED: u64 = u64::MAX;

/// An open call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Ticks, or [`UNTIMED`].
    pub(crate) start: u64,
    /// The node, tagged; null for a call that is not recorded.
    pub(crate) at: *const Node,
    /// The node that was current before.
    pub(crate) parent: *const Node,
    /// The shard's count of ticks in callees, before.
    pub(crate) callees_before: u64,
    /// Of the shard.
    pub(crate) generation: u64,
}

impl Frame {
    /// Belongs to no shard; closing it does nothing.
    pub(crate) const NOOP: Self = Self {
        start: 0,
        at: ptr::null(),
        parent: ptr::null(),
        callees_before: 0,
        generation: u64::MAX,
    };

    /// The beginning of a call that stands for `weight` calls; 0 for one that is not timed.
    pub(crate) const fn start(ticks: u64, weight: u32) -> u64 {
        if weight == 0 { UNTIMED } else { ticks }
    }

    /// What was noted of the call while it is open.
    pub(crate) fn noted(&self) -> usize {
        self.at.addr() & Tags::OUTCOME
    }

    /// Notes something of the call while it is open, in place of what was noted before.
    pub(crate) fn note(&mut self, noted: usize) {
        self.at = self.at.map_addr(|at| (at & !Tags::OUTCOME) | noted);
    }

    pub(crate) fn node(&self) -> *const Node {
        Tags::strip(self.at)
    }

    pub(crate) const fn is_timed(&self) -> bool {
        self.start != UNTIMED
    }

    pub(crate) fn is_noop(&self) -> bool {
        self.node().is_null()
    }

    /// Whether no other call of the same series was around this one.
    pub(crate) fn is_outermost(&self) -> bool {
        Tags::of(self.at) & Tags::INNER == 0
    }

    /// The cell of the series.
    ///
    /// # Safety
    ///
    /// The shard that it was opened in is alive, and it is not [`NOOP`](Self::NOOP).
    pub(crate) unsafe fn cell<'a>(&self) -> &'a Cell {
        // SAFETY: nodes live as long as their shard.
        let node = unsafe { &*self.node() };
        // SAFETY: a frame's node is a call, and has a cell; cells live as long as their shard, too.
        unsafe { &*node.cell }
    }

    /// The node with what is to be said of the call once it has ended so.
    pub(crate) fn ended(&self, outcome: Outcome) -> *const Node {
        self.at
            .map_addr(|at| (at & !Tags::OUTCOME) | outcome.index())
    }
}

/// A call that was timed and has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) ticks: u64,
    pub(crate) outcome: Outcome,
    pub(crate) is_outermost: bool,
    /// How many calls it stands for, at least 1.
    pub(crate) weight: u64,
}

impl Finished {
    /// Of a node that was tagged when the call ended.
    pub(crate) fn new(tagged: *const Node, cell: &Cell, ticks: u64) -> Self {
        let tags = Tags::of(tagged);
        let special = tags & Tags::SPECIAL != 0;
        Self {
            ticks,
            outcome: Outcome::from_index((tags & Tags::OUTCOME) as u64),
            is_outermost: tags & Tags::INNER == 0,
            weight: if special {
                u64::from(cell.sampler.every())
            } else {
                1
            },
        }
    }

    /// Ticks of all calls that it stands for; none for a call inside one of the same series.
    pub(crate) const fn total_ticks(&self) -> u64 {
        if self.is_outermost {
            self.ticks.wrapping_mul(self.weight)
        } else {
            0
        }
    }
}
