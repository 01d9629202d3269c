//! `khive-perf runs`: what the database holds.

use std::process::ExitCode;

use clap::Args;
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

/// `2026-11-23 07:05:00`, by Howard Hinnant's days-to-civil algorithm.
fn utc(unix_ns: u64) -> String {
    let seconds = unix_ns / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{:02}",
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_calendar_does() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(951_827_696_000_000_000), "2000-02-29 12:34:56");
        assert_eq!(utc(1_795_417_499_999_999_999), "2026-11-23 07:04:59");
        assert_eq!(utc(4_107_542_400_000_000_000), "2100-03-01 00:00:00");
    }
}
