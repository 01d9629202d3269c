//! Resumed: a call that others enter and leave, on whichever threads: a span of `tracing`.

use crate::callsite::{Callsite, NO_ID};
use crate::outcome::Outcome;
use crate::recorder::frame::SpanRef;
use crate::registry::{Loss, current};
use crate::span::enabled::{Word, place};
use crate::span::future::State;
use crate::sync::Arc;
use crate::tracer::{self, Trace};

/// A call that others enter and leave: a span of `tracing`.
#[derive(Debug)]
pub(crate) struct Resumed {
    callsite: &'static Callsite,
    state: State,
    /// When it was left last.
    left: u64,
    /// The trace that its span is in; it may be closed outside of it.
    trace: Option<Arc<Trace>>,
}

impl Resumed {
    /// A call that has not begun.
    pub(crate) const fn new(callsite: &'static Callsite) -> Self {
        Self {
            callsite,
            state: State::new(NO_ID),
            left: 0,
            trace: None,
        }
    }

    /// Enters it on this thread.
    pub(crate) fn enter(&mut self) -> Word {
        let word = self.state.enter_word(self.callsite);
        if self.state.span != SpanRef::NONE && self.trace.is_none() {
            self.trace = tracer::active().map(|(trace, _)| trace);
        }
        word
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
        let Some(id) = self.callsite.assigned() else {
            return;
        };
        if registry == 0 || ended {
            return;
        }
        let Some((shard, cell)) = place(self.callsite, id) else {
            return;
        };
        if shard.registry != registry {
            return current::count_loss(Loss::GuardOutlivedScope);
        }
        // SAFETY: the shard is this thread's, and the cell is its own.
        let node = unsafe { shard.node_of_next(cell) };
        self.state.record_end(shard, node, self.left, outcome);
        if let Some(trace) = self.trace.take() {
            trace.close(self.state.span, self.left, outcome, false);
        }
    }
}
