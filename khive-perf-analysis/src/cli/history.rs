//! How noisy callsites were in earlier runs, for a comparison with a side of one run.

use std::collections::BTreeSet;

use khive_perf_analysis::detect::History;
use khive_perf_analysis::detect::trend::{self, TrendSettings};
use khive_perf_analysis::model::{Metric, Run};
use khive_perf_analysis::pages;
use khive_perf_analysis::store::history::Scope;
use khive_perf_analysis::store::{RunInfo, Store};

use crate::cli::Failure;

/// Fewer earlier runs than this say nothing of the noise.
const RUNS_MIN: usize = 5;

/// How noisy the callsites of a comparison were in earlier runs of the same names on the same machine.
///
/// Of each callsite the runs since its last step count, and none of the candidate's.
pub(crate) fn noise(store: &Store, base: &[Run], candidate: &[Run]) -> Result<History, Failure> {
    pages::refresh(store)?;
    let infos = store.runs()?;
    let judged: BTreeSet<i64> = candidate.iter().map(|run| run.id).collect();
    let machines: BTreeSet<Option<String>> = (infos.iter())
        .filter(|info| judged.contains(&info.id))
        .map(RunInfo::machine)
        .collect();
    let names: BTreeSet<&str> = base
        .iter()
        .chain(candidate)
        .map(|run| run.name.as_str())
        .collect();
    let earlier: BTreeSet<i64> = (infos.iter())
        .filter(|info| !judged.contains(&info.id) && names.contains(info.name.as_str()))
        .filter(|info| machines.contains(&info.machine()))
        .map(|info| info.id)
        .collect();
    let mut known = History::new();
    if earlier.len() < RUNS_MIN {
        return Ok(known);
    }
    for history in store.history(Metric::Typical, &Scope::default())? {
        let values: Vec<f64> = (history.points.iter())
            .filter(|point| earlier.contains(&point.run))
            .map(|point| point.value)
            .collect();
        let found = trend::trend(&values, &TrendSettings::default());
        if found.is_relative && found.segment.len() >= RUNS_MIN {
            known.extend(found.variance.map(|variance| (history.key, variance)));
        }
    }
    Ok(known)
}
