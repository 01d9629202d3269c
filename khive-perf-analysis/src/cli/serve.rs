//! `khive-perf serve`: takes in OTLP until SIGINT or SIGTERM.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::pages;
use khive_perf_analysis::receiver::{Config, DEFAULT_GRPC_PORT, DEFAULT_HTTP_PORT, Receiver};
use khive_perf_analysis::store::{Store, Target};

use crate::cli::{Failure, output};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to take in OTLP over gRPC; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from(([127, 0, 0, 1], DEFAULT_GRPC_PORT)))]
    grpc: SocketAddr,
    /// Where to take in OTLP over HTTP, and where browsers find the pages; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from(([127, 0, 0, 1], DEFAULT_HTTP_PORT)))]
    http: SocketAddr,
}

impl Serve {
    pub(crate) fn execute(&self, db: &Path) -> Result<ExitCode, Failure> {
        let store = Store::open(db)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| format!("starting the runtime: {error}"))?;
        runtime.block_on(self.serve(store))
    }

    async fn serve(&self, store: Store) -> Result<ExitCode, Failure> {
        let stop = interrupted()?;
        // What a killed receiver left open; a run whose points go on is opened again by them.
        store.complete_served()?;
        let config = Config {
            grpc: self.grpc,
            http: self.http,
            ..Config::default()
        };
        // A connection of its own, so that who reads does not hold up what comes in.
        let pages = pages::router(Store::open(store.path())?);
        let receiver =
            Receiver::start_with(config, store.clone(), Target::PerInstance, pages).await?;
        output::say(&format!(
            "receiving OTLP/gRPC on {}, OTLP/HTTP on {}, into {}; pages at http://{}/; Ctrl-C ends it",
            receiver.grpc_addr(),
            receiver.http_addr(),
            store.path().display(),
            receiver.http_addr()
        ));
        stop.await;
        let received = receiver.shutdown().await?;
        store.complete_served()?;
        output::say(&format!(
            "{} points, {} spans and {} log records in {} requests stored, {} repeated, {} rejected, {} requests refused",
            received.points,
            received.spans,
            received.logs,
            received.requests,
            received.repeated,
            received.rejected,
            received.refused
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Resolves once someone asks us to end; listens from the moment it returns.
#[cfg(unix)]
fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
