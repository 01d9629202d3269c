//! `khive-perf compare`: what changed between two sets of runs.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use khive_perf_analysis::config::{self, Evidence, Observed};
use khive_perf_analysis::detect::{self, Comparison, Settings, Severity};
use khive_perf_analysis::model::Run;
use khive_perf_analysis::points::Value;
use khive_perf_analysis::recommend::{Facts, Leak};
use khive_perf_analysis::report;
use khive_perf_analysis::store::{RunInfo, SeriesTotal, Status, Store};

use crate::cli::config::Configured;
use crate::cli::{Failure, history, machines, output};

#[derive(Debug, Args)]
pub(crate) struct Compare {
    #[command(flatten)]
    pub(crate) sides: Sides,
}

/// The two sides, and how their comparison is written.
#[derive(Debug, Args)]
pub(crate) struct Sides {
    /// Runs to compare with: their name, a glob, or `@baseline`.
    #[arg(value_name = "BASE")]
    base: String,
    /// Runs to judge: their name, or a glob.
    #[arg(value_name = "CANDIDATE")]
    candidate: String,
    /// Smallest change worth a verdict, in percent; 5 unless the configuration says otherwise.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_effect: Option<f64>,
    /// Compare also runs that say they are of different machines.
    #[arg(long)]
    across_machines: bool,
    #[command(flatten)]
    configured: Configured,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For a comment on a change.
    Markdown,
    /// One page for a browser, with nothing to be loaded.
    Html,
    /// For what shows test results.
    Junit,
    /// For what collects findings.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

impl Compare {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        let answer = self.sides.answer(store, Purpose::Look)?;
        for limit in &answer.passed_limits {
            output::say(&format!("passes its limit: {limit}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a comparison is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Somebody wants to see.
    Look,
    /// A build passes or fails.
    Gate,
}

/// What a comparison came to.
pub(crate) struct Answer {
    pub(crate) comparison: Comparison,
    /// The least severity that fails a check, by the configuration.
    pub(crate) fail_on: Option<Severity>,
    /// What is above what the configuration allows.
    pub(crate) passed_limits: Vec<String>,
    /// What leaks in the candidate and not in the base.
    pub(crate) new_leaks: Vec<Leak>,
}

impl Sides {
    /// Compares, and writes the answer.
    pub(crate) fn answer(&self, store: &Store, purpose: Purpose) -> Result<Answer, Failure> {
        let mut config = self.configured.effective()?;
        let sure = match purpose {
            Purpose::Look => Settings::default(),
            Purpose::Gate => Settings::gate(),
        };
        if purpose == Purpose::Gate {
            config = config.for_gate();
        }
        let asked = self.min_effect.map(|percent| percent / 100.0);
        if asked.is_some() {
            // What is asked for on the command line holds for all.
            config.rules.floors.clear();
        }
        let settings = Settings {
            min_effect: asked.or(config.min_effect).unwrap_or(sure.min_effect),
            confidence: config.confidence.unwrap_or(sure.confidence),
            ..sure
        };
        let (base_side, candidate_side) = (load(store, &self.base)?, load(store, &self.candidate)?);
        if !self.across_machines {
            machines::check([&self.base, &self.candidate], [&base_side, &candidate_side])?;
        }
        let runs = |side: &Side| side.runs.iter().map(|(run, _)| run.clone()).collect();
        let (base, candidate): (Vec<Run>, Vec<Run>) = (runs(&base_side), runs(&candidate_side));
        if base
            .iter()
            .any(|run| candidate.iter().any(|other| run.id == other.id))
        {
            return Err(format!(
                "`{}` and `{}` share runs; a run cannot stand on both sides",
                self.base, self.candidate
            )
            .into());
        }
        // Runs of both sides say how noisy they are; of a single one only earlier runs do.
        let known = if base.len() == 1 || candidate.len() == 1 {
            history::noise(store, &base, &candidate)?
        } else {
            detect::History::new()
        };
        let comparison =
            detect::compare_knowing(&known, &base, &candidate, &settings, &config.rules);
        output::answer(&match self.format {
            ReportFormat::Text => report::text::comparison(&comparison),
            ReportFormat::Json => report::json::comparison(&comparison),
            ReportFormat::Markdown => report::markdown::comparison(&comparison),
            ReportFormat::Html => report::html::comparison(&comparison),
            ReportFormat::Junit => report::junit::comparison(&comparison),
            ReportFormat::Sarif => report::sarif::comparison(&comparison),
            ReportFormat::Github => report::github::comparison(&comparison),
        })?;
        Ok(Answer {
            passed_limits: config.passed_limits(&Evidence {
                comparison: &comparison,
                base: &base_side.runs,
                candidate: &candidate_side.runs,
            }),
            new_leaks: config::new_leaks(&base_side.runs, &candidate_side.runs),
            fail_on: config.fail_on,
            comparison,
        })
    }
}

/// The runs of one side.
pub(crate) struct Side {
    pub(crate) infos: Vec<RunInfo>,
    runs: Vec<(Run, Observed)>,
}

/// The runs of one side; those that did not end well are left out, and named.
fn load(store: &Store, pattern: &str) -> Result<Side, Failure> {
    let mut found = if pattern == "@baseline" {
        store.runs()?
    } else {
        store.runs_named(pattern)?
    };
    if pattern == "@baseline" {
        let baseline = store.baseline()?;
        found.retain(|run| baseline.contains(&run.id));
    }
    if found.is_empty() {
        let path = store.path().display();
        return Err(format!(
            "no run called `{pattern}` in {path}; `khive-perf runs --db {path}` lists them"
        )
        .into());
    }
    let mut side = Side {
        infos: Vec::new(),
        runs: Vec::with_capacity(found.len()),
    };
    for info in found {
        if info.status == Status::Complete {
            let (run, series) = store.load_with_series(info.id)?;
            side.runs.push((run, observed(&info, &series)));
            side.infos.push(info);
        } else {
            output::say(&format!(
                "run {} of `{}` is {} and left out",
                info.id,
                info.name,
                info.status.as_str()
            ));
        }
    }
    if side.runs.is_empty() {
        return Err(format!("no run of `{pattern}` is complete; record one anew").into());
    }
    if side.runs.iter().all(|(run, _)| run.callsites.is_empty()) {
        return Err(format!(
            "nothing was measured in `{pattern}`: its runs have no callsite, so there is nothing to judge"
        )
        .into());
    }
    Ok(side)
}

/// What a run says beyond its callsites.
fn observed(info: &RunInfo, series: &[SeriesTotal]) -> Observed {
    let memory = series
        .iter()
        .filter(|of| of.metric == "process.memory.usage");
    let bytes = memory.filter_map(|of| match of.value {
        Value::Int(bytes) => Some(bytes as f64),
        Value::Double(bytes) => Some(bytes),
        Value::Histogram(_) | Value::ExpHistogram(_) => None,
    });
    Observed {
        seconds: info.seconds(),
        leaks: Facts::of(series, 0.0).leaks,
        memory_bytes: bytes.reduce(|sum, bytes| sum + bytes),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .trim_end_matches('%')
        .trim()
        .parse()
        .map_err(|_| "not a number")?;
    if (0.0..=10_000.0).contains(&value) {
        Ok(value)
    } else {
        Err("must be between 0 and 10000".to_owned())
    }
}
