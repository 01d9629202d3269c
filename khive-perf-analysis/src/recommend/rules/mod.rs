//! Rules: each looks at one callsite, or at the run, and says what it costs; thresholds and their sources are beside them.

mod futures;
mod memory;
mod outcomes;
mod time;
mod traces;

use crate::recommend::facts::{CallsiteFacts, Facts, Leak};
use crate::recommend::finding::{Confidence, Finding, id};

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What to do where it finds something.
    pub advice: &'static str,
    look: Look,
}

#[derive(Clone, Copy, Debug)]
enum Look {
    Callsite(fn(&CallsiteFacts, &Facts) -> Option<Symptom>),
    Leak(fn(&Leak) -> Option<Symptom>),
    Run(fn(&Facts) -> Option<Symptom>),
    Traces(fn(&Facts) -> Vec<Seen>),
}

/// What a rule sees.
#[derive(Debug)]
struct Symptom {
    evidence: Vec<(&'static str, String)>,
    saving_s: f64,
    confidence: Confidence,
    is_always_told: bool,
}

/// What a rule sees, and where.
#[derive(Debug)]
struct Seen {
    service: String,
    callsite: String,
    place: Option<(String, i64)>,
    symptom: Symptom,
}

impl Symptom {
    /// Something that costs so many seconds.
    fn costing(saving_s: f64, confidence: Confidence) -> Self {
        Self {
            evidence: Vec::new(),
            saving_s,
            confidence,
            is_always_told: false,
        }
    }

    /// Something that is wrong whatever it costs.
    fn wrong(saving_s: f64, confidence: Confidence) -> Self {
        Self {
            is_always_told: true,
            ..Self::costing(saving_s, confidence)
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.evidence.push((name, value.into()));
        self
    }
}

/// All rules, in the order of the documentation.
pub const RULES: &[Rule] = &[
    time::HOT_FUNCTION,
    time::LONG_TAIL,
    time::SLOW_CALLS,
    time::MEASURING,
    time::CROWDED,
    futures::BLOCKING,
    futures::SLOW_POLLS,
    futures::NEVER_YIELDS,
    futures::MANY_POLLS,
    futures::WAITING,
    futures::UNFINISHED,
    outcomes::ERRORS,
    outcomes::PANICS,
    outcomes::CANCELLED,
    outcomes::CACHE_MISSES,
    memory::ALLOCATIONS,
    memory::LARGE,
    memory::LEAK,
    traces::N_PLUS_ONE,
    traces::REDUNDANT,
    traces::SERIALISED,
    traces::FAN_OUT_RULE,
    traces::CONTENDED,
];

impl Rule {
    /// What it finds in a run.
    pub(super) fn look(&self, facts: &Facts) -> Vec<Finding> {
        let finding =
            |service: &str, callsite: &str, place: Option<(String, i64)>, seen: Symptom| Finding {
                rule: self.name,
                id: id(self.name, service, callsite),
                service: service.to_owned(),
                callsite: callsite.to_owned(),
                place,
                evidence: seen.evidence,
                saving_s: seen.saving_s.max(0.0),
                share: None,
                confidence: seen.confidence,
                is_always_told: seen.is_always_told,
                advice: self.advice,
            };
        match self.look {
            Look::Callsite(look) => facts
                .callsites
                .iter()
                .filter_map(|of| {
                    let seen = look(of, facts)?;
                    Some(finding(
                        &of.key.service,
                        &of.key.name,
                        of.place.clone(),
                        seen,
                    ))
                })
                .collect(),
            Look::Leak(look) => facts
                .leaks
                .iter()
                .filter_map(|of| Some(finding(&of.service, &of.name, of.place.clone(), look(of)?)))
                .collect(),
            Look::Traces(look) => look(facts)
                .into_iter()
                .map(|seen| finding(&seen.service, &seen.callsite, seen.place, seen.symptom))
                .collect(),
            Look::Run(look) => look(facts)
                .map(|seen| finding("", "(the process)", None, seen))
                .into_iter()
                .collect(),
        }
    }
}

/// A time, as people read it.
fn seconds(value: f64) -> String {
    let (scaled, unit) = match value {
        value if value >= 1.0 => (value, "s"),
        value if value >= 1e-3 => (value * 1e3, "ms"),
        value if value >= 1e-6 => (value * 1e6, "µs"),
        value => (value * 1e9, "ns"),
    };
    format!("{scaled:.3} {unit}")
}

/// A share, in percent.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn count(value: f64) -> String {
    format!("{value:.0}")
}
