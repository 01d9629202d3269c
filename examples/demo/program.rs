//! The demo service as a program: serves until it is told to stop, and reports what it measured.

use std::error::Error as StdError;
use std::io::Write;
use std::time::Duration;

use khive_perf::leak::{LeakConfig, LeakWatch};
use tokio::io::AsyncReadExt;

use crate::demo::config::Config;
use crate::demo::service::Service;

/// Command line of the demo service.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    config: Config,

    /// Print what was measured as a table before ending.
    #[arg(long)]
    table: bool,

    /// Look for leaks every so many milliseconds, and send what is found; for a program with a `TrackingAllocator`.
    #[arg(long, value_name = "MILLISECONDS")]
    leak_watch: Option<u64>,

    /// End when standard input is closed, and fail unless all that was measured was delivered.
    #[arg(long, hide = true)]
    as_child: bool,
}

/// How long requests under way may take when the service ends.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);
/// How long the last export may take.
const EXPORT_DEADLINE: Duration = Duration::from_secs(5);

/// Serves until SIGTERM, ctrl-c or, if asked for, the end of standard input; exports as the `OTEL_*`
/// variables say.
///
/// The first line on `out` is `listening on http://ADDRESS`.
///
/// # Errors
///
/// The service cannot start, did not end in an orderly way, or, as a child, could not deliver.
pub fn run(args: Args, out: &mut impl Write) -> Result<(), Box<dyn StdError>> {
    let Args {
        config,
        table,
        leak_watch,
        as_child,
    } = args;
    let watch = leak_watch.map(watch).transpose()?;
    let mut exporter = khive_perf_otel::Exporter::from_env()?;
    if let Some(watch) = &watch {
        exporter = exporter.leak_reports(watch.reports());
    }
    let exporter = exporter.install()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("demo")
        .build()?;
    runtime.block_on(async {
        let service = Service::start(config).await?;
        writeln!(out, "listening on http://{}", service.addr())?;
        out.flush()?;
        tokio::select! {
            told = signal() => told?,
            closed = stdin_closed(), if as_child => closed?,
        }
        service.stop(DRAIN_DEADLINE).await?;
        Ok::<_, Box<dyn StdError>>(())
    })?;
    runtime.shutdown_background(); // a read of standard input may be pending
    if table {
        writeln!(out, "{}", khive_perf::report::text(&khive_perf::snapshot()))?;
    }
    let delivery = exporter.shutdown(EXPORT_DEADLINE);
    if delivery.is_complete() {
        return Ok(());
    }
    let message = format!("not all that was measured was delivered: {delivery}");
    if as_child {
        return Err(message.into());
    }
    writeln!(std::io::stderr(), "{message}")?; // a service outlives its backend
    Ok(())
}

/// The service holds little, and runs for seconds in a comparison: so that a leak shows, each 4 KiB are looked at.
fn watch(period_ms: u64) -> Result<LeakWatch, Box<dyn StdError>> {
    const SAMPLE_BYTES: u64 = 4_096;
    khive_perf::configure(khive_perf::Config::default().heap_sample_bytes(SAMPLE_BYTES))?;
    let period = Duration::from_millis(period_ms);
    Ok(LeakWatch::start(LeakConfig::default(), period)?)
}

/// Waits for ctrl-c or, on Unix, SIGTERM.
async fn signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

async fn stdin_closed() -> std::io::Result<()> {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    while stdin.read(&mut ignored).await? != 0 {}
    Ok(())
}
