//! SpanGuard: a region of one thread, from `enter` to the guard's drop.

use std::fmt;
use std::hint::assert_unchecked;
use std::marker::PhantomData;
use std::ptr;
use std::thread::panicking;

use crate::attributes::Value;
use crate::callsite::{Callsite, OFF_ID, Source};
use crate::clock::raw_ticks;
use crate::outcome::Outcome;
use crate::recorder::cell::Cell;
use crate::recorder::frame::Frame;
use crate::recorder::local::{at_hand, fast, is_quiet, is_scoped, quiet};
use crate::recorder::node::{ENTERED, LONG_WAY, Node, TIMED};
use crate::recorder::shard::{NO_GENERATION, Shard, Short, short};
use crate::registry::{Loss, current, series};
use crate::tracer::Opened;

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
    word: Word,
    /// A constant wherever a guard is made, so that it takes no register.
    callsite: &'static Callsite,
    not_send: PhantomData<*const ()>,
}

/// An open call in one word, because a guard lives as long as the function that it measures, in its registers: the node
/// of a call that went the short way, or a [`Frame`] on the heap; and tags.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(*const ());

impl Word {
    /// The call failed.
    const FAILED: usize = 1;
    /// The thread was unwinding already when the region began, so that its end is not a panic.
    pub(super) const UNWINDING: usize = 2;
    /// The call was counted when it began, as one that would not fail: nothing is left to do.
    pub(super) const COUNTED: usize = 4;
    /// The same of one that failed.
    const COUNTED_FAILED: usize = 8;
    /// The call has a frame on the heap.
    pub(super) const LONG: usize = 16;
    /// The call is not timed, and has callees; or is a poll of such a future.
    pub(super) const UNTIMED: usize = 32;
    /// The call stands for others, too, and went the short way.
    pub(super) const WEIGHTED: usize = Self::LONG | Self::UNTIMED;
    const ALL: usize = 63;

    /// Of a call that is not recorded.
    pub(super) const NOOP: Self = Self(ptr::without_provenance(Self::COUNTED));
    /// Of a call that was counted at hand when it began, as one that would not fail. Where is not said: so it is a constant,
    /// and what is done at the end is known at the beginning.
    const AT_HAND: Self = Self(ptr::null());

    #[inline(always)]
    pub(super) fn tagged<T>(pointer: *const T, tags: usize) -> Self {
        Self(pointer.cast::<()>().map_addr(|address| address | tags))
    }

    #[inline(always)]
    pub(super) fn has(self, tag: usize) -> bool {
        self.0.addr() & tag != 0
    }

    #[inline(always)]
    fn with(self, tags: usize) -> Self {
        Self(self.0.map_addr(|address| address | tags))
    }

    #[inline(always)]
    fn without(self, tags: usize) -> Self {
        Self(self.0.map_addr(|address| address & !tags))
    }

    /// Whether it is that of a poll which is not timed, or not recorded.
    #[inline(always)]
    pub(super) fn is_untimed(self) -> bool {
        self.is(Self::UNTIMED) || self.has(Self::COUNTED)
    }

    /// Whether it is exactly this of the three ways that are neither short nor counted.
    #[inline(always)]
    pub(super) fn is(self, way: usize) -> bool {
        self.0.addr() & Self::WEIGHTED == way
    }

    /// The same once it is known whether the call went well.
    fn ended(self, ok: bool) -> Self {
        const COUNTED: usize = Word::COUNTED | Word::COUNTED_FAILED;
        match (self.has(COUNTED), ok) {
            (false, true) => self.without(Self::FAILED),
            (false, false) => self.with(Self::FAILED),
            (true, _) if self == Self::NOOP => self,
            (true, true) => self.without(COUNTED).with(Self::COUNTED),
            (true, false) => self.without(COUNTED).with(Self::COUNTED_FAILED),
        }
    }

    /// The whole word as an address: if it has no tags, that of its node.
    #[inline(always)]
    pub(super) fn untagged(self) -> *const Node {
        self.0.cast()
    }

    pub(super) fn pointer<T>(self) -> *const T {
        self.0.map_addr(|address| address & !Self::ALL).cast()
    }
}

impl Callsite {
    /// Enters a region, which is where this is called, in the function that declares `Marker`.
    #[inline(always)]
    #[track_caller]
    pub fn enter<Marker>(&'static self) -> SpanGuard {
        enter(self, Some(Source::of::<Marker>()))
    }

    /// Enters a region of a callsite of which it is noted where it is called, or that is called by its name.
    #[inline]
    pub(crate) fn enter_noted(&'static self) -> SpanGuard {
        enter(self, None)
    }
}

#[inline(always)]
fn enter(callsite: &'static Callsite, source: Option<Source>) -> SpanGuard {
    let id = callsite.id();
    let node = at_hand(id);
    // SAFETY: it is a node of this thread's shard.
    let key = unsafe { node.key.get() };
    let way = key ^ id;
    let word = if key == id && node.turn.leave_untimed() {
        Word::AT_HAND
    } else if way == TIMED {
        let word = enter_timed(node);
        // SAFETY: it has the node's address. Said, it spares the end of the call the questions.
        unsafe { assert_unchecked(word != Word::AT_HAND && !word.has(Word::COUNTED)) };
        word
    } else if id == OFF_ID && !is_scoped() {
        Word::NOOP
    } else {
        enter_by(way, node, callsite, source)
    };
    SpanGuard {
        word,
        callsite,
        not_send: PhantomData,
    }
}

/// Enters a region by the way that was found for it. Each goes on from here by a jump, so that nothing is kept across it.
#[inline(never)]
fn enter_by(
    way: u32,
    node: &'static Node,
    callsite: &'static Callsite,
    source: Option<Source>,
) -> Word {
    if way == ENTERED && node.turn.leave_untimed() {
        enter_untimed(node)
    } else {
        enter_elsewhere_or_new(callsite, source)
    }
}

/// Enters a region that was found to be timed by the short way.
///
/// Not inlined, as [`close`] is not: a function is measured in many places, and this leaves them small.
#[inline(never)]
fn enter_timed(node: &'static Node) -> Word {
    // A call that begins while the thread unwinds must be known as such at its end. First, while nothing has to be kept
    // across the answer.
    if panicking() {
        return enter_unwinding(node);
    }
    let start = raw_ticks();
    // SAFETY: `fast` is this thread's shard, and the node was found just now.
    unsafe { fast().open_short(node, start) };
    Word::tagged(node, 0)
}

#[cold]
#[inline(never)]
fn enter_unwinding(node: &'static Node) -> Word {
    // SAFETY: as in `enter_timed`.
    unsafe { fast().open_short(node, raw_ticks()) };
    Word::tagged(node, Word::UNWINDING)
}

/// Enters a region of which something is to be said, or that no other one like it preceded.
#[inline(never)]
fn enter_elsewhere_or_new(callsite: &'static Callsite, source: Option<Source>) -> Word {
    match enter_elsewhere(callsite.id()) {
        Some(word) => word,
        None => enter_new(callsite, source),
    }
}

/// Enters a region that is at hand, has been counted, and is not timed.
///
/// Whether the thread is unwinding is not asked; see [`close_counted`].
#[inline(always)]
fn enter_untimed(node: &Node) -> Word {
    node.untimed_open.add(1);
    // SAFETY: `fast` is this thread's shard, and the node was found just now.
    unsafe { fast().open_untimed(node) };
    Word::tagged(node, Word::UNTIMED)
}

/// Enters a region that is not at hand, but that there has been from here.
#[inline]
fn enter_elsewhere(id: u32) -> Option<Word> {
    if panicking() {
        return None;
    }
    let shard = fast();
    if let Some(node) = shard.count_recursive(id) {
        return Some(Word::tagged(node, Word::COUNTED));
    }
    // SAFETY: `fast` is this thread's shard, here and below.
    let node = unsafe { shard.turn_to(id) }?;
    match short(id) {
        Some(Short::Counted(at)) => return Some(Word::tagged(at, Word::COUNTED)),
        Some(Short::Timed(node)) => return Some(enter_timed(node)),
        None => {}
    }
    // SAFETY: see above; the node is one of the shard's.
    Some(match unsafe { shard.weight_of_next(node) } {
        0 => {
            node.turn.count();
            enter_untimed(node)
        }
        1 => enter_timed(node),
        weight => {
            // SAFETY: see above; it is at hand.
            unsafe { shard.open_weighted(node, weight) };
            Word::tagged(node, Word::WEIGHTED)
        }
    })
}

/// Enters a region of which there has been none from here, or of which more is to be said.
#[cold]
#[inline(never)]
fn enter_new(callsite: &'static Callsite, source: Option<Source>) -> Word {
    if let Some(source) = source {
        callsite.note(source);
    }
    let shard = fast();
    match shard.cell(callsite.id()) {
        // SAFETY: `fast` is this thread's shard, and the cell is its own.
        Some(cell) => word_of(shard, unsafe { shard.open(cell, raw_ticks) }),
        None => enter_cold(callsite, None),
    }
}

/// Keeps a frame that was opened in a shard of this thread.
pub(super) fn word_of(shard: &Shard, frame: Frame) -> Word {
    // SAFETY: the shard is this thread's, as the caller vouches.
    let word = Word::tagged(unsafe { shard.keep_frame(frame) }, Word::LONG);
    if panicking() {
        word.with(Word::UNWINDING)
    } else {
        word
    }
}

/// Enters a region of the series that these fields name.
///
/// # Overhead
///
/// That of [`Callsite::enter`], and a hash and a comparison of the fields; the first time that a thread meets a
/// set of fields, a lock.
pub fn enter_with(callsite: &'static Callsite, fields: &[(&'static str, Value<'_>)]) -> SpanGuard {
    let word = if is_quiet() || is_off(callsite) {
        Word::NOOP
    } else {
        enter_series(callsite, series::with_fields(callsite, fields))
    };
    SpanGuard {
        word,
        callsite,
        not_send: PhantomData,
    }
}

/// Enters a region of a series.
#[inline]
fn enter_series(callsite: &'static Callsite, id: u32) -> Word {
    match short(id) {
        Some(Short::Counted(at)) => Word::tagged(at, Word::COUNTED),
        Some(Short::Timed(node)) => enter_timed(node),
        None => match enter_elsewhere(id) {
            Some(word) => word,
            None => enter_cold(callsite, Some(id)),
        },
    }
}

/// Whether the callsite is switched off, and nobody on this thread listens all the same.
pub(super) fn is_off(callsite: &'static Callsite) -> bool {
    callsite.id() == OFF_ID && !is_scoped()
}

/// Enters a region where there is no cell yet: registers what is missing.
#[cold]
#[inline(never)]
fn enter_cold(callsite: &'static Callsite, id: Option<u32>) -> Word {
    let Some((shard, cell)) = place_cold(callsite, id) else {
        return Word::NOOP;
    };
    // SAFETY: `shard` is this thread's, and the cell is its own.
    let mut frame = unsafe { shard.open(cell, || shard.now()) };
    if shard.is_traced {
        Opened::begin(&mut frame, cell.id);
    }
    word_of(shard, frame)
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
fn shard_of_frame(frame: &Frame, end: u64) -> Option<(&'static Shard, u64)> {
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
        if self.word == Word::AT_HAND {
            if !ok {
                self.word = self.counted().ended(false);
            }
        } else {
            self.word = self.word.ended(ok);
        }
    }

    /// The word of a call that was counted at hand, with its node.
    #[cold]
    #[inline(never)]
    fn counted(&self) -> Word {
        counted_node(self.callsite).map_or(Word::NOOP, |node| Word::tagged(node, Word::COUNTED))
    }

    /// The generation of the shard that its call is recorded in, and the cell; null if it is not recorded.
    pub(super) fn place(&self) -> (u32, *const Cell) {
        let word = if self.word == Word::AT_HAND {
            self.counted()
        } else {
            self.word
        };
        let mut at = word.pointer();
        if word.is(Word::LONG) {
            // SAFETY: it came from `word_of`, and is there until the guard is dropped.
            at = unsafe { &*word.pointer::<Frame>() }.node();
        }
        let found =
            current::find_in_shards(|shard| Some((shard.generation, shard.node_of(at)?.cell)));
        found.unwrap_or((NO_GENERATION, ptr::null()))
    }
}

impl Drop for SpanGuard {
    #[inline(always)]
    fn drop(&mut self) {
        let word = self.word;
        // In this order, and by different questions, so that the compiler does not make one choice of them, but answers each
        // where the word is made.
        if word == Word::AT_HAND {
            if panicking() {
                panic_counted(self.callsite);
            }
        } else if !word.has(Word::COUNTED) {
            close(word);
        } else if word != Word::NOOP {
            close_elsewhere(word);
        }
    }
}

/// Ends a region that was timed, or of which something is to be said.
#[inline(never)]
fn close(word: Word) {
    let shard = fast();
    // This asks for the short way, too.
    let Some(node) = shard.innermost(word.untagged()) else {
        return close_elsewhere(word);
    };
    let end = raw_ticks();
    // SAFETY: `fast` is this thread's shard, and it is its innermost call.
    let ticks = unsafe { shard.close_short(node, end) };
    shard.let_wait(node, ticks);
    // Last, while nothing has to be kept across the answer.
    if panicking() {
        correct_to_panic();
    }
}

/// Ends what is not an innermost region that went the short way, and well.
#[inline(never)]
fn close_elsewhere(word: Word) {
    if word.is(Word::UNTIMED) {
        close_untimed(word);
    } else if word.has(Word::COUNTED) {
        if panicking() {
            close_counted(word, Outcome::Panic);
        }
    } else {
        close_long(word, raw_ticks());
    }
}

/// The node at which a call of this callsite that is still open was counted, at hand.
fn counted_node(callsite: &'static Callsite) -> Option<&'static Node> {
    // It may have been switched off meanwhile.
    let id = callsite.assigned()?;
    let found = current::find_in_shards(|shard| shard.callee(id));
    if found.is_none() {
        current::count_loss(Loss::GuardOutlivedScope);
    }
    found
}

/// Ends a region that was counted at hand when it began, and panicked.
#[cold]
#[inline(never)]
fn panic_counted(callsite: &'static Callsite) {
    if let Some(node) = counted_node(callsite) {
        close_counted(Word::tagged(node, Word::COUNTED), Outcome::Panic);
    }
}

/// Says of the call that was just recorded that it ended by a panic.
#[cold]
#[inline(never)]
fn correct_to_panic() {
    fast().correct_waiting(Outcome::Panic);
}

/// How a call has ended that is left now.
fn outcome_of(word: Word) -> Outcome {
    let panicked = panicking() && !word.has(Word::UNWINDING);
    match (panicked, word.has(Word::FAILED | Word::COUNTED_FAILED)) {
        (true, _) => Outcome::Panic,
        (false, true) => Outcome::Error,
        (false, false) => Outcome::Ok,
    }
}

/// Ends a region that was not timed, and may have had callees.
#[inline(never)]
fn close_untimed(word: Word) {
    // First, while nothing but the word has to be kept across the answer.
    if panicking() || word.has(Word::FAILED) {
        return close_failed(word);
    }
    // SAFETY: `fast` is this thread's shard.
    match unsafe { fast().close_untimed(word.pointer()) } {
        Some(node) => node.untimed_open.sub(1),
        None => close_long(word, 0),
    }
}

/// The same of one that did not end well, maybe.
#[cold]
#[inline(never)]
fn close_failed(word: Word) {
    // SAFETY: `fast` is this thread's shard.
    let Some(node) = (unsafe { fast().close_untimed(word.pointer()) }) else {
        return close_long(word, 0);
    };
    node.untimed_open.sub(1);
    let outcome = outcome_of(word);
    fast().count_untimed(node, outcome);
    if outcome == Outcome::Panic {
        // SAFETY: the node is one of `fast`, which is this thread's shard.
        unsafe { node.key.set(LONG_WAY) };
    }
}

/// Ends what is not an innermost region that went the short way, and well.
#[cold]
#[inline(never)]
fn close_long(word: Word, end: u64) {
    let outcome = outcome_of(word);
    if word.has(Word::COUNTED_FAILED) {
        return close_counted(word, outcome);
    }
    // SAFETY: the guard is dropped once.
    let Some((shard, end, frame)) = (unsafe { frame_of(word, end) }) else {
        return;
    };
    // SAFETY: the shard is this thread's, and the frame was opened there.
    let ticks = unsafe { shard.close(&frame, end) };
    // SAFETY: as above.
    unsafe { shard.record(&frame, ticks, outcome) };
    if shard.is_traced {
        Opened::leave(&frame, Some((end, outcome, frame.is_slow(ticks))));
    }
}

/// The frame of an open call, its shard, and its end by the shard's clock; `None` if the shard is gone.
///
/// # Safety
///
/// The word is not used again.
pub(super) unsafe fn frame_of(word: Word, end: u64) -> Option<(&'static Shard, u64, Frame)> {
    if word.is(Word::LONG) {
        let kept = word.pointer::<Frame>();
        // SAFETY: it came from `word_of`, and is there until it is taken.
        let frame = unsafe { *kept };
        let found = shard_of_frame(&frame, end);
        if let Some((shard, _)) = found {
            // SAFETY: the shard is this thread's; the frame is taken once, as the caller vouches.
            unsafe { shard.take_frame(kept) };
        } else {
            let _quiet = quiet();
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(kept.cast_mut()) });
        }
        return found.map(|(shard, end)| (shard, end, frame));
    }
    let at = word.pointer();
    let found = current::find_in_shards(|shard| Some((shard, shard.node_of(at)?)));
    let Some((shard, node)) = found else {
        current::count_loss(Loss::GuardOutlivedScope);
        return None;
    };
    let frame = if word.is(Word::WEIGHTED) {
        // SAFETY: the shard is this thread's.
        unsafe { shard.weighted_frame_of(node) }
    } else {
        // SAFETY: as above.
        unsafe { shard.frame_of(node, !word.is(Word::UNTIMED)) }
    };
    Some((shard, end, frame))
}

/// Ends a region that was counted when it began, and failed.
///
/// Whether the thread was unwinding at that time was not asked, as of none that is not timed. Calls of the node are led the
/// long way for a while, where it is: if destructors call it, at most the first of those calls is taken for one that
/// panicked.
#[cold]
#[inline(never)]
fn close_counted(word: Word, outcome: Outcome) {
    let at = word.pointer::<Node>();
    if at.is_null() {
        return;
    }
    let counted = current::find_in_shards(|shard| {
        let node = shard.node_of(at)?;
        shard.count_untimed(node, outcome);
        if outcome == Outcome::Panic {
            // SAFETY: the shard is this thread's.
            unsafe { node.key.set(LONG_WAY) };
        }
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
