//! A comparison as SARIF 2.1.0, for tools that collect findings: a regression is a result.

use serde_json::{Value, json};

use crate::detect::{Comparison, Finding, Severity};
use crate::report::words;

/// The document, with a newline at its end.
///
/// Results have logical locations only, as callsites are told by their names. The fingerprint is of service, group and
/// name: a regression that stays is the same result.
pub fn comparison(comparison: &Comparison) -> String {
    let results: Vec<Value> = comparison.regressed().map(result).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "khive-perf",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": [{
                    "id": RULE,
                    "name": "PerformanceRegression",
                    "shortDescription": { "text": "A callsite got slower" },
                    "fullDescription": { "text":
                        "Its typical duration rose by more than the effect floors, and more than the noise of the runs explains." },
                    "help": { "text": "docs/detection.md says how this is decided" }
                }]
            }},
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": [{
                    "level": "note",
                    "message": { "text": words::summary(comparison) }
                }]
            }],
            "results": results
        }]
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

const RULE: &str = "regression";

fn result(finding: &Finding) -> Value {
    let key = &finding.key;
    let level = match finding.severity {
        Some(Severity::Minor) | None => "warning",
        Some(Severity::Moderate | Severity::Critical) => "error",
    };
    let change = finding.change();
    let interval = change.and_then(|change| change.interval);
    json!({
        "ruleId": RULE,
        "ruleIndex": 0,
        "level": level,
        "message": { "text": words::told(finding) },
        "locations": [{ "logicalLocations": [{
            "name": words::clean(&key.name),
            "fullyQualifiedName": words::clean(&format!("{}/{}", key.service, key.name)),
            "kind": "function"
        }]}],
        "partialFingerprints": {
            "khivePerfCallsite/v1": format!("{}/{}/{}", key.service, key.group, key.name)
        },
        "properties": {
            "severity": finding.severity.map(Severity::as_str),
            "severityAtLeast": finding.severity_at_least.map(Severity::as_str),
            "factor": change.map(|change| change.factor),
            "low": interval.map(|interval| interval.low),
            "high": interval.map(|interval| interval.high)
        }
    })
}
