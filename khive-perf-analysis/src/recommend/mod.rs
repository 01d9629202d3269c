//! Recommendations: what in a run costs time that need not be, by rules with stated thresholds; docs/recommendations.md.
//!
//! ```text
//! series of a run ──> Facts ──> each rule looks at each callsite ──> Finding, ranked by the time it costs
//! its spans ──> Families ──^
//! ```

mod facts;
mod families;
mod finding;
mod rules;

pub use self::facts::{CallsiteFacts, Facts, Leak};
pub use self::families::{Child, Families, Family, Traced};
pub use self::finding::{Confidence, Finding, Outcome, Saved};
pub use self::rules::{RULES, Rule};

/// Share of all time below which a finding is not worth a word, unless its rule says that it always is.
pub const FLOOR: f64 = 0.005;

/// What can be done about a run, the costliest first. The same run gives the same answer.
#[must_use]
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let all_s = facts.all_s();
    let mut findings: Vec<Finding> = RULES
        .iter()
        .flat_map(|rule| rule.look(facts))
        .filter(|finding| finding.is_always_told || finding.saving_s >= FLOOR * all_s)
        .collect();
    for finding in &mut findings {
        finding.share = (all_s > 0.0).then(|| finding.saving_s / all_s);
    }
    findings.sort_by(|a, b| {
        let by_cost = b.saving_s.total_cmp(&a.saving_s);
        by_cost.then_with(|| a.id.cmp(&b.id))
    });
    findings
}

/// What became of the findings of one run in a later one.
#[must_use]
pub fn verify(before: &Facts, after: &Facts) -> Vec<Saved> {
    let later = findings(after);
    findings(before)
        .into_iter()
        .map(|finding| {
            let still = later.iter().find(|later| later.id == finding.id);
            let callsite = after.callsites.iter().find(|of| of.is_of(&finding));
            let outcome = match (still, callsite) {
                (Some(_), _) => Outcome::Remains,
                (None, Some(_)) => Outcome::Gone,
                (None, None) => Outcome::NotCalled,
            };
            let was = before.callsites.iter().find(|of| of.is_of(&finding));
            let per_call = |of: Option<&CallsiteFacts>| of.and_then(CallsiteFacts::busy_per_call);
            let saved = per_call(was).zip(per_call(callsite));
            Saved {
                saved_per_call_s: saved.map(|(before, after)| before - after),
                finding,
                outcome,
            }
        })
        .collect()
}
