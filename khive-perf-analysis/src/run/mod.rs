//! Runs a program under measurement: a receiver on free ports for one run, and what the program must be told.

mod child;
mod origin;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::clock;
use crate::error::Error;
use crate::receiver::{Config, Received, Receiver};
use crate::store::{Ending, NewRun, Status, Store, Target};

pub use crate::run::child::execute;

/// How often a program under measurement is asked to send, in milliseconds.
const EXPORT_INTERVAL_MS: &str = "1000";

/// A receiver that stores all it gets as one run; it lives on threads of its own, so that any program can
/// hold one, with or without an async runtime.
///
/// Dropping it without [`Recording::finish`] leaves the run open.
#[derive(Debug)]
pub struct Recording {
    store: Store,
    run: i64,
    grpc: SocketAddr,
    http: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<Received, Error>>>,
}

/// What a program is asked to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signals {
    /// Metrics alone: making spans costs time, and comparisons do not look at them.
    #[default]
    Metrics,
    /// Metrics and traces: some recommendations need them.
    MetricsAndTraces,
}

/// What is asked of a run beyond its name and command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What the program is to send.
    pub signals: Signals,
    /// Attributes of its resource; those that are in the environment already win.
    pub attributes: Vec<(String, String)>,
}

/// A run that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Row id of the run.
    pub run: i64,
    /// What the program returned; 128 and the signal where one ended it.
    pub exit_code: Option<i32>,
    /// What the receiver took in.
    pub received: Received,
    /// Callsites that the run has.
    pub callsites: u64,
    /// Calls of all of them.
    pub calls: u64,
}

// === impl Recording ===

impl Recording {
    /// Begins a run called `name` and listens on free ports of this machine.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written, or no port can be listened on.
    pub fn start(store: &Store, name: &str, command: &[String]) -> Result<Self, Error> {
        let run = store.create_run(&NewRun {
            name: name.to_owned(),
            command: command.to_vec(),
            started_unix_ns: clock::unix_now_ns(),
        })?;
        let (started, start) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let for_thread = store.clone();
        let thread = std::thread::Builder::new()
            .name("khive-perf-receiver".to_owned())
            .spawn(move || receive(for_thread, run, &started, stopped))
            .map_err(|error| Error::io("starting the receiver's thread", error))?;
        // The thread sends addresses, or ends with the error.
        match start.recv() {
            Ok((grpc, http)) => Ok(Self {
                store: store.clone(),
                run,
                grpc,
                http,
                stop: Some(stop),
                thread: Some(thread),
            }),
            Err(_) => Err(match join(thread) {
                Ok(_) => Error::io("starting the receiver", "it ended at once"),
                Err(error) => error,
            }),
        }
    }

    /// Row id of the run.
    pub fn run(&self) -> i64 {
        self.run
    }

    /// Base URL of OTLP/gRPC.
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Base URL of OTLP/HTTP; metrics go to `/v1/metrics` below it.
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Environment variables to take from the program: on loopback compression only costs, and the SDKs do
    /// not agree on a word for none.
    pub const ENV_REMOVED: [&str; 3] = [
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    ];

    /// Environment variables that make an OpenTelemetry SDK send its metrics here, and often.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        self.env_for(&Wanted::default())
    }

    /// The same with what is wanted; machine and commit are among the attributes of the resource.
    pub fn env_for(&self, wanted: &Wanted) -> Vec<(&'static str, String)> {
        let endpoint = self.grpc_endpoint();
        let fixed = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "true"),
            (
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                "cumulative",
            ),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            // Findings are not kept here.
            ("OTEL_LOGS_EXPORTER", "none"),
            ("OTEL_METRIC_EXPORT_INTERVAL", EXPORT_INTERVAL_MS),
            ("OTEL_SDK_DISABLED", "false"),
        ];
        let endpoints = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.clone()),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint.clone()),
        ];
        let inherited = std::env::var(origin::VARIABLE).unwrap_or_default();
        let resource = origin::attributes(&inherited, &wanted.attributes);
        let traces = match wanted.signals {
            Signals::Metrics => vec![("OTEL_TRACES_EXPORTER", "none".to_owned())],
            Signals::MetricsAndTraces => vec![
                ("OTEL_TRACES_EXPORTER", "otlp".to_owned()),
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc".to_owned()),
                ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true".to_owned()),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
            ],
        };
        let fixed = fixed
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()));
        let resource = [(origin::VARIABLE, resource)];
        let all = endpoints.into_iter().chain(fixed).chain(traces);
        all.chain(resource).collect()
    }

    /// Finishes the requests in flight, stops listening, and ends the run.
    ///
    /// The run is complete where `exit_code` is absent or 0 and it has a callsite, and has failed otherwise: a run in which
    /// nothing was measured must not be compared with.
    ///
    /// # Errors
    ///
    /// Where the receiver had failed, or the database cannot be read or written.
    pub fn finish(mut self, exit_code: Option<i32>) -> Result<Finished, Error> {
        let received = match self.stop_receiver() {
            Some(result) => result?,
            None => Received::default(),
        };
        let recorded = self.store.load(self.run)?;
        let well = exit_code.unwrap_or_default() == 0 && !recorded.callsites.is_empty();
        self.store.finish_run(
            self.run,
            Ending {
                ended_unix_ns: clock::unix_now_ns(),
                exit_code,
                status: if well {
                    Status::Complete
                } else {
                    Status::Failed
                },
            },
        )?;
        let calls = recorded
            .callsites
            .values()
            .flat_map(|callsite| callsite.calls);
        Ok(Finished {
            run: self.run,
            exit_code,
            received,
            callsites: recorded.callsites.len() as u64,
            calls: calls.fold(0, u64::saturating_add),
        })
    }

    fn stop_receiver(&mut self) -> Option<Result<Received, Error>> {
        drop(self.stop.take());
        self.thread.take().map(join)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.stop_receiver();
    }
}

/// The receiver's thread: sends its addresses once it listens, and ends when `stop` is dropped.
fn receive(
    store: Store,
    run: i64,
    started: &mpsc::SyncSender<(SocketAddr, SocketAddr)>,
    stop: oneshot::Receiver<()>,
) -> Result<Received, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("khive-perf-receiver")
        .enable_all()
        .build()
        .map_err(|error| Error::io("starting the receiver's runtime", error))?;
    runtime.block_on(async {
        let receiver = Receiver::start(Config::on_free_ports(), store, Target::Run(run)).await?;
        if started
            .send((receiver.grpc_addr(), receiver.http_addr()))
            .is_ok()
        {
            let _ = stop.await;
        }
        receiver.shutdown().await
    })
}

fn join(thread: JoinHandle<Result<Received, Error>>) -> Result<Received, Error> {
    thread
        .join()
        .unwrap_or_else(|_| Err(Error::io("receiving", "the receiver's thread panicked")))
}
