//! Compares the runs of two sides, callsite by callsite; `docs/detection.md` gives the reasons.
//!
//! ```text
//! runs ──> measure ──> contrast ──> drift ──> verdict ──> Comparison
//! ```
//!
//! Values in, values out: nothing here reads a clock or a file, and the same runs give the same comparison,
//! in whatever order they come.

mod comparison;
mod contrast;
mod drift;
mod measure;
mod row;
pub mod settings;
mod summary;
pub mod trend;
mod verdict;

pub use crate::detect::comparison::{Change, Comparison, Finding, Interval, Measured, Side};
pub use crate::detect::drift::Drift;
pub use crate::detect::measure::{Calls, Measure};
pub use crate::detect::settings::Settings;
pub use crate::detect::summary::summary;
pub use crate::detect::verdict::{Reason, Severity, Verdict};

use crate::model::Run;

/// Compares `candidate` with `base`. Never fails: what cannot be judged is inconclusive.
pub fn compare(base: &[Run], candidate: &[Run], settings: &Settings) -> Comparison {
    let settings = settings.sane();
    let mut rows = row::rows(base, candidate);
    let drift = if settings.remove_drift {
        row::remove_drift(&mut rows)
    } else {
        Drift::None
    };
    let mut findings = row::conclude(&rows, &settings);
    findings.sort_by(|a, b| a.by_importance(b));
    Comparison {
        base: Side::of(base),
        candidate: Side::of(candidate),
        settings,
        drift,
        findings,
    }
}
