//! Overview: everything that one run says, callsite by callsite, with what is to be done about it.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::model::{CallsiteKey, CallsiteRun};
use crate::points::Value;
use crate::recommend::{self, Facts, Finding, Leak};
use crate::stats::quantile::quantile;
use crate::store::{LOG_RECORDS, RunInfo, SeriesTotal, Store};

/// What one run says.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// The run itself.
    pub info: RunInfo,
    /// Its callsites, those first that take most time on threads themselves.
    pub rows: Vec<Row>,
    /// What could be done, the costliest first.
    pub findings: Vec<Finding>,
    /// Why some of them are left alone, by their id.
    pub acknowledged: BTreeMap<String, String>,
    /// Places that leak or may leak, the worst first.
    pub leaks: Vec<Leak>,
    /// Log records by severity.
    pub logs: BTreeMap<String, u64>,
}

/// What a run says of one callsite.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its identity.
    pub key: CallsiteKey,
    /// Source file and line.
    pub place: Option<(String, i64)>,
    /// Finished calls by outcome: ok, error, panic, cancelled.
    pub calls: [u64; 4],
    /// Wall time of the calls that ended well, added up.
    pub total_s: f64,
    /// Mean of it.
    pub mean_s: Option<f64>,
    /// Median.
    pub p50_s: Option<f64>,
    /// 99th percentile.
    pub p99_s: Option<f64>,
    /// The slowest call, where the source says.
    pub max_s: Option<f64>,
    /// On a thread, outside measured callees.
    pub self_s: f64,
    /// The same as a share of that of all callsites; none where nothing is said of threads.
    pub self_share: Option<f64>,
    /// Bytes allocated per call, where they are counted.
    pub bytes_per_call: Option<f64>,
    /// Allocations per call, where they are counted.
    pub allocations_per_call: Option<f64>,
}

impl Overview {
    /// What run `info` says.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub fn of(store: &Store, info: &RunInfo) -> Result<Self, Error> {
        let series = store.series(info.id)?;
        let facts = facts(store, info, &series)?;
        let run = store.load(info.id)?;
        let all_self: f64 = run.callsites.values().map(|of| of.self_time_s).sum();
        let places: BTreeMap<&CallsiteKey, &(String, i64)> = facts
            .callsites
            .iter()
            .filter_map(|of| Some((&of.key, of.place.as_ref()?)))
            .collect();
        let mut rows: Vec<Row> = run
            .callsites
            .iter()
            .map(|(key, of)| row(key, of, places.get(key).copied(), all_self))
            .collect();
        rows.sort_by(|a, b| {
            let by_self = b.self_s.total_cmp(&a.self_s);
            let by_total = by_self.then_with(|| b.total_s.total_cmp(&a.total_s));
            by_total.then_with(|| a.key.cmp(&b.key))
        });
        let mut leaks = facts.leaks.clone();
        leaks.sort_by(|a, b| {
            let is_leaking = |leak: &Leak| leak.verdict == "leaking";
            let by_verdict = is_leaking(b).cmp(&is_leaking(a));
            let by_rate = by_verdict.then_with(|| b.bytes_per_hour.total_cmp(&a.bytes_per_hour));
            by_rate.then_with(|| a.name.cmp(&b.name))
        });
        Ok(Self {
            info: info.clone(),
            rows,
            findings: recommend::findings(&facts),
            acknowledged: store.acknowledged()?,
            leaks,
            logs: logs(&series),
        })
    }

    /// Seconds from its start to its end, where it has ended.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        self.info.seconds()
    }
}

/// The facts of a run that recommendations are made from.
fn facts(store: &Store, info: &RunInfo, series: &[SeriesTotal]) -> Result<Facts, Error> {
    let seconds = info.seconds().unwrap_or_default();
    let spans = store.spans(info.id)?;
    Ok(Facts::of(series, seconds).with_spans(&spans))
}

fn row(key: &CallsiteKey, of: &CallsiteRun, place: Option<&(String, i64)>, all_self: f64) -> Row {
    let calls = of
        .calls
        .iter()
        .fold(0u64, |sum, &of| sum.saturating_add(of));
    let per_call = |value: u64| (value > 0 && calls > 0).then(|| value as f64 / calls as f64);
    Row {
        key: key.clone(),
        place: place.cloned(),
        calls: of.calls,
        total_s: of.ok.sum,
        mean_s: (of.ok.count > 0).then(|| of.ok.sum / of.ok.count as f64),
        p50_s: quantile(&of.ok, 0.5),
        p99_s: quantile(&of.ok, 0.99),
        max_s: of.ok.max,
        self_s: of.self_time_s,
        self_share: (all_self > 0.0).then(|| of.self_time_s / all_self),
        bytes_per_call: per_call(of.allocated_bytes),
        allocations_per_call: per_call(of.allocations),
    }
}

fn logs(series: &[SeriesTotal]) -> BTreeMap<String, u64> {
    let mut logs = BTreeMap::new();
    for of in series.iter().filter(|of| of.metric == LOG_RECORDS) {
        let severity = of.attributes.get("severity").and_then(|word| word.as_str());
        if let (Some(severity), Value::Int(count)) = (severity, &of.value) {
            let slot: &mut u64 = logs.entry(severity.to_owned()).or_default();
            *slot = slot.saturating_add(u64::try_from(*count).unwrap_or_default());
        }
    }
    logs
}
