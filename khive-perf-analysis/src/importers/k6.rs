//! k6: the points of `--out json`, a line each, or what `--summary-export` says they came to.

use serde_json::Value as Json;

use crate::importers::samples::Samples;
use crate::importers::{Imported, Naming, Node, Tool, Wrong};

/// Metrics of HTTP requests that are parts of `http_req_duration`, or hold it; importing all would count each request again.
const DURATION: &str = "http_req_duration";

/// Whether a text is that of `--out json`.
pub(super) fn is_lines(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let first = first.and_then(|line| serde_json::from_str::<Json>(line).ok());
    first.is_some_and(|first| {
        let kind = first.get("type").and_then(Json::as_str);
        matches!(kind, Some("Metric" | "Point")) && first.get("data").is_some()
    })
}

pub(super) fn read(text: &str, naming: &Naming) -> Result<Imported, Wrong> {
    if !is_lines(text) {
        let json = serde_json::from_str(text).map_err(|error| Wrong::of_json(&error))?;
        return read_summary(&json, naming);
    }
    let mut samples = Samples::default();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let in_line = |wrong: Wrong| Wrong {
            place: format!("line {}, {}", at + 1, wrong.place),
            ..wrong
        };
        let json: Json =
            serde_json::from_str(line).map_err(|error| in_line(Wrong::of_json(&error)))?;
        add(&mut samples, &Node::root(&json)).map_err(in_line)?;
    }
    samples.into_run(Tool::K6, naming)
}

fn add(samples: &mut Samples, line: &Node<'_>) -> Result<(), Wrong> {
    let metric = line.need("metric")?.text()?;
    if line.need("type")?.text()? != "Point" || metric != DURATION {
        return Ok(());
    }
    let data = line.need("data")?;
    let tags = data.need("tags")?;
    let tag = |key: &str| {
        tags.get(key)
            .and_then(|tag| tag.json.as_str())
            .unwrap_or_default()
    };
    let name = match tag("name") {
        "" => tag("url"),
        name => name,
    };
    let name = format!("{} {name}", tag("method"));
    let group = tag("group").trim_start_matches("::");
    // k6 says so of each request, by what the script expects.
    if tag("expected_response") == "false" {
        samples.fail(group, name.trim(), 1);
    } else {
        let seconds = data.need("value")?.number()? / 1e3;
        samples.add(group, name.trim(), &[seconds]);
    }
    Ok(())
}

/// What `--summary-export` or `handleSummary` wrote: means of requests, without samples.
pub(super) fn read_summary(json: &Json, naming: &Naming) -> Result<Imported, Wrong> {
    let mut samples = Samples::default();
    let metrics = Node::root(json).need("metrics")?;
    let all = metrics.json.as_object();
    for key in all.into_iter().flatten().map(|(key, _)| key) {
        // `http_req_duration`, and parts of it by tags: `http_req_duration{name:login}`.
        if !key.starts_with(DURATION) {
            continue;
        }
        let metric = metrics.need(key)?;
        let values = metric.get("values").unwrap_or(metric);
        samples.add_mean("", key, values.need("avg")?.number()? / 1e3);
    }
    samples.into_run(Tool::K6, naming)
}
