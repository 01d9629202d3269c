//! What the comparison of a campaign's sides found, and whether that is what was injected.

use std::collections::BTreeMap;

use khive_perf_analysis::Error;
use khive_perf_analysis::detect::{self, Comparison, Settings, Verdict};
use khive_perf_analysis::model::Run;
use khive_perf_analysis::store::Store;

use crate::campaign::order::Side;
use crate::demo::Inject;

/// Compares the runs of the candidate with those of the baseline.
///
/// # Errors
///
/// The runs cannot be read.
pub fn compare(store: &Store) -> Result<Comparison, Error> {
    let runs = |side: Side| -> Result<Vec<Run>, Error> {
        let found = store.runs_named(side.name())?;
        found.iter().map(|info| store.load(info.id)).collect()
    };
    Ok(detect::compare(
        &runs(Side::Baseline)?,
        &runs(Side::Candidate)?,
        &Settings::default(),
    ))
}

/// Every difference between what was found and what `inject` slows down; none where the verdict is right.
///
/// A function that was slowed has to be found slower; any other must not be found changed.
#[must_use]
pub fn surprises(comparison: &Comparison, inject: Inject) -> Vec<String> {
    let found: BTreeMap<&str, Verdict> = comparison
        .findings
        .iter()
        .map(|finding| (finding.key.name.as_str(), finding.verdict))
        .collect();
    let slowed = inject.slowed();
    let missed = slowed.iter().filter_map(|name| match found.get(name) {
        Some(Verdict::Regressed) => None,
        Some(verdict) => Some(format!(
            "{name} was slowed and is said to be {}",
            verdict.as_str()
        )),
        None => Some(format!("{name} was slowed and is not in the comparison")),
    });
    let false_alarms = found
        .iter()
        .filter(|(name, _)| !slowed.contains(name))
        .filter(|(_, verdict)| matches!(verdict, Verdict::Regressed | Verdict::Improved))
        .map(|(name, verdict)| {
            format!(
                "{name} was left as it is and is said to be {}",
                verdict.as_str()
            )
        });
    missed.chain(false_alarms).collect()
}

#[cfg(test)]
mod tests {
    use khive_perf_analysis::model::{CallsiteKey, CallsiteRun, ExpHistogram};

    use super::*;

    const UNTOUCHED: &str = "cache::get";

    /// Three runs that called each function 100 times for so many seconds.
    fn runs(seconds: &[(&str, f64)]) -> Vec<Run> {
        let callsite = |&(name, seconds): &(&str, f64)| {
            let key = CallsiteKey {
                service: "demo".into(),
                group: String::new(),
                name: name.into(),
            };
            let ok = ExpHistogram {
                scale: 0,
                count: 100,
                sum: 100.0 * seconds,
                min: Some(seconds),
                max: Some(seconds),
                zero_count: 0,
                buckets: BTreeMap::from([(-10, 100)]),
            };
            let run = CallsiteRun {
                ok,
                calls: [100, 0, 0, 0],
                ..CallsiteRun::default()
            };
            (key, run)
        };
        (1..=3)
            .map(|id| Run {
                id,
                name: "side".into(),
                started_unix_ns: 1,
                seconds: None,
                callsites: seconds.iter().map(callsite).collect(),
            })
            .collect()
    }

    fn slowed(factor: f64) -> Vec<(&'static str, f64)> {
        Inject::SlowSession
            .slowed()
            .iter()
            .map(|&name| (name, 1e-3 * factor))
            .collect()
    }

    fn surprises_of(candidate: &[(&str, f64)], inject: Inject) -> Vec<String> {
        let mut baseline = slowed(1.0);
        baseline.push((UNTOUCHED, 1e-6));
        let comparison = detect::compare(&runs(&baseline), &runs(candidate), &Settings::default());
        surprises(&comparison, inject)
    }

    #[test]
    fn finding_exactly_what_was_slowed_is_no_surprise() {
        let mut candidate = slowed(1.5);
        candidate.push((UNTOUCHED, 1e-6));
        assert_eq!(surprises_of(&candidate, Inject::SlowSession), [""; 0]);
        assert_eq!(surprises_of(&candidate, Inject::None).len(), 7);
    }

    #[test]
    fn what_was_missed_and_what_was_found_for_nothing_is_named() {
        let mut candidate = slowed(1.5);
        candidate[0].1 = 1e-3;
        candidate.push((UNTOUCHED, 2e-6));
        let found = surprises_of(&candidate, Inject::SlowSession);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("session::load_history was slowed and is said to be"));
        assert_eq!(
            found[1],
            "cache::get was left as it is and is said to be regressed"
        );
        let missing = surprises_of(&[(UNTOUCHED, 1e-6)], Inject::SlowSession);
        assert!(
            missing.iter().all(|said| said.contains("was slowed")),
            "{missing:?}"
        );
    }
}
