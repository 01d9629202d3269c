//! The open loop: a fixed number of connections take requests in turn and keep to their time.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use hyper::body::Bytes;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::load::client::Client;
use crate::load::mix::{Mix, Planned};
use crate::load::report::{Load, Times};

/// What is sent, how fast and for how long.
#[derive(Args, Clone, Debug)]
pub struct Plan {
    /// Requests per second.
    #[arg(long, default_value_t = 50)]
    pub rate: u32, // 1..

    /// Seconds of load that are not reported.
    #[arg(long, default_value_t = 1.0)]
    pub warm_up: f64,

    /// Seconds of load that are reported.
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,

    /// Keep-alive connections; at most this many requests are under way.
    #[arg(long, default_value_t = 16)]
    pub connections: usize, // 1..

    /// Same seed, same requests.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Sessions created before the load.
    #[arg(long, default_value_t = 16)]
    pub sessions: u64, // 1..

    /// Entries that each of these sessions has from the start.
    #[arg(long, default_value_t = 2000)]
    pub transcript_len: usize,
}

/// What every worker needs to know.
#[derive(Debug)]
struct Schedule {
    mix: Mix,
    start: Instant,
    rate: u32,
    warm_up_count: u64,
    count: u64,
    next: AtomicU64, // every worker takes a number, relaxed: only uniqueness matters
}

/// What one worker saw after the warm-up.
#[derive(Debug, Default)]
struct Seen {
    response: Vec<Duration>,
    service: Vec<Duration>,
    errors: BTreeMap<String, u64>,
    connects: u64,
}

#[derive(Deserialize)]
struct Created {
    id: i64,
}

/// Requests of one load; its durations are kept in memory.
const COUNT_MAX: f64 = 1e7;

// === impl Plan ===

impl Plan {
    /// Requests that are due within a time.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what is allowed"
    )]
    fn count(&self, seconds: f64) -> u64 {
        (seconds * f64::from(self.rate.max(1)))
            .clamp(0.0, COUNT_MAX)
            .round() as u64
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rate: 50,
            warm_up: 1.0,
            seconds: 5.0,
            connections: 16,
            seed: 1,
            sessions: 16,
            transcript_len: 2000,
        }
    }
}

/// Creates the sessions and results that the load refers to, one after the other.
///
/// # Errors
///
/// The service cannot be reached or refuses one of the requests.
pub async fn set_up(addr: SocketAddr, plan: &Plan) -> io::Result<Mix> {
    let mut client = Client::new(addr);
    let mut mix = Mix {
        seed: plan.seed,
        sessions: Vec::new(),
        orchestrations: Vec::new(),
    };
    for number in 0..plan.sessions.max(1) {
        let session = Mix::session(plan.seed, number, plan.transcript_len);
        mix.sessions.push(create(&mut client, session).await?);
    }
    for &session in mix.sessions.iter().take(8) {
        let orchestration = Mix::orchestration(plan.seed, session);
        mix.orchestrations
            .push(create(&mut client, orchestration).await?);
    }
    Ok(mix)
}

async fn create(client: &mut Client, planned: Planned) -> io::Result<i64> {
    let Planned { method, path, body } = planned;
    let (status, answer) = client.send(method, &path, body).await?;
    if !status.is_success() {
        let text = String::from_utf8_lossy(&answer);
        return Err(io::Error::other(format!(
            "POST {path} was answered with {status}: {text}"
        )));
    }
    let created: Created = serde_json::from_slice(&answer)?;
    Ok(created.id)
}

/// Sends the requests of `mix` at the planned rate; returns when the last one is answered.
pub async fn drive(addr: SocketAddr, plan: &Plan, mix: Mix) -> Load {
    let warm_up_count = plan.count(plan.warm_up);
    let schedule = Arc::new(Schedule {
        mix,
        start: Instant::now(),
        rate: plan.rate.max(1),
        warm_up_count,
        count: warm_up_count + plan.count(plan.seconds),
        next: AtomicU64::new(0),
    });
    let mut workers = JoinSet::new();
    for _ in 0..plan.connections.max(1) {
        workers.spawn(work(Client::new(addr), Arc::clone(&schedule)));
    }
    let mut all = Seen::default();
    while let Some(seen) = workers.join_next().await {
        match seen {
            Ok(seen) => all.absorb(seen),
            Err(error) => all.count(format!("a worker of the driver ended early: {error}")),
        }
    }
    Load {
        ok: all.response.len() as u64,
        errors: all.errors,
        elapsed: schedule.due(warm_up_count).elapsed(),
        response: all.response.into_iter().collect::<Times>(),
        service: all.service.into_iter().collect::<Times>(),
        connects: all.connects,
    }
}

/// Takes the next request, waits until it is due, sends it, and so on until none is left.
///
/// A worker that comes late sends at once, and the delay counts into the response time.
async fn work(mut client: Client, schedule: Arc<Schedule>) -> Seen {
    let mut seen = Seen::default();
    loop {
        let number = schedule.next.fetch_add(1, Ordering::Relaxed);
        if schedule.count <= number {
            seen.connects = client.connects();
            return seen;
        }
        let Planned { method, path, body } = schedule.mix.request(number);
        let due = schedule.due(number);
        tokio::time::sleep_until(due).await;
        let sent = Instant::now();
        let answer = client.send(method, &path, body).await;
        let answered = Instant::now();
        if number < schedule.warm_up_count {
            continue;
        }
        match fault(answer) {
            None => {
                seen.response.push(answered - due);
                seen.service.push(answered - sent);
            }
            Some(fault) => seen.count(fault),
        }
    }
}

/// Why an answer is not a good one.
fn fault(answer: io::Result<(hyper::StatusCode, Bytes)>) -> Option<String> {
    match answer {
        Ok((status, _)) if status.is_success() => None,
        Ok((status, _)) => Some(format!("status {status}")),
        Err(error) => Some(error.to_string()),
    }
}

// === impl Schedule ===

impl Schedule {
    /// When a request is to be sent; computed from the start, so that rounding does not add up.
    fn due(&self, number: u64) -> Instant {
        let rate = u64::from(self.rate);
        let whole = Duration::from_secs(number / rate);
        let part = Duration::from_nanos((number % rate) * 1_000_000_000 / rate);
        self.start + whole + part
    }
}

// === impl Seen ===

impl Seen {
    fn absorb(&mut self, other: Self) {
        self.response.extend(other.response);
        self.service.extend(other.service);
        self.connects += other.connects;
        for (reason, count) in other.errors {
            *self.errors.entry(reason).or_default() += count;
        }
    }

    fn count(&mut self, reason: String) {
        *self.errors.entry(reason).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_due_at_even_distances_that_do_not_drift() {
        let schedule = Schedule {
            mix: Mix {
                seed: 1,
                sessions: vec![1],
                orchestrations: vec![1],
            },
            start: Instant::now(),
            rate: 30,
            warm_up_count: 0,
            count: 0,
            next: AtomicU64::new(0),
        };
        let after = |number| schedule.due(number) - schedule.start;
        assert_eq!(after(0), Duration::ZERO);
        assert_eq!(after(1), Duration::from_nanos(33_333_333));
        assert_eq!(after(30 * 3_600), Duration::from_secs(3_600));
    }

    /// Goal: who had to wait is charged for it. Method: one connection, a peer that never answers, and a
    /// clock that jumps to the deadline of each request.
    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_answers_is_reported_and_ends_within_the_deadlines() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plan = Plan {
            rate: 10,
            warm_up: 0.0,
            seconds: 0.3,
            connections: 1,
            ..Plan::default()
        };
        let mix = Mix {
            seed: 1,
            sessions: vec![1],
            orchestrations: vec![1],
        };
        let load = drive(listener.local_addr().unwrap(), &plan, mix).await;
        assert_eq!((load.ok, load.error_count()), (0, 3));
        assert_eq!(load.errors["no answer within 10 s"], 3);
    }
}
