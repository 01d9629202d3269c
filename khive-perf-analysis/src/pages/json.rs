//! An overview as JSON; docs/schemas/report.json has its fields.

use serde_json::{Value, json};

use crate::pages::{Overview, Row};
use crate::recommend::{Finding, Leak};

/// What a run says. The same run gives the same bytes.
#[must_use]
pub fn overview(of: &Overview) -> String {
    let info = &of.info;
    let findings: Vec<Value> = of
        .findings
        .iter()
        .map(|finding| {
            let mut json = self::finding(finding);
            json["acknowledged"] = json!(of.acknowledged.get(&finding.id));
            json
        })
        .collect();
    let answer = json!({
        "run": {
            "id": info.id,
            "name": info.name,
            "status": info.status.as_str(),
            "started_unix_ns": info.started_unix_ns,
            "ended_unix_ns": info.ended_unix_ns,
            "command": info.command,
            "exit_code": info.exit_code,
            "resources": info.resources,
        },
        "callsites": of.rows.iter().map(row).collect::<Vec<_>>(),
        "leaks": of.leaks.iter().map(leak).collect::<Vec<_>>(),
        "log_records": of.logs,
        "findings": findings,
    });
    format!("{answer:#}\n")
}

fn row(row: &Row) -> Value {
    let [ok, error, panic, cancelled] = row.calls;
    json!({
        "service": row.key.service,
        "group": row.key.group,
        "name": row.key.name,
        "file": row.place.as_ref().map(|(file, _)| file),
        "line": row.place.as_ref().map(|(_, line)| line),
        "calls": { "ok": ok, "error": error, "panic": panic, "cancelled": cancelled },
        "total_s": row.total_s,
        "mean_s": row.mean_s,
        "p50_s": row.p50_s,
        "p99_s": row.p99_s,
        "max_s": row.max_s,
        "self_s": row.self_s,
        "self_share": row.self_share,
        "bytes_per_call": row.bytes_per_call,
        "allocations_per_call": row.allocations_per_call,
    })
}

/// What a leak detector says of one place.
#[must_use]
pub fn leak(leak: &Leak) -> Value {
    json!({
        "service": leak.service,
        "name": leak.name,
        "verdict": leak.verdict,
        "bytes_per_hour": leak.bytes_per_hour,
        "retained_bytes": leak.retained_bytes,
        "file": leak.place.as_ref().map(|(file, _)| file),
        "line": leak.place.as_ref().map(|(_, line)| line),
    })
}

/// What a rule found.
#[must_use]
pub fn finding(finding: &Finding) -> Value {
    let evidence: serde_json::Map<String, Value> = finding
        .evidence
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let place = finding.place.as_ref();
    json!({
        "id": finding.id,
        "rule": finding.rule,
        "service": finding.service,
        "callsite": finding.callsite,
        "file": place.map(|(file, _)| file),
        "line": place.map(|(_, line)| line),
        "evidence": evidence,
        "saving_s": finding.saving_s,
        "share": finding.share,
        "confidence": finding.confidence.as_str(),
        "advice": finding.advice,
    })
}
