//! One callsite on its way from its runs to a finding.

use crate::detect::History;
use crate::detect::comparison::{Change, Finding, Measured};
use crate::detect::contrast::{self, Contrast, Samples};
use crate::detect::drift::{self, Drift};
use crate::detect::failures::Failures;
use crate::detect::measure::{self, Calls, Measure};
use crate::detect::rules::Rules;
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
        cell.contrast = cell.contrast.map(|contrast| match cell.measure {
            // A load that keeps its pace is as fast on a slow machine, and one that does not is slower.
            Measure::Throughput => contrast.less_at_most(common.ln, common.error),
            // How many bytes stay is not the machine's doing.
            Measure::Retained => contrast,
            _ => contrast.less(common.ln, common.error),
        });
    }
    common.drift
}

/// Judges every callsite, with the evidence asked for raised by their number.
///
/// What decides is one family, so that no more false alarms come of more that decides. All else is a family of its own, so
/// that no question about a tail is paid for by the verdicts of the callsites.
pub(crate) fn conclude(rows: &[Row<'_>], settings: &Settings, rules: &Rules) -> Vec<Finding> {
    let own: Vec<Settings> = (rows.iter())
        .map(|row| rules.settings(row.key, settings))
        .collect();
    let decides = |row: &Row<'_>, cell: &Cell| rules.decides(cell.measure, row.key);
    let deciding = adjusted(rows, &own, decides);
    let others = adjusted(rows, &own, |row, cell| !decides(row, cell));
    let guard = adjusted(rows, &own, |_, cell| cell.measure == Measure::Mean);
    let adjusted = deciding.into_iter().zip(others).zip(guard);
    (rows.iter().zip(&own).zip(adjusted))
        .map(|((row, own), ((deciding, others), guard))| {
            let p = deciding.into_iter().zip(others);
            let judged: Vec<Judged> = (row.cells.iter().zip(p).zip(guard))
                .map(|((cell, (deciding, others)), guard)| {
                    let decides = decides(row, cell);
                    Judged {
                        decides,
                        adjusted_p: if decides { deciding } else { others },
                        guard_p: guard,
                    }
                })
                .collect();
            row.finding(&judged, own)
        })
        .collect()
}

/// What the families say of a cell.
struct Judged {
    decides: bool,
    adjusted_p: f64,
    /// The same among the means alone; 1 of any other measure.
    guard_p: f64,
}

/// Adjusted p-values of a family of cells, in the order of all cells; 1 where a cell is not of it.
///
/// Callsites without an interval ask nothing, and must not dilute the rest.
fn adjusted(
    rows: &[Row<'_>],
    own: &[Settings],
    is_asked: impl Fn(&Row<'_>, &Cell) -> bool,
) -> Vec<Vec<f64>> {
    let of_row = |(row, own): (&Row<'_>, &Settings)| -> Vec<Option<Question>> {
        let question = |cell: &Cell| {
            let contrast = cell.contrast.as_ref().filter(|_| is_asked(row, cell))?;
            verdict::question(contrast, &cell.measure.settings(own))
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

    fn finding(&self, judged: &[Judged], settings: &Settings) -> Finding {
        let of = |measure: Measure, p: fn(&Judged) -> f64| {
            let mut cells = self.cells.iter().zip(judged);
            cells
                .find(|(cell, _)| cell.measure == measure)
                .map_or(1.0, |(_, judged)| p(judged))
        };
        let adjusted_p = of(Measure::JUDGED, |judged| judged.adjusted_p);
        let guard = of(Measure::Mean, |judged| judged.guard_p);
        let verdict = self.verdict(adjusted_p, guard, settings);
        // What is no future has no polls, and nothing is to be said of that.
        let is_measured =
            |(cell, _): &(&Cell, &Judged)| cell.is_measured() || !cell.measure.is_special();
        let mut finding = Finding {
            key: self.key.clone(),
            verdict,
            min_effect: settings.min_effect,
            severity: None,
            severity_at_least: None,
            adjusted_p,
            measures: (self.cells.iter().zip(judged))
                .filter(is_measured)
                .map(|(cell, judged)| self.measured(cell, judged, settings))
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
        finding.decide();
        finding
    }

    fn measured(&self, cell: &Cell, judged: &Judged, settings: &Settings) -> Measured {
        let measure = cell.measure;
        let by_itself = || match &cell.contrast {
            Some(contrast) => {
                verdict::judge(contrast, judged.adjusted_p, &measure.settings(settings))
            }
            None if !cell.samples.is_evidence() => Verdict::Inconclusive(Reason::CallsGiven),
            None if measure.is_special() => Verdict::Inconclusive(Reason::OneSideTells),
            None => Verdict::Inconclusive(Reason::NoneEndedWell),
        };
        let change = |contrast: Contrast| {
            let change = Change::of(&contrast, settings.confidence);
            match measure.more_is_worse() {
                true => change,
                false => change.inverse(),
            }
        };
        let shown = |mean: Option<f64>| {
            let value = mean?.exp();
            Some(match measure.more_is_worse() {
                true => value,
                false => value.recip(),
            })
        };
        Measured {
            measure,
            base: shown(cell.samples.base_mean()),
            candidate: shown(cell.samples.candidate_mean()),
            change: cell.contrast.map(change),
            verdict: self.one_sided().unwrap_or_else(by_itself),
            decides: judged.decides,
            adjusted_p: judged.adjusted_p,
        }
    }
}

// === impl Cell ===

impl Cell {
    /// Whether any run of either side says something.
    fn is_measured(&self) -> bool {
        let (base, candidate) = (self.samples.base_mean(), self.samples.candidate_mean());
        base.or(candidate).is_some()
    }
}
