//! Compares the runs of two sides, callsite by callsite; `docs/detection.md` gives the reasons.
//!
//! ```text
//! runs ──> measure ──> contrast ──> drift ──> verdict ──> Comparison
//! ```
//!
//! Values in, values out: nothing here reads a clock or a file, and the same runs give the same comparison,
//! in whatever order they come.

mod company;
mod comparison;
mod contrast;
mod counts;
mod drift;
mod failures;
mod measure;
mod row;
pub mod rules;
pub mod settings;
mod summary;
pub mod trend;
mod verdict;

pub use crate::detect::comparison::{Change, Comparison, Finding, Interval, Measured, Side};
pub use crate::detect::counts::Count;
pub use crate::detect::drift::Drift;
pub use crate::detect::failures::Failures;
pub use crate::detect::measure::{Calls, Measure, Unit};
pub use crate::detect::settings::Settings;
pub use crate::detect::summary::summary;
pub use crate::detect::verdict::{Reason, Severity, Verdict};

use std::collections::BTreeMap;

use crate::detect::rules::Rules;
use crate::model::{CallsiteKey, Run};
use crate::stats::moderated::Variance;

/// What earlier runs say of a callsite: the variance of the logarithm of its typical call from run to run.
pub type History = BTreeMap<CallsiteKey, Variance>;

/// Compares `candidate` with `base`. Never fails: what cannot be judged is inconclusive.
pub fn compare(base: &[Run], candidate: &[Run], settings: &Settings) -> Comparison {
    compare_knowing(
        &History::new(),
        base,
        candidate,
        settings,
        &Rules::default(),
    )
}

/// Compares `candidate` with `base`, knowing how noisy earlier runs were: a single run a side may then be enough.
///
/// `rules` say where another change than that of the settings is worth a verdict, and where more than the typical call
/// decides. Values of `history` that are no variance are passed over.
pub fn compare_knowing(
    history: &History,
    base: &[Run],
    candidate: &[Run],
    settings: &Settings,
    rules: &Rules,
) -> Comparison {
    let settings = settings.sane();
    let is_sound = |variance: &Variance| {
        let sound = |value: f64| value.is_finite() && value > 0.0;
        sound(variance.value) && sound(variance.freedom)
    };
    let mut history = history.clone();
    history.retain(|_, variance| is_sound(variance));
    let mut rows = row::rows(base, candidate, &history);
    let drift = if settings.remove_drift {
        row::remove_drift(&mut rows)
    } else {
        Drift::None
    };
    let mut findings = row::conclude(&rows, &settings, rules);
    company::pass_over(&mut findings);
    let keys = findings.iter().map(|finding| &finding.key);
    let failures = failures::failures(base, candidate, keys, &settings);
    for (finding, failures) in findings.iter_mut().zip(failures) {
        finding.fail(failures);
        let own = rules.settings(&finding.key, &settings);
        finding.count(counts::counts(base, candidate, &finding.key, &own));
    }
    findings.sort_by(|a, b| a.by_importance(b));
    Comparison {
        base: Side::of(base),
        candidate: Side::of(candidate),
        settings,
        drift,
        known_callsites: (findings.iter())
            .filter(|finding| history.contains_key(&finding.key))
            .count(),
        findings,
    }
}
