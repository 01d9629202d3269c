//! Our own archives: runs with every point, as `khive-perf export --points` writes them.

use serde::{Deserialize, Serialize};

use crate::importers::{Imported, Tool, Wrong};
use crate::points::{Kind, MetricPoints, Temporality, Value};
use crate::store::RunPoints;

/// What an archive says it is.
pub const SCHEMA: &str = "khive-perf.archive/1";

#[derive(Serialize)]
struct Written<'a> {
    schema: &'static str,
    runs: &'a [RunPoints],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    schema: String,
    runs: Vec<RunPoints>,
}

/// An archive of these runs, as text.
#[must_use]
pub fn write(runs: &[RunPoints]) -> String {
    let archive = Written {
        schema: SCHEMA,
        runs,
    };
    // There are no keys but text, and no floats but numbers.
    serde_json::to_string_pretty(&archive).unwrap_or_default()
}

/// Whether a text says that it is one.
pub(super) fn is_one(text: &str) -> bool {
    const BEGINNING: usize = 200;
    let beginning: String = text.chars().take(BEGINNING).collect();
    beginning.contains("khive-perf.archive/")
}

pub(super) fn read(text: &str) -> Result<Imported, Wrong> {
    let archive: Read = serde_json::from_str(text).map_err(|error| Wrong::of_json(&error))?;
    if archive.schema != SCHEMA {
        let found = archive.schema;
        let problem =
            format!("is `{found}`; this version reads `{SCHEMA}`: use a newer khive-perf");
        return Err(Wrong::at("schema", problem));
    }
    let mut series = 0;
    for (run_at, run) in archive.runs.iter().enumerate() {
        for (resource_at, resource) in run.resources.iter().enumerate() {
            for (metric_at, metric) in resource.metrics.iter().enumerate() {
                let place =
                    || format!("runs[{run_at}].resources[{resource_at}].metrics[{metric_at}]");
                check(metric).map_err(|problem| Wrong::at(place(), problem))?;
                series += metric.points.len();
            }
        }
    }
    Ok(Imported {
        tool: Tool::Archive,
        runs: archive.runs,
        benchmarks: series,
        summaries: 0,
    })
}

/// Whether the points can be what the metric says they are.
fn check(metric: &MetricPoints) -> Result<(), String> {
    let is_instant = metric.temporality == Temporality::Instant;
    if is_instant != (metric.kind == Kind::Gauge) {
        return Err("a gauge is of one instant, and nothing else is".to_owned());
    }
    for (at, point) in metric.points.iter().enumerate() {
        if !point.value.is_of(metric.kind) {
            let kind = metric.kind.as_str();
            return Err(format!("points[{at}] is not what a {kind} has"));
        }
        let sums_up = match &point.value {
            Value::Int(_) | Value::Double(_) => true,
            Value::Histogram(of) => {
                let fits = of.counts.len() == of.bounds.len() + 1 || of.counts.is_empty();
                let rises = of
                    .bounds
                    .windows(2)
                    .all(|pair| matches!(pair, [a, b] if a < b));
                fits && rises && (of.counts.is_empty() || sum(of.counts.iter()) == Some(of.count))
            }
            Value::ExpHistogram(of) => {
                let of = &of.histogram;
                let all = sum(of.buckets.values().chain([&of.zero_count]));
                (-10..=20).contains(&of.scale) && all == Some(of.count)
            }
        };
        if !sums_up {
            return Err(format!("points[{at}] has buckets that do not add up"));
        }
    }
    Ok(())
}

fn sum<'a>(mut counts: impl Iterator<Item = &'a u64>) -> Option<u64> {
    counts.try_fold(0_u64, |sum, count| sum.checked_add(*count))
}
