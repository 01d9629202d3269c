//! Worker: one thread with its own runtime, and the handle that talks to it.

mod collect;
mod control;
mod findings;
mod queue;
mod sender;
mod state;
mod traces;

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::task::Poll;
use std::time::Duration;

use khive_perf::trace;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::config::{Config, Lane};
use crate::delivery::{Delivery, Ledger, Mark, Stats};
use crate::env::NO_LIMIT;
use crate::error::InstallError;
use crate::signal::Signal;
use crate::transport::{Client, Target, Transport};
use crate::worker::collect::Collector;
use crate::worker::control::{Command, Controller, Reply, WAITERS_MAX, Waiter};
use crate::worker::findings::Findings;
use crate::worker::queue::Queue;
use crate::worker::sender::Sender;
use crate::worker::state::State;
use crate::worker::traces::Traces;

/// The handle of a running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    commands: mpsc::Sender<Command>,
    ledger: Arc<Ledger>,
    /// The process that its thread runs in.
    process: u32,
}

/// Starts a worker on a thread of its own.
///
/// Where somebody collects the traces of the process already, it sends none.
pub(crate) fn start(mut config: Config) -> Result<Worker, InstallError> {
    let traces = trace::Collector::new(config.trace_config.clone());
    let has_traces = |lane: &Lane| lane.signal == Signal::Traces;
    let traces = match config.lanes.iter().any(has_traces) {
        true => traces.collect_process().ok(),
        false => None,
    };
    if traces.is_none() {
        config.lanes.retain(|lane| !has_traces(lane));
    }
    let ledger = Arc::new(Ledger::default());
    let (commands, receiver) = mpsc::channel(WAITERS_MAX);
    let (started, has_started) = sync_channel(1);
    let for_worker = Arc::clone(&ledger);
    std::thread::Builder::new()
        .name("khive-perf-otel".to_owned())
        .spawn(move || {
            let (runtime, clients) = match prepare(&config) {
                Ok(prepared) => prepared,
                Err(error) => return drop(started.send(Err(error))),
            };
            drop(started.send(Ok(())));
            runtime.block_on(work(&config, traces, &clients, for_worker, receiver));
            drop(clients);
            // A look-up of a host name that hangs keeps no one waiting.
            runtime.shutdown_background();
        })
        .map_err(InstallError::thread)?;
    match has_started.recv() {
        Ok(started) => started?,
        Err(_) => {
            let error = io::Error::other("it ended at once");
            return Err(InstallError::thread(error));
        }
    }
    Ok(Worker {
        commands,
        ledger,
        process: std::process::id(),
    })
}

/// A runtime, and a client for each signal that is sent.
fn prepare(config: &Config) -> Result<(tokio::runtime::Runtime, Vec<Client>), InstallError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(InstallError::thread)?;
    let client = |lane: &Lane| {
        let _entered = runtime.enter();
        Client::new(Target {
            signal: lane.signal,
            protocol: lane.protocol,
            endpoint: lane.endpoint.clone(),
            headers: lane.headers.clone(),
            compression: lane.compression,
            trust: lane.trust.clone(),
        })
    };
    let clients = config.lanes.iter().map(client).collect::<Result<_, _>>()?;
    Ok((runtime, clients))
}

/// The whole life of a worker, with a transport for each signal that is sent.
async fn work(
    config: &Config,
    traces: Option<trace::Collector>,
    transports: &[impl Transport],
    ledger: Arc<Ledger>,
    commands: mpsc::Receiver<Command>,
) {
    let settled = Rc::new(Notify::new());
    let urgent = Arc::new(Notify::new());
    if let Some(traces) = &traces {
        let urgent = Arc::clone(&urgent);
        traces.when_half_full(move || urgent.notify_one());
    }
    let state = |lane: &Lane| {
        let room = match (lane.signal, &traces) {
            // Traces are taken whole, and so the last one may pass the limit that they are taken out by.
            (Signal::Traces, Some(traces)) => 2 * traces.room() as u64,
            _ => u64::MAX,
        };
        let queue = Queue::new(config.queue_len_max, room);
        let (ledger, settled) = (Arc::clone(&ledger), Rc::clone(&settled));
        State::new(lane.signal, queue, ledger, config.on_error.clone(), settled)
    };
    let states: Vec<State> = config.lanes.iter().map(state).collect();
    let lanes = states.iter().zip(&config.lanes).zip(transports);
    let senders = lanes.map(|((state, lane), transport)| async move {
        Sender::new(state, transport, lane.timeout).run().await;
    });
    let sends = |signal| config.lanes.iter().any(|lane| lane.signal == signal);
    let controller = Controller {
        states: &states,
        source: &config.source,
        metrics: sends(Signal::Metrics).then(|| Collector::new(config)),
        findings: sends(Signal::Logs).then(|| Findings::new(config)),
        traces: traces.map(|collector| Traces::new(config, collector)),
        ledger: &ledger,
        interval: config.interval,
        span_interval: config.schedule_delay,
        export_timeout: config.export_timeout,
        settled: &settled,
        urgent: &urgent,
    };
    tokio::select! {
        () = all(senders.collect()) => {}
        () = controller.run(commands) => {}
    }
}

/// Polls them all; none of them ends.
async fn all<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        for future in &mut futures {
            let _ = future.as_mut().poll(context);
        }
        Poll::Pending
    })
    .await
}

// === impl Worker ===

impl Worker {
    pub(crate) fn stats(&self) -> Stats {
        match self.forked() {
            Some(_) => Stats::default(),
            None => self.ledger.stats(),
        }
    }

    /// In a process that was forked off there is no thread that could answer, and a lock that it held is held for ever. What
    /// there was to send, the parent sends.
    fn forked(&self) -> Option<Delivery> {
        (self.process != std::process::id()).then(|| Delivery {
            last_error: Some(FORKED.to_owned()),
            ..Delivery::default()
        })
    }

    /// Waits on the calling thread, which may be one of a runtime.
    pub(crate) fn flush(&self, within: Duration) -> Delivery {
        if let Some(forked) = self.forked() {
            return forked;
        }
        let mark = self.ledger.mark();
        match self.call(Command::Flush, mark, within) {
            Ok(delivery) => delivery,
            Err(problem) => self.unanswered(&mark, problem),
        }
    }

    /// Waits without holding up the executor, whichever it is.
    pub(crate) async fn flush_async(&self, within: Duration) -> Delivery {
        if let Some(forked) = self.forked() {
            return forked;
        }
        let mark = self.ledger.mark();
        match self.call_async(Command::Flush, mark, within).await {
            Ok(delivery) => delivery,
            Err(problem) => self.unanswered(&mark, problem),
        }
    }

    /// Sends what there is and ends the worker. Whatever happens, the book is closed afterwards.
    pub(crate) fn shutdown(&self, within: Duration) -> Delivery {
        if let Some(closed) = self.forked().or_else(|| self.ledger.closed()) {
            return closed;
        }
        let mark = self.ledger.mark();
        self.call(Command::Shutdown, mark, within)
            .unwrap_or_else(|_| self.ledger.close())
    }

    /// The same for tasks. If it is dropped early the shutdown goes on.
    pub(crate) async fn shutdown_async(&self, within: Duration) -> Delivery {
        if let Some(closed) = self.forked().or_else(|| self.ledger.closed()) {
            return closed;
        }
        let mark = self.ledger.mark();
        let called = self.call_async(Command::Shutdown, mark, within).await;
        called.unwrap_or_else(|_| self.ledger.close())
    }

    fn call(
        &self,
        command: fn(Waiter) -> Command,
        mark: Mark,
        within: Duration,
    ) -> Result<Delivery, &'static str> {
        let (reply, delivery) = sync_channel(1);
        self.post(command, mark, within, Reply::Thread(reply))?;
        delivery.recv_timeout(within).map_err(|error| match error {
            RecvTimeoutError::Timeout => LATE,
            RecvTimeoutError::Disconnected => GONE,
        })
    }

    async fn call_async(
        &self,
        command: fn(Waiter) -> Command,
        mark: Mark,
        within: Duration,
    ) -> Result<Delivery, &'static str> {
        let (reply, delivery) = oneshot::channel();
        self.post(command, mark, within, Reply::Task(reply))?;
        delivery.await.map_err(|_| GONE)
    }

    fn post(
        &self,
        command: fn(Waiter) -> Command,
        mark: Mark,
        within: Duration,
        reply: Reply,
    ) -> Result<(), &'static str> {
        let deadline = Instant::now() + within.min(NO_LIMIT);
        let waiter = Waiter {
            deadline,
            mark,
            reply,
        };
        self.commands
            .try_send(command(waiter))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => "too many calls wait for the exporter",
                mpsc::error::TrySendError::Closed(_) => GONE,
            })
    }

    fn unanswered(&self, mark: &Mark, problem: &str) -> Delivery {
        let mut delivery = self.ledger.since(mark);
        if delivery.last_error.is_none() {
            delivery.last_error = Some(problem.to_owned());
        }
        delivery
    }
}

const FORKED: &str = "this process was forked off the one that has the exporter; install one here";
const GONE: &str = "the exporter has been shut down";
const LATE: &str = "the deadline passed before everything was sent";

#[cfg(test)]
mod tests;
