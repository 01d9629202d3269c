//! Measured: a future whose polls, busy time and end are recorded on whichever thread they happen.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::attributes::Value;
use crate::callsite::{Callsite, NO_ID, OFF_ID};
use crate::clock::raw_ticks;
use crate::outcome::Outcome;
use crate::recorder::cell::Cell;
use crate::recorder::census;
use crate::recorder::frame::{Finished, Frame, SpanRef};
use crate::recorder::local::{at_hand, fast, is_quiet, is_scoped};
use crate::recorder::node::{ENTERED, Node, TIMED};
use crate::recorder::shard::Shard;
use crate::registry::series;
use crate::span::enabled::{Word, frame_of, is_off, place, place_cold, word_of};
use crate::span::{Always, Judge, OkIf};
use crate::tracer::Opened;

/// A future that is measured: wall time from its first poll to its end, busy and idle time, polls.
///
/// # Overhead
///
/// Two readings of the clock per poll; 48 bytes beside the future. No allocation, no lock.
///
/// # Cancellation
///
/// Dropped after its first poll and before its end, it counts as cancelled, with the wall time up to
/// the drop. What the drop itself takes is busy time, too; it is no poll. Dropped before its first
/// poll, it was never called, and nothing is recorded.
#[must_use = "a future does nothing unless it is polled"]
pub struct Measured<F, P = Always> {
    /// Pinned with `self`; dropped once, in `Drop`.
    inner: ManuallyDrop<F>,
    /// Says whether the output is a success; gone once asked.
    ok_if: Option<P>,
    callsite: &'static Callsite,
    state: State,
}

/// What is known of a call that may go on elsewhere.
#[derive(Debug)]
pub(super) struct State {
    /// Ticks at the first poll, of the registry's clock.
    start: u64,
    /// Ticks spent in polls so far.
    pub(super) busy: u64,
    /// Number of the registry that the call began in; 0 before its first poll.
    pub(super) registry: u64,
    /// Series, or [`NO_ID`] to take the callsite's.
    id: u32,
    /// How many calls this one stands for; 0 for one that is not timed.
    pub(super) weight: u32,
    outermost: bool,
    pub(super) ended: bool,
    /// It is no span where it is part of a trace.
    pub(super) hidden: bool,
    /// In a trace, the call's span.
    pub(super) span: SpanRef,
}

impl<F, P> Measured<F, P> {
    fn new(callsite: &'static Callsite, future: F, ok_if: Option<P>, id: u32) -> Self {
        Self {
            inner: ManuallyDrop::new(future),
            ok_if,
            callsite,
            state: State::new(id),
        }
    }
}

/// Measures a future.
pub fn measure_future<F: Future>(callsite: &'static Callsite, future: F) -> Measured<F> {
    Measured::new(callsite, future, None, NO_ID)
}

/// Measures a future whose output may be an error.
pub fn measure_future_if<F, P>(
    callsite: &'static Callsite,
    future: F,
    ok_if: P,
) -> Measured<F, OkIf<P>>
where
    F: Future,
    P: FnOnce(&F::Output) -> bool,
{
    Measured::new(callsite, future, Some(OkIf(ok_if)), NO_ID)
}

/// Measures a future in a series that was found before.
pub fn measure_future_with<F: Future>(
    callsite: &'static Callsite,
    future: F,
    series: Series,
) -> Measured<F> {
    Measured::new(callsite, future, None, series.0)
}

/// Measures a future whose output may be an error, in a series that was found before.
pub fn measure_future_with_if<F, P>(
    callsite: &'static Callsite,
    future: F,
    ok_if: P,
    series: Series,
) -> Measured<F, OkIf<P>>
where
    F: Future,
    P: FnOnce(&F::Output) -> bool,
{
    Measured::new(callsite, future, Some(OkIf(ok_if)), series.0)
}

/// Measures a future that is not a function, under a name and the place that names it.
#[track_caller]
pub(crate) fn measure_named<F: Future>(future: F, name: &'static str) -> Measured<F> {
    measure_future(series::named_future(name, Location::caller()), future)
}

/// The series of a call to come, found while its arguments can still be borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Series(u32);

impl Series {
    pub(super) const fn id(self) -> u32 {
        self.0
    }
}

/// Finds the series that these fields name.
pub fn series(callsite: &'static Callsite, fields: &[(&'static str, Value<'_>)]) -> Series {
    Series(if is_quiet() || is_off(callsite) {
        NO_ID
    } else {
        series::with_fields(callsite, fields)
    })
}

impl<F: Future> Future for Measured<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.poll_judged(context)
    }
}

impl<F: Future, P: FnOnce(&F::Output) -> bool> Future for Measured<F, OkIf<P>> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.poll_judged(context)
    }
}

impl<F: Future, P: Judge<F::Output>> Measured<F, P> {
    #[inline(always)]
    fn poll_judged(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: nothing is moved out of `this`; `inner` is pinned again below.
        let this = unsafe { self.get_unchecked_mut() };
        let entered = this.state.enter::<POLL>(this.callsite);
        // SAFETY: `inner` is pinned because `self` is, and is moved by nobody.
        let polled = unsafe { Pin::new_unchecked(&mut *this.inner) }.poll(context);
        match &polled {
            Poll::Pending => entered.leave(None),
            Poll::Ready(output) => {
                let ok = this.ok_if.take().is_none_or(|ok_if| ok_if.judge(output));
                entered.leave(Some(if ok { Outcome::Ok } else { Outcome::Error }));
            }
        }
        polled
    }
}

impl<F, P> Drop for Measured<F, P> {
    fn drop(&mut self) {
        let under_way = self.state.registry != 0 && !self.state.ended;
        let entered = under_way.then(|| self.state.enter::<DROP>(self.callsite));
        // SAFETY: dropped in place, so a pinned future stays pinned; once, because this is `Drop`.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
        if let Some(entered) = entered {
            entered.leave(Some(Outcome::Cancelled));
        }
    }
}

impl State {
    /// Of a call that has not begun, in a series; [`NO_ID`] takes the callsite's.
    pub(super) const fn new(id: u32) -> Self {
        Self {
            start: 0,
            busy: 0,
            registry: 0,
            id,
            weight: 1,
            outermost: true,
            ended: false,
            hidden: false,
            span: SpanRef::NONE,
        }
    }

    #[inline]
    fn enter<const IS_POLL: bool>(&mut self, callsite: &'static Callsite) -> Entered<'_, IS_POLL> {
        let word = self.enter_word(callsite);
        Entered { state: self, word }
    }

    #[inline(always)]
    pub(super) fn enter_word(&mut self, callsite: &'static Callsite) -> Word {
        let id = if self.id == NO_ID {
            callsite.id()
        } else {
            self.id
        };
        if id == OFF_ID && self.registry == 0 && !is_scoped() {
            return Word::NOOP;
        }
        let node = at_hand(id);
        // SAFETY: it is a node of this thread's shard.
        let way = unsafe { node.key.get() } ^ id;
        if way == TIMED && self.weight == 1 {
            self.enter_short(node)
        } else if way == ENTERED {
            self.enter_untimed(node, callsite, id)
        } else {
            self.enter_long(callsite, id)
        }
    }

    /// Enters a poll of which there was one like it from here, where futures that begin now are not timed, most of them; or
    /// else goes the long way.
    #[inline(never)]
    fn enter_untimed(&mut self, node: &'static Node, callsite: &'static Callsite, id: u32) -> Word {
        let shard = fast();
        if self.registry == shard.registry {
            match self.weight {
                0 => {}
                // It began when each was timed.
                1 => return self.enter_short(node),
                _ => return self.enter_long(callsite, id),
            }
        } else {
            if !node.turn.leave_untimed() {
                return self.enter_long(callsite, id);
            }
            self.weight = 0;
            self.begin_untimed(shard, node);
        }
        // SAFETY: `fast` is this thread's shard, and the node was found just now.
        unsafe { shard.open_untimed(node) };
        Word::tagged(node, Word::UNTIMED)
    }

    /// Enters a poll that is timed, and of which there was one like it from here.
    #[inline(never)]
    fn enter_short(&mut self, node: &'static Node) -> Word {
        let shard = fast();
        let start = raw_ticks();
        // SAFETY: `fast` is this thread's shard, and the node was found just now.
        unsafe { shard.open_short(node, start) };
        if self.registry != shard.registry {
            self.begin(shard, node, start, true);
        }
        Word::tagged(node, 0)
    }

    #[inline(never)]
    fn enter_long(&mut self, callsite: &'static Callsite, id: u32) -> Word {
        let shard = fast();
        // SAFETY: `fast` is this thread's shard.
        if let Some(node) = unsafe { shard.turn_to(id) } {
            return self.enter_elsewhere(shard, node);
        }
        if let Some(cell) = shard.cell(id) {
            return word_of(shard, self.open(shard, cell));
        }
        let id = (self.id != NO_ID).then_some(self.id);
        // A call that has begun is followed to its end, also when its callsite is switched off.
        let id = if self.registry == 0 {
            id
        } else {
            id.or_else(|| callsite.assigned())
        };
        let place = match id {
            Some(id) => place(callsite, id),
            None if is_off(callsite) => None,
            None => place_cold(callsite, None),
        };
        place.map_or(Word::NOOP, |(shard, cell)| {
            word_of(shard, self.open(shard, cell))
        })
    }

    /// Enters a poll that is not at hand, or that is not timed for itself alone.
    fn enter_elsewhere(&mut self, shard: &Shard, node: &Node) -> Word {
        let begins = self.registry != shard.registry;
        if begins {
            // SAFETY: the shard is this thread's, and the node is its own, here and below.
            self.weight = unsafe { shard.weight_of_next(node) };
        }
        if self.weight > 1 {
            if begins {
                self.begin(shard, node, 0, true);
            }
            // SAFETY: see above; it is at hand.
            let start = unsafe { shard.open_weighted(node, self.weight) };
            if begins {
                self.start = start;
            }
            return Word::tagged(node, Word::WEIGHTED);
        }
        let start = if self.weight == 0 { 0 } else { raw_ticks() };
        // SAFETY: see above; it is at hand.
        unsafe { shard.open_short(node, start) };
        if begins {
            self.begin(shard, node, start, true);
        }
        let untimed = if self.weight == 0 { Word::UNTIMED } else { 0 };
        Word::tagged(node, untimed)
    }

    /// Opens the frame of a poll. The first one, or the first one in this registry, whose clock may be another,
    /// begins the call.
    fn open(&mut self, shard: &Shard, cell: &Cell) -> Frame {
        // SAFETY: the shard is this thread's, and the cell is its own, here and below.
        let node = unsafe { shard.node_of_next(cell) };
        let begins = self.registry != shard.registry;
        if begins {
            // SAFETY: see above.
            self.weight = unsafe { shard.weight_of_next(node) };
        }
        let start = if self.weight == 0 { 0 } else { shard.now() };
        // SAFETY: see above.
        let mut frame = unsafe { shard.open_at(node, start, self.weight) };
        if begins {
            self.begin(shard, node, frame.start, frame.is_outermost());
        }
        if shard.is_traced {
            self.follow(&mut frame, cell.id, begins);
        }
        frame
    }

    /// Makes the call's span the current one, for a poll in a trace; with the first one it begins.
    #[cold]
    fn follow(&mut self, frame: &mut Frame, id: u32, begins: bool) {
        if begins && !self.hidden {
            Opened::begin(frame, id);
            self.span = frame.span;
        } else {
            Opened::resume(frame, self.span);
        }
    }

    fn begin(&mut self, shard: &Shard, node: &Node, start: u64, outermost: bool) {
        if self.weight == 0 {
            node.turn.count();
            self.begin_untimed(shard, node);
            self.outermost = outermost;
            return;
        }
        self.registry = shard.registry;
        self.start = start;
        self.busy = 0;
        self.outermost = outermost;
        node.begun.add(1);
    }

    /// Begins a call that is not timed, is around all others of its series, and has been counted.
    #[inline(always)]
    fn begin_untimed(&mut self, shard: &Shard, node: &Node) {
        self.registry = shard.registry;
        // It reads no clock: it began after that, and before the next census.
        self.start = census::last_ticks();
        self.busy = 0;
        self.outermost = true;
        node.begun.add(1);
        node.untimed_open.add(1);
    }
}

/// Says of what is measured that it is a poll, which is counted as one.
const POLL: bool = true;
/// Says that it is the drop of a future that is pending: its time is the call's, and nobody polled it.
const DROP: bool = false;

/// One poll, or the drop, of a future. Left by `leave`; if that does not come, by unwinding.
struct Entered<'a, const IS_POLL: bool> {
    state: &'a mut State,
    word: Word,
}

impl<const IS_POLL: bool> Entered<'_, IS_POLL> {
    #[inline]
    fn leave(self, outcome: Option<Outcome>) {
        ManuallyDrop::new(self).finish(outcome);
    }

    #[inline]
    fn finish(&mut self, outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            self.state.end::<IS_POLL>(self.word, outcome);
        } else {
            let _ = self.state.pause(self.word);
        }
    }
}

impl<const IS_POLL: bool> Drop for Entered<'_, IS_POLL> {
    #[cold]
    fn drop(&mut self) {
        self.finish(Some(Outcome::Panic));
    }
}

impl State {
    /// Ends a poll after which the future is pending. Gives back when that was; 0 for one that is not timed.
    #[inline(never)]
    pub(super) fn pause(&mut self, word: Word) -> u64 {
        if word.is_untimed() {
            return self.leave_untimed::<POLL>(word, None);
        }
        let end = raw_ticks();
        let shard = fast();
        let Some(node) = shard.innermost(word.untagged()) else {
            return self.close_long::<POLL>(word, end, None);
        };
        // SAFETY: `fast` is this thread's shard, and it is its innermost call.
        let ticks = unsafe { shard.close_short(node, end) };
        self.record::<POLL>(shard, node, ticks);
        end
    }

    /// Ends the last poll, or the drop.
    #[inline(never)]
    fn end<const IS_POLL: bool>(&mut self, word: Word, outcome: Outcome) {
        if word.is_untimed() {
            self.leave_untimed::<IS_POLL>(word, Some(outcome));
            return;
        }
        let end = raw_ticks();
        let shard = fast();
        let Some(node) = shard.innermost(word.untagged()) else {
            self.close_long::<IS_POLL>(word, end, Some(outcome));
            return;
        };
        // SAFETY: `fast` is this thread's shard, and it is its innermost call.
        let ticks = unsafe { shard.close_short(node, end) };
        self.record::<IS_POLL>(shard, node, ticks);
        self.record_end(shard, node, end, outcome);
    }

    /// Ends a poll, or the drop, of a future that is not timed.
    fn leave_untimed<const IS_POLL: bool>(&mut self, word: Word, outcome: Option<Outcome>) -> u64 {
        if word == Word::NOOP {
            return 0;
        }
        let shard = fast();
        // SAFETY: `fast` is this thread's shard.
        let Some(node) = (unsafe { shard.close_untimed(word.pointer()) }) else {
            return self.close_long::<IS_POLL>(word, 0, outcome);
        };
        if IS_POLL {
            node.polls.add(1);
        }
        match outcome {
            None => {}
            Some(Outcome::Ok) if self.outermost => {
                self.ended = true;
                self.count_if_crossed(node);
                node.untimed_open.sub(1);
            }
            Some(outcome) => self.record_end(shard, node, 0, outcome),
        }
        0
    }

    /// Counts a call that ends now, if it began before the last census.
    #[inline(always)]
    fn count_if_crossed(&self, node: &Node) {
        if self.start < census::last_ticks() {
            // SAFETY: a call's node has a cell; cells live as long as their shard.
            unsafe { &*node.cell }.count_crossed();
        }
    }

    #[cold]
    #[inline(never)]
    fn close_long<const IS_POLL: bool>(
        &mut self,
        word: Word,
        end: u64,
        outcome: Option<Outcome>,
    ) -> u64 {
        if word == Word::NOOP {
            return 0;
        }
        // SAFETY: each poll is ended once.
        let Some((shard, end, frame)) = (unsafe { frame_of(word, end) }) else {
            return 0;
        };
        // SAFETY: the shard is this thread's, and the frame was opened there.
        let ticks = unsafe { shard.close(&frame, end) };
        // SAFETY: nodes live as long as their shard.
        let node = unsafe { &*frame.node() };
        if self.weight > 0 && frame.is_outermost() {
            self.record::<IS_POLL>(shard, node, ticks);
        } else {
            if self.weight > 0 {
                self.busy = self.busy.saturating_add(ticks);
            }
            if IS_POLL {
                node.polls.add(1);
            }
        }
        if let Some(outcome) = outcome {
            self.record_end(shard, node, end, outcome);
        }
        if shard.is_traced {
            let slow = frame.is_slow(end.saturating_sub(self.start));
            Opened::leave(&frame, outcome.map(|outcome| (end, outcome, slow)));
        }
        end
    }

    /// Records the time of a poll, or of the drop.
    #[inline(always)]
    fn record<const IS_POLL: bool>(&mut self, shard: &Shard, node: &Node, ticks: u64) {
        self.busy = self.busy.saturating_add(ticks);
        let busy = shard.region(ticks);
        if IS_POLL {
            node.polls.add(1);
        }
        node.total_ticks
            .add(busy.wrapping_mul(u64::from(self.weight)));
        if IS_POLL {
            // SAFETY: a call's node has a cell; cells live as long as their shard.
            unsafe { &*node.cell }.note_poll(busy);
        }
    }

    #[inline]
    pub(super) fn record_end(&mut self, shard: &Shard, node: &Node, end: u64, outcome: Outcome) {
        self.ended = true;
        self.count_if_crossed(node);
        if self.weight == 0 {
            shard.count_untimed(node, outcome);
            node.untimed_open.sub(1);
            if !self.outermost {
                node.inner.add(1);
                node.inner_untimed.add(1);
            }
            return;
        }
        let wall = end.saturating_sub(self.start);
        let weight = u64::from(self.weight);
        let plain = weight == 1 && self.outermost && outcome == Outcome::Ok;
        if !plain || !shard.record_plain_future(node, wall) {
            let call = Finished {
                ticks: shard.region(wall),
                outcome,
                is_outermost: self.outermost,
                weight,
            };
            shard.record_future(node, &call, shard.region(self.busy));
        }
        if self.outermost {
            let idle = wall.saturating_sub(self.busy);
            // SAFETY: a call's node has a cell; cells live as long as their shard.
            unsafe { &*node.cell }.add_idle(idle.wrapping_mul(weight));
        }
    }
}

impl<F, P> fmt::Debug for Measured<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measured")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
