//! SpanGuard: a region of one thread, from `enter` to the guard's drop.

use std::fmt;
use std::marker::PhantomData;
use std::thread::panicking;

use crate::attributes::Value;
use crate::callsite::{Callsite, NO_ID};
use crate::clock::raw_ticks;
use crate::outcome::Outcome;
use crate::recorder::cell::Cell;
use crate::recorder::frame::Frame;
use crate::recorder::local::{fast, is_quiet, quiet};
use crate::recorder::shard::Shard;
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
    /// Its tags for the outcome say what is known of it so far: [`OK`] and what follows.
    frame: Frame,
    not_send: PhantomData<*const ()>,
}

/// Nothing is to be said.
const OK: usize = 0;
/// It failed.
const FAILED: usize = 1;
/// The thread was unwinding already when the region began, so that its end is not a panic.
const UNWINDING: usize = 2;

/// Enters a region.
#[inline(always)]
pub fn enter(callsite: &'static Callsite) -> SpanGuard {
    let Some(id) = callsite.plain_id() else {
        return enter_special(callsite);
    };
    if panicking() {
        return enter_special(callsite);
    }
    // Before the rest, so that the processor finds the place to record while the clock answers.
    let start = raw_ticks();
    // SAFETY: `fast` is this thread's shard.
    match unsafe { fast().open_again(id, start) } {
        Some(frame) => SpanGuard {
            frame,
            not_send: PhantomData,
        },
        None => enter_anew(callsite, start),
    }
}

/// Enters a region that another one preceded.
#[inline(never)]
fn enter_anew(callsite: &'static Callsite, start: u64) -> SpanGuard {
    let shard = fast();
    match shard.cell(callsite.id()) {
        // SAFETY: `fast` is this thread's shard, and the cell is its own.
        Some(cell) => SpanGuard::new(unsafe { shard.open(cell, start, 1) }),
        None => SpanGuard::new(open_cold(callsite, None)),
    }
}

/// Enters a region of a callsite that is sampled, has a threshold, is switched off, or was never called, or of a
/// thread that unwinds.
#[inline(never)]
fn enter_special(callsite: &'static Callsite) -> SpanGuard {
    let shard = fast();
    let Some(cell) = shard.cell(callsite.id()) else {
        return SpanGuard::new(open_cold(callsite, None));
    };
    let weight = cell.sampler.next();
    let start = if weight == 0 { 0 } else { raw_ticks() };
    // SAFETY: `fast` is this thread's shard, and the cell is its own.
    SpanGuard::new(unsafe { shard.open(cell, start, weight) })
}

/// Enters a region of the series that these fields name.
///
/// # Overhead
///
/// That of [`enter`], and a hash and a comparison of the fields; the first time that a thread meets a
/// set of fields, a lock.
pub fn enter_with(callsite: &'static Callsite, fields: &[(&'static str, Value<'_>)]) -> SpanGuard {
    SpanGuard::new(if is_quiet() || is_off(callsite) {
        Frame::NOOP
    } else {
        open_cold(callsite, Some(series::with_fields(callsite, fields)))
    })
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
    if frame.is_noop() {
        return None;
    }
    let Some(shard) = current::shard_of(frame.generation) else {
        current::count_loss(Loss::GuardOutlivedScope);
        return None;
    };
    Some((shard, if shard.is_raw() { end } else { shard.now() }))
}

impl SpanGuard {
    fn new(frame: Frame) -> Self {
        if panicking() {
            return Self::unwinding(frame);
        }
        Self {
            frame,
            not_send: PhantomData,
        }
    }

    #[cold]
    fn unwinding(mut frame: Frame) -> Self {
        if !frame.is_noop() {
            frame.note(UNWINDING);
        }
        Self {
            frame,
            not_send: PhantomData,
        }
    }

    /// Says how the call went: `false` counts it as an error. The last word holds.
    #[inline]
    pub fn outcome(&mut self, ok: bool) {
        if ok && self.frame.noted() == OK || self.frame.is_noop() {
            return;
        }
        let unwinding = self.frame.noted() & UNWINDING;
        self.frame.note(unwinding | if ok { OK } else { FAILED });
    }

    /// The shard's generation, and the cell in it; null if the call is not recorded.
    pub(super) fn place(&self) -> (u64, *const Cell) {
        let frame = &self.frame;
        if frame.is_noop() || current::shard_of(frame.generation).is_none() {
            return (frame.generation, std::ptr::null());
        }
        // SAFETY: its shard is this thread's, and alive.
        (frame.generation, unsafe { frame.cell() })
    }

    /// Ends what is not an innermost region that went well.
    #[inline(never)]
    fn close(&self) {
        let end = if self.frame.is_timed() {
            raw_ticks()
        } else {
            0
        };
        let Some((shard, end)) = shard_of_frame(&self.frame, end) else {
            return;
        };
        let noted = self.frame.noted();
        let outcome = match (panicking() && noted & UNWINDING == 0, noted & FAILED != 0) {
            (true, _) => Outcome::Panic,
            (false, true) => Outcome::Error,
            (false, false) => Outcome::Ok,
        };
        // SAFETY: the shard is this thread's, and has the frame's generation.
        let ticks = unsafe { shard.close(&self.frame, end) };
        // SAFETY: as above.
        unsafe { shard.record(&self.frame, ticks, outcome) };
    }
}

impl Drop for SpanGuard {
    #[inline(always)]
    fn drop(&mut self) {
        let shard = fast();
        // SAFETY: `fast` is this thread's shard.
        if unsafe { shard.is_innermost(&self.frame) } && !panicking() {
            let end = raw_ticks();
            // SAFETY: as above, and the frame is the innermost.
            unsafe { shard.close_innermost(&self.frame, end) };
        } else {
            self.close();
        }
    }
}

impl fmt::Debug for SpanGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanGuard").finish_non_exhaustive()
    }
}
