//! Frame: an open call, as plain values on the caller's stack.

use crate::outcome::Outcome;
use crate::recorder::local::quiet;
use crate::recorder::node::Node;

/// What is to be said of a call beside its node, in the low bits of the node's address. Nothing is said of a call
/// that is timed for itself alone, ends well, and came from the node's parent: the address is then the shard's
/// current node, and one comparison tells so.
pub(crate) struct Tags;

impl Tags {
    /// Of a call that has ended: its [`Outcome`].
    pub(crate) const OUTCOME: usize = 3;
    /// A call of the same series is around it.
    pub(crate) const INNER: usize = 1 << 2;
    /// Its times stand for several calls, or its cell has a threshold for slow ones.
    pub(crate) const SPECIAL: usize = 1 << 3;
    /// It came from elsewhere than the node's parent.
    pub(crate) const IRREGULAR: usize = 1 << 4;
    const ALL: usize = Self::OUTCOME | Self::INNER | Self::SPECIAL | Self::IRREGULAR;

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

/// A span of a trace, in one word: its number in the trace, and some bits that tell traces apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanRef(u32);

impl SpanRef {
    /// The call is no span.
    pub(crate) const NONE: Self = Self(0);
    /// Spans that can be told apart in a trace.
    pub(crate) const MAX: usize = u16::MAX as usize;

    #[cfg(all(feature = "enabled", feature = "tracing"))]
    pub(crate) const fn to_bits(self) -> u32 {
        self.0
    }

    #[cfg(all(feature = "enabled", feature = "tracing"))]
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The span with this number, of a trace with this mark; [`NONE`](Self::NONE) beyond the limit.
    pub(crate) fn new(mark: u16, number: usize) -> Self {
        match u16::try_from(number + 1) {
            Ok(low) => Self(u32::from(mark) << 16 | u32::from(low)),
            Err(_) => Self::NONE,
        }
    }

    /// Its number, if it is one of a trace with this mark.
    pub(crate) const fn number(self, mark: u16) -> Option<usize> {
        let low = self.0 as u16;
        if low == 0 || (self.0 >> 16) as u16 != mark {
            return None;
        }
        Some(low as usize - 1)
    }
}

/// Instead of a beginning: the call is not timed.
const UNTIMED: u64 = u64::MAX;

/// An open call that went the long way. One that went the short way has its beginning in its node, because it is the
/// only one that is open there.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Frame {
    /// Ticks, or [`UNTIMED`].
    pub(crate) start: u64,
    /// The node, tagged.
    pub(crate) at: *const Node,
    /// The shard's count of ticks in callees, before.
    pub(crate) callees_before: u64,
    /// Of the shard.
    pub(crate) generation: u32,
    /// How many calls it stands for; 0 for one that is not timed.
    pub(crate) weight: u32,
    /// The node that was current before.
    pub(crate) from: *const Node,
    /// In a trace: the call's span, and the one that was current before.
    pub(crate) span: SpanRef,
    pub(crate) span_before: SpanRef,
}

impl Frame {
    /// The beginning of a call that stands for `weight` calls; 0 for one that is not timed.
    pub(crate) const fn start(ticks: u64, weight: u32) -> u64 {
        if weight == 0 { UNTIMED } else { ticks }
    }

    pub(crate) const fn is_timed(&self) -> bool {
        self.start != UNTIMED
    }

    pub(crate) fn node(&self) -> *const Node {
        Tags::strip(self.at)
    }

    /// Whether no other call of the same series was around this one.
    pub(crate) fn is_outermost(&self) -> bool {
        Tags::of(self.at) & Tags::INNER == 0
    }

    /// Whether a call that took so many ticks is slow, by what its callsite says.
    pub(crate) fn is_slow(&self, ticks: u64) -> bool {
        // SAFETY: nodes live as long as their shard, whose frame this is.
        let node = unsafe { &*self.node() };
        // SAFETY: null, or a cell, which lives as long as its shard.
        let cell = unsafe { node.cell.as_ref() };
        cell.is_some_and(|cell| cell.is_slow(ticks))
    }

    /// The node with what is to be said of the call once it has ended so.
    pub(crate) fn ended(&self, outcome: Outcome) -> *const Node {
        self.at.map_addr(|at| at | outcome.index())
    }
}

/// Room for open frames that was in use before. As many as were open at once, up to a limit.
#[expect(clippy::vec_box, reason = "what is handed out must not move")]
pub(crate) struct SpareFrames(Vec<Box<Frame>>);

impl SpareFrames {
    /// How many are not given back to the allocator: deep recursion happens, but seldom.
    const MAX: usize = 64;

    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Keeps a frame on the heap.
    pub(crate) fn keep(&mut self, frame: Frame) -> *const Frame {
        if let Some(mut room) = self.0.pop() {
            *room = frame;
            return Box::into_raw(room);
        }
        let _quiet = quiet();
        Box::into_raw(Box::new(frame))
    }

    /// Takes back the room of a frame.
    pub(crate) fn take(&mut self, room: Box<Frame>) {
        if self.0.len() < self.0.capacity() {
            return self.0.push(room);
        }
        let _quiet = quiet();
        if self.0.len() < Self::MAX {
            self.0.push(room);
        } else {
            drop(room);
        }
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
    /// Of a node that was tagged when the call ended; `weight` holds if the tags say so.
    pub(crate) fn new(tagged: *const Node, weight: u64, ticks: u64) -> Self {
        let tags = Tags::of(tagged);
        let special = tags & Tags::SPECIAL != 0;
        Self {
            ticks,
            outcome: Outcome::from_index((tags & Tags::OUTCOME) as u64),
            is_outermost: tags & Tags::INNER == 0,
            weight: if special { weight } else { 1 },
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
