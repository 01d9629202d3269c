//! Call: a span that is measured, wherever it is kept, and what a thread is in one that another thread has.

use crate::callsite::Callsite;
use crate::outcome::Outcome;
use crate::span::{Resumed, Word};
use crate::tracer::Place;

/// A span that is measured.
pub(super) struct Call {
    resumed: Resumed,
    panicked: bool,
}

impl Call {
    /// A place for one.
    pub(super) const fn vacant() -> Self {
        Self {
            resumed: Resumed::vacant(),
            panicked: false,
        }
    }

    /// One that has not begun; hidden, it is no span of a trace.
    pub(super) fn new(callsite: &'static Callsite, hidden: bool) -> Self {
        Self {
            resumed: Resumed::new(callsite, hidden),
            panicked: false,
        }
    }

    /// Makes a vacant one such a call.
    #[inline]
    pub(super) fn fill(&mut self, callsite: &'static Callsite, hidden: bool) {
        self.resumed.fill(callsite, hidden);
        self.panicked = false;
    }

    /// Makes it vacant again.
    #[inline]
    pub(super) fn vacate(&mut self) {
        self.resumed.vacate();
    }

    #[inline]
    pub(super) fn enter(&mut self) -> Word {
        self.resumed.enter()
    }

    /// What others must know who are in it at the same time.
    #[inline]
    pub(super) fn hint(&self) -> u64 {
        self.resumed.hint()
    }

    /// Its span, once it is one of a trace.
    pub(super) fn place(&self) -> Option<Place> {
        self.resumed.place()
    }

    #[inline]
    pub(super) fn leave(&mut self, word: Word, panicked: bool) {
        self.resumed.leave(word);
        self.panicked |= panicked;
    }

    /// Adds what others were in it.
    #[inline]
    pub(super) fn add(&mut self, part: &Part) {
        self.resumed.add(part.busy, part.left);
        self.panicked |= part.panicked;
    }

    #[inline]
    pub(super) fn end(&mut self) {
        let outcome = if self.panicked {
            Outcome::Panic
        } else {
            Outcome::Ok
        };
        self.resumed.end(outcome);
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.resumed.has_ended()
    }
}

/// What a thread was in a span while another thread had its call.
pub(super) struct Part {
    /// Ticks that it was in it.
    pub(super) busy: u64,
    /// When it left, in ticks.
    pub(super) left: u64,
    pub(super) panicked: bool,
}

/// A thread in a span whose call another thread has.
pub(super) struct Guest {
    resumed: Resumed,
    word: Word,
}

impl Guest {
    /// Enters; `None` where the thread cannot record.
    pub(super) fn enter(callsite: &'static Callsite, hint: u64) -> Option<Self> {
        let mut resumed = Resumed::beside(callsite, hint)?;
        let word = resumed.enter();
        Some(Self { resumed, word })
    }

    pub(super) fn leave(mut self, panicked: bool) -> Part {
        self.resumed.leave(self.word);
        let (busy, left) = self.resumed.part();
        Part {
            busy,
            left,
            panicked,
        }
    }
}
