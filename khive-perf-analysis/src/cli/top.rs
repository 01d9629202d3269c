//! `khive-perf top`: what takes the time now, looked at again and again while a run goes on.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use khive_perf_analysis::model::CallsiteKey;
use khive_perf_analysis::pages::{self, Overview, Row};
use khive_perf_analysis::store::{RunInfo, Store};

use crate::cli::{Failure, output};

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Name of the runs, a glob, or the id of one (`#7`); of several the latest is looked at, also while it goes on.
    #[arg(value_name = "NAME", default_value = "*")]
    name: String,
    /// What comes first.
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    interval: f64,
    /// Looks; without end where nothing is said, and one where standard output is no terminal.
    #[arg(long)]
    looks: Option<u32>,
    /// Callsites that are shown.
    #[arg(long, default_value_t = 20)]
    lines: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Time on threads outside measured callees.
    #[default]
    SelfTime,
    /// Wall time of all calls.
    Total,
    /// Finished calls.
    Calls,
    /// The 99th percentile.
    P99,
    /// Calls that failed.
    Failed,
}

/// What is shown of a callsite: since the look before, or since the run began.
struct Line<'a> {
    row: &'a Row,
    calls: f64,
    failed: f64,
    self_s: f64,
    total_s: f64,
}

/// Clears the screen and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds between 0.1 and 3600".to_owned()),
    }
}

impl Top {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let is_terminal = io::stdout().is_terminal();
        let looks = self.looks.or(if is_terminal { None } else { Some(1) });
        let mut before: Option<Overview> = None;
        let mut look = 0;
        loop {
            let now = Overview::of(store, &self.latest(store)?)?;
            let earlier = before.as_ref().filter(|of| of.info.id == now.info.id);
            let clear = if is_terminal { CLEAR } else { "" };
            output::answer(&format!("{clear}{}", self.screen(&now, earlier)))?;
            look += 1;
            if looks.is_some_and(|looks| look >= looks) {
                return Ok(ExitCode::SUCCESS);
            }
            before = Some(now);
            std::thread::sleep(Duration::from_secs_f64(self.interval));
        }
    }

    fn latest(&self, store: &Store) -> Result<RunInfo, Failure> {
        let runs = store.runs_named(&self.name)?;
        let latest = runs
            .into_iter()
            .max_by_key(|run| (run.started_unix_ns, run.id));
        latest.ok_or_else(|| {
            let path = store.path().display();
            format!("no run called `{}` in {path}", self.name).into()
        })
    }

    fn screen(&self, now: &Overview, earlier: Option<&Overview>) -> String {
        let known: BTreeMap<&CallsiteKey, &Row> = earlier
            .map(|of| of.rows.iter().map(|row| (&row.key, row)).collect())
            .unwrap_or_default();
        let mut lines: Vec<Line<'_>> = now
            .rows
            .iter()
            .map(|row| Line::since(row, known.get(&row.key).copied()))
            .collect();
        lines.sort_by(|a, b| {
            let by_sort = self.sort.of(b).total_cmp(&self.sort.of(a));
            by_sort.then_with(|| a.row.key.cmp(&b.row.key))
        });
        let per_second = earlier.map(|_| self.interval);
        let info = &now.info;
        let calls: f64 = lines.iter().map(|line| line.calls).sum();
        let span = match per_second {
            Some(seconds) => format!(
                "the last {seconds} s: {:.0} calls a second",
                calls / seconds
            ),
            None => format!("since it began: {calls:.0} calls"),
        };
        let hidden = lines.len().saturating_sub(self.lines);
        let mut text = format!(
            "run #{} `{}` ({}), {span}\n\n",
            info.id,
            output::clean(&info.name),
            info.status.as_str()
        );
        text.push_str(&table(&lines[..lines.len() - hidden]));
        if hidden > 0 {
            text.push_str(&format!("and {hidden} more callsites\n"));
        }
        text
    }
}

impl Sort {
    fn of(self, line: &Line<'_>) -> f64 {
        match self {
            Self::SelfTime => line.self_s,
            Self::Total => line.total_s,
            Self::Calls => line.calls,
            Self::P99 => line.row.p99_s.unwrap_or_default(),
            Self::Failed => line.failed,
        }
    }
}

impl<'a> Line<'a> {
    fn since(row: &'a Row, earlier: Option<&Row>) -> Self {
        let all = |of: &Row| {
            of.calls
                .iter()
                .fold(0u64, |sum, &of| sum.saturating_add(of))
        };
        let failed = |of: &Row| all(of).saturating_sub(of.calls[0]);
        let more = |value: fn(&Row) -> f64| value(row) - earlier.map_or(0.0, value);
        Self {
            row,
            calls: all(row).saturating_sub(earlier.map_or(0, all)) as f64,
            failed: failed(row).saturating_sub(earlier.map_or(0, failed)) as f64,
            self_s: more(|of| of.self_s).max(0.0),
            total_s: more(|of| of.total_s).max(0.0),
        }
    }
}

fn table(lines: &[Line<'_>]) -> String {
    let header = [
        "self time",
        "wall time",
        "calls",
        "failed",
        "p50",
        "p99",
        "callsite",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(|line| {
        vec![
            pages::time(Some(line.self_s)),
            pages::time(Some(line.total_s)),
            format!("{:.0}", line.calls),
            format!("{:.0}", line.failed),
            pages::time(line.row.p50_s),
            pages::time(line.row.p99_s),
            output::clean(&line.row.key.name),
        ]
    }));
    output::table(&rows)
}
