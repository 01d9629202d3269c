//! Cell: what one thread has recorded of one series.

use std::ptr;

use crate::callsite::Timing;
use crate::outcome::Outcome;
use crate::recorder::alloc::AllocCell;
use crate::recorder::frame::Finished;
use crate::recorder::histogram::{HistogramCell, Units};
use crate::recorder::local::quiet;
use crate::recorder::sampler::Sampler;
use crate::recorder::totals::SeriesTotals;
use crate::stats::Histogram;
use crate::stats::buckets::Buckets;
use crate::sync::{AtomicPtr, Ordering, OwnedU64};

/// What one thread has recorded of one series. Times are in ticks; those on a thread outside callees are with the
/// nodes.
#[repr(C)]
pub(crate) struct Cell {
    pub(crate) ok: HistogramCell,
    pub(crate) id: u32,
    /// Frames of this series on the owner's stack: 0 means that the next one is the outermost.
    pub(crate) active: OwnedU64,
    /// Which calls are timed; the owner's alone.
    pub(crate) sampler: Sampler,
    /// Ticks from which on a call is slow.
    slow_ticks: u64,
    /// Calls that took so long.
    slow: OwnedU64,
    /// Futures whose first poll was here.
    pub(crate) begun: OwnedU64,
    /// Futures that ended or were dropped here.
    pub(crate) ended: OwnedU64,
    busy_ticks: OwnedU64,
    idle_ticks: OwnedU64,
    polls: OwnedU64,
    max_poll_ticks: OwnedU64,
    /// Calls inside a call of the same series, by outcome; they have no place in the histograms.
    recursive: [OwnedU64; 4],
    /// Where not every call is timed: all finished calls, by outcome. The histograms hold estimates then.
    counted: [OwnedU64; 4],
    /// And those of them that were timed.
    timed: OwnedU64,
    pub(crate) alloc: AllocCell,
    /// Error, panic, cancelled: null until first needed; published with `Release`.
    other: [AtomicPtr<HistogramCell>; 3],
    /// The cell that was new before this one; null at the end.
    pub(crate) next: *const Self,
}

impl Cell {
    pub(crate) fn new(id: u32, timing: Timing, units: Units, next: *const Self) -> Self {
        Self {
            ok: HistogramCell::new(),
            id,
            active: OwnedU64::new(0),
            sampler: Sampler::new(timing.every),
            slow_ticks: units.scale.ticks(timing.slow_ns),
            slow: OwnedU64::new(0),
            begun: OwnedU64::new(0),
            ended: OwnedU64::new(0),
            busy_ticks: OwnedU64::new(0),
            idle_ticks: OwnedU64::new(0),
            polls: OwnedU64::new(0),
            max_poll_ticks: OwnedU64::new(0),
            recursive: [const { OwnedU64::new(0) }; 4],
            counted: [const { OwnedU64::new(0) }; 4],
            timed: OwnedU64::new(0),
            alloc: AllocCell::new(),
            other: [const { AtomicPtr::new(ptr::null_mut()) }; 3],
            next,
        }
    }

    /// Whether its calls take the long way: they are sampled, or some are slow.
    pub(crate) const fn is_special(&self) -> bool {
        self.is_sampled() || self.slow_ticks != u64::MAX
    }

    /// Whether not every call is timed.
    pub(crate) const fn is_sampled(&self) -> bool {
        self.sampler.every() > 1
    }

    /// Records a finished call; by the owner.
    pub(crate) fn record(&self, call: &Finished, buckets: &Buckets) {
        let outcome = call.outcome.index();
        if self.is_sampled() {
            self.timed.add(1);
            self.count(call.outcome);
        } else if let (false, Some(count)) = (call.is_outermost, self.recursive.get(outcome)) {
            count.add(1);
        }
        if !call.is_outermost {
            return;
        }
        if call.ticks >= self.slow_ticks {
            self.slow.add(call.weight);
        }
        let other = outcome.checked_sub(1).and_then(|at| self.other.get(at));
        let Some(place) = other else {
            self.ok.record(call.ticks, call.weight, buckets);
            return;
        };
        let mut histogram = place.load(Ordering::Relaxed);
        if histogram.is_null() {
            let _quiet = quiet();
            histogram = Box::into_raw(Box::new(HistogramCell::new()));
            place.store(histogram, Ordering::Release);
        }
        // SAFETY: a histogram, once published, lives as long as its cell.
        unsafe { &*histogram }.record(call.ticks, call.weight, buckets);
    }

    /// Counts a finished call where not every call is timed; by the owner.
    pub(crate) fn count(&self, outcome: Outcome) {
        if let Some(count) = self.counted.get(outcome.index()) {
            count.add(1);
        }
    }

    /// Counts one poll of a future; by the owner.
    pub(crate) fn count_poll(&self) {
        self.polls.add(1);
    }

    /// Adds the time of a poll of a future; by the owner. An inner poll of the same series is no busy time.
    pub(crate) fn add_poll(&self, ticks: u64, weight: u64, is_outermost: bool) {
        self.max_poll_ticks.raise(ticks);
        if is_outermost {
            self.busy_ticks.add(ticks.wrapping_mul(weight));
        }
    }

    /// Adds the time between a future's polls; by the owner.
    pub(crate) fn add_idle(&self, ticks: u64) {
        self.idle_ticks.add(ticks);
    }

    /// Adds what was recorded to `into`; by any thread.
    pub(crate) fn read_into(&self, into: &mut SeriesTotals, units: Units) {
        let estimated = |into: &SeriesTotals| into.wall.each_ref().map(Histogram::count);
        let before = self.is_sampled().then(|| estimated(into));
        let [ok, others @ ..] = &mut into.wall;
        self.ok.read_into(ok, units);
        for (place, histogram) in self.other.iter().zip(others) {
            let cell = place.load(Ordering::Acquire);
            if !cell.is_null() {
                // SAFETY: a histogram, once published, lives as long as its cell.
                unsafe { &*cell }.read_into(histogram, units);
            }
        }
        if let Some(before) = before {
            let counted = self.counted.each_ref().map(OwnedU64::read);
            into.add_sampled(before, counted, self.timed.read());
        }
        for (count, sum) in self.recursive.iter().zip(&mut into.recursive) {
            *sum += count.read();
        }
        let ns = |ticks: &OwnedU64| units.scale.ns(ticks.read());
        into.slow += self.slow.read();
        self.alloc.read_into(&mut into.alloc);
        into.busy_ns += ns(&self.busy_ticks);
        into.idle_ns += ns(&self.idle_ticks);
        into.polls += self.polls.read();
        into.max_poll_ns = into.max_poll_ns.max(ns(&self.max_poll_ticks));
        into.active += self.active.read();
        into.begun += self.begun.read();
        into.ended += self.ended.read();
    }

    /// Adds one call that [`record`](Self::record) has not seen yet to `into`.
    pub(crate) fn read_waiting(&self, call: &Finished, into: &mut SeriesTotals, units: Units) {
        let at = call.outcome.index();
        if let (true, Some(surplus)) = (self.is_sampled(), into.surplus.get_mut(at)) {
            *surplus -= 1;
        }
        if !call.is_outermost {
            if let (false, Some(count)) = (self.is_sampled(), into.recursive.get_mut(at)) {
                *count += 1;
            }
            return;
        }
        if let (true, Some(surplus)) = (self.is_sampled(), into.surplus.get_mut(at)) {
            *surplus += call.weight as i64;
        }
        if call.ticks >= self.slow_ticks {
            into.slow += call.weight;
        }
        if let Some(wall) = into.wall.get_mut(at) {
            let slot = (call.ticks >= units.buckets.measurable).then(|| {
                let (octave, place) = units.buckets.place_of(call.ticks);
                units.buckets.slot(octave, place)
            });
            wall.record_in(slot, units.scale.ns(call.ticks), call.weight);
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        for place in &mut self.other {
            let histogram = *place.get_mut();
            if !histogram.is_null() {
                // SAFETY: it came from `Box::into_raw` in `record`, and is dropped once, here.
                drop(unsafe { Box::from_raw(histogram) });
            }
        }
    }
}
