//! Cell: what one thread has recorded of one series, on whichever path.

use crate::callsite::Timing;
use crate::outcome::Outcome;
use crate::recorder::alloc::AllocCell;
use crate::recorder::frame::Finished;
use crate::recorder::histogram::{HistogramCell, Units};
use crate::recorder::local::quiet;
use crate::recorder::part::Part;
use crate::recorder::totals::SeriesTotals;
use crate::stats::buckets::Buckets;
use crate::sync::OwnedU64;

/// What one thread has recorded of one series. Times are in ticks; how many calls there were, and what they took on
/// the thread, is with the nodes.
#[repr(C)]
pub(crate) struct Cell {
    pub(crate) ok: HistogramCell,
    pub(crate) id: u32,
    pub(crate) timing: Timing,
    /// Ticks from which on a call is slow.
    slow_ticks: u64,
    /// Calls that took so long.
    slow: OwnedU64,
    /// Calls that did not end well, by outcome from the error on: timed or not, inside others or not.
    failed: [OwnedU64; 3],
    idle_ticks: OwnedU64,
    max_poll_ticks: OwnedU64,
    /// Futures that have ended, and began before the last census.
    crossed: OwnedU64,
    pub(crate) alloc: AllocCell,
    /// Error, panic, cancelled: made when first needed.
    other: [Part<HistogramCell>; 3],
}

impl Cell {
    pub(crate) fn new(id: u32, timing: Timing, units: Units) -> Self {
        Self {
            ok: HistogramCell::new(),
            id,
            timing,
            slow_ticks: units.scale.ticks(timing.slow_ns),
            slow: OwnedU64::new(0),
            failed: [const { OwnedU64::new(0) }; 3],
            idle_ticks: OwnedU64::new(0),
            max_poll_ticks: OwnedU64::new(0),
            crossed: OwnedU64::new(0),
            alloc: AllocCell::new(),
            other: [const { Part::new() }; 3],
        }
    }

    /// Whether some of its calls are slow.
    pub(crate) const fn has_threshold(&self) -> bool {
        self.slow_ticks != u64::MAX
    }

    /// Records a call that was timed; by the owner.
    pub(crate) fn record(&self, call: &Finished, buckets: &Buckets) {
        self.count_failure(call.outcome);
        if !call.is_outermost {
            return;
        }
        if self.is_slow(call.ticks) {
            self.slow.add(call.weight);
        }
        let other = call.outcome.index().checked_sub(1);
        let Some(place) = other.and_then(|at| self.other.get(at)) else {
            self.ok.record(call.ticks, call.weight, buckets);
            return;
        };
        let histogram = place.owned().unwrap_or_else(|| {
            let _quiet = quiet();
            place.make(HistogramCell::new())
        });
        histogram.record(call.ticks, call.weight, buckets);
    }

    /// Whether a call that took so many ticks is slow.
    pub(crate) const fn is_slow(&self, ticks: u64) -> bool {
        ticks >= self.slow_ticks
    }

    /// Counts a call that ended well, and took so many ticks, if it is slow; by the owner.
    pub(crate) fn count_slow(&self, ticks: u64) {
        if self.is_slow(ticks) {
            self.slow.add(1);
        }
    }

    /// Counts a call if it did not end well; by the owner.
    pub(crate) fn count_failure(&self, outcome: Outcome) {
        let at = outcome.index().checked_sub(1);
        if let Some(count) = at.and_then(|at| self.failed.get(at)) {
            count.add(1);
        }
    }

    /// Notes how long a poll of a future took; by the owner.
    #[inline(always)]
    pub(crate) fn note_poll(&self, ticks: u64) {
        self.max_poll_ticks.raise(ticks);
    }

    /// Counts a future that began before the last census, and has ended; by the owner.
    #[cold]
    pub(crate) fn count_crossed(&self) {
        self.crossed.add(1);
    }

    /// Adds the time between a future's polls; by the owner.
    pub(crate) fn add_idle(&self, ticks: u64) {
        self.idle_ticks.add(ticks);
    }

    /// Adds what was recorded to `into`, and a call that [`record`](Self::record) has not seen yet; by any thread.
    pub(crate) fn read_into(
        &self,
        into: &mut SeriesTotals,
        units: Units,
        waiting: Option<&Finished>,
    ) {
        static NONE: HistogramCell = HistogramCell::new();
        let outermost = waiting.filter(|call| call.is_outermost);
        let of = |outcome: usize| {
            let call = outermost.filter(|call| call.outcome.index() == outcome);
            call.map(|call| (call.ticks, call.weight))
        };
        let [ok, others @ ..] = &mut into.wall;
        self.ok.read_into(ok, units, of(0));
        for (at, (place, histogram)) in self.other.iter().zip(others).enumerate() {
            let waiting = of(at + 1);
            match place.read() {
                Some(cell) => cell.read_into(histogram, units, waiting),
                None if waiting.is_some() => NONE.read_into(histogram, units, waiting),
                None => {}
            }
        }
        let [_, failed @ ..] = &mut into.calls;
        for (at, (count, sum)) in self.failed.iter().zip(failed).enumerate() {
            let waits = waiting.is_some_and(|call| call.outcome.index() == at + 1);
            *sum += count.read() + u64::from(waits);
        }
        let slow = outermost.filter(|call| call.ticks >= self.slow_ticks);
        into.slow += self.slow.read() + slow.map_or(0, |call| call.weight);
        let ns = |ticks: &OwnedU64| units.scale.ns(ticks.read());
        self.alloc.read_into(&mut into.alloc);
        into.crossed += self.crossed.read();
        into.idle_ns += ns(&self.idle_ticks);
        into.max_poll_ns = into.max_poll_ns.max(ns(&self.max_poll_ticks));
    }
}
