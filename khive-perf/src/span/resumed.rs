//! Resumed: a call that others enter and leave, on whichever threads: a span of `tracing`.

use crate::callsite::{Callsite, NO_ID};
use crate::outcome::Outcome;
use crate::recorder::frame::SpanRef;
use crate::recorder::local::fast;
use crate::recorder::node::Node;
use crate::recorder::shard::Shard;
use crate::registry::{Loss, current};
use crate::span::enabled::{Word, place};
use crate::span::future::State;
use crate::sync::Arc;
use crate::tracer::{self, Place, Trace};

/// A call that others enter and leave: a span of `tracing`.
#[derive(Debug)]
pub(crate) struct Resumed {
    /// `None` of one that is none yet.
    callsite: Option<&'static Callsite>,
    state: State,
    /// When it was left last.
    left: u64,
    /// The trace that its span is in; it may be closed outside of it.
    trace: Option<Arc<Trace>>,
}

impl Resumed {
    /// A place for a call, which is none yet: nothing of it is recorded.
    pub(crate) const fn vacant() -> Self {
        Self {
            callsite: None,
            state: State::new(NO_ID),
            left: 0,
            trace: None,
        }
    }

    /// A call that has not begun; hidden, it is no span of a trace.
    pub(crate) fn new(callsite: &'static Callsite, hidden: bool) -> Self {
        let mut call = Self::vacant();
        call.fill(callsite, hidden);
        call
    }

    /// Makes a vacant one such a call, where it is: it is large to move.
    #[inline]
    pub(crate) fn fill(&mut self, callsite: &'static Callsite, hidden: bool) {
        self.callsite = Some(callsite);
        self.state = State::new(NO_ID);
        self.state.hidden = hidden;
        self.left = 0;
    }

    /// Makes it vacant again.
    #[inline]
    pub(crate) fn vacate(&mut self) {
        self.callsite = None;
        self.trace = None;
    }

    /// Enters it on this thread.
    #[inline]
    pub(crate) fn enter(&mut self) -> Word {
        let Some(callsite) = self.callsite else {
            return Word::NOOP;
        };
        let word = self.state.enter_word(callsite);
        if self.state.span != SpanRef::NONE && self.trace.is_none() {
            self.trace = tracer::active().map(|(trace, _)| trace);
        }
        word
    }

    /// What others must know who enter it while this one is taken: how many calls it stands for, and its span.
    pub(crate) fn hint(&self) -> u64 {
        u64::from(self.state.weight) << 32 | u64::from(self.state.span.to_bits())
    }

    /// A part of a call that is taken, for another thread, which adds it when it has left. `None` where that cannot record.
    pub(crate) fn beside(callsite: &'static Callsite, hint: u64) -> Option<Self> {
        let mut part = Self::new(callsite, true);
        // It begins nothing.
        part.state.registry = current::shard()?.registry;
        part.state.weight = (hint >> 32) as u32;
        part.state.span = SpanRef::from_bits(hint as u32);
        Some(part)
    }

    /// For how long it was entered so far, and when it was left last, in ticks.
    pub(crate) const fn part(&self) -> (u64, u64) {
        (self.state.busy, self.left)
    }

    /// Its span, once it is one of a trace.
    pub(crate) fn place(&self) -> Option<Place> {
        let trace = Arc::clone(self.trace.as_ref()?);
        Some(Place {
            trace,
            span: self.state.span,
        })
    }

    /// Adds such a part.
    pub(crate) fn add(&mut self, busy: u64, left: u64) {
        self.state.busy = self.state.busy.saturating_add(busy);
        self.left = self.left.max(left);
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.state.ended
    }

    /// Leaves it on the thread where it was entered, with the word that it was entered with.
    pub(crate) fn leave(&mut self, word: Word) {
        self.left = self.left.max(self.state.pause(word));
    }

    /// Ends it. It took until it was left last: when whoever holds it last lets go of it is none of its time.
    ///
    /// Nothing happens if it was never entered.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        let State {
            registry, ended, ..
        } = self.state;
        if registry == 0 || ended {
            return;
        }
        let Some(callsite) = self.callsite else {
            return;
        };
        let Some(id) = callsite.assigned() else {
            return;
        };
        let shard = fast();
        if shard.registry == registry {
            // SAFETY: `fast` is this thread's shard.
            let at_hand = unsafe { shard.turn_to(id) };
            if let Some(node) = at_hand {
                return self.end_at(shard, node, outcome);
            }
        }
        let Some((shard, cell)) = place(callsite, id) else {
            return;
        };
        if shard.registry != registry {
            return current::count_loss(Loss::GuardOutlivedScope);
        }
        // SAFETY: the shard is this thread's, and the cell is its own.
        let node = unsafe { shard.node_of_next(cell) };
        self.end_at(shard, node, outcome);
    }

    #[inline]
    fn end_at(&mut self, shard: &Shard, node: &Node, outcome: Outcome) {
        self.state.record_end(shard, node, self.left, outcome);
        if let Some(trace) = self.trace.take() {
            trace.close(self.state.span, self.left, outcome, false);
        }
    }
}
