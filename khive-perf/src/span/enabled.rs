//! SpanGuard: a region of one thread, from `enter` to the guard's drop.

use std::fmt;
use std::marker::PhantomData;
use std::thread::panicking;

use crate::attributes::Value;
use crate::callsite::{Callsite, OFF_ID};
use crate::clock::raw_ticks;
use crate::outcome::Outcome;
use crate::recorder::cell::Cell;
use crate::recorder::frame::{Frame, Stamp};
use crate::recorder::local::{fast, is_quiet, is_scoped, quiet};
use crate::recorder::node::Node;
use crate::recorder::shard::{NO_GENERATION, Shard, Short};
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
/// allocation after the first call on a path of a thread. Where the budget has most calls only counted, a
/// comparison and an addition.
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
    let id = callsite.id();
    let shard = fast();
    // A call that begins while the thread unwinds must be known as such at its end.
    let frame = if panicking() {
        enter_long(callsite)
    } else {
        // SAFETY: `fast` is this thread's shard, here and below.
        match unsafe { shard.short(id) } {
            // SAFETY: see above.
            Some(Short::Timed(at)) => unsafe { shard.open_short(at, raw_ticks()) },
            Some(Short::Counted(at)) => Frame::counted(at),
            None if id == OFF_ID && !is_scoped() => Frame::NOOP,
            None => enter_long(callsite),
        }
    };
    SpanGuard {
        frame,
        not_send: PhantomData,
    }
}

/// Enters a region of which something is to be said, or that no other one like it preceded.
#[inline(never)]
fn enter_long(callsite: &'static Callsite) -> Frame {
    let shard = fast();
    let frame = match shard.cell(callsite.id()) {
        // SAFETY: `fast` is this thread's shard, and the cell is its own.
        Some(cell) => unsafe { shard.open(cell, raw_ticks) },
        None => open_cold(callsite, None),
    };
    note_unwinding(frame)
}

#[inline]
fn note_unwinding(mut frame: Frame) -> Frame {
    if panicking() && !frame.is_noop() {
        frame.note(UNWINDING, false);
    }
    frame
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
        frame: note_unwinding(frame),
        not_send: PhantomData,
    }
}

/// Whether the callsite is switched off, and nobody on this thread listens all the same.
pub(super) fn is_off(callsite: &'static Callsite) -> bool {
    callsite.id() == OFF_ID && !is_scoped()
}

/// Opens a frame where the hot path found no cell: registers what is missing.
#[cold]
#[inline(never)]
fn open_cold(callsite: &'static Callsite, id: Option<u32>) -> Frame {
    let Some((shard, cell)) = place_cold(callsite, id) else {
        return Frame::NOOP;
    };
    // SAFETY: `shard` is this thread's, and the cell is its own.
    unsafe { shard.open(cell, || shard.now()) }
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
pub(super) fn shard_of_frame(frame: &Frame, end: u64) -> Option<(&'static Shard, u64)> {
    let Some(shard) = current::shard_of(frame.stamp.generation()) else {
        current::count_loss(Loss::GuardOutlivedScope);
        return None;
    };
    Some((shard, if shard.is_raw() { end } else { shard.now() }))
}

impl SpanGuard {
    /// Says how the call went: `false` counts it as an error. The last word holds.
    #[inline]
    pub fn outcome(&mut self, ok: bool) {
        if ok && self.frame.noted() == OK || self.frame.is_noop() {
            return;
        }
        let unwinding = self.frame.noted() & UNWINDING;
        self.frame
            .note(unwinding | if ok { OK } else { FAILED }, !ok);
    }

    /// The generation of the shard that its call is recorded in, and the cell; null if it is not recorded.
    pub(super) fn place(&self) -> (u32, *const Cell) {
        if self.frame.is_noop() {
            return (NO_GENERATION, std::ptr::null());
        }
        let at = self.frame.node();
        let found =
            current::find_in_shards(|shard| Some((shard.generation(), shard.node_of(at)?.cell)));
        found.unwrap_or((NO_GENERATION, std::ptr::null()))
    }
}

impl Drop for SpanGuard {
    #[inline(always)]
    fn drop(&mut self) {
        let Frame {
            start,
            at,
            callees_before,
            stamp,
            from,
        } = self.frame;
        if self.frame.is_timed() {
            close(start, at, callees_before, stamp, from, raw_ticks());
        } else if !self.frame.is_counted() || panicking() {
            close_untimed(start, at, callees_before, stamp, from);
        }
    }
}

/// Ends a region that was timed. The frame comes in its parts, so that it need not be put together in memory.
#[inline(never)]
fn close(
    start: u64,
    at: *const Node,
    callees_before: u64,
    stamp: Stamp,
    from: *const Node,
    end: u64,
) {
    let shard = fast();
    if !shard.is_innermost(at) || panicking() {
        return close_long(start, at, callees_before, stamp, from, end);
    }
    // SAFETY: `fast` is this thread's shard, and the frame is the innermost.
    let (_, ticks) = unsafe { shard.leave_innermost(at, start, callees_before, end) };
    shard.let_wait(at, ticks);
}

/// How a region has ended that is left while this was noted of it.
fn outcome_of(noted: usize) -> Outcome {
    match (panicking() && noted & UNWINDING == 0, noted & FAILED != 0) {
        (true, _) => Outcome::Panic,
        (false, true) => Outcome::Error,
        (false, false) => Outcome::Ok,
    }
}

/// Ends what is not an innermost region that went well.
#[inline(never)]
fn close_long(
    start: u64,
    at: *const Node,
    callees_before: u64,
    stamp: Stamp,
    from: *const Node,
    end: u64,
) {
    let frame = Frame {
        start,
        at,
        callees_before,
        stamp,
        from,
    };
    let Some((shard, end)) = shard_of_frame(&frame, end) else {
        return;
    };
    // SAFETY: the shard is this thread's, and has the frame's generation.
    let ticks = unsafe { shard.close(&frame, end) };
    // SAFETY: as above.
    unsafe { shard.record(&frame, ticks, outcome_of(frame.noted())) };
}

/// Ends a region that was not timed, if there is more to it than that it was counted when it began.
#[cold]
#[inline(never)]
fn close_untimed(
    start: u64,
    at: *const Node,
    callees_before: u64,
    stamp: Stamp,
    from: *const Node,
) {
    let frame = Frame {
        start,
        at,
        callees_before,
        stamp,
        from,
    };
    if !frame.was_counted() {
        return close_long(start, at, callees_before, stamp, from, 0);
    }
    if frame.is_noop() {
        return;
    }
    let counted = current::find_in_shards(|shard| {
        let node = shard.node_of(frame.node())?;
        shard.count_untimed(node, outcome_of(frame.noted()));
        Some(())
    });
    if counted.is_none() {
        current::count_loss(Loss::GuardOutlivedScope);
    }
}

impl fmt::Debug for SpanGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanGuard").finish_non_exhaustive()
    }
}
