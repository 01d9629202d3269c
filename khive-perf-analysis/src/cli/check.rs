//! `khive-perf check`: the comparison as a gate, by its exit code.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use khive_perf_analysis::detect::{Settings, Severity, Verdict};
use khive_perf_analysis::store::Store;

use crate::cli::compare::Sides;
use crate::cli::{EXIT_INCONCLUSIVE, EXIT_REGRESSED, Failure};

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    sides: Sides,
    /// Least severity of a regression that fails the check; milder ones are reported all the same.
    #[arg(long, value_enum, default_value_t, value_name = "SEVERITY")]
    fail_on: FailOn,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Any regression.
    #[default]
    Minor,
    /// At least 50 % slower.
    Moderate,
    /// More than 200 % slower.
    Critical,
}

impl FailOn {
    const fn severity(self) -> Severity {
        match self {
            Self::Minor => Severity::Minor,
            Self::Moderate => Severity::Moderate,
            Self::Critical => Severity::Critical,
        }
    }
}

impl Check {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let comparison = self.sides.answer(store, Settings::gate())?;
        Ok(match comparison.verdict() {
            Verdict::Regressed if comparison.severity() >= Some(self.fail_on.severity()) => {
                ExitCode::from(EXIT_REGRESSED)
            }
            Verdict::Regressed => ExitCode::SUCCESS,
            Verdict::Inconclusive(_) => ExitCode::from(EXIT_INCONCLUSIVE),
            Verdict::Improved | Verdict::Unchanged | Verdict::Added | Verdict::Removed => {
                ExitCode::SUCCESS
            }
        })
    }
}
