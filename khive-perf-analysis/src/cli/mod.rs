//! The command line: what there is, and what each exit code says.

mod baseline;
mod check;
mod compare;
mod config;
mod export;
mod history;
mod import;
mod interleave;
mod leaks;
mod machines;
mod output;
mod prune;
mod random;
mod recommend;
mod report;
mod run;
mod runs;
mod selftest;
mod serve;
mod top;
mod trend;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use khive_perf_analysis::store::Store;

/// Anything that ends a command with exit code 2.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A comparison found that something got slower.
const EXIT_REGRESSED: u8 = 1;
/// The command could not do what it was asked.
const EXIT_ERROR: u8 = 2;
/// The tool itself failed, and the same may work later: `EX_TEMPFAIL` of sysexits.
const EXIT_FAILED: u8 = 75;
/// A comparison cannot tell.
const EXIT_INCONCLUSIVE: u8 = 3;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; check: nothing got slower
  1  check: something got slower, leaks, or passes a limit of the configuration; leaks --check: something leaks
  2  bad usage or input, said on standard error
  3  check: the runs cannot tell
  75 the tool itself failed, said on standard error; the same may work later
run passes on the exit code of its command, and exits 2 where nothing could be measured;
with --interleave it exits as check does.";

/// Receives OTLP, keeps runs, and tells with stated confidence what got slower.
#[derive(Debug, Parser)]
#[command(name = "khive-perf", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The database.
    #[arg(
        long,
        global = true,
        env = "KHIVE_PERF_DB",
        default_value = "khive-perf.sqlite",
        value_name = "PATH"
    )]
    db: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take in OTLP until interrupted, each service instance as a run, and show pages to browsers.
    Serve(serve::Serve),
    /// Run a command under measurement, as a run with a name.
    Run(run::Run),
    /// List the runs.
    Runs(runs::Runs),
    /// Print everything that runs recorded, exactly as it is stored.
    Export(export::Export),
    /// Put in what export --points or another benchmark tool wrote: criterion, hyperfine, k6 and others.
    Import(import::Import),
    /// Compare two sets of runs, callsite by callsite.
    Compare(compare::Compare),
    /// The same as compare, as a gate: exits 0, 1, 2 or 3.
    Check(check::Check),
    /// Say everything that a run says, callsite by callsite.
    Report(report::Report),
    /// Say what leaks.
    Leaks(leaks::Leaks),
    /// Show what takes the time now, again and again.
    Top(top::Top),
    /// Say what in a run costs time that need not be, and what a change has saved.
    Recommend(recommend::Recommend),
    /// Look at the configuration of compare and check, or begin one.
    Config(config::Config),
    /// Say since which run a callsite is as it is, and whether it creeps.
    Trend(trend::Trend),
    /// Compare runs of one name with each other: how often this tool is wrong on this database.
    Selftest(selftest::Selftest),
    /// Say which runs `@baseline` stands for.
    Baseline(baseline::Baseline),
    /// Delete old runs, and add up the points of old ones.
    Prune(prune::Prune),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
struct Formatted {
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    execute(&cli).unwrap_or_else(|failure| {
        output::say(&format!("error: {}", output::chain(&*failure)));
        let ours = failure.downcast_ref::<khive_perf_analysis::Error>();
        let is_internal = ours.is_some_and(khive_perf_analysis::Error::is_internal);
        ExitCode::from(if is_internal { EXIT_FAILED } else { EXIT_ERROR })
    })
}

fn execute(cli: &Cli) -> Result<ExitCode, Failure> {
    let existing = || Store::open_existing(&cli.db);
    match &cli.command {
        Command::Serve(command) => command.execute(&cli.db),
        Command::Run(command) => command.execute(&cli.db),
        Command::Runs(command) => command.execute(&existing()?),
        Command::Export(command) => command.execute(&existing()?),
        Command::Import(command) => command.execute(&cli.db),
        Command::Compare(command) => command.execute(&existing()?),
        Command::Check(command) => command.execute(&existing()?),
        Command::Report(command) => command.execute(&existing()?),
        Command::Leaks(command) => command.execute(&existing()?),
        Command::Top(command) => command.execute(&existing()?),
        Command::Recommend(command) => command.execute(&existing()?),
        Command::Config(command) => command.execute(),
        Command::Trend(command) if command.needs_store() => command.execute(Some(&existing()?)),
        Command::Trend(command) => command.execute(None),
        Command::Selftest(command) => command.execute(&existing()?),
        Command::Baseline(command) => command.execute(&existing()?),
        Command::Prune(command) => command.execute(&existing()?),
    }
}
