//! One run: the demo service as a child process, under load, recorded.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use khive_perf_analysis::run::{Finished, Recording};
use khive_perf_analysis::store::Store;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use crate::campaign::order::Side;
use crate::campaign::progress::Progress;
use crate::demo::Inject;
use crate::load::{self, Load, Plan};

/// What one run gave.
#[derive(Debug)]
pub struct Measured {
    /// What the driver saw from outside.
    pub load: Load,
    /// What the service measured of itself, as the table it printed at its end.
    pub table: String,
    /// What arrived in the store.
    pub finished: Finished,
}

/// How long the service may take to say where it listens.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// How long the service may take to end, its last export included.
const END_DEADLINE: Duration = Duration::from_secs(20);
/// How often the service looks for leaks: often enough for hundreds of looks at a run of seconds.
const LEAK_WATCH_MS: u64 = 10;
const TICK: Duration = Duration::from_millis(500);

/// Runs `program service` once, under the load of `plan`, and stores what it sends as a run of `side`.
///
/// # Errors
///
/// The service could not be started, driven or ended, answered with errors, or sent nothing.
pub fn measure(
    store: &Store,
    program: &Path,
    side: Side,
    inject: Inject,
    plan: &Plan,
    progress: &Progress,
) -> Result<Measured, Box<dyn StdError>> {
    let inject = inject.to_string();
    let looks = LEAK_WATCH_MS.to_string();
    let arguments = [
        "service",
        "--inject",
        &inject,
        "--table",
        "--as-child",
        "--leak-watch",
        &looks,
    ];
    let command: Vec<String> = std::iter::once(program.display().to_string())
        .chain(arguments.iter().map(|&argument| argument.to_owned()))
        .collect();
    let recording = Recording::start(store, side.name(), &command)?;
    let mut service = Command::new(program);
    service
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    for name in inherited_settings() {
        service.env_remove(name);
    }
    service.envs(recording.env()).envs([
        ("OTEL_SERVICE_NAME", "demo"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_LOGS_EXPORTER", "none"),
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let driven = runtime.block_on(drive(service, plan, progress));
    let (load, table, status) = match driven {
        Ok(driven) => driven,
        Err(error) => {
            recording.finish(Some(127))?; // the run must not stay open
            return Err(error);
        }
    };
    let finished = recording.finish(status.code())?;
    check(&load, status, &finished)?;
    Ok(Measured {
        load,
        table,
        finished,
    })
}

/// Names of the settings that would change what is measured or where it is sent.
fn inherited_settings() -> Vec<OsString> {
    let settings = |name: &str| name.starts_with("OTEL_") || name.starts_with("KHIVE_PERF");
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| name.to_str().is_some_and(settings))
        .collect()
}

async fn drive(
    mut service: Command,
    plan: &Plan,
    progress: &Progress,
) -> Result<(Load, String, ExitStatus), Box<dyn StdError>> {
    let under_load = Duration::from_secs_f64(plan.warm_up + plan.seconds);
    progress.phase("start", under_load);
    let mut child = service.spawn()?;
    let stdin = child.stdin.take();
    let stdout = child
        .stdout
        .take()
        .ok_or("the service has no standard output")?;
    let mut stdout = BufReader::new(stdout);
    let addr = timeout(START_DEADLINE, address(&mut stdout))
        .await
        .map_err(|_| "the service did not say in time where it listens")??;
    progress.phase("prepare", under_load);
    let mix = load::set_up(addr, plan).await?;
    progress.phase("load", under_load);
    let load = ticking(load::drive(addr, plan, mix), under_load, progress).await;
    progress.phase("finish", Duration::ZERO);
    drop(stdin); // the service ends when its standard input does
    let ended = timeout(END_DEADLINE, end(&mut child, stdout)).await;
    let (table, status) = ended.map_err(|_| "the service did not end in time")??;
    Ok((load, table, status))
}

/// Reads the first line of the service.
async fn address(stdout: &mut BufReader<ChildStdout>) -> io::Result<SocketAddr> {
    let mut line = String::new();
    stdout.read_line(&mut line).await?;
    line.trim()
        .strip_prefix("listening on http://")
        .and_then(|addr| addr.parse().ok())
        .ok_or_else(|| {
            let said =
                format!("the service did not start; instead of its address it said {line:?}");
            io::Error::new(io::ErrorKind::InvalidData, said)
        })
}

/// Reads what is left of the output, then waits: a child that cannot write would never end.
async fn end(
    child: &mut Child,
    mut stdout: BufReader<ChildStdout>,
) -> io::Result<(String, ExitStatus)> {
    let mut table = String::new();
    stdout.read_to_string(&mut table).await?;
    Ok((table, child.wait().await?))
}

/// Awaits `work` while the progress line counts `expected` down.
async fn ticking<F: Future>(work: F, expected: Duration, progress: &Progress) -> F::Output {
    let end = Instant::now() + expected;
    let mut ticks = tokio::time::interval(TICK);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            output = &mut work => return output,
            now = ticks.tick() => progress.tick("load", end.saturating_duration_since(now)),
        }
    }
}

/// A run whose requests failed, or which arrived in part, is not a measurement.
fn check(load: &Load, status: ExitStatus, finished: &Finished) -> Result<(), String> {
    if !status.success() {
        return Err(format!(
            "the service ended with {status}; what it said is above"
        ));
    }
    if load.error_count() > 0 {
        return Err(format!("the service did not answer all requests:\n{load}"));
    }
    if finished.callsites == 0 {
        return Err("the service sent no measurements; is its exporter installed?".to_owned());
    }
    Ok(())
}
