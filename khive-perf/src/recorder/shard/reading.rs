//! Reading a shard, by any thread that keeps it alive, while its owner writes.
//!
//! Counters only grow, each on its own. The waiting record is guarded by a sequence word: odd while the
//! owner folds one and puts the next in its place. A reader copies the waiting record between two equal
//! even readings, adds it to what the cell holds, and if the word has moved meanwhile waits for the fold
//! to be over and reads the cell again, without it. So a call is neither missed nor counted twice, and
//! the owner never waits. Should the owner be suspended in the middle of a fold, the reader gives up
//! after a bounded wait, and may miss that one call until the next reading.

use std::ptr;

use crate::recorder::frame::{Finished, Tags};
use crate::recorder::node::{Node, OVERFLOW_ID, ROOT_ID};
use crate::recorder::shard::Shard;
use crate::recorder::totals::{SeriesTotals, Totals};
use crate::sync::{Ordering, fence};

/// How often a reader looks again before it gives up on the waiting record.
const READ_ATTEMPTS: usize = 10_000;

impl Shard {
    /// Adds all that was recorded to `totals`.
    pub(crate) fn read_into(&self, totals: &mut Totals, nodes_max: usize) {
        let units = self.units();
        let waiting = self.copy_waiting();
        let node_apart = waiting.as_ref().map_or(ptr::null(), Copied::node);
        // SAFETY: null, or a node, which lives as long as its shard.
        let cell_apart = unsafe { node_apart.as_ref() }.map_or(ptr::null(), |node| node.cell);
        let mut cell = self.newest_cell.load(Ordering::Acquire).cast_const();
        // SAFETY: cells, linked before they are published, live as long as their shard.
        while let Some(found) = unsafe { cell.as_ref() } {
            if !ptr::eq(cell, cell_apart) {
                found.read_into(totals.series.entry(found.id).or_default(), units);
            }
            cell = found.next;
        }
        let indices = self.read_tree(totals, nodes_max, node_apart);
        if let Some(waiting) = waiting {
            self.read_apart(&waiting, totals, &indices);
        }
    }

    /// Adds every node to the tree, and its self time to its series, but of the one apart no calls; returns the
    /// tree's index of each, by ordinal.
    fn read_tree(&self, totals: &mut Totals, nodes_max: usize, apart: *const Node) -> Vec<usize> {
        let mut nodes = Vec::new();
        let mut node = self.newest_node.load(Ordering::Acquire).cast_const();
        // SAFETY: nodes, linked before they are published, live as long as their shard.
        while let Some(found) = unsafe { node.as_ref() } {
            nodes.push(found);
            node = found.next;
        }
        let mut indices = Vec::with_capacity(nodes.len());
        for node in nodes.into_iter().rev() {
            // SAFETY: as above; only the root has no parent.
            let parent = unsafe { node.parent.as_ref() };
            let at = parent.map_or(0, |parent| {
                let parent = indices.get(parent.ordinal as usize).copied().unwrap_or(0);
                totals.tree.child(parent, node.id, nodes_max)
            });
            indices.push(at);
            if node.id == ROOT_ID || node.id == OVERFLOW_ID {
                continue;
            }
            let self_ns = self.self_ns(node);
            let series = totals.series.entry(node.id).or_default();
            series.self_ns = series.self_ns.saturating_add(self_ns);
            if ptr::eq(node, apart) {
                totals.tree.add(at, 0, 0, self_ns);
                continue;
            }
            let calls = node.calls.read();
            let total_ns = self.scale.ns(node.total_ticks.read());
            totals.tree.add(at, calls, total_ns, self_ns);
        }
        indices
    }

    /// Self time of a node, less what the clock takes for itself.
    fn self_ns(&self, node: &Node) -> i64 {
        let ticks = node.self_ticks.read() as i64;
        let regions = node.polls.read().max(node.calls.read());
        let of_clock = self.bias.wrapping_mul(regions) as i64;
        let ticks = if ticks > 0 {
            ticks.saturating_sub(of_clock).max(0)
        } else {
            ticks
        };
        let ns = self.scale.ns(ticks.unsigned_abs()) as i64;
        if ticks < 0 { -ns } else { ns }
    }

    /// Reads the cell and the node of the waiting record so that it counts once.
    fn read_apart(&self, waiting: &Copied, totals: &mut Totals, indices: &[usize]) {
        let units = self.units();
        // SAFETY: what waits is a call, with node and cell; nodes live as long as their shard.
        let node = unsafe { &*waiting.node() };
        // SAFETY: cells live as long as their shard.
        let cell = unsafe { &*node.cell };
        let read = || {
            let mut series = SeriesTotals::default();
            cell.read_into(&mut series, units);
            (series, node.calls.read(), node.total_ticks.read())
        };
        let (mut series, mut calls, mut total_ticks) = read();
        fence(Ordering::Acquire);
        if self.sequence.read() == waiting.sequence {
            let call = Finished::new(waiting.at, cell, self.region(waiting.ticks));
            cell.read_waiting(&call, &mut series, units);
            calls += 1;
            total_ticks = total_ticks.wrapping_add(call.total_ticks());
        } else {
            self.wait_for_fold(waiting.sequence);
            (series, calls, total_ticks) = read();
        }
        totals.series.entry(cell.id).or_default().merge(&series);
        let at = indices.get(node.ordinal as usize).copied().unwrap_or(0);
        totals.tree.add(at, calls, self.scale.ns(total_ticks), 0);
    }

    fn wait_for_fold(&self, sequence: u64) {
        for _ in 0..READ_ATTEMPTS {
            if self.sequence.read_acquire().wrapping_sub(sequence) >= 2 {
                return;
            }
            std::hint::spin_loop();
        }
    }

    fn copy_waiting(&self) -> Option<Copied> {
        for _ in 0..READ_ATTEMPTS {
            let sequence = self.sequence.read_acquire();
            let copied = Copied {
                sequence,
                at: self.waiting.at.load(Ordering::Relaxed),
                ticks: self.waiting.ticks.read(),
            };
            fence(Ordering::Acquire);
            if sequence & 1 == 0 && self.sequence.read() == sequence {
                return Some(copied).filter(|copied| !copied.node().is_null());
            }
            std::hint::spin_loop();
        }
        None
    }
}

/// A reader's copy of the waiting record.
struct Copied {
    sequence: u64,
    at: *const Node,
    ticks: u64,
}

impl Copied {
    fn node(&self) -> *const Node {
        Tags::strip(self.at)
    }
}
