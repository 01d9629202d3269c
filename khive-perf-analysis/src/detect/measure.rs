//! What a run says about a callsite, one number per measure.

use std::collections::BTreeSet;

use crate::detect::contrast::Samples;
use crate::detect::settings::{NOISE_FLOOR, TIME_FLOOR_S};
use crate::model::{CallsiteKey, CallsiteRun, Run};
use crate::stats::{quantile, trimmed};

/// Some thirty thousand years: what is longer is not a time, and its ratios would not be numbers.
const TIME_MAX_S: f64 = 1e12;

/// One number that a run gives for a callsite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// Mean wall time of the calls that ended well, without the slowest hundredth of them.
    Typical,
    /// Mean wall time of all of them; exact, as the sum and the count are.
    Mean,
    /// Their median.
    P50,
    /// Their 99th percentile.
    P99,
    /// Time on a thread outside measured callees, per call.
    SelfTime,
    /// Time on a thread, measured callees included, per call.
    BusyTime,
    /// The longest single poll of the run (futures only).
    LongestPoll,
}

/// Calls of one side, added over its runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calls {
    /// Runs that made any call.
    pub runs: usize,
    /// Finished calls per such run.
    pub per_run: f64,
    /// Share of them that ended in an error or a panic.
    pub error_rate: f64,
    /// Calls that ended well, over all runs.
    pub ok: u64,
}

impl Measure {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Typical,
        Self::Mean,
        Self::P50,
        Self::P99,
        Self::SelfTime,
        Self::BusyTime,
        Self::LongestPoll,
    ];

    /// The one that verdicts rest on.
    pub const JUDGED: Self = Self::Typical;

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Typical => "typical",
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::SelfTime => "self time per call",
            Self::BusyTime => "busy time per call",
            Self::LongestPoll => "longest poll",
        }
    }

    /// In seconds; `None` where the run cannot say.
    pub(crate) fn of(self, callsite: &CallsiteRun) -> Option<f64> {
        let ok = &callsite.ok;
        let calls = finished(callsite);
        let per_call = |total_s: f64| (calls > 0 && total_s > 0.0).then(|| total_s / calls as f64);
        let value = match self {
            Self::Typical => trimmed::trimmed_mean(ok),
            Self::Mean => (ok.count > 0).then(|| ok.sum / ok.count as f64),
            Self::P50 => quantile::quantile(ok, 0.5),
            Self::P99 => quantile::quantile(ok, 0.99),
            Self::SelfTime => per_call(callsite.self_time_s),
            Self::BusyTime => per_call(callsite.busy_time_s),
            Self::LongestPoll => (callsite.polls > 0).then_some(callsite.longest_poll_s),
        };
        value.filter(|value| value.is_finite() && *value >= 0.0)
    }

    fn resolution_variance(self, callsite: &CallsiteRun) -> f64 {
        match self {
            Self::Typical | Self::Mean | Self::SelfTime | Self::BusyTime | Self::LongestPoll => 0.0,
            Self::P50 | Self::P99 => quantile::resolution_variance(callsite.ok.scale).min(1.0),
        }
    }

    /// The measure in every run of both sides that has the callsite.
    pub(crate) fn samples(self, base: &[Run], candidate: &[Run], key: &CallsiteKey) -> Samples {
        let mut floor = NOISE_FLOOR * NOISE_FLOOR;
        let mut logarithms = |runs: &[Run]| -> Vec<f64> {
            let mut values = Vec::with_capacity(runs.len());
            for callsite in runs.iter().filter_map(|run| run.callsites.get(key)) {
                if let Some(value) = self.of(callsite) {
                    floor = floor.max(self.resolution_variance(callsite));
                    values.push(value.clamp(TIME_FLOOR_S, TIME_MAX_S).ln());
                }
            }
            values
        };
        let (base, candidate) = (logarithms(base), logarithms(candidate));
        Samples::new(base, candidate, floor)
    }
}

/// Every callsite of either side, sorted.
pub(crate) fn keys<'a>(base: &'a [Run], candidate: &'a [Run]) -> Vec<&'a CallsiteKey> {
    let runs = base.iter().chain(candidate);
    let keys: BTreeSet<&CallsiteKey> = runs.flat_map(|run| run.callsites.keys()).collect();
    keys.into_iter().collect()
}

impl Calls {
    pub(crate) fn of(runs: &[Run], key: &CallsiteKey) -> Self {
        let (mut calling, mut all, mut failed, mut ok) = (0usize, 0u128, 0u128, 0u64);
        for callsite in runs.iter().filter_map(|run| run.callsites.get(key)) {
            let calls = finished(callsite).max(callsite.ok.count);
            calling += usize::from(calls > 0);
            all += u128::from(calls);
            failed += u128::from(callsite.calls[1]) + u128::from(callsite.calls[2]);
            ok = ok.saturating_add(callsite.ok.count);
        }
        Self {
            runs: calling,
            per_run: all as f64 / calling.max(1) as f64,
            error_rate: failed as f64 / all.max(1) as f64,
            ok,
        }
    }
}

/// Calls that ended, however.
pub(crate) fn finished(callsite: &CallsiteRun) -> u64 {
    callsite
        .calls
        .iter()
        .fold(0, |sum, &calls| sum.saturating_add(calls))
}
