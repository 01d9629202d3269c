//! Score: one program under the detector's eyes, and what a family's programs add up to.

use khive_perf::leak::{LeakDetector, LeakReport, OriginId, Verdict};

use crate::leak_exam::shape::{Expected, MAIN, Set, Shape};
use crate::leak_exam::world::World;

/// A report is read at each such census, and at the last.
const READ_EVERY: usize = 12;

/// What was said of one program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Census at which something was first called `Leaking`.
    first: Option<usize>,
    /// Something other than the part that is examined was called `Leaking`, at any time.
    others: bool,
    suspect: bool,
    leaking: bool,
}

/// Watches one program from beginning to end.
pub(super) fn look(shape: &Shape, seed: u64) -> Outcome {
    let mut world = World::new(seed);
    let mut program = (shape.make)(&mut world);
    let mut detector = LeakDetector::new((shape.config)());
    let (mut first, mut others) = (None, false);
    for census in 1..=shape.censuses {
        world.pass(&mut *program);
        detector.observe_census(&world.census());
        if census % READ_EVERY == 0 {
            let report = detector.report();
            if first.is_none() && leaks(&report).next().is_some() {
                first = Some(census);
            }
            others |= leaks(&report).any(|origin| origin.number() != MAIN);
        }
    }
    let report = detector.report();
    others |= leaks(&report).any(|origin| origin.number() != MAIN);
    let suspect = |finding: &&khive_perf::leak::Finding| finding.verdict() == Verdict::Suspect;
    Outcome {
        first,
        others,
        suspect: report.findings().iter().any(|finding| suspect(&finding)),
        leaking: leaks(&report).any(|origin| origin.number() == MAIN),
    }
}

fn leaks(report: &LeakReport) -> impl Iterator<Item = OriginId> + '_ {
    let findings = report.findings().iter();
    let leaking = findings.filter(|finding| finding.verdict() == Verdict::Leaking);
    leaking.map(khive_perf::leak::Finding::origin_id)
}

/// What the programs of a family add up to.
pub(super) struct Score {
    name: &'static str,
    expected: Expected,
    set: Set,
    seeds: f64,
    ever: f64,
    others: f64,
    suspect: f64,
    leaking: f64,
    /// Median census of the first `Leaking`.
    first: Option<usize>,
    is_complete: bool,
}

pub(super) const HEADER: &str = "\
                                                 to be said   ever      Suspect   Leaking   first, at\n\
family                                 set                    Leaking   at end    at end    census     result";

impl Score {
    pub(super) fn of(shape: &Shape, seeds: u64, outcomes: &[Outcome]) -> Self {
        let count =
            |is: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| is(outcome)).count() as f64;
        let mut firsts: Vec<usize> = outcomes
            .iter()
            .filter_map(|outcome| outcome.first)
            .collect();
        firsts.sort_unstable();
        Self {
            name: shape.name,
            expected: shape.kind,
            set: shape.set,
            seeds: seeds as f64,
            ever: count(|outcome| outcome.first.is_some()),
            others: count(|outcome| outcome.others),
            suspect: count(|outcome| outcome.suspect),
            leaking: count(|outcome| outcome.leaking),
            first: firsts.get(firsts.len() / 2).copied(),
            is_complete: outcomes.len() as u64 == seeds,
        }
    }

    /// Whether the family's programs were judged right, as often as is asked for. None may be missing.
    pub(super) fn passes(&self) -> bool {
        self.is_complete
            && match self.expected {
                Expected::Healthy => {
                    self.ever <= 0.01 * self.seeds && self.suspect <= 0.01 * self.seeds
                }
                Expected::Undecided => self.ever <= 0.0,
                Expected::Leaking => {
                    self.leaking >= 0.99 * self.seeds && self.others <= 0.01 * self.seeds
                }
            }
    }

    pub(super) fn line(&self) -> String {
        let percent = |count: f64| format!("{:.1} %", 100.0 * count / self.seeds);
        let expected = match self.expected {
            Expected::Healthy => "Plateau",
            Expected::Undecided => "Suspect",
            Expected::Leaking => "Leaking",
        };
        let set = match self.set {
            Set::Design => "design",
            Set::HeldOut => "held out",
            Set::Fresh => "fresh",
            Set::Adverse => "adverse",
        };
        let first = self
            .first
            .map_or_else(|| String::from("-"), |first| first.to_string());
        let result = if self.passes() { "pass" } else { "FAIL" };
        format!(
            "{:<38} {set:<9} {expected:<12} {:<9} {:<9} {:<9} {first:<10} {result}",
            self.name,
            percent(self.ever),
            percent(self.suspect),
            percent(self.leaking),
        )
    }
}
