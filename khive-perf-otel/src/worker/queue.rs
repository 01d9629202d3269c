//! Queue: encoded requests that wait to be sent, bounded.

use std::collections::VecDeque;

use bytes::Bytes;

/// A request and its number of data points.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) id: u64,
    pub(super) body: Bytes,
    pub(super) points: u64,
}

/// First in, first out. The batch on the wire is never taken away.
#[derive(Debug)]
pub(super) struct Queue {
    batches: VecDeque<Batch>,
    next_id: u64,
    on_wire: Option<u64>,
    len_max: usize,
    /// How many points may wait.
    points_max: u64,
}

impl Queue {
    pub(super) const fn new(len_max: usize, points_max: u64) -> Self {
        Self {
            batches: VecDeque::new(),
            next_id: 0,
            on_wire: None,
            len_max,
            points_max,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Adds a batch at the end. Where there is no room the oldest go; returns their points. One by itself may be larger than
    /// what may wait.
    pub(super) fn push(&mut self, body: Bytes, points: u64) -> u64 {
        let mut dropped = 0;
        let has_room = |queue: &Self| {
            let waiting = queue.points();
            queue.batches.len() < queue.len_max
                && (waiting == 0 || waiting + points <= queue.points_max)
        };
        while !has_room(self) {
            let oldest = self
                .batches
                .iter()
                .position(|batch| Some(batch.id) != self.on_wire);
            match oldest.and_then(|at| self.batches.remove(at)) {
                Some(oldest) => dropped += oldest.points,
                // The only place is on the wire.
                None if self.batches.len() >= self.len_max => return dropped + points,
                None => break,
            }
        }
        self.batches.push_back(Batch {
            id: self.next_id,
            body,
            points,
        });
        self.next_id += 1;
        dropped
    }

    /// Removes what is not on the wire; returns the number of points.
    pub(super) fn supersede(&mut self) -> u64 {
        let on_wire = self.on_wire;
        let before = self.points();
        self.batches.retain(|batch| Some(batch.id) == on_wire);
        before - self.points()
    }

    /// The oldest batch, which is on the wire from now on.
    pub(super) fn begin(&mut self) -> Option<Batch> {
        let batch = self.batches.front().cloned();
        self.on_wire = batch.as_ref().map(|batch| batch.id);
        batch
    }

    /// The batch on the wire did not get through and stays.
    pub(super) const fn give_back(&mut self) {
        self.on_wire = None;
    }

    /// The batch on the wire is done with.
    pub(super) fn finish(&mut self) {
        let on_wire = self.on_wire.take();
        self.batches.retain(|batch| Some(batch.id) != on_wire);
    }

    pub(super) fn points(&self) -> u64 {
        self.batches.iter().map(|batch| batch.points).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_loses_its_oldest_batch_but_not_the_one_on_the_wire() {
        let mut queue = Queue::new(2, u64::MAX);
        assert_eq!(queue.push(Bytes::new(), 1), 0);
        assert_eq!(queue.push(Bytes::new(), 2), 0);
        assert_eq!(queue.push(Bytes::new(), 4), 1);
        assert_eq!(queue.begin().unwrap().points, 2);
        assert_eq!(queue.push(Bytes::new(), 8), 4);
        queue.finish();
        assert_eq!(queue.begin().unwrap().points, 8);
        queue.finish();
        assert!(queue.is_empty() && queue.begin().is_none());
    }

    #[test]
    fn with_the_only_place_on_the_wire_the_new_batch_is_lost() {
        let mut queue = Queue::new(1, u64::MAX);
        queue.push(Bytes::new(), 1);
        queue.begin();
        assert_eq!(queue.push(Bytes::new(), 2), 2);
        queue.give_back();
        assert_eq!(queue.push(Bytes::new(), 4), 1);
    }

    #[test]
    fn as_many_points_wait_as_may_and_one_batch_in_any_case() {
        let mut queue = Queue::new(9, 10);
        assert_eq!(queue.push(Bytes::new(), 40), 0);
        assert_eq!(queue.push(Bytes::new(), 4), 40);
        assert_eq!(queue.push(Bytes::new(), 6), 0);
        assert_eq!(queue.begin().unwrap().points, 4);
        assert_eq!(queue.push(Bytes::new(), 7), 6);
        assert_eq!(queue.points(), 11, "the one on the wire stays");
    }

    #[test]
    fn a_newer_snapshot_replaces_what_waits() {
        let mut queue = Queue::new(9, u64::MAX);
        for points in [1, 2, 4] {
            queue.push(Bytes::new(), points);
        }
        queue.begin();
        assert_eq!(queue.supersede(), 6);
        queue.give_back();
        assert_eq!(queue.supersede(), 1);
        assert!(queue.is_empty());
    }
}
