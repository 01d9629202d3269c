//! SpanGuard: a region of one thread, from `enter` to the guard's drop.

use std::fmt;
use std::marker::PhantomData;
use std::thread::panicking;

use crate::attributes::Value;
use crate::callsite::{Callsite, NO_ID};
use crate::clock::raw_ticks;
use crate::outcome::Outcome;
use crate::recorder::cell::Cell;
use crate::recorder::local::{fast, is_quiet, quiet};
use crate::recorder::shard::{Frame, Shard};
use crate::registry::{Loss, current, series};

/// An entered region. Dropping it ends the region and records it; if the thread unwinds meanwhile, as
/// a panic. It stays on its thread.
///
/// Guards are best dropped in the order opposite to their making. One that is not, or is leaked, or is
/// kept across an `.await`, costs nothing but attribution: the callees it encloses may be counted to
/// its caller.
///
/// # Overhead
///
/// Two readings of the clock, and plain loads and stores in memory of this thread; no lock, no
/// allocation after the first call on a thread.
#[must_use = "a region ends when its guard is dropped; bind it: `let _guard = ..`"]
pub struct SpanGuard {
    frame: Frame,
    /// The thread was unwinding already, so the end of this region is not a panic.
    unwinding: bool,
    failed: bool,
    not_send: PhantomData<*const ()>,
}

/// Enters a region.
#[inline(always)]
pub fn enter(callsite: &'static Callsite) -> SpanGuard {
    let Some(id) = callsite.plain_id() else {
        return enter_sampled(callsite);
    };
    // First, so that the processor finds the place to record while the clock answers.
    let start = raw_ticks();
    let shard = fast();
    let Some(cell) = shard.cell(id) else {
        return enter_cold(callsite);
    };
    // Each way out builds the guard where it is returned: a copy of it would stall on its own stores.
    SpanGuard {
        unwinding: panicking(),
        failed: false,
        // SAFETY: `fast` is this thread's shard, and the cell is its own.
        frame: unsafe { shard.open(cell, start, 1) },
        not_send: PhantomData,
    }
}

/// Enters a region of a callsite that is sampled, is switched off, or was never called.
#[inline(never)]
fn enter_sampled(callsite: &'static Callsite) -> SpanGuard {
    let shard = fast();
    let Some(cell) = shard.cell(callsite.id()) else {
        return enter_cold(callsite);
    };
    let weight = cell.sampler.next();
    let start = if weight == 0 { 0 } else { raw_ticks() };
    SpanGuard {
        unwinding: panicking(),
        failed: false,
        // SAFETY: `fast` is this thread's shard, and the cell is its own.
        frame: unsafe { shard.open(cell, start, weight) },
        not_send: PhantomData,
    }
}

/// Enters a region where the hot path found no cell.
#[cold]
#[inline(never)]
fn enter_cold(callsite: &'static Callsite) -> SpanGuard {
    let frame = open_cold(callsite, None);
    SpanGuard {
        frame,
        unwinding: panicking(),
        failed: false,
        not_send: PhantomData,
    }
}

/// Enters a region of the series that these fields name.
///
/// # Overhead
///
/// That of [`enter`], and a hash and a comparison of the fields; the first time that a thread meets a
/// set of fields, a lock.
pub fn enter_with(callsite: &'static Callsite, fields: &[(&'static str, Value<'_>)]) -> SpanGuard {
    let frame = if is_quiet() || is_off(callsite) {
        Frame::NOOP
    } else {
        open_cold(callsite, Some(series::with_fields(callsite, fields)))
    };
    SpanGuard {
        frame,
        unwinding: panicking(),
        failed: false,
        not_send: PhantomData,
    }
}

/// Whether the callsite is switched off, and nobody on this thread listens all the same.
pub(super) fn is_off(callsite: &'static Callsite) -> bool {
    callsite.id() == NO_ID
        && callsite.assigned().is_some()
        && !series::is_switched_on()
        && !current::is_scoped()
}

/// Opens a frame where the hot path found no cell: registers what is missing.
#[cold]
#[inline(never)]
pub(super) fn open_cold(callsite: &'static Callsite, id: Option<u32>) -> Frame {
    let Some((shard, cell)) = place_cold(callsite, id) else {
        return Frame::NOOP;
    };
    let weight = cell.sampler.next();
    let start = if weight == 0 { 0 } else { shard.now() };
    // SAFETY: `shard` is this thread's, and the cell is its own.
    unsafe { shard.open(cell, start, weight) }
}

/// Where a callsite records on this thread, made if need be; `None` where it does not.
pub(super) fn place_cold(
    callsite: &'static Callsite,
    id: Option<u32>,
) -> Option<(&'static Shard, &'static Cell)> {
    if is_quiet() {
        current::count_loss(Loss::InsideRecorder);
        return None;
    }
    let _quiet = quiet();
    let id = id.unwrap_or_else(|| series::register(callsite));
    if is_off(callsite) {
        return None;
    }
    place(callsite, id)
}

/// Where a series records on this thread, made if need be.
pub(super) fn place(
    callsite: &'static Callsite,
    id: u32,
) -> Option<(&'static Shard, &'static Cell)> {
    let _quiet = quiet();
    let shard = current::shard()?;
    Some((shard, shard.cell_or_new(id, series::timing(callsite, id))?))
}

/// Finds the shard that a frame was opened in, and the end of the frame by its clock.
#[inline(never)]
pub(super) fn shard_of_frame(frame: &Frame, end: u64) -> Option<(&'static Shard, u64)> {
    if frame.generation == Frame::NOOP.generation {
        return None;
    }
    let Some(shard) = current::shard_of(frame.generation) else {
        current::count_loss(Loss::GuardOutlivedScope);
        return None;
    };
    Some((shard, if shard.is_raw() { end } else { shard.now() }))
}

impl SpanGuard {
    /// Says how the call went: `false` counts it as an error. The last word holds.
    #[inline]
    pub fn outcome(&mut self, ok: bool) {
        self.failed = !ok;
    }

    /// The shard's generation, and the cell in it; null if the call is not recorded.
    pub(super) const fn place(&self) -> (u64, *const Cell) {
        (self.frame.generation, self.frame.cell)
    }

    fn how_it_ended(&self) -> Outcome {
        match (panicking() && !self.unwinding, self.failed) {
            (true, _) => Outcome::Panic,
            (false, true) => Outcome::Error,
            (false, false) => Outcome::Ok,
        }
    }

    /// Ends a call that is not timed, or is not recorded at all.
    #[inline(never)]
    fn close_untimed(&self) {
        let Some((shard, _)) = shard_of_frame(&self.frame, 0) else {
            return;
        };
        // SAFETY: the shard is this thread's, and has the frame's generation.
        unsafe { shard.close_untimed(&self.frame) };
        // SAFETY: as above.
        unsafe { shard.count(&self.frame, self.how_it_ended()) };
    }

    #[cold]
    #[inline(never)]
    fn close_cold(&self, end: u64) {
        let Some((shard, end)) = shard_of_frame(&self.frame, end) else {
            return;
        };
        let outcome = self.how_it_ended();
        // SAFETY: the shard is this thread's, and has the frame's generation.
        let (ticks, self_ticks) = unsafe { shard.close(&self.frame, end) };
        // SAFETY: as above.
        unsafe { shard.record(&self.frame, ticks, self_ticks, outcome) };
    }
}

impl Drop for SpanGuard {
    #[inline(always)]
    fn drop(&mut self) {
        if self.frame.weight() == 0 {
            self.close_untimed();
            return;
        }
        let end = raw_ticks();
        let shard = fast();
        if shard.generation != self.frame.generation || panicking() || self.failed {
            self.close_cold(end);
            return;
        }
        // SAFETY: `fast` is this thread's shard, and has the frame's generation.
        let (ticks, self_ticks) = unsafe { shard.close(&self.frame, end) };
        // SAFETY: as above.
        unsafe { shard.record(&self.frame, ticks, self_ticks, Outcome::Ok) };
    }
}

impl fmt::Debug for SpanGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanGuard").finish_non_exhaustive()
    }
}
