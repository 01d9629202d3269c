//! `khive-perf leaks`: what a leak detector in the program says leaks, or may leak.

use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::pages::{self, Overview};
use khive_perf_analysis::recommend::Leak;
use khive_perf_analysis::store::Store;
use serde_json::{Value, json};

use crate::cli::{EXIT_REGRESSED, Failure, Format, Formatted, output, report};

#[derive(Debug, Args)]
pub(crate) struct Leaks {
    /// Name of the runs, a glob, or the id of one (`#7`); of several the latest complete one is looked at.
    #[arg(value_name = "NAME")]
    name: String,
    /// Exit with 1 where something leaks; what may leak is only told.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    formatted: Formatted,
}

impl Leaks {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let info = report::latest(store, &self.name)?;
        let overview = Overview::of(store, &info)?;
        let leaks = &overview.leaks;
        output::answer(&match self.formatted.format {
            Format::Text if leaks.is_empty() => format!(
                "run #{} `{}`: nothing leaks that a leak detector in the program has looked at",
                info.id, info.name
            ),
            Format::Text => text(leaks),
            Format::Json => {
                let all: Vec<Value> = leaks.iter().map(pages::json::leak).collect();
                format!(
                    "{:#}",
                    json!({ "run": { "id": info.id, "name": info.name }, "leaks": all })
                )
            }
        })?;
        let is_leaking = leaks.iter().any(|leak| leak.verdict == "leaking");
        Ok(match self.check && is_leaking {
            true => ExitCode::from(EXIT_REGRESSED),
            false => ExitCode::SUCCESS,
        })
    }
}

fn text(leaks: &[Leak]) -> String {
    let header = ["verdict", "an hour", "alive", "what", "place"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(leaks.iter().map(|leak| {
        let place = leak.place.as_ref();
        vec![
            leak.verdict.clone(),
            pages::bytes(leak.bytes_per_hour),
            pages::bytes(leak.retained_bytes),
            output::clean(&leak.name),
            place.map_or_else(String::new, |(file, line)| {
                format!("{}:{line}", output::clean(file))
            }),
        ]
    }));
    output::table(&rows)
}
