//! What a comparison found: plain values for reports.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::detect::contrast::Contrast;
use crate::detect::drift::Drift;
use crate::detect::measure::{Calls, Measure};
use crate::detect::settings::{FAILURES_RISE, SUSPECT_ABOVE, Settings};
use crate::detect::verdict::{Reason, Severity, Verdict};
use crate::model::{CallsiteKey, Run};

/// The runs of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Their names, sorted, each once.
    pub names: Vec<String>,
    /// How many they are.
    pub runs: usize,
}

/// How much something changed: factors, candidate by base. 1.1 is 10 % slower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The estimate.
    pub factor: f64,
    /// The interval around it; `None` where no side has two runs.
    pub interval: Option<Interval>,
}

/// Ends of an interval of factors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end; never infinite.
    pub high: f64,
}

/// One measure on both sides, in seconds: geometric means over the runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// What was measured.
    pub measure: Measure,
    /// Of the base, where it has the callsite.
    pub base_s: Option<f64>,
    /// Of the candidate, likewise.
    pub candidate_s: Option<f64>,
    /// The change, without the drift where that was removed; `None` where a side is missing.
    pub change: Option<Change>,
}

/// What was found of one callsite.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The callsite.
    pub key: CallsiteKey,
    /// The conclusion.
    pub verdict: Verdict,
    /// How bad, where it regressed.
    pub severity: Option<Severity>,
    /// Chance of such a change by noise alone, adjusted for the number of callsites; 1 where not judged.
    pub adjusted_p: f64,
    /// All measures, in the order of [`Measure::ALL`].
    pub measures: Vec<Measured>,
    /// Calls of the base.
    pub base_calls: Calls,
    /// Calls of the candidate.
    pub candidate_calls: Calls,
}

/// Two sides compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was compared with.
    pub base: Side,
    /// What was judged.
    pub candidate: Side,
    /// The thresholds that were used.
    pub settings: Settings,
    /// What all callsites had in common.
    pub drift: Drift,
    /// Every callsite of either side, the worst first.
    pub findings: Vec<Finding>,
}

// === impl Side ===

impl Side {
    pub(crate) fn of(runs: &[Run]) -> Self {
        let names: BTreeSet<&String> = runs.iter().map(|run| &run.name).collect();
        Self {
            names: names.into_iter().cloned().collect(),
            runs: runs.len(),
        }
    }
}

// === impl Change ===

impl Change {
    pub(crate) fn of(contrast: &Contrast, confidence: f64) -> Self {
        let interval = contrast.half_width(confidence).map(|half| Interval {
            low: (contrast.difference - half).exp(),
            high: (contrast.difference + half).exp().min(f64::MAX),
        });
        Self {
            factor: contrast.difference.exp().min(f64::MAX),
            interval,
        }
    }
}

// === impl Finding ===

impl Finding {
    /// One of its measures.
    pub fn measured(&self, measure: Measure) -> Option<&Measured> {
        self.measures
            .iter()
            .find(|measured| measured.measure == measure)
    }

    /// The change of the measure that decided, [`Measure::JUDGED`].
    pub fn change(&self) -> Option<Change> {
        self.measured(Measure::JUDGED)?.change
    }

    /// The worst verdict first; within one, the largest slowdown first, then by name.
    pub(crate) fn by_importance(&self, other: &Self) -> Ordering {
        let factor = |finding: &Self| finding.change().map_or(0.0, |change| change.factor);
        (self.verdict.rank().cmp(&other.verdict.rank()))
            .then_with(|| factor(other).total_cmp(&factor(self)))
            .then_with(|| self.key.cmp(&other.key))
    }

    /// Whether its share of failed calls rose by a percentage point or more, and by half or more.
    ///
    /// Said beside the verdict and never part of it: a failing call is not a slow one.
    pub fn fails_more(&self) -> bool {
        let (base, candidate) = (self.base_calls.error_rate, self.candidate_calls.error_rate);
        self.base_calls.runs > 0 && candidate - base >= FAILURES_RISE && candidate >= 1.5 * base
    }

    /// Seconds of its own that the callsite takes more per run of the candidate than of the base.
    pub fn self_time_growth_s(&self) -> Option<f64> {
        let own = self.measured(Measure::SelfTime)?;
        let base = own.base_s? * self.base_calls.per_run;
        let candidate = own.candidate_s? * self.candidate_calls.per_run;
        Some(candidate - base).filter(|growth| growth.is_finite())
    }
}

// === impl Comparison ===

impl Comparison {
    /// The conclusion of the whole: one regression is enough for regressed.
    ///
    /// Otherwise inconclusive where nothing could be judged, where most callsites are inconclusive, or where
    /// one of them looks at least 50 % slower without proof.
    pub fn verdict(&self) -> Verdict {
        if self.base.runs == 0 || self.candidate.runs == 0 {
            return Verdict::Inconclusive(Reason::NoRuns);
        }
        let count = |wanted: fn(&Verdict) -> bool| {
            self.findings
                .iter()
                .filter(|finding| wanted(&finding.verdict))
                .count()
        };
        if count(|verdict| *verdict == Verdict::Regressed) > 0 {
            return Verdict::Regressed;
        }
        let improved = count(|verdict| *verdict == Verdict::Improved);
        let decided = improved + count(|verdict| *verdict == Verdict::Unchanged);
        let inconclusive = self.inconclusive().count();
        let suspect = self.inconclusive().any(|finding| {
            finding
                .change()
                .is_some_and(|change| change.factor >= 1.0 + SUSPECT_ABOVE)
        });
        if decided == 0 && self.base.runs == 1 && self.candidate.runs == 1 {
            return Verdict::Inconclusive(Reason::OneRunASide);
        }
        if suspect || decided <= inconclusive {
            return Verdict::Inconclusive(Reason::Callsites);
        }
        if improved > 0 {
            Verdict::Improved
        } else {
            Verdict::Unchanged
        }
    }

    /// The regression that most likely caused the others: the one whose own time grew most.
    pub fn origin(&self) -> Option<&Finding> {
        self.regressed()
            .filter_map(|finding| finding.self_time_growth_s().map(|growth| (finding, growth)))
            .filter(|(_, growth)| *growth > 0.0)
            .max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.key.cmp(&a.0.key)))
            .map(|(finding, _)| finding)
    }

    /// The callsites that regressed, the worst first.
    pub fn regressed(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Regressed)
    }

    fn inconclusive(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| matches!(finding.verdict, Verdict::Inconclusive(_)))
    }
}
