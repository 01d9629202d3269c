//! This example shows the whole way: a real service under load, measured run by run, and the verdict on it.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use khive_perf::alloc::TrackingAllocator;
use khive_perf_analysis::detect::Comparison;
use khive_perf_analysis::report;
use khive_perf_analysis::store::Store;
use khive_perf_examples::campaign::{self, Measured, Progress, Side};
use khive_perf_examples::demo::{self, Inject};
use khive_perf_examples::load::Plan;

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

/// Runs the demo service as it should be and with a fault, and shows what the comparison finds.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Line {
    #[command(subcommand)]
    service: Option<Service>,

    #[command(flatten)]
    tour: Tour,
}

#[derive(Debug, Subcommand)]
enum Service {
    /// The demo service itself, as the tour starts it.
    #[command(hide = true)]
    Service(demo::Args),
}

#[derive(Debug, clap::Args)]
struct Tour {
    /// Fault of the candidate.
    #[arg(long, value_enum, default_value_t = Inject::SlowSession)]
    inject: Inject,

    /// Runs of each side.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=100))]
    runs: u32,

    /// Seconds of load in each run.
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,

    /// Requests per second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,

    /// Database for the runs; without it the first free tour-N.sqlite.
    #[arg(long)]
    db: Option<PathBuf>,

    /// Exit with 1 unless what is found is exactly what was injected; for none and slow-session.
    #[arg(long)]
    assert: bool,
}

/// Seconds of each run before its load: start and preparation, and after it: the last export.
const AROUND_LOAD: f64 = 1.2;
const SECONDS_MAX: f64 = 3600.0;

fn main() -> ExitCode {
    let line = Line::parse();
    let result = match line.service {
        Some(Service::Service(args)) => {
            demo::run(args, &mut io::stdout()).map(|()| ExitCode::SUCCESS)
        }
        None => line.tour.run(),
    };
    result.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "\ntour: {error}");
        ExitCode::from(2)
    })
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=SECONDS_MAX).contains(&seconds) => Ok(seconds),
        _ => Err(format!(
            "not a number of seconds between 0.1 and {SECONDS_MAX}"
        )),
    }
}

// === impl Tour ===

impl Tour {
    fn run(&self) -> Result<ExitCode, Box<dyn Error>> {
        if self.assert && !matches!(self.inject, Inject::None | Inject::SlowSession) {
            let fault = self.inject;
            return Err(format!("--assert does not know what {fault} slows down").into());
        }
        let path = match &self.db {
            Some(path) => path.clone(),
            None => campaign::database_path(Path::new("."))?,
        };
        let store = open(&path)?;
        let last = self.measure(&store)?;
        let comparison = campaign::compare(&store)?;
        print(&format!(
            "What the service measured of itself, in the last run of the candidate:\n\n{}\n\
             What the driver saw of that run from outside:\n\n{}\n\
             What the comparison found; the candidate ran with --inject {}:\n\n{}\n{}\n",
            last.table,
            last.load,
            self.inject,
            report::text::comparison(&comparison),
            next_steps(&path),
        ))?;
        if self.assert {
            return Ok(self.judge(&comparison));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Says on standard error in what the comparison and the fault differ.
    fn judge(&self, comparison: &Comparison) -> ExitCode {
        let surprises = campaign::surprises(comparison, self.inject);
        let mut stderr = io::stderr().lock();
        for surprise in &surprises {
            let _ = writeln!(stderr, "tour: {surprise}");
        }
        if surprises.is_empty() {
            let _ = writeln!(stderr, "tour: found exactly what was injected");
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Measures both sides in turn; returns the last run of the candidate.
    fn measure(&self, store: &Store) -> Result<Measured, Box<dyn Error>> {
        let plan = Plan {
            seconds: self.seconds,
            rate: self.rate,
            ..Plan::default()
        };
        let run_duration = Duration::from_secs_f64(plan.warm_up + plan.seconds + AROUND_LOAD);
        let program = std::env::current_exe()?;
        let mut progress = Progress::new(2 * self.runs, run_duration);
        let mut last = None;
        for side in campaign::order(self.runs) {
            progress.next(side);
            let inject = side.inject(self.inject);
            let measured = campaign::measure(store, &program, side, inject, &plan, &progress)?;
            if side == Side::Candidate {
                last = Some(measured);
            }
        }
        progress.done();
        last.ok_or_else(|| "there was no run".into())
    }
}

/// Writes the answer; a reader that has gone away, as in `| head`, has read enough.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn next_steps(database: &Path) -> String {
    let khive_perf = "cargo run --release --bin khive-perf --";
    let path = database.display();
    format!(
        "All runs are in {path}. What to type next:\n\n\
         \x20 {khive_perf} runs --db {path}\n\
         \x20 {khive_perf} compare baseline candidate --db {path}\n\
         \x20 {khive_perf} check baseline candidate --db {path}    # the same as a gate: exit code 1\n\
         \x20 cargo run --release --example tour -- --inject none      # nothing changed, nothing found"
    )
}

/// Opens a database that has no runs of an earlier tour: they would be compared as well.
fn open(path: &Path) -> Result<Store, Box<dyn Error>> {
    let store = Store::open(path)?;
    for side in [Side::Baseline, Side::Candidate] {
        if !store.runs_named(side.name())?.is_empty() {
            return Err(format!(
                "{} has runs called {} already; give --db another path",
                path.display(),
                side.name()
            )
            .into());
        }
    }
    Ok(store)
}
