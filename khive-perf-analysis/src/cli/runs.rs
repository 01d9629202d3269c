//! `khive-perf runs`: what the database holds.

use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::pages::utc;
use khive_perf_analysis::store::{RunInfo, Store};
use serde_json::{Value, json};

use crate::cli::{Failure, Format, Formatted, output};

#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Only runs with this name, which match it as a glob, or with this id (`#7`).
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    formatted: Formatted,
}

impl Runs {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let runs = match &self.name {
            Some(name) => store.runs_named(name)?,
            None => store.runs()?,
        };
        match self.formatted.format {
            Format::Text if runs.is_empty() => output::say("there are no such runs"),
            Format::Text => output::answer(&text(&runs))?,
            Format::Json => {
                let runs: Vec<Value> = runs.iter().map(run_json).collect();
                output::answer(&format!("{:#}", json!({ "runs": runs })))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A run without its measurements.
pub(crate) fn run_json(run: &RunInfo) -> Value {
    json!({
        "id": run.id,
        "name": run.name,
        "status": run.status.as_str(),
        "started_unix_ns": run.started_unix_ns,
        "ended_unix_ns": run.ended_unix_ns,
        "command": run.command,
        "exit_code": run.exit_code,
        "resources": run.resources,
        "series_count": run.series,
    })
}

pub(crate) fn text(runs: &[RunInfo]) -> String {
    let header = [
        "id",
        "name",
        "status",
        "started (UTC)",
        "seconds",
        "series",
        "command",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for run in runs {
        let seconds = run.ended_unix_ns.map_or_else(
            || "-".to_owned(),
            |ended| {
                format!(
                    "{:.1}",
                    ended.saturating_sub(run.started_unix_ns) as f64 / 1e9
                )
            },
        );
        rows.push(vec![
            run.id.to_string(),
            run.name.clone(),
            run.status.as_str().to_owned(),
            utc(run.started_unix_ns),
            seconds,
            run.series.to_string(),
            run.command.join(" "),
        ]);
    }
    output::table(&rows)
}
