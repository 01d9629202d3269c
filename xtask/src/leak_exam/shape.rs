//! Shape: a family of programs that leak or do not, and what the detector is to say of them.

use khive_perf::leak::LeakConfig;

use crate::leak_exam::world::World;

/// A program, drawn from its family by a seed.
pub(super) type Program = Box<dyn FnMut(&mut World)>;

/// A family of programs.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) kind: Expected,
    /// Number of censuses.
    pub(super) censuses: usize,
    pub(super) make: fn(&mut World) -> Program,
    /// Whether the thresholds were chosen in view of it.
    pub(super) set: Set,
    pub(super) config: fn() -> LeakConfig,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Never `Leaking`, and not `Suspect` at the end.
    Healthy,
    /// Never `Leaking`; it may be `Suspect`, because nobody could know yet.
    Undecided,
    /// `Leaking` at the end, and nothing else so.
    Leaking,
}

/// Which part of the exam a family belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// The thresholds were chosen with these.
    Design,
    /// Not looked at until the thresholds were first fixed; some were changed afterwards.
    HeldOut,
    /// Not looked at until all was as it is.
    Fresh,
    /// By somebody else, and run once after that.
    Adverse,
}

impl Shape {
    pub(super) const fn new(
        name: &'static str,
        kind: Expected,
        make: fn(&mut World) -> Program,
    ) -> Self {
        Self {
            name,
            kind,
            censuses: 120,
            make,
            set: Set::Design,
            config: LeakConfig::default,
        }
    }

    pub(super) const fn for_censuses(mut self, censuses: usize) -> Self {
        self.censuses = censuses;
        self
    }

    pub(super) const fn with(mut self, config: fn() -> LeakConfig) -> Self {
        self.config = config;
        self
    }

    pub(super) const fn fresh(mut self) -> Self {
        self.set = Set::Fresh;
        self
    }

    pub(super) const fn adverse(mut self) -> Self {
        self.set = Set::Adverse;
        self
    }

    pub(super) const fn held_out(mut self) -> Self {
        self.set = Set::HeldOut;
        self
    }
}

/// The part of a program that is examined for leaks.
pub(super) const MAIN: u64 = 1;
