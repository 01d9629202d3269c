//! `khive-perf check`: the comparison as a gate, by its exit code.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use khive_perf_analysis::detect::{Severity, Verdict};
use khive_perf_analysis::store::Store;

use crate::cli::compare::{Purpose, Sides};
use crate::cli::{EXIT_INCONCLUSIVE, EXIT_REGRESSED, Failure, output};

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    sides: Sides,
    /// Least severity of a regression that fails the check; milder ones are reported all the same. `minor` unless the
    /// configuration says otherwise.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Any regression.
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
        let answer = self.sides.answer(store, Purpose::Gate)?;
        for limit in &answer.passed_limits {
            output::say(&format!("passes its limit: {limit}"));
        }
        for leak in &answer.new_leaks {
            let at = leak.place.as_ref();
            let at = at.map_or_else(String::new, |(file, line)| format!(" ({file}:{line})"));
            output::say(&format!(
                "leaks, and did not in the base: {}{at}: {:.0} bytes alive, {:.0} an hour come to stay ({})",
                output::clean(&leak.name),
                leak.retained_bytes,
                leak.bytes_per_hour,
                leak.verdict
            ));
        }
        let asked = self.fail_on.map(FailOn::severity).or(answer.fail_on);
        let fail_on = asked.unwrap_or(Severity::Minor);
        Ok(match answer.comparison.verdict() {
            _ if !answer.passed_limits.is_empty() || !answer.new_leaks.is_empty() => {
                ExitCode::from(EXIT_REGRESSED)
            }
            Verdict::Regressed if answer.comparison.severity() >= Some(fail_on) => {
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
