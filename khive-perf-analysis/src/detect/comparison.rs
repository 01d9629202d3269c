//! What a comparison found: plain values for reports.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::detect::contrast::Contrast;
use crate::detect::counts::Count;
use crate::detect::drift::Drift;
use crate::detect::failures::{self, Failures};
use crate::detect::measure::{self, Calls, Measure};
use crate::detect::settings::{OWN_SHARE, SUSPECT_ABOVE, Settings};
use crate::detect::verdict::{Reason, Severity, Verdict};
use crate::model::{CallsiteKey, Run};

/// The runs of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Their names, sorted, each once.
    pub names: Vec<String>,
    /// How many they are.
    pub runs: usize,
    /// Finished calls of all callsites, over all runs.
    pub calls: u64,
}

/// How much something changed: factors, candidate by base. 1.1 is 10 % slower, or 10 % more calls a second.
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

/// One measure on both sides, in its [`Measure::unit`]: geometric means over the runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// What was measured.
    pub measure: Measure,
    /// Of the base, where it has the callsite.
    pub base: Option<f64>,
    /// Of the candidate, likewise.
    pub candidate: Option<f64>,
    /// The change, without the drift where that was removed; `None` where a side is missing, or nothing can be concluded.
    pub change: Option<Change>,
    /// What is concluded of this measure by itself.
    pub verdict: Verdict,
    /// Whether its regression is one of the callsite: [`Measure::JUDGED`], and what the rules name.
    pub decides: bool,
    /// Chance of such a change by noise alone, adjusted over all callsites and all measures that decide, or over the others.
    pub adjusted_p: f64,
}

/// What was found of one callsite.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The callsite.
    pub key: CallsiteKey,
    /// The conclusion.
    pub verdict: Verdict,
    /// The smallest relative change of it that was worth a verdict.
    pub min_effect: f64,
    /// How bad, where it regressed, by the estimate.
    pub severity: Option<Severity>,
    /// How bad at least, by the interval's end nearer to no change; of an improvement, how much undoing it would cost.
    pub severity_at_least: Option<Severity>,
    /// Chance of such a change by noise alone, adjusted for the number of callsites; 1 where not judged.
    pub adjusted_p: f64,
    /// All measures, in the order of [`Measure::ALL`]; the longest poll of futures only.
    pub measures: Vec<Measured>,
    /// Whether it fails more or less often.
    pub failures: Failures,
    /// What its calls count, where both sides do.
    pub counts: Vec<Count>,
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
    /// Callsites whose noise is known from earlier runs, too.
    pub known_callsites: usize,
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
            calls: runs
                .iter()
                .flat_map(|run| run.callsites.values())
                .map(measure::finished)
                .fold(0, u64::saturating_add),
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

    /// The same of what is counted the other way round: calls a second, and not seconds a call.
    pub(crate) fn inverse(self) -> Self {
        let one_by = |factor: f64| factor.recip().min(f64::MAX);
        Self {
            factor: one_by(self.factor),
            interval: self.interval.map(|interval| Interval {
                low: one_by(interval.high),
                high: one_by(interval.low),
            }),
        }
    }

    /// The factor from the better side to the worse one that it is at least: by the end nearer to no change.
    pub fn at_least(&self) -> Option<f64> {
        let interval = self.interval?;
        Some(if self.factor > 1.0 {
            interval.low
        } else {
            interval.high.recip()
        })
    }
}

// === impl Finding ===

impl Finding {
    /// Takes in what its calls count; a rise beyond doubt is a regression, whatever the time.
    pub(crate) fn count(&mut self, counts: Vec<Count>) {
        let worst = (counts.iter().filter(|count| count.rises))
            .map(Count::factor)
            .max_by(f64::total_cmp);
        if let Some(factor) = worst {
            // Runs agree on what they count, so nothing is left to doubt.
            self.regress(Severity::of(factor), Severity::of(factor));
        }
        self.counts = counts;
    }

    /// Takes in how often it fails; a rise that is shown is a regression, whatever the time.
    pub(crate) fn fail(&mut self, failures: Failures) {
        if failures.verdict == Verdict::Regressed {
            let severity = Severity::of(failures.candidate / failures.base);
            let at_least = failures.at_least.map_or(Severity::Minor, Severity::of);
            self.regress(severity, at_least.min(severity));
        }
        self.failures = failures;
    }

    /// Takes in what decides beside its typical call: a regression of that is one of the callsite.
    pub(crate) fn decide(&mut self) {
        let worse: Vec<Change> = self
            .worse_beside()
            .filter_map(|measured| {
                let change = measured.change?;
                let more_is_worse = measured.measure.more_is_worse();
                Some(if more_is_worse {
                    change
                } else {
                    change.inverse()
                })
            })
            .collect();
        for change in worse {
            let at_least = change.at_least().map_or(Severity::Minor, Severity::of);
            self.regress(Severity::of(change.factor), at_least);
        }
    }

    /// What decides beside its typical call, and regressed.
    fn worse_beside(&self) -> impl Iterator<Item = &Measured> {
        self.measures.iter().filter(|measured| {
            let is_beside = measured.decides && measured.measure != Measure::JUDGED;
            is_beside && measured.verdict == Verdict::Regressed
        })
    }

    fn regress(&mut self, severity: Severity, at_least: Severity) {
        // What an improvement of its time is worth does not matter any more.
        let known = (self.severity_at_least).filter(|_| self.verdict == Verdict::Regressed);
        self.verdict = Verdict::Regressed;
        self.severity = self.severity.max(Some(severity));
        self.severity_at_least = known.max(Some(at_least));
    }

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
    /// By itself a remark: what runs are to be believed about it is in [`Finding::failures`].
    pub fn fails_more(&self) -> bool {
        let (base, candidate) = (self.base_calls.error_rate, self.candidate_calls.error_rate);
        self.base_calls.runs > 0 && failures::is_large(base, candidate)
    }

    /// Seconds of its own that the callsite adds per run: what a call takes more, by the candidate's calls.
    ///
    /// Both sides are taken at the candidate's number of calls, so that doing more work is no growth.
    pub fn self_time_growth_s(&self) -> Option<f64> {
        self.growth_per_run_of(Measure::SelfTime)
    }

    /// What a call takes more, by the measure that decides.
    pub(crate) fn growth_per_call_s(&self) -> Option<f64> {
        self.growth_s(Measure::JUDGED)
    }

    /// The same for all calls of a run of the candidate.
    pub(crate) fn growth_per_run_s(&self) -> Option<f64> {
        self.growth_per_run_of(Measure::JUDGED)
    }

    /// Whether nothing else that decides speaks against it.
    pub(crate) fn regressed_by_time_alone(&self) -> bool {
        self.verdict == Verdict::Regressed && self.worse_beside().next().is_none()
    }

    /// Whether its calls take longer beyond doubt, and not only fail or allocate more.
    fn is_slower(&self) -> bool {
        self.measured(Measure::JUDGED)
            .is_some_and(|measured| measured.verdict == Verdict::Regressed)
    }

    /// Whether most of the wall time that it adds is its own, on a thread: neither its callees' nor waiting.
    fn adds_its_own(&self) -> bool {
        let calls = self.candidate_calls;
        let wall = self
            .growth_s(Measure::Mean)
            .map(|growth| growth * calls.ok as f64 / calls.runs.max(1) as f64);
        wall.zip(self.self_time_growth_s())
            .is_some_and(|(wall, own)| own > 0.0 && own >= OWN_SHARE * wall)
            && self.is_slower()
    }

    /// Whether most of the wall time that a call adds is not spent on any thread.
    pub fn waits_more(&self) -> bool {
        self.growth_s(Measure::Mean)
            .zip(self.growth_s(Measure::BusyTime))
            .is_some_and(|(wall, busy)| wall > 0.0 && busy < OWN_SHARE * wall)
            && self.is_slower()
    }

    /// Seconds that a measure grew by for all calls of a run of the candidate.
    fn growth_per_run_of(&self, measure: Measure) -> Option<f64> {
        let growth = self.growth_s(measure)? * self.candidate_calls.per_run;
        Some(growth).filter(|growth| growth.is_finite())
    }

    /// Seconds per call that a measure grew by.
    fn growth_s(&self, measure: Measure) -> Option<f64> {
        let measured = self.measured(measure)?;
        Some(measured.candidate? - measured.base?)
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
        if decided + inconclusive == 0 {
            return Verdict::Inconclusive(Reason::NothingInCommon);
        }
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

    /// The regression that most likely caused the others: of those whose added time is mostly their own, the one
    /// that adds most per run.
    ///
    /// `None` where no regression explains itself: where the time went into waiting, into more calls of
    /// something that is as fast as before, or into what is not measured.
    pub fn origin(&self) -> Option<&Finding> {
        self.regressed()
            .filter(|finding| finding.adds_its_own())
            .filter_map(|finding| finding.self_time_growth_s().map(|growth| (finding, growth)))
            .max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.key.cmp(&a.0.key)))
            .map(|(finding, _)| finding)
    }

    /// The callsites that regressed, the worst first.
    pub fn regressed(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Regressed)
    }

    /// That of the worst regression.
    pub fn severity(&self) -> Option<Severity> {
        self.regressed()
            .filter_map(|finding| finding.severity)
            .max()
    }

    fn inconclusive(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| matches!(finding.verdict, Verdict::Inconclusive(_)))
    }
}
