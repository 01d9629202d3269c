//! The demo service, as a backend for traces shows it: each call a span below the one that made it, and from each number a
//! way to a request.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::interop::Verdict;
use crate::interop::traces::Traces;

/// What is called by whom, as `examples/demo/mod.rs` draws it. Roots have nobody.
const CALLERS: [(&str, &[&str]); 33] = [
    ("request", &[]),
    ("POST /sessions", &["request"]),
    ("GET /sessions/{id}", &["request"]),
    ("POST /orchestrations", &["request"]),
    ("GET /orchestrations/{id}", &["request"]),
    ("http::create_session", &["POST /sessions"]),
    ("http::read_session", &["GET /sessions/{id}"]),
    ("http::create_orchestration", &["POST /orchestrations"]),
    ("http::read_orchestration", &["GET /orchestrations/{id}"]),
    ("session::create", &["http::create_session"]),
    ("session::insert_session", &["session::create"]),
    (
        "session::load",
        &["http::read_session", "orchestration::orchestrate"],
    ),
    ("session::load_history", &["session::load"]),
    ("result::find", &["http::read_orchestration"]),
    (
        "orchestration::orchestrate",
        &["http::create_orchestration"],
    ),
    ("orchestration::plan", &["orchestration::orchestrate"]),
    ("orchestration::run_agents", &["orchestration::orchestrate"]),
    ("orchestration::aggregate", &["orchestration::orchestrate"]),
    ("result::save", &["orchestration::orchestrate"]),
    ("orchestration::run_agent", &["orchestration::run_agents"]),
    ("composition::compose", &["orchestration::run_agent"]),
    ("cache::get", &["composition::compose"]),
    ("cache::insert", &["composition::compose"]),
    ("composition::load_role", &["composition::compose"]),
    ("composition::load_domain", &["composition::compose"]),
    ("composition::merge", &["composition::compose"]),
    ("composition::render", &["composition::merge"]),
    ("score::score", &["orchestration::run_agent"]),
    ("score::tokenize", &["score::score"]),
    ("score::rank", &["score::score"]),
    ("score::digest", &["score::score"]),
    ("session::append", &["orchestration::run_agent"]),
    ("session::append_history", &["session::append"]),
];

/// Phoenix keeps the moments of begin and end in whole microseconds, and tells them as floating point, to a quarter of one.
const ROUNDING: f64 = 1.5e-6;
/// A quantile is known to a bucket, of which there are 32 for a power of two.
const BUCKET: f64 = 1.0 / 32.0;

/// Compares what a backend stored with the service's own answer: `{"calls": [[name, how often], ..], "points": [..]}`.
pub(super) fn compare(stored: &Value, answer: &Value) -> Result<Verdict> {
    let mut traces = Traces::default();
    traces.add_spans(stored);
    let points = answer["points"].as_array().context("no points")?;
    for point in points {
        traces.add_point(point);
    }
    let (kinships, mut differences) = traces.kinships();
    let mut spans: BTreeMap<&str, u64> = BTreeMap::new();
    for ((name, around, failed), count) in &kinships {
        *spans.entry(name).or_default() += count;
        let known = CALLERS.iter().find(|(called, _)| called == name);
        let is_right = known.is_some_and(|(_, callers)| match around {
            Some(around) => callers.contains(&around.as_str()),
            None => callers.is_empty(),
        });
        if !is_right || *failed {
            let how = if *failed { "failed" } else { "stand" };
            differences.push(format!("{count} of {name} {how} below {around:?}"));
        }
    }
    for call in answer["calls"].as_array().context("no calls")? {
        let name = call[0].as_str().context("a name")?;
        let calls = call[1].as_u64().context("a number")?;
        let came = spans.remove(name).unwrap_or_default();
        if came != calls {
            differences.push(format!("{calls} calls of {name}, but {came} spans"));
        }
    }
    differences.extend(spans.keys().map(|name| format!("{name} was never called")));
    differences.extend(traces.astray(ROUNDING));
    differences.extend(points.iter().filter_map(unexplained));
    if !differences.is_empty() {
        return Ok(Err(differences));
    }
    let spans: u64 = kinships.values().sum();
    let functions = points.len();
    Ok(Ok(format!(
        "{spans} spans below whoever called them, and from the p99 of each of {functions} functions an exemplar leads to one"
    )))
}

/// What of a function's slow calls has no exemplar.
fn unexplained(point: &Value) -> Option<String> {
    let exemplars = point["exemplars"].as_array().into_iter().flatten();
    let slowest = exemplars
        .filter_map(|exemplar| exemplar["seconds"].as_f64())
        .fold(0.0, f64::max);
    let quantile = point["p99_seconds"].as_f64().unwrap_or(f64::INFINITY);
    (slowest < (1.0 - BUCKET) * quantile).then(|| {
        let name = &point["attributes"]["khive.perf.name"];
        format!("the p99 of {name} is {quantile} s, and no exemplar is slower than {slowest} s")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored() -> Value {
        let span = |id: &str, parent: &str, name: &str| {
            json!({ "trace_id": "aa", "span_id": id, "parent_id": parent, "name": name, "failed": false,
                "start_unix_ns": 1_000_000_000_u64, "end_unix_ns": 3_000_000_000_u64 })
        };
        json!([
            span("01", "", "request"),
            span("02", "01", "GET /sessions/{id}")
        ])
    }

    fn answer() -> Value {
        json!({
            "calls": [["request", 1], ["GET /sessions/{id}", 1]],
            "points": [{
                "attributes": { "khive.perf.name": "request" },
                "exemplars": [{ "trace_id": "aa", "span_id": "01", "seconds": 2.0 }],
                "p99_seconds": 2.05,
            }],
        })
    }

    #[test]
    fn a_service_as_it_was_written_is_equal() {
        let verdict = compare(&stored(), &answer()).expect("lists");
        assert!(verdict.expect("equal").starts_with("2 spans"));
    }

    #[test]
    fn each_difference_is_named() {
        let differ = |change: fn(&mut Value, &mut Value)| {
            let (mut stored, mut answer) = (stored(), answer());
            change(&mut stored, &mut answer);
            let verdict = compare(&stored, &answer).expect("lists");
            verdict.expect_err("they differ").join("; ")
        };
        assert!(differ(|_, answer| answer["calls"][1][1] = json!(2)).contains("but 1 spans"));
        assert!(
            differ(|stored, _| stored[1]["parent_id"] = json!("")).contains("stand below None")
        );
        assert!(differ(|stored, _| stored[1]["failed"] = json!(true)).contains("failed"));
        assert!(differ(|stored, _| stored[1]["name"] = json!("result::find")).contains("never"));
        assert!(
            differ(|_, answer| answer["points"][0]["p99_seconds"] = json!(3.0))
                .contains("no exemplar")
        );
        assert!(
            differ(|_, answer| answer["points"][0]["exemplars"][0]["span_id"] = json!("09"))
                .contains("nowhere")
        );
    }
}
