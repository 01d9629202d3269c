//! The worker's timing, on a clock that stands still, against a receiver that follows a script.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::Bytes;
use khive_perf::testing::capture;
use tokio::time::sleep;

use super::*;
use crate::config::Settings;
use crate::env::Temporality;
use crate::retry::Answer;

#[khive_perf::measure]
fn work() {}

/// Answers in order, the last one for ever; notes when it was asked.
struct Script {
    answers: RefCell<VecDeque<Reaction>>,
    begun: Instant,
    asked: RefCell<Vec<(Duration, Bytes)>>,
}

#[derive(Clone)]
enum Reaction {
    Answer(Answer),
    Hang,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Reaction>) -> Self {
        Self {
            answers: RefCell::new(answers.into_iter().collect()),
            begun: Instant::now(),
            asked: RefCell::default(),
        }
    }

    fn times(&self) -> Vec<Duration> {
        self.asked.borrow().iter().map(|(at, _)| *at).collect()
    }
}

impl Transport for Script {
    async fn send(&self, body: Bytes) -> Answer {
        self.asked.borrow_mut().push((self.begun.elapsed(), body));
        let reaction = {
            let mut answers = self.answers.borrow_mut();
            match answers.len() {
                1 => answers.front().cloned(),
                _ => answers.pop_front(),
            }
        };
        match reaction.unwrap() {
            Reaction::Answer(answer) => answer,
            Reaction::Hang => std::future::pending().await,
        }
    }
}

fn accept() -> Reaction {
    Reaction::Answer(Answer::Accepted {
        rejected: 0,
        message: None,
    })
}

fn later(after: Option<Duration>) -> Reaction {
    Reaction::Answer(Answer::TryAgain {
        after,
        why: "busy".into(),
    })
}

/// A source whose every snapshot has one call more than the one before.
fn growing() -> Settings {
    let sum = std::sync::Mutex::new(None);
    let mut settings = Settings::new();
    settings.traces.is_off = true;
    settings.logs.is_off = true;
    settings.source = Arc::new(move || {
        let one = capture(work).1.into_snapshot();
        let mut sum = sum.lock().unwrap();
        match sum.as_mut() {
            None => *sum = Some(one),
            Some(sum) => khive_perf::snapshot::Snapshot::merge(sum, &one),
        }
        sum.clone().unwrap()
    });
    settings
}

fn fixed() -> Settings {
    let snapshot = capture(work).1.into_snapshot();
    let mut settings = Settings::new();
    settings.traces.is_off = true;
    settings.logs.is_off = true;
    settings.source = Arc::new(move || snapshot.clone());
    settings
}

/// Points of one snapshot: duration, calls, self time, busy time, in flight.
const POINTS: u64 = 5;

/// Runs `host` beside a worker with these settings.
async fn run(settings: Settings, script: &Script, host: impl AsyncFnOnce(&Worker)) -> Stats {
    let ledger = Arc::new(Ledger::default());
    let (commands, receiver) = mpsc::channel(WAITERS_MAX);
    let worker = Worker {
        commands,
        ledger: Arc::clone(&ledger),
        process: std::process::id(),
    };
    let config = settings.check().unwrap();
    tokio::join!(work_on(&config, script, ledger, receiver), async {
        host(&worker).await;
        worker.shutdown_async(Duration::ZERO).await;
    });
    worker.stats()
}

async fn work_on(
    config: &Config,
    script: &Script,
    ledger: Arc<Ledger>,
    receiver: mpsc::Receiver<Command>,
) {
    let scripts = std::slice::from_ref(script);
    super::work(config, None, scripts, ledger, receiver).await;
}

fn check(stats: &Stats) {
    let Stats {
        collected,
        sent,
        rejected,
        dropped,
        superseded,
        pending,
        ..
    } = stats;
    assert_eq!(*collected, sent + rejected + dropped + superseded + pending);
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn each_interval_sends_the_same_series_again() {
    let script = Script::new([accept()]);
    let stats = run(fixed(), &script, async |_| sleep(SECOND * 200).await).await;
    assert_eq!(script.times(), [SECOND * 60, SECOND * 120, SECOND * 180]);
    assert_eq!((stats.sent, stats.pending), (3 * POINTS, 0));
    check(&stats);
}

#[tokio::test(start_paused = true)]
async fn flush_and_shutdown_send_what_is_new_and_nothing_twice() {
    let script = Script::new([accept()]);
    let stats = run(fixed(), &script, async |worker| {
        let delivery = worker.flush_async(SECOND).await;
        assert_eq!((delivery.sent, delivery.is_complete()), (POINTS, true));
        assert_eq!(worker.flush_async(SECOND).await.sent, 0);
        assert_eq!(worker.shutdown_async(SECOND).await.sent, POINTS);
        let after = worker.flush_async(SECOND).await;
        assert!(after.last_error.unwrap().contains("shut down"));
    })
    .await;
    assert_eq!((stats.requests, stats.last_error), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_says_when_is_asked_then() {
    let script = Script::new([later(Some(SECOND * 3)), accept()]);
    let stats = run(fixed(), &script, async |worker| {
        let delivery = worker.flush_async(SECOND * 9).await;
        assert_eq!((delivery.sent, delivery.pending), (POINTS, 0));
        assert_eq!(delivery.last_error.as_deref(), Some("busy"));
    })
    .await;
    assert_eq!(script.times(), [Duration::ZERO, SECOND * 3]);
    assert_eq!((stats.requests, stats.retries), (2, 1));
    check(&stats);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_says_much_later_is_left_alone_until_then() {
    let script = Script::new([later(Some(SECOND * 140)), accept()]);
    let stats = run(fixed(), &script, async |worker| {
        let delivery = worker.flush_async(SECOND * 9).await;
        assert_eq!((delivery.sent, delivery.pending), (0, POINTS));
        sleep(SECOND * 200).await;
    })
    .await;
    // The collection at 120 s waits for the receiver.
    assert_eq!(script.times()[..2], [Duration::ZERO, SECOND * 140]);
    check(&stats);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_receiver_costs_no_caller_more_than_its_deadline() {
    let script = Script::new([Reaction::Hang]);
    let stats = run(fixed(), &script, async |worker| {
        let begun = Instant::now();
        let delivery = worker.flush_async(SECOND).await;
        assert_eq!((begun.elapsed(), delivery.pending), (SECOND, POINTS));
        let begun = Instant::now();
        let delivery = worker.shutdown_async(SECOND * 2).await;
        assert_eq!(begun.elapsed(), SECOND * 2);
        assert_eq!((delivery.dropped, delivery.pending), (POINTS, 0));
        assert!(
            delivery
                .last_error
                .unwrap()
                .contains("5 data points were not sent")
        );
        assert_eq!(
            worker.shutdown_async(SECOND).await.dropped,
            POINTS,
            "the same again"
        );
    })
    .await;
    assert_eq!(stats.dropped, POINTS);
    check(&stats);
}

#[tokio::test(start_paused = true)]
async fn retries_end_with_the_timeout_and_a_flush_does_not_outlast_them() {
    let script = Script::new([later(None)]);
    let stats = run(fixed(), &script, async |worker| {
        let begun = Instant::now();
        let delivery = worker.flush_async(SECOND * 50).await;
        assert!(begun.elapsed() <= SECOND * 10, "the timeout of one request");
        assert_eq!(delivery.pending, POINTS);
    })
    .await;
    assert!(stats.retries >= 3, "{stats:?}");
    check(&stats);
}

#[tokio::test(start_paused = true)]
async fn of_cumulative_snapshots_only_the_newest_waits() {
    let script = Script::new([later(Some(SECOND * 300)), accept()]);
    let stats = run(growing(), &script, async |worker| {
        sleep(SECOND * 200).await;
        assert_eq!(worker.stats().superseded, 2 * POINTS);
        sleep(SECOND * 200).await;
        worker.shutdown_async(SECOND).await;
    })
    .await;
    assert_eq!(stats.dropped, 0);
    check(&stats);
}

#[tokio::test(start_paused = true)]
async fn deltas_wait_for_the_receiver_and_add_up() {
    let mut settings = growing();
    settings.temporality = Temporality::Delta;
    let answers = [later(Some(SECOND * 150)), accept()];
    let script = Script::new(answers);
    let stats = run(settings, &script, async |worker| {
        sleep(SECOND * 250).await;
        worker.shutdown_async(SECOND).await;
    })
    .await;
    assert_eq!((stats.superseded, stats.dropped), (0, 0));
    check(&stats);
    let (mut calls, mut last) = (0, None);
    // The first attempt was refused; the same body comes again.
    for (_, body) in script.asked.borrow().iter().skip(1) {
        let (count, start, time) = calls_in(body);
        calls += count;
        assert!(
            last.is_none_or(|last| last == start),
            "a gap between deltas"
        );
        last = Some(time);
    }
    assert_eq!(calls, 5, "at 60, 120, 180 and 240 s, and at the end");
}

/// Value, start and time of the point of calls.
fn calls_in(body: &Bytes) -> (i64, u64, u64) {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
    use prost::Message;

    let request = ExportMetricsServiceRequest::decode(body.clone()).unwrap();
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let calls = metrics
        .iter()
        .find(|metric| metric.name == "khive.perf.function.calls");
    let Some(metric::Data::Sum(sum)) = &calls.unwrap().data else {
        panic!("calls are no sum");
    };
    let point = &sum.data_points[0];
    let Some(number_data_point::Value::AsInt(count)) = point.value else {
        panic!("calls are no count");
    };
    (count, point.start_time_unix_nano, point.time_unix_nano)
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_its_oldest_delta_and_counts_it() {
    let mut settings = growing();
    settings.temporality = Temporality::Delta;
    settings.queue_len_max = 2;
    let script = Script::new([later(Some(SECOND * 100_000))]);
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let for_closure = Arc::clone(&told);
    settings.on_error = Some(Arc::new(move |error| {
        for_closure.lock().unwrap().push(error.to_string());
        panic!("the host's own problem");
    }));
    let stats = run(settings, &script, async |worker| {
        sleep(SECOND * 301).await;
        let stats = worker.stats();
        assert_eq!((stats.dropped, stats.pending), (3 * POINTS, 2 * POINTS));
    })
    .await;
    check(&stats);
    let told = told.lock().unwrap();
    assert!(
        told.iter().any(|error| error.contains("queue is full")),
        "{told:?}"
    );
    assert!(told.iter().any(|error| error == "busy"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_receiver_rejects_is_counted_with_its_reason() {
    let partial = Answer::Accepted {
        rejected: 2,
        message: Some("too old".into()),
    };
    let refused = Answer::Refused("no such tenant".into());
    let script = Script::new([Reaction::Answer(partial), Reaction::Answer(refused)]);
    let stats = run(growing(), &script, async |worker| {
        let delivery = worker.flush_async(SECOND).await;
        assert_eq!((delivery.sent, delivery.rejected), (POINTS - 2, 2));
        assert!(delivery.last_error.unwrap().contains("too old"));
        let delivery = worker.flush_async(SECOND).await;
        assert_eq!((delivery.sent, delivery.rejected), (0, POINTS));
        assert!(delivery.last_error.unwrap().contains("no such tenant"));
    })
    .await;
    check(&stats);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_asked_again() {
    let mut settings = fixed();
    let good = Arc::clone(&settings.source);
    let asked = std::sync::atomic::AtomicU32::new(0);
    settings.source = Arc::new(move || {
        let nth = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert!(nth > 0, "not yet");
        good()
    });
    let script = Script::new([accept()]);
    let stats = run(settings, &script, async |worker| {
        let delivery = worker.flush_async(SECOND).await;
        assert!(delivery.last_error.unwrap().contains("panicked"));
        assert_eq!(worker.flush_async(SECOND).await.sent, POINTS);
    })
    .await;
    check(&stats);
}

#[tokio::test(start_paused = true)]
async fn more_flushes_than_can_wait_are_answered_at_once() {
    let script = Script::new([Reaction::Hang]);
    let stats = run(fixed(), &script, async |worker| {
        let begun = Instant::now();
        let mut flushes = tokio::task::JoinSet::new();
        for _ in 0..WAITERS_MAX + 10 {
            let (commands, ledger) = (worker.commands.clone(), Arc::clone(&worker.ledger));
            let process = worker.process;
            let worker = Worker {
                commands,
                ledger,
                process,
            };
            flushes.spawn(async move { worker.flush_async(SECOND * 5).await });
        }
        while let Some(delivery) = flushes.join_next().await {
            drop(delivery.unwrap());
        }
        assert!(begun.elapsed() <= SECOND * 5);
    })
    .await;
    check(&stats);
}

/// As in a child of `fork`: the thread is not there, and whatever it held is locked for ever.
#[test]
fn in_a_forked_process_nothing_waits_for_the_thread_that_is_not_there() {
    let (commands, _receiver) = mpsc::channel(1);
    let worker = Worker {
        commands,
        ledger: Arc::default(),
        process: std::process::id() + 1,
    };
    let ledger = Arc::clone(&worker.ledger);
    ledger.update(Signal::Metrics, |_| {
        for delivery in [worker.flush(NO_LIMIT), worker.shutdown(NO_LIMIT)] {
            assert_eq!(delivery.last_error.as_deref(), Some(FORKED));
        }
        assert_eq!(worker.stats(), Stats::default());
    });
}
