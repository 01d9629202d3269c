//! Cell: what one thread has recorded of one series.

use std::ptr;

use crate::callsite::Timing;
use crate::outcome::Outcome;
use crate::recorder::finished::Finished;
use crate::recorder::local::{Allocated, quiet};
use crate::recorder::sampler::Sampler;
use crate::recorder::self_time::SelfTime;
use crate::recorder::totals::{AllocTotals, SeriesTotals};
use crate::stats::Histogram;
use crate::stats::layout;
use crate::sync::{AtomicBool, AtomicPtr, Ordering, OwnedU64};

/// Counts of the buckets of one octave.
struct Octave {
    counts: [OwnedU64; layout::SLOTS_PER_OCTAVE],
}

/// A histogram that one thread writes; an octave takes room once it was hit.
pub(crate) struct HistogramCell {
    zeros: OwnedU64,
    sum_ns: OwnedU64,
    min_ns: OwnedU64,
    max_ns: OwnedU64,
    /// Null until first hit; published with `Release` and never changed again.
    octaves: [AtomicPtr<Octave>; layout::OCTAVES],
}

impl HistogramCell {
    const fn new() -> Self {
        Self {
            zeros: OwnedU64::new(0),
            sum_ns: OwnedU64::new(0),
            min_ns: OwnedU64::new(u64::MAX),
            max_ns: OwnedU64::new(0),
            octaves: [const { AtomicPtr::new(ptr::null_mut()) }; layout::OCTAVES],
        }
    }

    /// Adds a measurement that stands for `weight` calls; by the owner.
    #[inline(always)]
    fn record(&self, ns: u64, weight: u64) {
        self.sum_ns.add(ns.wrapping_mul(weight));
        self.min_ns.lower(ns);
        self.max_ns.raise(ns);
        if ns == 0 {
            self.zeros.add(weight);
            return;
        }
        let slot = layout::slot_of(ns);
        let (octave, at) = (
            slot / layout::SLOTS_PER_OCTAVE,
            slot % layout::SLOTS_PER_OCTAVE,
        );
        let Some(place) = self.octaves.get(octave) else {
            return;
        };
        let mut counts = place.load(Ordering::Relaxed);
        if counts.is_null() {
            counts = Self::grow(place);
        }
        // SAFETY: an octave, once published, lives as long as its cell.
        let counts = unsafe { &(*counts).counts };
        if let Some(count) = counts.get(at) {
            count.add(weight);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(place: &AtomicPtr<Octave>) -> *mut Octave {
        let _quiet = quiet();
        let octave = Octave {
            counts: [const { OwnedU64::new(0) }; layout::SLOTS_PER_OCTAVE],
        };
        let octave = Box::into_raw(Box::new(octave));
        place.store(octave, Ordering::Release);
        octave
    }

    /// Adds what was recorded to `into`; by any thread.
    fn read_into(&self, into: &mut Histogram) {
        let (min, max) = (self.min_ns.read(), self.max_ns.read());
        into.add_moments(self.zeros.read(), self.sum_ns.read(), min, max);
        for (octave, place) in self.octaves.iter().enumerate() {
            let counts = place.load(Ordering::Acquire);
            if counts.is_null() {
                continue;
            }
            // SAFETY: an octave, once published, lives as long as its cell.
            let counts = unsafe { &(*counts).counts };
            for (at, count) in counts.iter().enumerate() {
                into.add_recorded(octave * layout::SLOTS_PER_OCTAVE + at, count.read());
            }
        }
    }
}

impl Drop for HistogramCell {
    fn drop(&mut self) {
        for place in &mut self.octaves {
            let octave = *place.get_mut();
            if !octave.is_null() {
                // SAFETY: it came from `Box::into_raw` in `grow`, and is dropped once, here.
                drop(unsafe { Box::from_raw(octave) });
            }
        }
    }
}

/// What calls of one series have allocated, on one thread.
pub(crate) struct AllocCell {
    /// Calls of this series on the owner's stack: 0 means that the next one is the outermost.
    active: OwnedU64,
    bytes: OwnedU64,
    allocations: OwnedU64,
    max_bytes: OwnedU64,
}

impl AllocCell {
    const fn new() -> Self {
        Self {
            active: OwnedU64::new(0),
            bytes: OwnedU64::new(0),
            allocations: OwnedU64::new(0),
            max_bytes: OwnedU64::new(0),
        }
    }

    /// Begins a call, or a part of one; by the owner.
    pub(crate) fn begin(&self) {
        self.active.add(1);
    }

    /// Adds what a call, or a part of one, allocated; by the owner. What an inner call of the same series
    /// allocates is part of what the outer one does.
    pub(crate) fn end(&self, allocated: Allocated) {
        self.active.sub(1);
        if self.active.read() == 0 {
            self.bytes.add(allocated.bytes);
            self.allocations.add(allocated.allocations);
        }
    }

    /// Notes what one whole call allocated; by the owner.
    pub(crate) fn note_call(&self, bytes: u64) {
        self.max_bytes.raise(bytes);
    }

    fn read_into(&self, into: &mut AllocTotals) {
        into.bytes += self.bytes.read();
        into.allocations += self.allocations.read();
        into.max_bytes = into.max_bytes.max(self.max_bytes.read());
    }
}

/// What one thread has recorded of one series.
pub(crate) struct Cell {
    pub(crate) id: u32,
    /// The cell that was new before this one; null at the end.
    pub(crate) next: *const Self,
    /// Whether a call may take the short way: none is slow, sampled, or has sampled callees.
    is_plain: AtomicBool,
    pub(crate) slow_ns: u64,
    /// Which calls are timed; the owner's alone.
    pub(crate) sampler: Sampler,
    /// Frames of this series on the owner's stack: 0 means that the next one is the outermost.
    pub(crate) active: OwnedU64,
    /// Futures whose first poll was here.
    pub(crate) begun: OwnedU64,
    /// Futures that ended or were dropped here.
    pub(crate) ended: OwnedU64,
    pub(crate) self_ns: SelfTime,
    busy_ns: OwnedU64,
    idle_ns: OwnedU64,
    polls: OwnedU64,
    max_poll_ns: OwnedU64,
    /// Calls inside a call of the same series, by outcome; they have no place in the histograms.
    recursive: [OwnedU64; 4],
    /// Where not every call is timed: all finished calls, by outcome. The histograms hold estimates then.
    counted: [OwnedU64; 4],
    /// And those of them that were timed.
    timed: OwnedU64,
    /// Calls that took as long as `slow_ns`.
    slow: OwnedU64,
    pub(crate) alloc: AllocCell,
    ok: HistogramCell,
    /// Error, panic, cancelled: null until first needed; published with `Release`.
    other: [AtomicPtr<HistogramCell>; 3],
}

impl Cell {
    pub(crate) fn new(id: u32, timing: Timing, next: *const Self) -> Self {
        Self {
            id,
            next,
            is_plain: AtomicBool::new(timing.every <= 1 && timing.slow_ns == u64::MAX),
            slow_ns: timing.slow_ns,
            sampler: Sampler::new(timing.every),
            active: OwnedU64::new(0),
            begun: OwnedU64::new(0),
            ended: OwnedU64::new(0),
            self_ns: SelfTime::new(),
            busy_ns: OwnedU64::new(0),
            idle_ns: OwnedU64::new(0),
            polls: OwnedU64::new(0),
            max_poll_ns: OwnedU64::new(0),
            recursive: [const { OwnedU64::new(0) }; 4],
            counted: [const { OwnedU64::new(0) }; 4],
            timed: OwnedU64::new(0),
            slow: OwnedU64::new(0),
            alloc: AllocCell::new(),
            ok: HistogramCell::new(),
            other: [const { AtomicPtr::new(ptr::null_mut()) }; 3],
        }
    }

    /// Whether [`record_ok`](Self::record_ok) may be used.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain.load(Ordering::Relaxed)
    }

    /// Records an outermost call that ended well, of a plain cell; by the owner.
    #[inline(always)]
    pub(crate) fn record_ok(&self, wall_ns: u64, self_ns: u64) {
        self.self_ns.grow(self_ns);
        self.ok.record(wall_ns, 1);
    }

    /// Records a finished call, without its self time; by the owner.
    pub(crate) fn record(&self, call: &Finished) {
        let outcome = call.outcome.index();
        if self.is_sampled() {
            self.timed.add(1);
            self.count(call.outcome);
        } else if let (false, Some(count)) = (call.outermost, self.recursive.get(outcome)) {
            count.add(1);
        }
        if !call.outermost {
            return;
        }
        if call.wall_ns >= self.slow_ns {
            self.slow.add(call.weight);
        }
        let other = outcome.checked_sub(1).and_then(|at| self.other.get(at));
        let Some(place) = other else {
            self.ok.record(call.wall_ns, call.weight);
            return;
        };
        let mut histogram = place.load(Ordering::Relaxed);
        if histogram.is_null() {
            let _quiet = quiet();
            histogram = Box::into_raw(Box::new(HistogramCell::new()));
            place.store(histogram, Ordering::Release);
        }
        // SAFETY: a histogram, once published, lives as long as its cell.
        unsafe { &*histogram }.record(call.wall_ns, call.weight);
    }

    /// Whether not every call is timed.
    pub(crate) fn is_sampled(&self) -> bool {
        self.sampler.every() > 1
    }

    /// Counts a finished call where not every call is timed; by the owner.
    pub(crate) fn count(&self, outcome: Outcome) {
        if let Some(count) = self.counted.get(outcome.index()) {
            count.add(1);
        }
    }

    /// Adds time on the thread outside measured callees; by the owner.
    pub(crate) fn add_self(&self, ns: i64) {
        if ns < 0 {
            self.is_plain.store(false, Ordering::Relaxed);
        }
        self.self_ns.add(ns);
    }

    /// Counts one poll of a future; by the owner.
    pub(crate) fn count_poll(&self) {
        self.polls.add(1);
    }

    /// Adds the time of a poll of a future; by the owner. An inner poll of the same series is no busy time.
    pub(crate) fn add_poll(&self, busy_ns: u64, weight: u64, outermost: bool) {
        self.max_poll_ns.raise(busy_ns);
        if outermost {
            self.busy_ns.add(busy_ns.wrapping_mul(weight));
        }
    }

    /// Adds the time between a future's polls; by the owner.
    pub(crate) fn add_idle(&self, ns: u64) {
        self.idle_ns.add(ns);
    }

    /// Adds what was recorded to `into`; by any thread.
    pub(crate) fn read_into(&self, into: &mut SeriesTotals) {
        let estimated = |into: &SeriesTotals| into.wall.each_ref().map(Histogram::count);
        let before = self.is_sampled().then(|| estimated(into));
        let [ok, others @ ..] = &mut into.wall;
        self.ok.read_into(ok);
        for (place, histogram) in self.other.iter().zip(others) {
            let cell = place.load(Ordering::Acquire);
            if !cell.is_null() {
                // SAFETY: a histogram, once published, lives as long as its cell.
                unsafe { &*cell }.read_into(histogram);
            }
        }
        if let Some(before) = before {
            let counted = self.counted.each_ref().map(OwnedU64::read);
            into.add_sampled(before, counted, self.timed.read());
        }
        for (count, sum) in self.recursive.iter().zip(&mut into.recursive) {
            *sum += count.read();
        }
        into.slow += self.slow.read();
        self.alloc.read_into(&mut into.alloc);
        into.self_ns += self.self_ns.read();
        into.busy_ns += self.busy_ns.read();
        into.idle_ns += self.idle_ns.read();
        into.polls += self.polls.read();
        into.max_poll_ns = into.max_poll_ns.max(self.max_poll_ns.read());
        into.active += self.active.read();
        into.begun += self.begun.read();
        into.ended += self.ended.read();
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
