//! What every run says of its callsites in one number, brought up to date before it is asked for.

use std::collections::BTreeSet;

use khive_perf_analysis::detect::trend::{self, TrendSettings};
use khive_perf_analysis::detect::{self, History};
use khive_perf_analysis::model::{CallsiteKey, Metric, Run, Summary};
use khive_perf_analysis::store::history::Scope;
use khive_perf_analysis::store::{RunInfo, Store};

use crate::cli::Failure;

/// Summarises the complete runs that are not; each is read once, and then never again for a history.
pub(crate) fn refresh(store: &Store) -> Result<(), Failure> {
    let missing = store.unsummarised()?;
    if missing.is_empty() {
        return Ok(());
    }
    let infos = store.runs()?;
    for id in missing {
        let info = infos.iter().find(|info| info.id == id);
        let seconds = info.and_then(|info| {
            let ended = info.ended_unix_ns?.checked_sub(info.started_unix_ns)?;
            Some(ended as f64 / 1e9)
        });
        let run = store.load(id)?;
        let summaries: Vec<(CallsiteKey, Summary)> = run
            .callsites
            .into_iter()
            .map(|(key, callsite)| (key, detect::summary(&callsite, seconds)))
            .collect();
        store.summarise(id, &summaries)?;
    }
    Ok(())
}

/// Fewer earlier runs than this say nothing of the noise.
const RUNS_MIN: usize = 5;

/// How noisy the callsites of a comparison were in earlier runs of the same names on the same machine.
///
/// Of each callsite the runs since its last step count, and none of the candidate's.
pub(crate) fn noise(store: &Store, base: &[Run], candidate: &[Run]) -> Result<History, Failure> {
    refresh(store)?;
    let infos = store.runs()?;
    let judged: BTreeSet<i64> = candidate.iter().map(|run| run.id).collect();
    let machines: BTreeSet<Option<String>> = (infos.iter())
        .filter(|info| judged.contains(&info.id))
        .map(machine)
        .collect();
    let names: BTreeSet<&str> = base
        .iter()
        .chain(candidate)
        .map(|run| run.name.as_str())
        .collect();
    let earlier: BTreeSet<i64> = (infos.iter())
        .filter(|info| !judged.contains(&info.id) && names.contains(info.name.as_str()))
        .filter(|info| machines.contains(&machine(info)))
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

/// The machine of a run, where its resource names one.
fn machine(info: &RunInfo) -> Option<String> {
    let named = |attribute: &str| {
        let all = info.resources.iter();
        all.filter_map(|resource| resource.get(attribute)).next()
    };
    named("host.id")
        .or_else(|| named("host.name"))
        .map(ToString::to_string)
}
