//! Controller: decides when to collect, and answers those who wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use khive_perf::snapshot::Snapshot;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use crate::config::Source;
use crate::delivery::{Delivery, Ledger, Mark};
use crate::signal::Signal;
use crate::worker::collect::{Collector, Unchanged};
use crate::worker::findings::Findings;
use crate::worker::state::State;
use crate::worker::traces::Traces;

/// What a guard asks of its worker.
#[derive(Debug)]
pub(super) enum Command {
    /// Send what there is.
    Flush(Waiter),
    /// Send what there is, then end.
    Shutdown(Waiter),
}

/// Someone who waits for a delivery.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) deadline: Instant,
    /// The ledger when the call began.
    pub(super) mark: Mark,
    pub(super) reply: Reply,
}

/// The way back to a thread or to a task.
#[derive(Debug)]
pub(super) enum Reply {
    Thread(std::sync::mpsc::SyncSender<Delivery>),
    Task(oneshot::Sender<Delivery>),
}

pub(super) struct Controller<'a> {
    pub(super) states: &'a [State],
    /// Where snapshots come from.
    pub(super) source: &'a Source,
    /// `None` where metrics are not sent.
    pub(super) metrics: Option<Collector>,
    /// `None` where traces are not sent.
    pub(super) traces: Option<Traces>,
    /// `None` where log records are not sent.
    pub(super) findings: Option<Findings>,
    pub(super) ledger: &'a Ledger,
    pub(super) interval: Duration,
    pub(super) span_interval: Duration,
    pub(super) export_timeout: Duration,
    /// Told when the sender of a signal rests.
    pub(super) settled: &'a Notify,
    /// Told when there are spans enough.
    pub(super) urgent: &'a Notify,
}

/// Flushes that may wait at the same time.
pub(super) const WAITERS_MAX: usize = 64;

impl Controller<'_> {
    /// Runs until a shutdown, or until nobody can ask for one any more.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut ticks = each(self.interval);
        let mut span_ticks = each(self.span_interval);
        let has_traces = self.traces.is_some();
        let mut flushes: Vec<Waiter> = Vec::new();
        let mut shutdowns: Vec<Waiter> = Vec::new();
        loop {
            let waiters = flushes.iter().chain(&shutdowns);
            let earliest = waiters.map(|waiter| waiter.deadline).min();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Flush(waiter)) => {
                        flushes.retain(|waiter| waiter.reply.is_awaited());
                        if flushes.len() < WAITERS_MAX {
                            self.collect(Unchanged::Skip);
                            flushes.push(waiter);
                        } else {
                            self.answer(waiter);
                        }
                    }
                    Some(Command::Shutdown(waiter)) => {
                        self.collect(Unchanged::Skip);
                        shutdowns.push(waiter);
                    }
                    None => break,
                },
                _ = ticks.tick() => self.collect_metrics(Unchanged::Send),
                _ = span_ticks.tick(), if has_traces => self.collect_traces(),
                () = self.urgent.notified(), if has_traces => self.collect_traces(),
                () = self.settled.notified() => {
                    let is_awaited = !flushes.is_empty() || !shutdowns.is_empty();
                    self.collect_what_waits(is_awaited);
                }
                () = sleep_until(earliest.unwrap_or_else(Instant::now)), if earliest.is_some() => {}
            }
            // There may be spans to collect each time; the sender has its turn in between.
            tokio::task::yield_now().await;
            let now = Instant::now();
            let is_settled = self.states.iter().all(State::is_settled);
            let is_over = |waiter: &mut Waiter| is_settled || waiter.deadline <= now;
            for waiter in flushes.extract_if(.., is_over) {
                self.answer(waiter);
            }
            if shutdowns.iter_mut().any(is_over) {
                break;
            }
        }
        commands.close();
        while let Ok(Command::Flush(waiter) | Command::Shutdown(waiter)) = commands.try_recv() {
            shutdowns.push(waiter);
        }
        if let (Some(traces), Some(state)) = (&mut self.traces, of(self.states, Signal::Traces)) {
            traces.give_up(state);
        }
        // Before anybody hears of the end: the next exporter collects the traces of the process.
        self.traces = None;
        let delivery = self.ledger.close();
        for waiter in shutdowns {
            waiter.reply.send(delivery.clone());
        }
        for waiter in flushes {
            self.answer(waiter);
        }
    }

    fn collect(&mut self, unchanged: Unchanged) {
        self.collect_traces();
        self.collect_metrics(unchanged);
    }

    /// Metrics and findings, both of one snapshot.
    fn collect_metrics(&mut self, unchanged: Unchanged) {
        let Some(snapshot) = self.snapshot() else {
            return;
        };
        let deadline = Instant::now() + self.export_timeout;
        if let (Some(metrics), Some(state)) = (&mut self.metrics, of(self.states, Signal::Metrics))
        {
            metrics.collect(unchanged, &snapshot, state);
            state.ask(deadline);
        }
        if let (Some(findings), Some(state)) = (&mut self.findings, of(self.states, Signal::Logs)) {
            findings.collect(&snapshot, self.ledger, state);
            state.ask(deadline);
        }
    }

    /// `None` where nobody looks at it, or it cannot be had.
    fn snapshot(&self) -> Option<Rc<Snapshot>> {
        let state = of(self.states, Signal::Metrics).or_else(|| of(self.states, Signal::Logs))?;
        let snapshot = catch_unwind(AssertUnwindSafe(|| (self.source)()));
        if snapshot.is_err() {
            let text = "the source of snapshots panicked; nothing was collected";
            state.error(text, true);
        }
        snapshot.ok().map(Rc::new)
    }

    /// Where all spans were sent that there was room for, there may be more. Not where they could not be: the next try is
    /// that of the next interval.
    fn collect_what_waits(&mut self, is_awaited: bool) {
        let is_sent = of(self.states, Signal::Traces).is_some_and(|state| state.waiting() == 0);
        let has_more = |traces: &Traces| traces.is_urgent() || (is_awaited && traces.has_more());
        if is_sent && self.traces.as_ref().is_some_and(has_more) {
            self.collect_traces();
        }
    }

    fn collect_traces(&mut self) {
        if let (Some(traces), Some(state)) = (&mut self.traces, of(self.states, Signal::Traces)) {
            traces.collect(state);
            state.ask(Instant::now() + self.export_timeout);
        }
    }

    fn answer(&self, waiter: Waiter) {
        waiter.reply.send(self.ledger.since(&waiter.mark));
    }
}

/// The state of a signal, if it is sent.
fn of(states: &[State], signal: Signal) -> Option<&State> {
    states.iter().find(|state| state.signal == signal)
}

/// Comes for the first time after one period.
fn each(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl Reply {
    /// Sends it; whoever has stopped waiting does not get it.
    fn send(self, delivery: Delivery) {
        match self {
            Self::Thread(reply) => drop(reply.try_send(delivery)),
            Self::Task(reply) => drop(reply.send(delivery)),
        }
    }

    fn is_awaited(&self) -> bool {
        match self {
            // A thread waits no longer than its deadline.
            Self::Thread(_) => true,
            Self::Task(reply) => !reply.is_closed(),
        }
    }
}
