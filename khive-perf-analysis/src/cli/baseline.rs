//! `khive-perf baseline`: the runs that `@baseline` stands for, and that no pruning takes.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use khive_perf_analysis::store::{Status, Store};

use crate::cli::{Failure, output, runs};

#[derive(Debug, Args)]
pub(crate) struct Baseline {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make the complete runs with this name, or that match it as a glob, the baseline in place of what was.
    Set {
        /// Name of the runs, a glob, or the id of one (`#7`).
        name: String,
    },
    /// List the runs of the baseline.
    Show,
    /// Have no baseline; the runs stay.
    Clear,
}

impl Baseline {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        match &self.what {
            What::Set { name } => {
                let complete = |status| status == Status::Complete;
                let found = store.runs_named(name)?;
                let ids: Vec<i64> = (found.iter())
                    .filter(|run| complete(run.status))
                    .map(|run| run.id)
                    .collect();
                if ids.is_empty() {
                    return Err(format!("no complete run is called `{name}`").into());
                }
                store.set_baseline(&ids)?;
                let number = ids.len();
                output::say(&format!("the baseline is {number} runs of `{name}`"));
            }
            What::Show => {
                let baseline = store.baseline()?;
                let mut all = store.runs()?;
                all.retain(|run| baseline.contains(&run.id));
                if all.is_empty() {
                    output::say("there is no baseline; `khive-perf baseline set NAME` makes one");
                } else {
                    output::answer(&runs::text(&all))?;
                }
            }
            What::Clear => store.set_baseline(&[])?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
