//! What a run says about a callsite, one number per measure.

use std::collections::BTreeSet;

use crate::detect::contrast::Samples;
use crate::detect::settings::{
    COUNT_SPREAD, MIN_EFFECT_BYTES, NOISE_FLOOR, Settings, TIME_FLOOR_S,
};
use crate::model::{CallsiteKey, CallsiteRun, Run};
use crate::stats::{quantile, trimmed};

/// Some thirty thousand years: what is longer is not a time, and its ratios would not be numbers. As bytes it is a terabyte.
const VALUE_MAX: f64 = 1e12;

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
    /// Finished calls per second of the run: less is worse.
    ///
    /// It is judged as the time from one call to the next, of which more is worse.
    Throughput,
    /// Bytes allocated in its calls that a leak detector suspects to stay.
    Retained,
}

/// What a measure is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Calls a second.
    PerSecond,
    /// Bytes.
    Bytes,
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
    pub const ALL: [Self; 9] = [
        Self::Typical,
        Self::Mean,
        Self::P50,
        Self::P99,
        Self::SelfTime,
        Self::BusyTime,
        Self::LongestPoll,
        Self::Throughput,
        Self::Retained,
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
            Self::Throughput => "throughput",
            Self::Retained => "retained bytes",
        }
    }

    /// What it is in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Throughput => Unit::PerSecond,
            Self::Retained => Unit::Bytes,
            _ => Unit::Seconds,
        }
    }

    /// Whether more of it is worse.
    pub fn more_is_worse(self) -> bool {
        self != Self::Throughput
    }

    /// Whether a report has it only of those callsites that it was measured of.
    pub(crate) fn is_special(self) -> bool {
        matches!(self, Self::LongestPoll | Self::Throughput | Self::Retained)
    }

    /// The settings with the floor in what it is judged in.
    pub(crate) fn settings(self, settings: &Settings) -> Settings {
        let absolute = match self {
            Self::Retained => MIN_EFFECT_BYTES,
            _ => settings.min_effect_s,
        };
        Settings {
            min_effect_s: absolute,
            ..*settings
        }
    }

    /// What is judged, of a run that took `seconds`: a time or bytes, more of which is worse; `None` where the run cannot say.
    pub(crate) fn of(self, callsite: &CallsiteRun, seconds: Option<f64>) -> Option<f64> {
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
            Self::Throughput => per_call(seconds.unwrap_or_default()),
            Self::Retained => callsite.retained_bytes.map(|bytes| bytes as f64),
        };
        value.filter(|value| value.is_finite() && *value >= 0.0)
    }

    fn resolution_variance(self, callsite: &CallsiteRun) -> f64 {
        match self {
            Self::P50 | Self::P99 => quantile::resolution_variance(callsite.ok.scale).min(1.0),
            _ => 0.0,
        }
    }

    /// The least value: what is below counts as that.
    fn least(self) -> f64 {
        match self {
            Self::Retained => 1.0,
            _ => TIME_FLOOR_S,
        }
    }

    /// The measure in every run of both sides that has the callsite.
    pub(crate) fn samples(self, base: &[Run], candidate: &[Run], key: &CallsiteKey) -> Samples {
        let mut floor = NOISE_FLOOR * NOISE_FLOOR;
        let mut logarithms = |runs: &[Run]| -> Vec<f64> {
            let mut values = Vec::with_capacity(runs.len());
            for run in runs {
                let callsite = run.callsites.get(key);
                let value = callsite.and_then(|callsite| self.of(callsite, run.seconds));
                if let (Some(callsite), Some(value)) = (callsite, value) {
                    floor = floor.max(self.resolution_variance(callsite));
                    values.push(value.clamp(self.least(), VALUE_MAX).ln());
                }
            }
            values
        };
        let samples = Samples::new(logarithms(base), logarithms(candidate), floor);
        if self == Self::Throughput && is_given(base, key) && is_given(candidate, key) {
            return samples.without_evidence();
        }
        samples
    }
}

/// Whether all runs of a side make the same number of calls: then the load says how many, and the program only how long.
fn is_given(runs: &[Run], key: &CallsiteKey) -> bool {
    let callsites = runs.iter().filter_map(|run| run.callsites.get(key));
    let calls: Vec<u64> = callsites.map(finished).filter(|calls| *calls > 0).collect();
    let ends = calls.iter().min().zip(calls.iter().max());
    ends.is_some_and(|(&least, &most)| (most - least) as f64 <= COUNT_SPREAD * most as f64)
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
