//! Reading a shard, by any thread that keeps it alive, while its owner writes.
//!
//! Counters only grow, each on its own. The waiting record is guarded by a sequence word: odd while the
//! owner folds one and puts the next in its place. A reader copies the waiting record between two equal
//! even readings, adds it to what the cell holds, and if the word has moved meanwhile waits for the fold
//! to be over and reads the cell again, without it. So a call is neither missed nor counted twice, and
//! the owner never waits. Should the owner be suspended in the middle of a fold, the reader gives up
//! after a bounded wait, and may miss that one call until the next reading.

use std::ptr;

use crate::recorder::cell::Cell;
use crate::recorder::finished::Finished;
use crate::recorder::node::Node;
use crate::recorder::shard::Shard;
use crate::recorder::totals::{SeriesTotals, Totals};
use crate::sync::{Ordering, fence};

/// How often a reader looks again before it gives up on the waiting record.
const READ_ATTEMPTS: usize = 10_000;

impl Shard {
    /// Adds all that was recorded to `totals`.
    pub(crate) fn read_into(&self, totals: &mut Totals, nodes_max: usize) {
        let waiting = self.copy_waiting();
        let apart = waiting
            .as_ref()
            .map_or((ptr::null(), ptr::null()), |w| (w.cell, w.node));
        let mut cell = self.newest_cell.load(Ordering::Acquire).cast_const();
        // SAFETY: cells, linked before they are published, live as long as their shard.
        while let Some(found) = unsafe { cell.as_ref() } {
            if !ptr::eq(cell, apart.0) {
                found.read_into(totals.series.entry(found.id).or_default());
            }
            cell = found.next;
        }
        let indices = self.read_tree(totals, nodes_max, apart.1);
        if let Some(waiting) = waiting {
            self.read_apart(&waiting, totals, &indices);
        }
    }

    /// Adds every node but `apart` to the tree; returns the tree's index of each, by ordinal.
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
            if !ptr::eq(node, apart) {
                totals.tree.add(
                    at,
                    node.calls.read(),
                    node.total_ns.read(),
                    node.self_ns.read(),
                );
            }
        }
        indices
    }

    /// Reads the cell and the node of the waiting record so that it counts once.
    fn read_apart(&self, waiting: &Copied, totals: &mut Totals, indices: &[usize]) {
        // SAFETY: cells live as long as their shard.
        let cell = unsafe { &*waiting.cell };
        // SAFETY: nodes live as long as their shard.
        let node = unsafe { &*waiting.node };
        let read = || {
            let mut series = SeriesTotals::default();
            cell.read_into(&mut series);
            (series, node.calls.read(), node.total_ns.read())
        };
        let (mut series, mut calls, mut total_ns) = read();
        let self_ns;
        fence(Ordering::Acquire);
        if self.sequence.load(Ordering::Relaxed) == waiting.sequence {
            let Copied {
                ticks,
                self_ticks,
                how,
                ..
            } = *waiting;
            let call = Finished::new(self.scale, ticks, self_ticks, how);
            series.add(&call, cell.is_sampled(), cell.slow_ns);
            calls += 1;
            total_ns += call.total_ns_of_all();
            self_ns = node.self_ns.read_with(call.self_ns_of_all());
            series.self_ns = cell.self_ns.read_with(call.self_ns_of_all());
        } else {
            self.wait_for_fold(waiting.sequence);
            (series, calls, total_ns) = read();
            self_ns = node.self_ns.read();
        }
        totals.series.entry(cell.id).or_default().merge(&series);
        let at = indices.get(node.ordinal as usize).copied().unwrap_or(0);
        totals.tree.add(at, calls, total_ns, self_ns);
    }

    fn wait_for_fold(&self, sequence: u64) {
        for _ in 0..READ_ATTEMPTS {
            if self.sequence.load(Ordering::Acquire).wrapping_sub(sequence) >= 2 {
                return;
            }
            std::hint::spin_loop();
        }
    }

    fn copy_waiting(&self) -> Option<Copied> {
        for _ in 0..READ_ATTEMPTS {
            let sequence = self.sequence.load(Ordering::Acquire);
            let copied = Copied {
                sequence,
                cell: self.waiting.cell.load(Ordering::Relaxed),
                node: self.waiting.node.load(Ordering::Relaxed),
                ticks: self.waiting.ticks.read(),
                self_ticks: self.waiting.self_ticks.read(),
                how: self.waiting.how.read(),
            };
            fence(Ordering::Acquire);
            if sequence & 1 == 0 && self.sequence.load(Ordering::Relaxed) == sequence {
                return Some(copied).filter(|copied| !copied.cell.is_null());
            }
            std::hint::spin_loop();
        }
        None
    }
}

/// A reader's copy of the waiting record.
struct Copied {
    sequence: u64,
    cell: *const Cell,
    node: *const Node,
    ticks: u64,
    self_ticks: u64,
    how: u64,
}
