//! `khive-perf prune`: takes old runs and old detail out of the database, and says what it took.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::store::{RunInfo, Status, Store};

use crate::cli::{Failure, output};

const DAY_NS: u64 = 86_400 * 1_000_000_000;

#[derive(Debug, Args)]
#[group(required = true, multiple = true, id = "what")]
pub(crate) struct Prune {
    /// Delete runs that started so many days before the newest.
    #[arg(long, value_name = "DAYS", group = "what")]
    older_than: Option<u64>,
    /// Delete all but the newest so many runs of each name.
    #[arg(long, value_name = "RUNS", group = "what")]
    keep: Option<usize>,
    /// Add up the points of runs that started so many days before the newest; their totals stay.
    #[arg(long, value_name = "DAYS", group = "what")]
    downsample_after: Option<u64>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Prune {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let runs = store.runs()?;
        let baseline = store.baseline()?;
        // Points may still arrive for what is open, and the baseline is asked for by name.
        let may_go = |run: &&RunInfo| run.status != Status::Open && !baseline.contains(&run.id);
        let newest = runs.iter().map(|run| run.started_unix_ns).max();
        let age = |run: &RunInfo| newest.unwrap_or_default() - run.started_unix_ns;
        let is_older = |run: &RunInfo, days: Option<u64>| {
            days.is_some_and(|days| age(run) > days.saturating_mul(DAY_NS))
        };
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut going: Vec<i64> = Vec::new();
        // From the newest on, so that those beyond the number to keep are the oldest.
        for run in runs.iter().rev() {
            let number = seen.entry(&run.name).or_default();
            *number += 1;
            let too_many = self.keep.is_some_and(|keep| *number > keep);
            if (too_many || is_older(run, self.older_than)) && may_go(&run) {
                going.push(run.id);
            }
        }
        let folded: Vec<i64> = (runs.iter())
            .filter(may_go)
            .filter(|run| is_older(run, self.downsample_after) && !going.contains(&run.id))
            .map(|run| run.id)
            .collect();
        let kept = runs.len() - going.len();
        if self.dry_run {
            output::say(&format!(
                "would delete {} runs and keep {kept}, {} of them with totals only",
                going.len(),
                folded.len()
            ));
            return Ok(ExitCode::SUCCESS);
        }
        store.delete_runs(&going)?;
        let points = store.downsample(&folded)?;
        output::say(&format!(
            "deleted {} runs, kept {kept}; added up the points of {} of them, {points} points fewer",
            going.len(),
            folded.len()
        ));
        Ok(ExitCode::SUCCESS)
    }
}
