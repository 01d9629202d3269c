//! `khive-perf run`: a command under measurement.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::run::{self, Finished, Signals, Wanted};
use khive_perf_analysis::store::Store;

use crate::cli::interleave::{self, Arm};
use crate::cli::{EXIT_ERROR, Failure, output};

/// Pairs of base and candidate where nothing is said.
const PAIRS: u32 = 10;

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Name of the run; several runs may share it.
    #[arg(long)]
    name: String,
    /// How many times to run the command, one after the other; with --interleave, how many pairs at most.
    ///
    /// Without it: 1, and 10 pairs.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: Option<u32>,
    /// Take its traces, too, for `recommend`; making them costs the command time.
    #[arg(long, conflicts_with = "interleave")]
    traces: bool,
    /// An attribute of the run's resource, besides machine and commit, which are found out.
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    attributes: Vec<(String, String)>,
    /// The command to compare with; both take turns until every verdict is clear, and the exit code is that of check.
    #[arg(long, value_name = "BASE COMMAND", value_parser = words)]
    interleave: Option<Words>,
    /// Name of the base's runs; `-base` behind the other name where it is not given.
    #[arg(long, value_name = "NAME", requires = "interleave")]
    base_name: Option<String>,
    /// The command and its arguments, after `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A command in one argument.
#[derive(Clone, Debug)]
struct Words(Vec<String>);

fn words(text: &str) -> Result<Words, String> {
    interleave::words(text).map(Words)
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let wrong = || "is not KEY=VALUE".to_owned();
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let is_key = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if key.is_empty() || !key.chars().all(is_key) {
        return Err(wrong());
    }
    Ok((key.to_owned(), value.to_owned()))
}

impl Run {
    pub(crate) fn execute(&self, db: &Path) -> Result<ExitCode, Failure> {
        let store = Store::open(db)?;
        let wanted = Wanted {
            signals: match self.traces {
                true => Signals::MetricsAndTraces,
                false => Signals::Metrics,
            },
            attributes: self.attributes.clone(),
        };
        if let Some(Words(base)) = &self.interleave {
            return self.interleave(&store, base, &wanted);
        }
        let runs = self.runs.unwrap_or(1);
        for number in 1..=runs {
            let finished = run::execute(&store, &self.name, &self.command, &wanted)?;
            let which = if runs > 1 {
                format!(" {number}/{runs}")
            } else {
                String::new()
            };
            report(&self.name, &which, &finished);
            if let Some(code) = failure(&self.command, &finished)? {
                return Ok(code);
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn interleave(
        &self,
        store: &Store,
        base: &[String],
        wanted: &Wanted,
    ) -> Result<ExitCode, Failure> {
        let base_name = self.base_name.clone();
        let arms = [
            Arm {
                name: base_name.unwrap_or_else(|| format!("{}-base", self.name)),
                command: base,
            },
            Arm {
                name: self.name.clone(),
                command: &self.command,
            },
        ];
        if arms[0].name == arms[1].name {
            return Err("base and candidate need two names".into());
        }
        let pairs = self.runs.unwrap_or(PAIRS);
        interleave::execute(store, arms, pairs, wanted, |arm, finished| {
            report(&arm.name, "", finished);
            failure(arm.command, finished)
        })
    }
}

/// What a run that is none ends the whole with.
fn failure(command: &[String], finished: &Finished) -> Result<Option<ExitCode>, Failure> {
    match finished.exit_code {
        Some(0) if finished.callsites == 0 => {
            complain(command, finished);
            Ok(Some(ExitCode::from(EXIT_ERROR)))
        }
        Some(0) => Ok(None),
        // As shells do, the code of the command is ours.
        Some(code) => Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(1)))),
        None => Err("the command ended without an exit code".into()),
    }
}

fn report(name: &str, which: &str, finished: &Finished) {
    let exit = match finished.exit_code {
        Some(0) => String::new(),
        Some(code) => format!("; the command exited with {code}, so the run counts as failed"),
        None => "; the command ended without an exit code".to_owned(),
    };
    let received = finished.received;
    let rejected = if received.rejected + received.refused > 0 {
        format!(
            "; {} points or spans rejected, {} requests refused",
            received.rejected, received.refused
        )
    } else {
        String::new()
    };
    let spans = match received.spans {
        0 => String::new(),
        spans => format!(", {spans} spans"),
    };
    output::say(&format!(
        "run `{}`{which} is #{}: {} callsites, {} calls, {} points{spans}{rejected}{exit}",
        name, finished.run, finished.callsites, finished.calls, received.points
    ));
}

fn complain(command: &[String], finished: &Finished) {
    let program = command.first().map_or("the command", String::as_str);
    let received = finished.received;
    let arrived = received.points + received.spans;
    output::say(&if arrived > 0 {
        format!(
            "error: nothing was measured: {arrived} points and spans arrived from `{program}`, and none is of a callsite: \
                 is a function marked with #[khive_perf::measure], and called, or does another source send spans or \
                 durations? KHIVE_PERF=off and the feature `enabled` turn measuring off; the run counts as failed"
        )
    } else if received.refused > 0 {
        format!(
            "error: nothing was stored: all of {} requests from `{program}` were refused",
            received.refused
        )
    } else {
        format!(
            "error: no metrics arrived from `{program}`: does it install an OTLP exporter \
                 (khive_perf_otel::install), flush it before it ends, and take OTEL_EXPORTER_OTLP_ENDPOINT \
                 from its environment? KHIVE_PERF=off turns measuring off"
        )
    });
}
