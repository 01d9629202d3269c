//! `khive-perf selftest`: how often this tool calls a program changed that is compared with itself.
//!
//! Runs of one name are runs of one program. They are split at random into two sides, many times, and compared; whatever
//! is flagged is a false alarm. Splits share runs, so that they are not as many trials as they seem: the interval
//! counts only as many as can be made without sharing.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::detect::{Settings, Verdict, compare};
use khive_perf_analysis::model::Run;
use khive_perf_analysis::stats::wilson::{Share, wilson};
use khive_perf_analysis::store::{Status, Store};
use serde_json::json;

use crate::cli::{Failure, Format, Formatted, output, random};

/// Splits come from this seed, so that the same store gives the same answer.
const SEED: u64 = 20_261_123;

#[derive(Debug, Args)]
pub(crate) struct Selftest {
    /// Only runs with this name, or that match it as a glob.
    #[arg(value_name = "NAME", default_value = "*")]
    name: String,
    /// Runs of each side.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=100))]
    runs: u16,
    /// Comparisons of each name.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    splits: u16,
    #[command(flatten)]
    formatted: Formatted,
}

/// What came of the runs of one name, and of all.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    comparisons: usize,
    /// That flagged anything, as `compare` does.
    flagged: usize,
    /// That flagged a regression, as `check` does.
    red: usize,
    /// Comparisons that share no run.
    apart: usize,
}

impl Selftest {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let side = usize::from(self.runs);
        let mut names: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for run in store.runs_named(&self.name)? {
            if run.status == Status::Complete {
                names.entry(run.name).or_default().push(run.id);
            }
        }
        let mut all = Tally::default();
        let mut rows = Vec::new();
        for (name, ids) in names {
            if ids.len() < 2 * side {
                output::say(&format!(
                    "`{name}` has {} complete runs, and a split takes {}: left out",
                    ids.len(),
                    2 * side
                ));
                continue;
            }
            let runs = (ids.iter().map(|&id| store.load(id))).collect::<Result<Vec<_>, _>>()?;
            let found = self.split(&runs, side);
            all = all.and(found);
            rows.push((name, found));
        }
        if all.comparisons == 0 {
            return Err(format!(
                "no name has {} complete runs; record more, or split fewer a side with --runs",
                2 * side
            )
            .into());
        }
        rows.push(("all".to_owned(), all));
        match self.formatted.format {
            Format::Text => output::answer(&text(&rows))?,
            Format::Json => {
                let rows: Vec<_> = rows.iter().map(|(name, tally)| tally.json(name)).collect();
                output::answer(&format!(
                    "{:#}",
                    json!({ "runs_a_side": side, "selftest": rows })
                ))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn split(&self, runs: &[Run], side: usize) -> Tally {
        let mut tally = Tally {
            apart: runs.len() / (2 * side),
            ..Tally::default()
        };
        let mut state = SEED;
        let mut seen = BTreeSet::new();
        for _ in 0..self.splits {
            let mut order: Vec<usize> = (0..runs.len()).collect();
            // The beginning of a shuffle (Fisher & Yates).
            for position in 0..2 * side {
                let left = order.len() - position;
                let step =
                    usize::try_from(random::next(&mut state) % left as u64).unwrap_or_default();
                order.swap(position, position + step);
            }
            let mut picked = order[..2 * side].to_vec();
            picked[..side].sort_unstable();
            picked[side..].sort_unstable();
            if !seen.insert(picked.clone()) {
                continue;
            }
            let take = |places: &[usize]| -> Vec<Run> {
                places.iter().map(|&place| runs[place].clone()).collect()
            };
            let (one, other) = (take(&picked[..side]), take(&picked[side..]));
            let flags = |settings: &Settings, wanted: &[Verdict]| {
                let found = compare(&one, &other, settings);
                let any = found.findings.iter().any(|f| wanted.contains(&f.verdict));
                usize::from(any)
            };
            tally.comparisons += 1;
            tally.flagged += flags(
                &Settings::default(),
                &[Verdict::Regressed, Verdict::Improved],
            );
            tally.red += flags(&Settings::gate(), &[Verdict::Regressed]);
        }
        tally
    }
}

impl Tally {
    fn and(self, other: Self) -> Self {
        Self {
            comparisons: self.comparisons + other.comparisons,
            flagged: self.flagged + other.flagged,
            red: self.red + other.red,
            apart: self.apart + other.apart,
        }
    }

    fn share(&self, count: usize) -> Share {
        let share = count as f64 / self.comparisons.max(1) as f64;
        wilson(share, self.apart as f64, 0.95)
    }

    fn json(&self, name: &str) -> serde_json::Value {
        let share = |count: usize| {
            let share = self.share(count);
            json!({ "share": share.estimate, "low": share.low, "high": share.high })
        };
        json!({
            "name": name,
            "comparisons": self.comparisons,
            "without_shared_runs": self.apart,
            "compare_flags": share(self.flagged),
            "check_fails": share(self.red),
        })
    }
}

fn text(rows: &[(String, Tally)]) -> String {
    let header = [
        "name",
        "comparisons",
        "compare flags (95 % interval)",
        "check fails",
    ];
    let mut table = vec![header.map(str::to_owned).to_vec()];
    for (name, tally) in rows {
        let share = |count: usize| {
            let share = tally.share(count);
            format!(
                "{:.1} % ({:.1} .. {:.1})",
                share.estimate * 100.0,
                share.low * 100.0,
                share.high * 100.0
            )
        };
        table.push(vec![
            name.clone(),
            tally.comparisons.to_string(),
            share(tally.flagged),
            share(tally.red),
        ]);
    }
    output::table(&table)
}
