//! Compares the runs of two sides, callsite by callsite; `docs/detection.md` gives the reasons.
//!
//! ```text
//! runs ──> measure ──> contrast ──> drift ──> verdict ──> Comparison
//! ```
//!
//! Values in, values out: nothing here reads a clock or a file, and the same runs give the same comparison,
//! in whatever order they come.

mod contrast;
mod drift;
mod measure;
pub mod settings;
mod verdict;

pub use crate::detect::drift::Drift;
pub use crate::detect::measure::{Calls, Measure};
pub use crate::detect::settings::Settings;
pub use crate::detect::verdict::{Reason, Severity, Verdict};

use std::collections::BTreeSet;

use crate::detect::contrast::{Contrast, Samples};
use crate::detect::settings::{FAILURES_RISE, STALL_FACTOR, SUSPECT_ABOVE};
use crate::model::{CallsiteKey, Run};
use crate::stats::discovery;

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
    /// The measure that decided: the mean, or the median where stalls make the mean too noisy.
    pub judged_on: Measure,
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

/// Compares `candidate` with `base`. Never fails: what cannot be judged is inconclusive.
pub fn compare(base: &[Run], candidate: &[Run], settings: &Settings) -> Comparison {
    let settings = settings.sane();
    let keys = measure::keys(base, candidate);
    let mut columns: Vec<Vec<(Samples, Option<Contrast>)>> = Measure::ALL
        .iter()
        .map(|measure| {
            let samples: Vec<Samples> = keys
                .iter()
                .map(|key| measure.samples(base, candidate, key))
                .collect();
            let contrasts = contrast::contrasts(&samples);
            samples.into_iter().zip(contrasts).collect()
        })
        .collect();
    let mut rows: Vec<Row<'_>> = keys
        .into_iter()
        .map(|key| Row {
            key,
            base_calls: Calls::of(base, key),
            candidate_calls: Calls::of(candidate, key),
            samples: Vec::new(),
            contrasts: Vec::new(),
        })
        .collect();
    for column in columns.drain(..) {
        for (row, (samples, contrast)) in rows.iter_mut().zip(column) {
            row.samples.push(samples);
            row.contrasts.push(contrast);
        }
    }
    let drift = remove_drift(&mut rows, &settings);
    let votes: Vec<Vote> = rows.iter().map(Row::vote).collect();
    let mut findings = conclude(rows, &votes, &settings);
    findings.sort_by(order);
    Comparison {
        base: Side::of(base),
        candidate: Side::of(candidate),
        settings,
        drift,
        findings,
    }
}

/// A callsite on its way to a finding.
struct Row<'a> {
    key: &'a CallsiteKey,
    base_calls: Calls,
    candidate_calls: Calls,
    samples: Vec<Samples>,
    contrasts: Vec<Option<Contrast>>,
}

/// The evidence of one callsite: which measure speaks for it, and how surely.
#[derive(Clone, Copy)]
struct Vote {
    measure: Measure,
    p: f64,
}

fn remove_drift(rows: &mut [Row<'_>], settings: &Settings) -> Drift {
    if !settings.remove_drift {
        return Drift::None;
    }
    let main: Vec<Contrast> = rows
        .iter()
        .filter_map(|row| row.contrast(row.calmest()))
        .copied()
        .collect();
    let common = drift::find(&main);
    for contrast in rows.iter_mut().flat_map(|row| row.contrasts.iter_mut()) {
        *contrast = contrast.map(|contrast| contrast.less(common.ln, common.error));
    }
    common.drift
}

fn conclude(rows: Vec<Row<'_>>, votes: &[Vote], settings: &Settings) -> Vec<Finding> {
    // Only callsites with an interval are a question asked; the others must not dilute the answer.
    let asked: Vec<usize> = (0..rows.len())
        .filter(|&index| rows[index].is_asked())
        .collect();
    let p: Vec<f64> = asked.iter().map(|&index| votes[index].p).collect();
    let mut adjusted = vec![1.0; rows.len()];
    for (&index, p) in asked.iter().zip(discovery::adjust(&p)) {
        adjusted[index] = p;
    }
    let each = rows.into_iter().zip(votes).zip(adjusted);
    each.map(|((row, vote), p)| row.into_finding(*vote, p, settings))
        .collect()
}

fn order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let factor = |finding: &Finding| finding.change().map_or(0.0, |change| change.factor);
    (a.verdict.rank().cmp(&b.verdict.rank()))
        .then_with(|| factor(b).total_cmp(&factor(a)))
        .then_with(|| a.key.cmp(&b.key))
}

// === impl Row ===

impl Row<'_> {
    fn contrast(&self, measure: Measure) -> Option<&Contrast> {
        self.contrasts.get(position(measure))?.as_ref()
    }

    fn is_asked(&self) -> bool {
        self.contrast(Measure::Mean)
            .is_some_and(|contrast| contrast.standard_error.is_some())
    }

    /// Whether single stalls move the mean from run to run, and leave the median where it is.
    fn is_stalled(&self) -> bool {
        self.contrast(Measure::Mean)
            .zip(self.contrast(Measure::P50))
            .is_some_and(|(mean, p50)| mean.variance > STALL_FACTOR * p50.variance)
    }

    fn calmest(&self) -> Measure {
        if self.is_stalled() {
            Measure::P50
        } else {
            Measure::Mean
        }
    }

    /// The mean speaks; where it is stalled, the surer of mean and median, at twice the price.
    fn vote(&self) -> Vote {
        let p = |measure| self.contrast(measure).map_or(1.0, Contrast::p);
        let (mean, p50) = (p(Measure::Mean), p(Measure::P50));
        if !self.is_stalled() {
            return Vote {
                measure: Measure::Mean,
                p: mean,
            };
        }
        let measure = if p50 < mean {
            Measure::P50
        } else {
            Measure::Mean
        };
        Vote {
            measure,
            p: (2.0 * mean.min(p50)).min(1.0),
        }
    }

    fn verdict(&self, vote: Vote, adjusted: f64, settings: &Settings) -> Verdict {
        let calls = (self.base_calls.runs > 0, self.candidate_calls.runs > 0);
        match calls {
            (false, true) => return Verdict::Added,
            (true, false) => return Verdict::Removed,
            (false, false) => return Verdict::Inconclusive(Reason::NoRuns),
            (true, true) => {}
        }
        let Some(contrast) = self.contrast(vote.measure) else {
            return Verdict::Inconclusive(Reason::NoneEndedWell);
        };
        let verdict = verdict::judge(contrast, adjusted, settings);
        let Some(mean) = self
            .contrast(Measure::Mean)
            .filter(|_| vote.measure != Measure::Mean)
        else {
            return verdict;
        };
        let opposed =
            mean.p() < 1.0 - settings.confidence && mean.difference * contrast.difference < 0.0;
        match verdict {
            Verdict::Regressed | Verdict::Improved if opposed => {
                Verdict::Inconclusive(Reason::Contradictory)
            }
            // The median saw nothing, but a change of the tail alone would only show in the mean.
            Verdict::Unchanged => verdict::judge(mean, 1.0, settings),
            verdict => verdict,
        }
    }

    fn into_finding(self, vote: Vote, adjusted: f64, settings: &Settings) -> Finding {
        let verdict = self.verdict(vote, adjusted, settings);
        let measures: Vec<Measured> = Measure::ALL
            .iter()
            .zip(self.samples.iter().zip(&self.contrasts))
            .map(|(&measure, (samples, contrast))| Measured {
                measure,
                base_s: samples.base_mean().map(f64::exp),
                candidate_s: samples.candidate_mean().map(f64::exp),
                change: contrast
                    .as_ref()
                    .map(|contrast| Change::of(contrast, settings.confidence)),
            })
            .collect();
        let mut finding = Finding {
            key: self.key.clone(),
            verdict,
            severity: None,
            judged_on: vote.measure,
            adjusted_p: adjusted,
            measures,
            base_calls: self.base_calls,
            candidate_calls: self.candidate_calls,
        };
        if verdict == Verdict::Regressed {
            finding.severity = finding.change().map(|change| Severity::of(change.factor));
        }
        finding
    }
}

fn position(measure: Measure) -> usize {
    match measure {
        Measure::Mean => 0,
        Measure::P50 => 1,
        Measure::P99 => 2,
        Measure::SelfTime => 3,
    }
}

// === impl Side ===

impl Side {
    fn of(runs: &[Run]) -> Self {
        let names: BTreeSet<&String> = runs.iter().map(|run| &run.name).collect();
        Self {
            names: names.into_iter().cloned().collect(),
            runs: runs.len(),
        }
    }
}

// === impl Change ===

impl Change {
    fn of(contrast: &Contrast, confidence: f64) -> Self {
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
        self.measures.get(position(measure))
    }

    /// The change of the measure that decided.
    pub fn change(&self) -> Option<Change> {
        self.measured(self.judged_on)?.change
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
