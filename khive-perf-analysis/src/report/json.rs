//! A comparison as JSON, for programs.
//!
//! ```json
//! {
//!   "format": 1,
//!   "verdict": "regressed", "reason": null, "summary": "...",
//!   "base": {"names": ["main"], "runs": 5, "calls": 5000}, "candidate": {"names": ["change"], "runs": 5, "calls": 5000},
//!   "settings": {"confidence": 0.95, "false_discovery_rate": 0.05, "min_effect": 0.05, "min_effect_s": 2e-8},
//!   "drift": {"kind": "none", "factor": null},
//!   "origin": "checkout::price",
//!   "callsites": [{
//!     "service": "shop", "group": "checkout", "name": "checkout::price",
//!     "verdict": "regressed", "reason": null, "more_runs": null, "severity": "moderate",
//!     "severity_at_least": "moderate", "judged_on": "typical", "adjusted_p": 0.0001,
//!     "measures": [{"measure": "typical", "unit": "s", "base": 0.001, "candidate": 0.002, "base_s": 0.001, "candidate_s": 0.002,
//!                   "factor": 2.0, "low": 1.9, "high": 2.1, "verdict": "regressed", "decides": true, "adjusted_p": 0.0001}],
//!     "counts": [{"count": "allocated", "base": 640.0, "candidate": 640.0, "factor": 1.0, "is_exact": true, "rises": false}],
//!     "failures": {"base": 0.0, "candidate": 0.0, "verdict": "unchanged", "adjusted_p": 1.0},
//!     "calls": {"base": {"runs": 5, "per_run": 1000.0, "error_rate": 0.0}, "candidate": {}},
//!     "notes": []
//!   }]
//! }
//! ```
//!
//! Times are in seconds; `factor`, `low` and `high` are candidate by base, so 1.1 is 10 % slower. Of measures that are no times,
//! `base_s` and `candidate_s` are `null`. What is not known is `null`. `format` grows when a field changes its meaning or goes; new fields may come at any time. The schema is
//! `docs/schemas/comparison.json`.

use serde::Serialize;

use crate::detect::{self, Calls, Comparison, Drift, Finding, Measured, Reason, Unit, Verdict};
use crate::report::words;

/// Version of the shape above.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    format: u32,
    verdict: &'static str,
    reason: Option<String>,
    summary: String,
    base: Side<'a>,
    candidate: Side<'a>,
    settings: Settings,
    drift: Common,
    origin: Option<&'a str>,
    callsites: Vec<Callsite<'a>>,
}

#[derive(Serialize)]
struct Side<'a> {
    names: &'a [String],
    runs: usize,
    calls: u64,
}

#[derive(Serialize)]
struct Settings {
    confidence: f64,
    false_discovery_rate: f64,
    min_effect: f64,
    min_effect_s: f64,
}

#[derive(Serialize)]
struct Common {
    kind: &'static str,
    factor: Option<f64>,
}

#[derive(Serialize)]
struct Callsite<'a> {
    service: &'a str,
    group: &'a str,
    name: &'a str,
    verdict: &'static str,
    reason: Option<String>,
    more_runs: Option<u32>,
    severity: Option<&'static str>,
    severity_at_least: Option<&'static str>,
    min_effect: f64,
    judged_on: &'static str,
    adjusted_p: f64,
    measures: Vec<Measure>,
    counts: Vec<Count>,
    failures: Failures,
    calls: Both,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Measure {
    measure: &'static str,
    unit: &'static str,
    base: Option<f64>,
    candidate: Option<f64>,
    base_s: Option<f64>,
    candidate_s: Option<f64>,
    factor: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    verdict: &'static str,
    decides: bool,
    adjusted_p: f64,
}

#[derive(Serialize)]
struct Count {
    count: &'static str,
    base: f64,
    candidate: f64,
    factor: Option<f64>,
    is_exact: bool,
    rises: bool,
}

#[derive(Serialize)]
struct Failures {
    base: f64,
    candidate: f64,
    verdict: &'static str,
    adjusted_p: f64,
}

#[derive(Serialize)]
struct Both {
    base: Called,
    candidate: Called,
}

#[derive(Serialize)]
struct Called {
    runs: usize,
    per_run: f64,
    error_rate: f64,
}

/// The report, indented.
pub fn comparison(comparison: &Comparison) -> String {
    let report = Report::of(comparison);
    // Only maps with other keys than text, and writers that fail, make this an error.
    serde_json::to_string_pretty(&report).unwrap_or_default()
}

// === impl Report ===

impl<'a> Report<'a> {
    fn of(comparison: &'a Comparison) -> Self {
        let verdict = comparison.verdict();
        let settings = &comparison.settings;
        Self {
            format: FORMAT,
            verdict: verdict.as_str(),
            reason: reason(verdict).map(|reason| reason.to_string()),
            summary: words::summary(comparison),
            base: Side::of(&comparison.base),
            candidate: Side::of(&comparison.candidate),
            settings: Settings {
                confidence: settings.confidence,
                false_discovery_rate: settings.false_discovery_rate,
                min_effect: settings.min_effect,
                min_effect_s: settings.min_effect_s,
            },
            drift: match comparison.drift {
                Drift::None => Common {
                    kind: "none",
                    factor: None,
                },
                Drift::Removed { factor } => Common {
                    kind: "removed",
                    factor: Some(factor),
                },
                Drift::Kept { factor } => Common {
                    kind: "kept",
                    factor: Some(factor),
                },
            },
            origin: comparison.origin().map(|finding| finding.key.name.as_str()),
            callsites: comparison.findings.iter().map(Callsite::of).collect(),
        }
    }
}

impl<'a> Side<'a> {
    fn of(side: &'a detect::Side) -> Self {
        Self {
            names: &side.names,
            runs: side.runs,
            calls: side.calls,
        }
    }
}

impl<'a> Callsite<'a> {
    fn of(finding: &'a Finding) -> Self {
        let reason = reason(finding.verdict);
        Self {
            service: &finding.key.service,
            group: &finding.key.group,
            name: &finding.key.name,
            verdict: finding.verdict.as_str(),
            reason: reason.map(|reason| reason.to_string()),
            more_runs: match reason {
                Some(Reason::TooNoisy { more_runs }) => more_runs,
                _ => None,
            },
            severity: finding.severity.map(detect::Severity::as_str),
            severity_at_least: finding.severity_at_least.map(detect::Severity::as_str),
            min_effect: finding.min_effect,
            judged_on: detect::Measure::JUDGED.as_str(),
            adjusted_p: finding.adjusted_p,
            measures: finding.measures.iter().map(Measure::of).collect(),
            counts: finding.counts.iter().map(Count::of).collect(),
            failures: Failures::of(&finding.failures),
            calls: Both {
                base: Called::of(&finding.base_calls),
                candidate: Called::of(&finding.candidate_calls),
            },
            notes: words::notes(finding),
        }
    }
}

impl Measure {
    fn of(measured: &Measured) -> Self {
        let interval = measured.change.and_then(|change| change.interval);
        let unit = measured.measure.unit();
        Self {
            measure: measured.measure.as_str(),
            unit: match unit {
                Unit::Seconds => "s",
                Unit::PerSecond => "1/s",
                Unit::Bytes => "By",
            },
            base: measured.base,
            candidate: measured.candidate,
            base_s: measured.base.filter(|_| unit == Unit::Seconds),
            candidate_s: measured.candidate.filter(|_| unit == Unit::Seconds),
            factor: measured.change.map(|change| change.factor),
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
            verdict: measured.verdict.as_str(),
            decides: measured.decides,
            adjusted_p: measured.adjusted_p,
        }
    }
}

impl Count {
    fn of(count: &detect::Count) -> Self {
        Self {
            count: count.metric.as_str(),
            base: count.base,
            candidate: count.candidate,
            factor: Some(count.factor()).filter(|factor| factor.is_finite()),
            is_exact: count.is_exact,
            rises: count.rises,
        }
    }
}

impl Failures {
    fn of(failures: &detect::Failures) -> Self {
        Self {
            base: failures.base,
            candidate: failures.candidate,
            verdict: failures.verdict.as_str(),
            adjusted_p: failures.adjusted_p,
        }
    }
}

impl Called {
    fn of(calls: &Calls) -> Self {
        Self {
            runs: calls.runs,
            per_run: calls.per_run,
            error_rate: calls.error_rate,
        }
    }
}

fn reason(verdict: Verdict) -> Option<Reason> {
    match verdict {
        Verdict::Inconclusive(reason) => Some(reason),
        _ => None,
    }
}
