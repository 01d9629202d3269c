//! Sender: takes requests from the queue to the receiver, with retries.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::retry::{Answer, Backoff, Random};
use crate::transport::Transport;
use crate::worker::queue::Batch;
use crate::worker::state::State;

pub(super) struct Sender<'a, T> {
    state: &'a State,
    transport: &'a T,
    /// For one request, with its retries.
    timeout: Duration,
    backoff: Backoff,
    /// The receiver asked not to be asked earlier.
    not_before: Option<Instant>,
}

impl<'a, T: Transport> Sender<'a, T> {
    pub(super) fn new(state: &'a State, transport: &'a T, timeout: Duration) -> Self {
        Self {
            state,
            transport,
            timeout,
            backoff: Backoff::new(Random::new()),
            not_before: None,
        }
    }

    /// Serves rounds until it is dropped; what is on the wire then is cut off.
    pub(super) async fn run(&mut self) {
        loop {
            self.state.asked().await;
            self.round().await;
            self.state.rest();
        }
    }

    /// Sends what is queued, until it is empty or the receiver seems to be away.
    async fn round(&mut self) {
        if let Some(not_before) = self.not_before.take() {
            if self.state.round_deadline() <= not_before {
                self.not_before = Some(not_before);
                return;
            }
            sleep_until(not_before).await;
        }
        let mut current = None;
        let mut deadline = Instant::now();
        loop {
            let Some(batch) = self.state.queue.borrow_mut().begin() else {
                return;
            };
            let is_retry = current == Some(batch.id);
            if !is_retry {
                current = Some(batch.id);
                deadline = (Instant::now() + self.timeout).min(self.state.round_deadline());
            }
            self.state.update(|stats| {
                stats.requests += 1;
                stats.retries += u64::from(is_retry);
            });
            let answer = self.attempt(&batch, deadline).await;
            let remaining = deadline.saturating_duration_since(Instant::now());
            match self.settle(&batch, answer, remaining) {
                Next::Request => {}
                Next::Retry(wait) => sleep(wait).await,
                Next::GiveUp => return,
            }
        }
    }

    async fn attempt(&self, batch: &Batch, deadline: Instant) -> Answer {
        let remaining = deadline.saturating_duration_since(Instant::now());
        match timeout(remaining, self.transport.send(batch.body.clone())).await {
            Ok(answer) => answer,
            Err(_) => Answer::TryAgain {
                after: None,
                why: format!("no answer within {} ms", remaining.as_millis()),
            },
        }
    }

    /// Books what became of a batch.
    fn settle(&mut self, batch: &Batch, answer: Answer, remaining: Duration) -> Next {
        let points = batch.points;
        let items = self.state.signal.items();
        match answer {
            Answer::Accepted { rejected, message } => {
                let rejected = rejected.min(points);
                self.state.queue.borrow_mut().finish();
                self.state.update(|stats| {
                    stats.sent += points - rejected;
                    stats.rejected += rejected;
                    stats.pending = stats.pending.saturating_sub(points);
                });
                self.backoff.reset();
                if rejected > 0 || message.is_some() {
                    let message = message.unwrap_or_else(|| "no reason given".to_owned());
                    let text =
                        format!("the receiver rejected {rejected} of {points} {items}: {message}");
                    self.state.error(&text, false);
                }
                Next::Request
            }
            Answer::Refused(why) => {
                self.state.queue.borrow_mut().finish();
                self.state.update(|stats| {
                    stats.rejected += points;
                    stats.pending = stats.pending.saturating_sub(points);
                });
                self.backoff.reset();
                let text = format!("the receiver refused {points} {items}: {why}");
                self.state.error(&text, false);
                Next::Request
            }
            Answer::TryAgain { after, why } => {
                self.state.queue.borrow_mut().give_back();
                self.state.error(&why, true);
                match self.backoff.next(after, remaining) {
                    Some(wait) => Next::Retry(wait),
                    None => {
                        self.not_before = after.and_then(|after| Instant::now().checked_add(after));
                        Next::GiveUp
                    }
                }
            }
        }
    }
}

enum Next {
    /// The next request, at once.
    Request,
    /// The same again, after a while.
    Retry(Duration),
    /// No more in this round.
    GiveUp,
}
