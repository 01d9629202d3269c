//! One callsite on its way from its runs to a finding.

use crate::detect::History;
use crate::detect::comparison::{Change, Finding, Measured};
use crate::detect::contrast::{self, Contrast, Samples};
use crate::detect::drift::{self, Drift};
use crate::detect::failures::Failures;
use crate::detect::floors::Floors;
use crate::detect::measure::{self, Calls, Measure};
use crate::detect::settings::Settings;
use crate::detect::verdict::{self, Reason, Severity, Verdict};
use crate::model::{CallsiteKey, Run};
use crate::stats::discovery::{self, Question};

/// A callsite with one cell for each of [`Measure::ALL`].
pub(crate) struct Row<'a> {
    key: &'a CallsiteKey,
    base_calls: Calls,
    candidate_calls: Calls,
    cells: Vec<Cell>,
}

struct Cell {
    measure: Measure,
    samples: Samples,
    contrast: Option<Contrast>,
}

/// Every callsite of either side, measured.
pub(crate) fn rows<'a>(base: &'a [Run], candidate: &'a [Run], history: &History) -> Vec<Row<'a>> {
    let new = |key| Row {
        key,
        base_calls: Calls::of(base, key),
        candidate_calls: Calls::of(candidate, key),
        cells: Vec::with_capacity(Measure::ALL.len()),
    };
    let mut rows: Vec<Row<'a>> = measure::keys(base, candidate)
        .into_iter()
        .map(new)
        .collect();
    for measure in Measure::ALL {
        // Only what verdicts rest on: of the rest there is no history.
        let rests = measure == Measure::JUDGED || measure == Measure::Mean;
        let samples = |row: &Row<'_>| {
            let known = history.get(row.key).copied().filter(|_| rests);
            let samples = measure.samples(base, candidate, row.key);
            samples.with_history(known)
        };
        let samples: Vec<Samples> = rows.iter().map(samples).collect();
        // All callsites together, as each learns from the noise of the others.
        let contrasts = contrast::contrasts(&samples);
        let column = samples.into_iter().zip(contrasts);
        for (row, (samples, contrast)) in rows.iter_mut().zip(column) {
            row.cells.push(Cell {
                measure,
                samples,
                contrast,
            });
        }
    }
    rows
}

/// Takes a drift of the machine out of every measure, where there is one.
pub(crate) fn remove_drift(rows: &mut [Row<'_>]) -> Drift {
    let judged: Vec<Contrast> = rows
        .iter()
        .filter_map(|row| row.contrast(Measure::JUDGED).copied())
        .collect();
    let common = drift::find(&judged);
    for cell in rows.iter_mut().flat_map(|row| &mut row.cells) {
        cell.contrast = cell
            .contrast
            .map(|contrast| contrast.less(common.ln, common.error));
    }
    common.drift
}

/// Judges every callsite, with the evidence asked for raised by their number.
pub(crate) fn conclude(rows: &[Row<'_>], settings: &Settings, floors: &Floors) -> Vec<Finding> {
    let own: Vec<Settings> = rows
        .iter()
        .map(|row| floors.of(row.key, settings))
        .collect();
    let judged = adjusted(rows, Measure::JUDGED, &own);
    let guard = adjusted(rows, Measure::Mean, &own);
    let others = adjusted_others(rows, &own);
    rows.iter()
        .zip(&own)
        .zip(judged.into_iter().zip(guard).zip(others))
        .map(|((row, own), ((judged, guard), others))| row.finding(judged, guard, &others, own))
        .collect()
}

/// Adjusted p-values of every cell that does not decide, in the order of the cells: of all callsites together.
///
/// They are a family of their own, so that no question about a tail is paid for by the verdicts of the callsites.
fn adjusted_others(rows: &[Row<'_>], own: &[Settings]) -> Vec<Vec<f64>> {
    let of_row = |(row, own): (&Row<'_>, &Settings)| -> Vec<Option<Question>> {
        let question = |cell: &Cell| {
            let contrast = cell
                .contrast
                .as_ref()
                .filter(|_| cell.measure != Measure::JUDGED)?;
            verdict::question(contrast, own)
        };
        row.cells.iter().map(question).collect()
    };
    let questions: Vec<Vec<Option<Question>>> = rows.iter().zip(own).map(of_row).collect();
    let asked: Vec<Question> = questions.iter().flatten().copied().flatten().collect();
    let mut adjusted = discovery::adjust_above_floor(&asked).into_iter();
    let mut answer =
        |question: Option<Question>| question.and_then(|_| adjusted.next()).unwrap_or(1.0);
    questions
        .into_iter()
        .map(|row| row.into_iter().map(&mut answer).collect())
        .collect()
}

/// Adjusted p-values of one measure; callsites without an interval ask nothing and must not dilute the rest.
fn adjusted(rows: &[Row<'_>], measure: Measure, own: &[Settings]) -> Vec<f64> {
    let question = |(row, own): (&Row<'_>, _)| verdict::question(row.contrast(measure)?, own);
    let questions: Vec<Option<Question>> = rows.iter().zip(own).map(question).collect();
    let asked: Vec<Question> = questions.iter().copied().flatten().collect();
    let mut adjusted = discovery::adjust_above_floor(&asked).into_iter();
    questions
        .iter()
        .map(|question| question.and_then(|_| adjusted.next()).unwrap_or(1.0))
        .collect()
}

// === impl Row ===

impl Row<'_> {
    fn contrast(&self, measure: Measure) -> Option<&Contrast> {
        let cell = self.cells.iter().find(|cell| cell.measure == measure)?;
        cell.contrast.as_ref()
    }

    /// What is to be said where a side has no call.
    fn one_sided(&self) -> Option<Verdict> {
        match (self.base_calls.runs > 0, self.candidate_calls.runs > 0) {
            (false, true) => Some(Verdict::Added),
            (true, false) => Some(Verdict::Removed),
            (false, false) => Some(Verdict::Inconclusive(Reason::NoRuns)),
            (true, true) => None,
        }
    }

    fn verdict(&self, judged: f64, guard: f64, settings: &Settings) -> Verdict {
        if let Some(verdict) = self.one_sided() {
            return verdict;
        }
        let Some(contrast) = self.contrast(Measure::JUDGED) else {
            return Verdict::Inconclusive(Reason::NoneEndedWell);
        };
        let verdict = verdict::judge(contrast, judged, settings);
        if verdict != Verdict::Unchanged {
            return verdict;
        }
        // The typical call is as it was; a change of the slowest hundredth alone shows in the mean.
        let mean = self.contrast(Measure::Mean);
        match mean.map(|mean| verdict::judge(mean, guard, settings)) {
            Some(Verdict::Regressed | Verdict::Improved) => {
                Verdict::Inconclusive(Reason::SlowestCalls)
            }
            _ => verdict,
        }
    }

    fn finding(&self, judged: f64, guard: f64, others: &[f64], settings: &Settings) -> Finding {
        let verdict = self.verdict(judged, guard, settings);
        let measured = |(cell, p): (&Cell, &f64)| {
            let adjusted_p = if cell.measure == Measure::JUDGED {
                judged
            } else {
                *p
            };
            let by_itself = || match &cell.contrast {
                Some(contrast) => verdict::judge(contrast, adjusted_p, settings),
                None => Verdict::Inconclusive(Reason::NoneEndedWell),
            };
            Measured {
                measure: cell.measure,
                base_s: cell.samples.base_mean().map(f64::exp),
                candidate_s: cell.samples.candidate_mean().map(f64::exp),
                change: cell
                    .contrast
                    .map(|contrast| Change::of(&contrast, settings.confidence)),
                verdict: self.one_sided().unwrap_or_else(by_itself),
                adjusted_p,
            }
        };
        // What is no future has no polls, and nothing is to be said of that.
        let is_measured = |(cell, _): &(&Cell, &f64)| {
            let is_somewhere = cell
                .samples
                .base_mean()
                .or_else(|| cell.samples.candidate_mean())
                .is_some();
            is_somewhere || cell.measure != Measure::LongestPoll
        };
        let mut finding = Finding {
            key: self.key.clone(),
            verdict,
            min_effect: settings.min_effect,
            severity: None,
            severity_at_least: None,
            adjusted_p: judged,
            measures: (self.cells.iter().zip(others))
                .filter(is_measured)
                .map(measured)
                .collect(),
            failures: Failures {
                base: self.base_calls.error_rate,
                candidate: self.candidate_calls.error_rate,
                verdict: Verdict::Unchanged,
                adjusted_p: 1.0,
                at_least: None,
            },
            counts: Vec::new(),
            base_calls: self.base_calls,
            candidate_calls: self.candidate_calls,
        };
        if verdict == Verdict::Regressed {
            finding.severity = finding.change().map(|change| Severity::of(change.factor));
        }
        if matches!(verdict, Verdict::Regressed | Verdict::Improved) {
            let at_least = finding.change().and_then(|change| change.at_least());
            finding.severity_at_least = at_least.map(Severity::of);
        }
        finding
    }
}
