//! Worker: the one thread that takes snapshots, keeps what waits, and sends it.

use std::collections::VecDeque;
use std::time::Duration;

use khive_perf::Snapshot;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout_at};

use crate::builder::{ExporterBuilder, Source, Temporality};
use crate::delivery::{Delivery, Ledger};
use crate::encode::{Batch, Counting, Encoder};
use crate::error::InstallError;
use crate::guard::ExporterGuard;
use crate::resource;
use crate::retry::{Answer, Backoff};
use crate::transport::Transport;

/// Commands that wait; each of their senders waits for an answer, too.
const COMMANDS_MAX: usize = 64;

/// Called with the counts when a command was carried out.
pub(crate) type Reply = Box<dyn FnOnce(Delivery) + Send>;

/// What guards ask of the worker.
pub(crate) enum Command {
    Flush { within: Duration, reply: Reply },
    Shutdown { within: Duration, reply: Reply },
}

/// Starts the worker on a thread and a runtime of its own.
pub(crate) fn start(builder: ExporterBuilder) -> Result<ExporterGuard, InstallError> {
    let transport = Transport::new(&builder)?;
    let ledger = Ledger::new(builder.on_error.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(InstallError::thread)?;
    let (sender, commands) = mpsc::channel(COMMANDS_MAX);
    let worker = Worker {
        encoder: Encoder::new(&builder.resource, builder.buckets_max),
        transport,
        ledger: ledger.clone(),
        source: builder.source,
        temporality: builder.temporality,
        timeout: builder.timeout,
        queue_len_max: builder.queue_len_max,
        waiting: VecDeque::new(),
        taken: None,
    };
    let (interval, export_timeout) = (builder.interval, builder.export_timeout);
    std::thread::Builder::new()
        .name("khive-perf-otel".to_owned())
        .spawn(move || runtime.block_on(worker.run(commands, interval, export_timeout)))
        .map_err(InstallError::thread)?;
    Ok(ExporterGuard::new(sender, ledger))
}

struct Worker {
    encoder: Encoder,
    transport: Transport,
    ledger: Ledger,
    source: Source,
    temporality: Temporality,
    timeout: Duration,
    queue_len_max: usize,
    /// Requests to be sent, oldest first.
    waiting: VecDeque<Batch>,
    /// The snapshot that was taken last.
    taken: Option<Snapshot>,
}

impl Worker {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        interval: Duration,
        export_timeout: Duration,
    ) {
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut command = tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => Some(command),
                    None => return,
                },
                _ = ticks.tick() => None,
            };
            if command.is_none() {
                self.take();
                // A command need not wait for an export that goes nowhere: what is not acknowledged
                // stays in the queue.
                command = tokio::select! {
                    biased;
                    command = commands.recv() => command,
                    () = self.send_all(Instant::now() + export_timeout) => None,
                };
            }
            match command {
                Some(Command::Flush { within, reply }) => {
                    self.flush(within).await;
                    reply(self.ledger.read());
                }
                Some(Command::Shutdown { within, reply }) => {
                    self.flush(within).await;
                    self.ledger.give_up_waiting();
                    reply(self.ledger.read());
                    return;
                }
                None => {}
            }
        }
    }

    async fn flush(&mut self, within: Duration) {
        // The rest is for the way back to the caller.
        let deadline =
            Instant::now() + within.saturating_sub((within / 10).min(Duration::from_millis(50)));
        self.take_if_changed();
        // A request that is cut off stays in the queue.
        let _ = timeout_at(deadline, self.send_all(deadline)).await;
    }

    // === what is to be sent ===

    fn take(&mut self) {
        let snapshot = (self.source)();
        self.enqueue(snapshot);
    }

    /// Takes a snapshot unless it would repeat one that has arrived or is waiting.
    fn take_if_changed(&mut self) {
        let snapshot = (self.source)();
        let changed = self.taken.as_ref().is_none_or(|taken| {
            let since = snapshot.since(taken);
            !since.callsites().is_empty() || !since.overflow().is_empty()
        });
        if changed {
            self.enqueue(snapshot);
        }
    }

    fn enqueue(&mut self, snapshot: Snapshot) {
        let is_delta = self.temporality == Temporality::Delta;
        let counting = Counting {
            is_delta,
            start_unix_ns: snapshot.start_unix_ns(),
        };
        let metrics = match &self.taken {
            Some(taken) if is_delta => self.encoder.metrics(&snapshot.since(taken), counting),
            _ => self.encoder.metrics(&snapshot, counting),
        };
        self.taken = Some(snapshot);
        if !is_delta {
            // Older cumulative points say nothing that these do not.
            let replaced: u64 = self.waiting.drain(..).map(|batch| batch.points).sum();
            self.ledger.change(|counts| counts.waiting -= replaced);
        }
        for batch in self.encoder.batches(metrics, self.transport.bytes_max()) {
            self.ledger.change(|counts| counts.waiting += batch.points);
            self.waiting.push_back(batch);
        }
        while is_delta && self.waiting.len() > self.queue_len_max {
            let points = self.waiting.pop_front().map_or(0, |batch| batch.points);
            self.ledger.change(|counts| {
                counts.waiting -= points;
                counts.dropped += points;
            });
            self.ledger
                .error("the queue was full; the oldest request was dropped");
        }
    }

    // === sending it ===

    /// Sends what waits, in order, until the deadline or until the receiver is found not to answer.
    async fn send_all(&mut self, deadline: Instant) {
        while let Some(batch) = self.waiting.front() {
            let Some(answer) = self
                .send(batch, deadline.min(Instant::now() + self.timeout))
                .await
            else {
                return;
            };
            let points = self.waiting.pop_front().map_or(0, |batch| batch.points);
            self.settle(points, answer);
        }
    }

    /// Sends one request until it is taken or refused; `None` when the time was up before.
    async fn send(&self, batch: &Batch, deadline: Instant) -> Option<Answer> {
        let mut backoff = Backoff::default();
        loop {
            let Ok(answer) = timeout_at(deadline, self.transport.send(batch)).await else {
                self.ledger.error("the receiver did not answer in time");
                return None;
            };
            let Answer::Again { after, error } = answer else {
                return Some(answer);
            };
            self.ledger.error(&error);
            let next = Instant::now() + backoff.next(after, resource::random());
            if next >= deadline {
                return None;
            }
            sleep_until(next).await;
            self.ledger.change(|counts| counts.retries += 1);
        }
    }

    fn settle(&self, points: u64, answer: Answer) {
        let (rejected, error) = match answer {
            Answer::Taken {
                rejected: 0,
                message,
            } if message.is_empty() => (0, None),
            // A warning: everything was taken, and there is something to be said.
            Answer::Taken { rejected, message } => (
                rejected.min(points),
                Some(format!("{rejected} points rejected: {message}")),
            ),
            Answer::Refused { error } | Answer::Again { error, .. } => (points, Some(error)),
        };
        self.ledger.change(|counts| {
            counts.waiting -= points;
            counts.rejected += rejected;
            counts.sent += points - rejected;
        });
        if let Some(error) = error {
            self.ledger.error(&error);
        }
    }
}
