//! What a much larger change elsewhere slows down by throwing its data out of the caches.

use crate::detect::comparison::Finding;
use crate::detect::settings::{COLD_CALL_S, COMPANY_SHARE};
use crate::detect::verdict::{Reason, Severity, Verdict};

/// Takes back verdicts on callsites that are slower by less than half, by no more than a call from cold caches, and add no more
/// than a thousandth of what a critical one adds: nobody can tell them from its company.
pub(crate) fn pass_over(findings: &mut [Finding]) {
    let growths = findings
        .iter()
        .filter(|finding| finding.severity == Some(Severity::Critical))
        .filter_map(Finding::growth_per_run_s);
    let most = growths.fold(0.0, f64::max);
    for finding in findings {
        let is_cold = finding
            .growth_per_call_s()
            .is_some_and(|s| s <= COLD_CALL_S);
        let is_little = finding
            .growth_per_run_s()
            .is_some_and(|s| s <= COMPANY_SHARE * most);
        if is_cold
            && is_little
            && finding.severity == Some(Severity::Minor)
            && finding.regressed_by_time_alone()
        {
            finding.verdict = Verdict::Inconclusive(Reason::Company);
            finding.severity = None;
            finding.severity_at_least = None;
        }
    }
}
