//! SpanGuard: a region of one thread, from `enter` to the guard's drop.

use std::fmt;
use std::marker::PhantomData;
use std::thread::panicking;

use crate::attributes::Value;
use crate::callsite::{Callsite, NO_ID};
use crate::clock::raw_ticks;
use crate::outcome::Outcome;
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

/// Enters a region: the clock is read first, so that finding the place to record is not measured.
#[inline(always)]
pub fn enter(callsite: &'static Callsite) -> SpanGuard {
    let id = callsite.id();
    if id == NO_ID {
        return enter_cold(callsite);
    }
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
        frame: unsafe { shard.open(cell, start) },
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
    if is_quiet() {
        current::count_loss(Loss::InsideRecorder);
        return Frame::NOOP;
    }
    let _quiet = quiet();
    let id = id.unwrap_or_else(|| series::register(callsite));
    if is_off(callsite) {
        Frame::NOOP
    } else {
        open_in(id)
    }
}

/// Opens a frame of a series on this thread.
pub(super) fn open_in(id: u32) -> Frame {
    let _quiet = quiet();
    let opened = current::shard().and_then(|shard| {
        let cell = shard.cell_or_new(id)?;
        // SAFETY: `shard` is this thread's, and the cell is its own.
        Some(unsafe { shard.open(cell, shard.now()) })
    });
    opened.unwrap_or(Frame::NOOP)
}

/// Finds the shard that a frame was opened in, and the end of the frame by its clock.
#[cold]
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

    #[cold]
    #[inline(never)]
    fn close_cold(&self, end: u64) {
        let Some((shard, end)) = shard_of_frame(&self.frame, end) else {
            return;
        };
        let outcome = match (panicking() && !self.unwinding, self.failed) {
            (true, _) => Outcome::Panic,
            (false, true) => Outcome::Error,
            (false, false) => Outcome::Ok,
        };
        // SAFETY: the shard is this thread's, and has the frame's generation.
        let (ticks, self_ticks) = unsafe { shard.close(&self.frame, end) };
        // SAFETY: as above.
        unsafe { shard.record(&self.frame, ticks, self_ticks, outcome) };
    }
}

impl Drop for SpanGuard {
    #[inline(always)]
    fn drop(&mut self) {
        if self.frame.cell.is_null() {
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
