//! `khive-perf run`: a command under measurement.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::run::{self, Finished};
use khive_perf_analysis::store::Store;

use crate::cli::{EXIT_ERROR, Failure, output};

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Name of the run; several runs may share it.
    #[arg(long)]
    name: String,
    /// How many times to run the command, one after the other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// The command and its arguments, after `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Run {
    pub(crate) fn execute(&self, db: &Path) -> Result<ExitCode, Failure> {
        let store = Store::open(db)?;
        for number in 1..=self.runs {
            let finished = run::execute(&store, &self.name, &self.command)?;
            self.report(number, &finished);
            match finished.exit_code {
                Some(0) => {}
                // As shells do, the code of the command is ours.
                Some(code) => return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
                None => return Err("the command ended without an exit code".into()),
            }
            if finished.received.points == 0 {
                self.complain(&finished);
                return Ok(ExitCode::from(EXIT_ERROR));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn report(&self, number: u32, finished: &Finished) {
        let which = if self.runs > 1 {
            format!(" {number}/{}", self.runs)
        } else {
            String::new()
        };
        let exit = match finished.exit_code {
            Some(0) => String::new(),
            Some(code) => format!("; the command exited with {code}, so the run counts as failed"),
            None => "; the command ended without an exit code".to_owned(),
        };
        let received = finished.received;
        let rejected = if received.rejected + received.refused > 0 {
            format!(
                "; {} points rejected, {} requests refused",
                received.rejected, received.refused
            )
        } else {
            String::new()
        };
        output::say(&format!(
            "run `{}`{which} is #{}: {} callsites, {} calls, {} points{rejected}{exit}",
            self.name, finished.run, finished.callsites, finished.calls, received.points
        ));
    }

    fn complain(&self, finished: &Finished) {
        let program = self.command.first().map_or("the command", String::as_str);
        let refused = finished.received.refused;
        output::say(&if refused > 0 {
            format!(
                "error: nothing was stored: all of {refused} requests from `{program}` were refused"
            )
        } else {
            format!(
                "error: no metrics arrived from `{program}`: does it install an OTLP exporter \
                 (khive_perf_otel::install), flush it before it ends, and take OTEL_EXPORTER_OTLP_ENDPOINT \
                 from its environment? KHIVE_PERF=off turns measuring off"
            )
        });
    }
}
