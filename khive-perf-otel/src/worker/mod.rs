//! Worker: one thread with its own runtime, and the handle that talks to it.

mod collect;
mod control;
mod queue;
mod sender;
mod state;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::config::Config;
use crate::delivery::{Delivery, Ledger, Mark, Stats};
use crate::env::NO_LIMIT;
use crate::error::InstallError;
use crate::transport::{Client, Target, Transport};
use crate::worker::collect::Collector;
use crate::worker::control::{Command, Controller, Reply, WAITERS_MAX, Waiter};
use crate::worker::queue::Queue;
use crate::worker::sender::Sender;
use crate::worker::state::State;

/// The handle of a running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    commands: mpsc::Sender<Command>,
    ledger: Arc<Ledger>,
}

/// Starts a worker on a thread of its own.
pub(crate) fn start(config: Config) -> Result<Worker, InstallError> {
    let ledger = Arc::new(Ledger::default());
    let (commands, receiver) = mpsc::channel(WAITERS_MAX);
    let (started, has_started) = sync_channel(1);
    let for_worker = Arc::clone(&ledger);
    std::thread::Builder::new()
        .name("khive-perf-otel".to_owned())
        .spawn(move || {
            let (runtime, client) = match prepare(&config) {
                Ok(prepared) => prepared,
                Err(error) => return drop(started.send(Err(error))),
            };
            drop(started.send(Ok(())));
            runtime.block_on(work(&config, &client, for_worker, receiver));
            drop(client);
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
    Ok(Worker { commands, ledger })
}

fn prepare(config: &Config) -> Result<(tokio::runtime::Runtime, Client), InstallError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(InstallError::thread)?;
    let target = Target {
        protocol: config.protocol,
        endpoint: config.endpoint.clone(),
        headers: config.headers.clone(),
        compression: config.compression,
    };
    let client = {
        let _entered = runtime.enter();
        Client::new(target)?
    };
    Ok((runtime, client))
}

/// The whole life of a worker.
async fn work(
    config: &Config,
    transport: &impl Transport,
    ledger: Arc<Ledger>,
    commands: mpsc::Receiver<Command>,
) {
    let queue = Queue::new(config.queue_len_max);
    let state = State::new(queue, ledger, config.on_error.clone());
    let mut sender = Sender::new(&state, transport, config.timeout);
    let controller = Controller {
        state: &state,
        collector: Collector::new(config),
        interval: config.interval,
        export_timeout: config.export_timeout,
    };
    tokio::select! {
        () = sender.run() => {}
        () = controller.run(commands) => {}
    }
}

// === impl Worker ===

impl Worker {
    pub(crate) fn stats(&self) -> Stats {
        self.ledger.stats()
    }

    /// Waits on the calling thread, which may be one of a runtime.
    pub(crate) fn flush(&self, within: Duration) -> Delivery {
        let mark = self.ledger.mark();
        match self.call(Command::Flush, mark, within) {
            Ok(delivery) => delivery,
            Err(problem) => self.unanswered(&mark, problem),
        }
    }

    /// Waits without holding up the executor, whichever it is.
    pub(crate) async fn flush_async(&self, within: Duration) -> Delivery {
        let mark = self.ledger.mark();
        match self.call_async(Command::Flush, mark, within).await {
            Ok(delivery) => delivery,
            Err(problem) => self.unanswered(&mark, problem),
        }
    }

    /// Sends what there is and ends the worker. Whatever happens, the book is closed afterwards.
    pub(crate) fn shutdown(&self, within: Duration) -> Delivery {
        if let Some(closed) = self.ledger.closed() {
            return closed;
        }
        let mark = self.ledger.mark();
        self.call(Command::Shutdown, mark, within)
            .unwrap_or_else(|_| self.ledger.close())
    }

    /// The same for tasks. If it is dropped early the shutdown goes on.
    pub(crate) async fn shutdown_async(&self, within: Duration) -> Delivery {
        if let Some(closed) = self.ledger.closed() {
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

const GONE: &str = "the exporter has been shut down";
const LATE: &str = "the deadline passed before everything was sent";

#[cfg(test)]
mod tests;
