//! Traces: the tree of measured calls, and of return addresses below them, that blocks were allocated from.

use crate::heap::memory::{Lazy, Zeroed};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

const CHUNK_LEN: usize = 1_024;
const CHUNKS: usize = 64;
/// Most nodes that one tree can have.
const TRACE_NODES_MAX: usize = CHUNK_LEN * CHUNKS;
const SLOTS: usize = TRACE_NODES_MAX * 2;
/// Nodes that stacks can have of them.
const RETURNS_MAX: u32 = (TRACE_NODES_MAX / 2) as u32;
/// Slots that are looked at before there is no room.
const PROBES: usize = 128;

/// A step of a trace: a measured call of this series, or a return address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Call(u32),
    Return(usize),
}

impl Step {
    const CALL: u64 = 1 << 63;

    fn to_word(self) -> u64 {
        match self {
            Self::Call(series) => Self::CALL | u64::from(series),
            Self::Return(address) => address as u64 & !Self::CALL,
        }
    }

    const fn from_word(word: u64) -> Self {
        if word & Self::CALL == 0 {
            Self::Return(word as usize)
        } else {
            Self::Call(word as u32)
        }
    }
}

/// A node: its parent and the step from there. Written before it is published, and never again, but for the site.
pub(super) struct TraceNode {
    parent: AtomicU32,
    /// Of the blocks that were allocated right here, plus one; 0 for none.
    pub(super) site: AtomicU32,
    step: AtomicU64,
}

struct Chunk([TraceNode; CHUNK_LEN]);
struct Index([AtomicU32; SLOTS]);

// SAFETY: all fields are atomics, for which zero is a value.
unsafe impl Zeroed for Chunk {}
// SAFETY: as above.
unsafe impl Zeroed for Index {}

/// The tree. Nodes are numbered from 0, the root, which is no call; none is ever taken away.
pub(super) struct Traces {
    chunks: [Lazy<Chunk>; CHUNKS],
    index: Lazy<Index>,
    /// Nodes beside the root.
    used: AtomicU32,
}

/// Number of the root.
pub(super) const ROOT: u32 = 0;

impl Traces {
    pub(super) const fn new() -> Self {
        Self {
            chunks: [const { Lazy::new() }; CHUNKS],
            index: Lazy::new(),
            used: AtomicU32::new(0),
        }
    }

    /// A node, made if it is the root or was handed out as the next.
    pub(super) fn node(&self, number: u32) -> Option<&TraceNode> {
        let chunk = self
            .chunks
            .get(number as usize / CHUNK_LEN)?
            .get_or_make()?;
        chunk.0.get(number as usize % CHUNK_LEN)
    }

    /// The child of a node, made if need be; `None` where there is no room.
    pub(super) fn child(&self, parent: u32, step: Step) -> Option<u32> {
        let word = step.to_word();
        let index = self.index.get_or_make()?;
        let mut own = None;
        for probe in 0..PROBES {
            let slot = index
                .0
                .get(hash(parent, word).wrapping_add(probe) % SLOTS)?;
            let mut number = slot.load(Ordering::Acquire);
            if number == 0 {
                let new = match own {
                    Some(new) => new,
                    None => *own.insert(self.make(parent, step)?),
                };
                let published = slot.compare_exchange(0, new, Ordering::AcqRel, Ordering::Acquire);
                match published {
                    Ok(_) => return Some(new),
                    Err(theirs) => number = theirs,
                }
            }
            let node = self.node(number)?;
            let is_it = node.parent.load(Ordering::Relaxed) == parent
                && node.step.load(Ordering::Relaxed) == word;
            if is_it {
                return Some(number);
            }
        }
        None
    }

    /// Bytes that it takes, about.
    pub(super) fn own_bytes(&self) -> u64 {
        let chunks = self.chunks.iter().filter_map(Lazy::get).map(size_of_val);
        let index = self.index.get().map_or(0, size_of_val);
        (chunks.sum::<usize>() + index) as u64
    }

    fn make(&self, parent: u32, step: Step) -> Option<u32> {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            if used >= RETURNS_MAX && matches!(step, Step::Return(_)) {
                return None;
            }
            let number = used + 1;
            let node = self.node(number)?;
            let claimed =
                self.used
                    .compare_exchange_weak(used, number, Ordering::Relaxed, Ordering::Relaxed);
            match claimed {
                Ok(_) => {
                    node.parent.store(parent, Ordering::Relaxed);
                    node.step.store(step.to_word(), Ordering::Relaxed);
                    return Some(number);
                }
                Err(now) => used = now,
            }
        }
    }

    /// The node of the innermost call on the way to a node; the root if there is none.
    pub(super) fn innermost_call(&self, from: u32) -> u32 {
        let mut at = from;
        while let Some(node) = self.node(at).filter(|_| at != ROOT) {
            if let Step::Call(_) = Step::from_word(node.step.load(Ordering::Relaxed)) {
                return at;
            }
            at = node.parent.load(Ordering::Relaxed);
        }
        ROOT
    }

    /// The steps from a node up to the root, the innermost first.
    pub(super) fn steps_up(&self, from: u32) -> impl Iterator<Item = Step> + '_ {
        let mut at = from;
        std::iter::from_fn(move || {
            if at == ROOT {
                return None;
            }
            let node = self.node(at)?;
            at = node.parent.load(Ordering::Relaxed);
            Some(Step::from_word(node.step.load(Ordering::Relaxed)))
        })
    }
}

fn hash(parent: u32, word: u64) -> usize {
    let mixed = (word ^ u64::from(parent).rotate_left(40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 32)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_steps_lead_to_the_same_node() {
        let traces = Traces::new();
        let steps = [Step::Call(3), Step::Call(9), Step::Return(0x5555_1234)];
        let walk = || {
            steps
                .iter()
                .try_fold(ROOT, |at, step| traces.child(at, *step))
        };
        let end = walk().unwrap();
        assert_eq!(walk(), Some(end));
        let up: Vec<Step> = traces.steps_up(end).collect();
        assert_eq!(up, [steps[2], steps[1], steps[0]]);
        assert_ne!(
            traces.child(ROOT, Step::Call(9)),
            traces.child(ROOT, Step::Call(3))
        );
    }

    #[test]
    fn stacks_leave_room_for_calls() {
        let traces = Traces::new();
        let returns = (0..TRACE_NODES_MAX).map(|at| traces.child(ROOT, Step::Return(at * 16)));
        let made = returns.flatten().count();
        assert!(made <= TRACE_NODES_MAX / 2, "{made}");
        let call = traces.child(ROOT, Step::Call(1)).unwrap();
        assert_eq!(traces.child(call, Step::Return(7)), None);
        assert_eq!(traces.innermost_call(call), call);
    }

    #[test]
    fn a_full_tree_says_so() {
        let traces = Traces::new();
        let made = (0..TRACE_NODES_MAX * 2)
            .filter_map(|at| traces.child(ROOT, Step::Call(at as u32)))
            .count();
        // The root takes one.
        assert!(
            made < TRACE_NODES_MAX && made > TRACE_NODES_MAX / 2,
            "{made}"
        );
    }
}
