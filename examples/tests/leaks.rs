//! The demo service under a leak detector: two hours of a census every twenty seconds, in as many requests as it takes.
//!
//! Time is compressed by load: a census comes after so many requests, not after twenty seconds. There are 360, because all
//! that `session::load` allocates is kept, which is given the time that a cache may take to fill.

use hyper::{Method, StatusCode};
use khive_perf::alloc::TrackingAllocator;
use khive_perf::leak::{LeakConfig, LeakDetector, LeakReport, Verdict};
use khive_perf_examples::demo::{Config, Inject, Service};
use khive_perf_examples::load::Client;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

const CENSUSES: usize = 360;
const REQUESTS_PER_CENSUS: usize = 4;
/// The service holds little; so that it is seen, each 4 KiB are.
const SAMPLE_BYTES: u64 = 4_096;

/// The report after two hours, and what was live and lost when the first `Leaking` came.
struct Watched {
    report: LeakReport,
    first: Option<(usize, String, u64)>,
}

async fn session(client: &mut Client) -> i64 {
    let transcript: Vec<Value> = (0..6)
        .map(|n| json!({ "author": "user", "text": format!("retry number {n} of the payment") }))
        .collect();
    let body = json!({ "title": "late refunds", "transcript": transcript }).to_string();
    let sent = client.send(Method::POST, "/sessions", Some(body)).await;
    let (status, body) = sent.expect("it listens");
    assert_eq!(status, StatusCode::CREATED);
    let created: Value = serde_json::from_slice(&body).expect("an object");
    created["id"].as_i64().expect("a number")
}

async fn watch(inject: Inject) -> Watched {
    let config = khive_perf::Config::default().heap_sample_bytes(SAMPLE_BYTES);
    khive_perf::configure(config).expect("a valid rate");
    let service = Service::start(Config {
        inject,
        ..Config::default()
    });
    let service = service.await.expect("it starts");
    let mut client = Client::new(service.addr());
    let id = session(&mut client).await;
    let task = json!({ "session": id, "task": "Review the retry of a refund", "agents": 2, "roles": ["reviewer"], "domains": ["payments"] });
    let mut detector = LeakDetector::new(LeakConfig::default());
    let mut first = None;
    for census in 1..=CENSUSES {
        for request in 0..REQUESTS_PER_CENSUS {
            let (method, path, body) = if request == 0 {
                (
                    Method::POST,
                    "/orchestrations".to_owned(),
                    Some(task.to_string()),
                )
            } else {
                (Method::GET, format!("/sessions/{id}?tail=1"), None)
            };
            let (status, _) = client.send(method, &path, body).await.expect("it answers");
            assert!(status.is_success(), "{status}");
        }
        detector.observe();
        let report = detector.report();
        if let (None, Some(found)) = (&first, report.leaking().next()) {
            first = Some((census, found.callsite().to_owned(), found.retained_bytes()));
        }
    }
    drop(client);
    service
        .stop(std::time::Duration::from_secs(20))
        .await
        .expect("nothing is under way");
    Watched {
        report: detector.report(),
        first,
    }
}

/// One after the other: they share a process, and with it the heap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_keeps_sessions_is_found_and_one_that_does_not_is_left_alone() {
    let Watched { report, first } = watch(Inject::None).await;
    assert!(report.worst() <= Verdict::Plateau, "{report}");
    assert_eq!(first, None);

    let Watched { report, first } = watch(Inject::Leak).await;
    let (census, callsite, lost) = first.unwrap_or_else(|| panic!("it leaks: {report}"));
    assert_eq!(callsite, "session::load", "{report}");
    println!(
        "the first `Leaking` came with census {census}, when {lost} bytes were lost\n{report}"
    );
    // Less than 5 % of 256 MiB, as a small container has.
    assert!(lost < (256 << 20) / 20, "{lost} bytes were lost");
}
