//! `khive-perf export`: every number of a run, as it is stored.

use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::importers;
use khive_perf_analysis::model::{CallsiteKey, CallsiteRun, ExpHistogram, Run};
use khive_perf_analysis::points::Value as Stored;
use khive_perf_analysis::store::{SeriesTotal, Store};
use serde_json::{Value, json};

use crate::cli::{Failure, Format, Formatted, output, runs};

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Name of the runs, a glob, or the id of one (`#7`).
    #[arg(value_name = "NAME")]
    name: String,
    /// Every point, as `khive-perf import` reads it, in place of the sums.
    #[arg(long, conflicts_with = "format")]
    points: bool,
    #[command(flatten)]
    formatted: Formatted,
}

impl Export {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let found = store.runs_named(&self.name)?;
        if found.is_empty() {
            let path = store.path().display();
            return Err(format!(
                "no run called `{}` in {path}; `khive-perf runs --db {path}` lists them",
                self.name
            )
            .into());
        }
        if self.points {
            let runs = found.iter().map(|info| store.take_out(info.id));
            let runs = runs.collect::<Result<Vec<_>, _>>()?;
            output::answer(&importers::write(&runs))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut texts = Vec::new();
        let mut exported = Vec::new();
        for info in &found {
            let run = store.load(info.id)?;
            if self.formatted.format == Format::Text {
                texts.push(text(&run));
                continue;
            }
            let mut json = runs::run_json(info);
            let callsites: Vec<Value> = run
                .callsites
                .iter()
                .map(|(key, callsite)| callsite_json(key, callsite))
                .collect();
            let series: Vec<Value> = store.series(info.id)?.iter().map(series_json).collect();
            json["callsites"] = callsites.into();
            json["series"] = series.into();
            exported.push(json);
        }
        match self.formatted.format {
            Format::Text => output::answer(&texts.join("\n"))?,
            Format::Json => output::answer(&format!("{:#}", json!({ "runs": exported })))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(run: &Run) -> String {
    let header = [
        "calls", "ok", "mean (s)", "min (s)", "max (s)", "service", "callsite",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (key, callsite) in &run.callsites {
        let ok = &callsite.ok;
        let seconds =
            |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |s| format!("{s:.3e}"));
        rows.push(vec![
            callsite
                .calls
                .iter()
                .fold(0u64, |sum, &calls| sum.saturating_add(calls))
                .to_string(),
            callsite.calls[0].to_string(),
            seconds((ok.count > 0).then(|| ok.sum / ok.count as f64)),
            seconds(ok.min),
            seconds(ok.max),
            key.service.clone(),
            key.name.clone(),
        ]);
    }
    format!("run #{} `{}`\n{}", run.id, run.name, output::table(&rows))
}

fn callsite_json(key: &CallsiteKey, callsite: &CallsiteRun) -> Value {
    let [ok, error, panic, cancelled] = callsite.calls;
    json!({
        "service": key.service,
        "group": key.group,
        "name": key.name,
        "calls": { "ok": ok, "error": error, "panic": panic, "cancelled": cancelled },
        "duration_s": histogram_json(&callsite.ok),
        "self_time_s": callsite.self_time_s,
        "busy_time_s": callsite.busy_time_s,
        "idle_time_s": callsite.idle_time_s,
        "polls": callsite.polls,
    })
}

fn histogram_json(histogram: &ExpHistogram) -> Value {
    let buckets: Vec<(i32, u64)> = histogram
        .buckets
        .iter()
        .map(|(&index, &count)| (index, count))
        .collect();
    json!({
        "scale": histogram.scale,
        "count": histogram.count,
        "sum": histogram.sum,
        "min": histogram.min,
        "max": histogram.max,
        "zero_count": histogram.zero_count,
        "buckets": buckets,
    })
}

fn series_json(series: &SeriesTotal) -> Value {
    let value = match &series.value {
        Stored::Int(value) => json!(value),
        Stored::Double(value) => json!(value),
        Stored::Histogram(point) => json!({
            "count": point.count,
            "sum": point.sum,
            "min": point.min,
            "max": point.max,
            "bounds": point.bounds,
            "bucket_counts": point.counts,
        }),
        Stored::ExpHistogram(point) => {
            let mut json = histogram_json(&point.histogram);
            json["zero_threshold"] = point.zero_threshold.into();
            if !point.has_sum {
                json["sum"] = Value::Null;
            }
            json
        }
    };
    json!({
        "resource": series.resource,
        "scope_name": series.scope_name,
        "scope_version": series.scope_version,
        "scope_attributes": series.scope_attributes,
        "metric": series.metric,
        "unit": series.unit,
        "kind": series.kind.as_str(),
        "temporality": series.temporality.as_str(),
        "monotonic": series.monotonic,
        "attributes": series.attributes,
        "start_unix_ns": series.start_unix_ns,
        "time_unix_ns": series.time_unix_ns,
        "value": value,
    })
}
