//! `khive-perf check`: the comparison as a gate, by its exit code.

use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::detect::{Settings, Verdict};
use khive_perf_analysis::store::Store;

use crate::cli::compare::Sides;
use crate::cli::{EXIT_INCONCLUSIVE, EXIT_REGRESSED, Failure};

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    sides: Sides,
}

impl Check {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let comparison = self.sides.answer(store, Settings::gate())?;
        Ok(match comparison.verdict() {
            Verdict::Regressed => ExitCode::from(EXIT_REGRESSED),
            Verdict::Inconclusive(_) => ExitCode::from(EXIT_INCONCLUSIVE),
            Verdict::Improved | Verdict::Unchanged | Verdict::Added | Verdict::Removed => {
                ExitCode::SUCCESS
            }
        })
    }
}
