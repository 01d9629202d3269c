//! Whether calls fail more often than before, by runs as everything else.
//!
//! Method: the share of failed calls of each run, as `asin sqrt` (Anscombe, Biometrika 35 (1948) 246), which has the same variance
//! whatever the share, `1 / (4 n + 2)` by chance alone. To that comes what runs differ by beyond chance, and both are moderated
//! over the callsites as times are. The p-values are adjusted over all callsites, and by the part of the error that is spent here.

use std::f64::consts::FRAC_PI_2;

use crate::detect::contrast::{self, Contrast, Samples};
use crate::detect::measure;
use crate::detect::settings::{
    BLIND_ABOVE, FAILURES_FACTOR, FAILURES_RISE, FAILURES_SHARE, REGRESSION_SHARE, Settings,
};
use crate::detect::verdict::{Reason, Verdict};
use crate::model::{CallsiteKey, CallsiteRun, Run};
use crate::stats::discovery::{self, Question};

/// How often a callsite fails on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failures {
    /// Share of the base's calls that ended in an error or a panic.
    pub base: f64,
    /// Share of the candidate's.
    pub candidate: f64,
    /// What is concluded; of callsites that only one side has, that.
    pub verdict: Verdict,
    /// Chance of such a change by noise alone, adjusted for the number of callsites; 1 where not judged.
    pub adjusted_p: f64,
    /// The factor by which the share rose at least, by the lower end of its interval; `None` where not regressed.
    pub at_least: Option<f64>,
}

/// Whether a change of the share of failed calls is worth a verdict, up or down.
pub(crate) fn is_large(base: f64, candidate: f64) -> bool {
    candidate - base >= FAILURES_RISE && candidate >= FAILURES_FACTOR * base
}

/// How often each callsite of `keys` fails.
pub(crate) fn failures<'a>(
    base: &[Run],
    candidate: &[Run],
    keys: impl Iterator<Item = &'a CallsiteKey>,
    settings: &Settings,
) -> Vec<Failures> {
    let sides: Vec<[Side; 2]> = keys
        .map(|key| [base, candidate].map(|runs| Side::of(runs, key)))
        .collect();
    let samples: Vec<Samples> = sides
        .iter()
        .map(|[base, candidate]| samples(base, candidate))
        .collect();
    let contrasts = contrast::contrasts(&samples);
    let questions: Vec<Question> = (contrasts.iter().zip(&sides))
        .map(|(contrast, [base, candidate])| {
            question(contrast.as_ref(), base.share(), candidate.share())
        })
        .collect();
    let adjusted = discovery::adjust_above_floor(&questions).into_iter();
    let adjusted = adjusted.map(|p| (p / FAILURES_SHARE).min(1.0));
    let judged = sides.iter().zip(&contrasts).zip(adjusted);
    judged
        .map(|(([base, candidate], contrast), adjusted_p)| {
            let contrast = contrast.as_ref();
            let verdict = verdict(base, candidate, contrast, adjusted_p, settings);
            let regressed = contrast.filter(|_| verdict == Verdict::Regressed);
            Failures {
                base: base.share(),
                candidate: candidate.share(),
                verdict,
                adjusted_p,
                at_least: regressed.and_then(|of| rise_at_least(of, settings.confidence)),
            }
        })
        .collect()
}

/// The factor from the base's share to the lower end of the candidate's, both as the runs say on average.
fn rise_at_least(contrast: &Contrast, confidence: f64) -> Option<f64> {
    let share = |angle: f64| angle.clamp(0.0, FRAC_PI_2).sin().powi(2);
    let low = contrast.base + contrast.difference - contrast.half_width(confidence)?;
    Some(share(low) / share(contrast.base))
}

/// Finished and failed calls of a side, and the transformed share of each run.
#[derive(Default)]
struct Side {
    calls: f64,
    failed: f64,
    shares: Vec<f64>,
    /// Sum of what chance alone makes of the variances.
    by_chance: f64,
}

impl Side {
    fn of(runs: &[Run], key: &CallsiteKey) -> Self {
        let mut side = Self::default();
        for callsite in runs.iter().filter_map(|run| run.callsites.get(key)) {
            side.add(callsite);
        }
        side
    }

    fn add(&mut self, callsite: &CallsiteRun) {
        let calls = measure::finished(callsite) as f64;
        if calls < 1.0 {
            return;
        }
        let failed = callsite.calls[1].saturating_add(callsite.calls[2]) as f64;
        self.calls += calls;
        self.failed += failed;
        self.shares.push(
            ((failed + 0.375) / (calls + 0.75))
                .clamp(0.0, 1.0)
                .sqrt()
                .asin(),
        );
        self.by_chance += 1.0 / (4.0 * calls + 2.0);
    }

    fn share(&self) -> f64 {
        self.failed / self.calls.max(1.0)
    }
}

fn samples(base: &Side, candidate: &Side) -> Samples {
    let runs = (base.shares.len() + candidate.shares.len()).max(1) as f64;
    let by_chance = (base.by_chance + candidate.by_chance) / runs;
    Samples::new(base.shares.clone(), candidate.shares.clone(), by_chance)
}

/// A change too small to count asks nothing, and how often chance makes it larger is not known: always.
fn question(contrast: Option<&Contrast>, base: f64, candidate: f64) -> Question {
    let counts = is_large(base, candidate) || is_large(candidate, base);
    let p = contrast.map_or(1.0, Contrast::p);
    Question {
        p: if counts {
            Question::p_of(p, candidate > base, REGRESSION_SHARE)
        } else {
            1.0
        },
        reach: [0.5, 0.5],
        share: [REGRESSION_SHARE, 1.0 - REGRESSION_SHARE],
    }
}

fn verdict(
    base: &Side,
    candidate: &Side,
    contrast: Option<&Contrast>,
    p: f64,
    settings: &Settings,
) -> Verdict {
    match (base.shares.is_empty(), candidate.shares.is_empty()) {
        (true, true) => return Verdict::Inconclusive(Reason::NoRuns),
        (true, false) => return Verdict::Added,
        (false, true) => return Verdict::Removed,
        (false, false) => {}
    }
    let rises = is_large(base.share(), candidate.share());
    let falls = is_large(candidate.share(), base.share());
    if p <= settings.false_discovery_rate && (rises || falls) {
        return if rises {
            Verdict::Regressed
        } else {
            Verdict::Improved
        };
    }
    if !(rises || falls) {
        return Verdict::Unchanged;
    }
    let known = contrast.and_then(|contrast| Some((contrast, contrast.standard_error?)));
    Verdict::Inconclusive(known.map_or(Reason::OneRunASide, |(contrast, _)| {
        let effect = contrast.difference.abs().max(BLIND_ABOVE * FAILURES_RISE);
        Reason::TooNoisy {
            more_runs: contrast.runs_needed(effect, 1.0 - settings.false_discovery_rate),
        }
    }))
}
