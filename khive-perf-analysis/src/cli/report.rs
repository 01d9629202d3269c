//! `khive-perf report`: everything that one run says, for a person, a page, a wiki or a program.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use khive_perf_analysis::pages::{self, Overview};
use khive_perf_analysis::store::{RunInfo, Status, Store};

use crate::cli::{Failure, output};

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Name of the runs, a glob, or the id of one (`#7`); of several the latest complete one is reported.
    #[arg(value_name = "NAME")]
    name: String,
    /// How it is written.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// One page for a browser, with nothing to be loaded.
    Html,
    /// For programs.
    Json,
    /// For a wiki, or the summary of a build.
    Markdown,
}

impl Report {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let overview = Overview::of(store, &latest(store, &self.name)?)?;
        output::answer(&match self.format {
            ReportFormat::Text => pages::text::overview(&overview),
            ReportFormat::Html => pages::html::overview(&overview),
            ReportFormat::Json => pages::json::overview(&overview),
            ReportFormat::Markdown => pages::markdown::overview(&overview),
        })?;
        if overview.rows.is_empty() {
            output::say("warning: nothing was measured in this run: no callsite sent anything");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The latest complete run of a name; where there is none, the latest that is not.
pub(crate) fn latest(store: &Store, name: &str) -> Result<RunInfo, Failure> {
    let runs = store.runs_named(name)?;
    let order = |run: &RunInfo| (run.status == Status::Complete, run.started_unix_ns, run.id);
    runs.into_iter().max_by_key(order).ok_or_else(|| {
        let path = store.path().display();
        format!("no run called `{name}` in {path}; `khive-perf runs --db {path}` lists them").into()
    })
}
