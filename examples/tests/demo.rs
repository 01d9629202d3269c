//! The demo service as its users see it: through a socket.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use khive_perf::trace::{Collector, Span, SpanKind, TraceConfig};
use khive_perf_examples::demo::{Config, Inject, Service};
use khive_perf_examples::load::{self, Client, Plan};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(20);

/// A service with a database of its own, and a connection to it.
struct Served {
    service: Service,
    client: Client,
}

impl Served {
    async fn start(inject: Inject) -> Self {
        Self::with(Config {
            inject,
            ..Config::default()
        })
        .await
    }

    async fn with(config: Config) -> Self {
        let service = Service::start(config).await.unwrap();
        let client = Client::new(service.addr());
        Self { service, client }
    }

    fn addr(&self) -> SocketAddr {
        self.service.addr()
    }

    async fn get(&mut self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, None).await
    }

    async fn post(&mut self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> (StatusCode, Value) {
        let (status, body) = self.client.send(method, path, body).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn session(&mut self) -> i64 {
        let transcript: Vec<_> = (0..6)
            .map(
                |n| json!({ "author": "user", "text": format!("retry number {n} of the payment") }),
            )
            .collect();
        let body = json!({ "title": "late refunds", "transcript": transcript });
        let (status, created) = self.post("/sessions", body).await;
        assert_eq!(status, StatusCode::CREATED);
        created["id"].as_i64().unwrap()
    }

    async fn stop(self) {
        drop(self.client);
        self.service.stop(DEADLINE).await.unwrap();
    }
}

fn task(session: i64, agents: usize) -> Value {
    json!({
        "session": session,
        "task": "Review the retry of a refund whose capture has timed out",
        "agents": agents,
        "roles": ["reviewer", "tester"],
        "domains": ["payments"],
    })
}

/// Checks that an answer is an error of the one form that all errors have.
fn assert_refused(answer: &(StatusCode, Value), status: StatusCode, part: &str) {
    assert_eq!(answer.0, status, "{}", answer.1);
    assert_eq!(answer.1["error"]["status"], status.as_u16());
    let message = answer.1["error"]["message"].as_str().unwrap();
    assert!(message.contains(part), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_created_and_read_back_with_the_end_of_its_history() {
    let mut served = Served::start(Inject::None).await;
    let id = served.session().await;
    let (status, session) = served.get(&format!("/sessions/{id}?tail=2")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&session["title"], &session["entries"]),
        (&json!("late refunds"), &json!(6))
    );
    let seqs: Vec<_> = session["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["seq"])
        .collect();
    assert_eq!(seqs, [5, 6]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orchestration_answers_with_the_work_of_every_agent_and_can_be_read_again() {
    let mut served = Served::start(Inject::None).await;
    let session = served.session().await;
    let (status, made) = served.post("/orchestrations", task(session, 4)).await;
    assert_eq!(status, StatusCode::CREATED);
    let agents = made["outcome"]["agents"].as_array().unwrap();
    let roles: Vec<_> = agents
        .iter()
        .map(|agent| agent["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["reviewer", "tester", "reviewer", "tester"]);
    assert_eq!(
        agents[0]["digest"], agents[2]["digest"],
        "same instructions, same digest"
    );
    assert_ne!(agents[0]["digest"], agents[1]["digest"]);
    let mut seqs: Vec<_> = agents
        .iter()
        .map(|agent| agent["seq"].as_i64().unwrap())
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, [7, 8, 9, 10]);
    let best = made["outcome"]["summary"][0]["line"].as_str().unwrap();
    assert!(
        best.to_lowercase().contains("retr") || best.contains("timeout"),
        "{best}"
    );

    let (status, read) = served.get(&format!("/orchestrations/{}", made["id"])).await;
    assert_eq!((status, read), (StatusCode::OK, made));
    let (_, after) = served.get(&format!("/sessions/{session}?tail=1")).await;
    assert_eq!(after["entries"], 10);
    assert_eq!(after["history"][0]["findings"].as_array().unwrap().len(), 5);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_agents_work_at_once_and_each_leaves_one_entry() {
    let mut served = Served::start(Inject::None).await;
    let session = served.session().await;
    let body =
        json!({ "session": session, "task": "plan the migration of the ledger", "agents": 100 });
    let (status, made) = served.post("/orchestrations", body).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(made["outcome"]["agents"].as_array().unwrap().len(), 100);
    let (_, after) = served.get(&format!("/sessions/{session}")).await;
    assert_eq!(after["entries"], 106);
    let (_, health) = served.get("/healthz").await;
    assert!(
        health["cache"]["evictions"].as_u64().unwrap() > 0,
        "48 pairings, 40 places: {health}"
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_answered_with_the_status_and_the_reason() {
    use StatusCode as S;
    let mut served = Served::start(Inject::None).await;
    let session = served.session().await;
    let unknown_role = json!({ "session": session, "task": "t", "agents": 1, "roles": ["poet"] });
    for (path, body, status, part) in [
        (
            "/orchestrations",
            task(session, 0),
            S::UNPROCESSABLE_ENTITY,
            "between 1 and 100",
        ),
        (
            "/orchestrations",
            task(session, 101),
            S::UNPROCESSABLE_ENTITY,
            "between 1 and 100",
        ),
        (
            "/orchestrations",
            task(4_711, 1),
            S::NOT_FOUND,
            "POST /sessions",
        ),
        (
            "/orchestrations",
            unknown_role,
            S::UNPROCESSABLE_ENTITY,
            "choose from",
        ),
        (
            "/orchestrations",
            json!({ "session": 1 }),
            S::UNPROCESSABLE_ENTITY,
            "missing field `task`",
        ),
        (
            "/sessions",
            json!({ "title": " " }),
            S::UNPROCESSABLE_ENTITY,
            "title",
        ),
        (
            "/sessions",
            json!({ "title": "x", "mood": 1 }),
            S::UNPROCESSABLE_ENTITY,
            "mood",
        ),
        (
            "/sessions/1",
            json!({}),
            S::METHOD_NOT_ALLOWED,
            "does not take POST",
        ),
        ("/nowhere", json!({}), S::NOT_FOUND, "no route /nowhere"),
        (
            "/sessions",
            json!({ "title": "x".repeat(2 << 20) }),
            S::PAYLOAD_TOO_LARGE,
            "limit",
        ),
    ] {
        assert_refused(&served.post(path, body).await, status, part);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_answered_with_the_status_and_the_reason() {
    use StatusCode as S;
    let mut served = Served::start(Inject::None).await;
    served.session().await;
    for (path, status, part) in [
        ("/sessions/4711", S::NOT_FOUND, "no session 4711"),
        (
            "/orchestrations/4711",
            S::NOT_FOUND,
            "no orchestration 4711",
        ),
        ("/sessions/first", S::BAD_REQUEST, "first"),
        ("/sessions/1?tail=501", S::UNPROCESSABLE_ENTITY, "500"),
        ("/sessions/1?tail=-1", S::BAD_REQUEST, "tail"),
    ] {
        assert_refused(&served.get(path).await, status, part);
    }
    let broken = served
        .send(Method::POST, "/sessions", Some("{".into()))
        .await;
    assert_refused(&broken, S::BAD_REQUEST, "JSON");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_definition_fails_the_orchestration_which_is_stored_as_failed() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["roles", "domains"] {
        std::fs::create_dir(dir.path().join(kind)).unwrap();
    }
    std::fs::write(dir.path().join("roles/reviewer.yaml"), "name: reviewer\n").unwrap();
    std::fs::write(dir.path().join("domains/payments.yaml"), "name: payments\n").unwrap();
    let mut served = Served::with(Config {
        definitions: dir.path().to_owned(),
        ..Config::default()
    })
    .await;
    let session = served.session().await;
    let body = json!({ "session": session, "task": "review", "agents": 3 });
    let answer = served.post("/orchestrations", body).await;
    assert_refused(&answer, StatusCode::INTERNAL_SERVER_ERROR, "reviewer.yaml");
    let (status, stored) = served.get("/orchestrations/1").await;
    assert_eq!(
        (status, &stored["outcome"]["status"]),
        (StatusCode::OK, &json!("failed"))
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_gives_the_same_answers_and_leaves_its_trace() {
    let mut answers = Vec::new();
    for inject in [
        Inject::None,
        Inject::SlowSession,
        Inject::CacheThrash,
        Inject::Leak,
        Inject::Blocking,
    ] {
        let mut served = Served::start(inject).await;
        let session = served.session().await;
        let (_, first) = served.post("/orchestrations", task(session, 1)).await;
        let (_, second) = served.post("/orchestrations", task(session, 1)).await;
        let (_, read) = served.get(&format!("/sessions/{session}")).await;
        answers.push((
            first["outcome"].clone(),
            second["outcome"].clone(),
            read["history"].clone(),
        ));
        let (_, health) = served.get("/healthz").await;
        assert_eq!(health["inject"], inject.to_string());
        let capacity = if inject == Inject::CacheThrash { 1 } else { 40 };
        let retained = if inject == Inject::Leak { 3 } else { 0 };
        let read = if inject == Inject::Blocking {
            2 + 2 * 14
        } else {
            2
        };
        assert_eq!(health["cache"]["capacity"], capacity);
        assert_eq!(health["sessions_retained"], retained, "{inject}");
        assert_eq!(health["definitions_read"], read, "{inject}");
        served.stop().await;
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_is_answered_well_and_counts_every_request_after_the_warm_up() {
    let served = Served::start(Inject::None).await;
    let plan = Plan {
        rate: 1_000, // all are due almost at once
        warm_up: 0.02,
        seconds: 0.06,
        connections: 4,
        sessions: 3,
        transcript_len: 20,
        ..Plan::default()
    };
    let mix = load::set_up(served.addr(), &plan).await.unwrap();
    assert_eq!((mix.sessions.len(), mix.orchestrations.len()), (3, 3));
    let load = load::drive(served.addr(), &plan, mix).await;
    assert_eq!((load.ok, load.error_count()), (60, 0), "{load}");
    assert_eq!(load.connects, 4, "connections are kept");
    assert!(load.service.quantile(0.5) <= load.response.quantile(0.5));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named_in_the_error() {
    let served = Served::start(Inject::None).await;
    let error = Service::start(Config {
        addr: served.addr(),
        ..Config::default()
    })
    .await
    .unwrap_err();
    assert!(
        error.to_string().contains(&served.addr().to_string()),
        "{error}"
    );
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slow_session_slows_is_measured_under_the_names_that_it_lists() {
    let mut served = Served::start(Inject::None).await;
    let session = served.session().await;
    served.post("/orchestrations", task(session, 1)).await;
    served.get(&format!("/sessions/{session}")).await;
    let snapshot = khive_perf::snapshot();
    let slowed = Inject::SlowSession.slowed();
    assert_eq!(slowed.len(), 7);
    for name in slowed {
        let found = snapshot
            .callsites()
            .iter()
            .any(|stats| stats.name() == *name);
        assert!(found, "{name}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_trace_from_its_driver_through_every_agent_to_the_database() {
    let collector = Collector::new(TraceConfig::default())
        .collect_process()
        .unwrap();
    let mut served = Served::start(Inject::None).await;
    let session = served.session().await;
    let mut taken = collector.take(usize::MAX);
    let (status, _) = served.post("/orchestrations", task(session, 3)).await;
    assert_eq!(status, StatusCode::CREATED);
    served.stop().await;
    let spans = collector.take(usize::MAX);
    taken.extend(spans.iter().cloned());
    // Other tests make requests, too, and only this one has three agents.
    let agents = |of: &Span| {
        let same = spans.iter().filter(|span| span.trace_id() == of.trace_id());
        same.filter(|span| span.name() == "orchestration::run_agent")
            .count()
    };
    let mut roots = spans.iter().filter(|span| span.kind() == SpanKind::Client);
    let root = roots.find(|root| agents(root) == 3).unwrap();
    let trace: Vec<&Span> = spans
        .iter()
        .filter(|span| span.trace_id() == root.trace_id())
        .collect();
    let orphans: Vec<_> = trace
        .iter()
        .filter(|span| {
            !trace
                .iter()
                .any(|other| Some(other.span_id()) == span.parent_id())
        })
        .map(|span| span.name())
        .collect();
    assert_eq!(
        orphans,
        [root.name()],
        "all but the driver's are below another one"
    );
    let names: Vec<&str> = trace.iter().map(|span| span.name()).collect();
    for name in [
        "POST /orchestrations",
        "http::create_orchestration",
        "orchestration::run_agents",
        "session::append_history",
        "result::save",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    // The slowest request of the histogram, which its highest quantiles stand for, leads to its trace.
    let snapshot = khive_perf::snapshot();
    let stats = snapshot.callsite("POST /orchestrations").unwrap();
    let slowest = stats
        .exemplars()
        .iter()
        .max_by_key(|exemplar| exemplar.value);
    let slowest = slowest.unwrap();
    let led_to = taken
        .iter()
        .find(|span| (span.trace_id(), span.span_id()) == (slowest.trace_id, slowest.span_id));
    assert_eq!(led_to.unwrap().name(), "POST /orchestrations");
    assert_eq!(led_to.unwrap().duration(), slowest.value);
    let agents = taken
        .iter()
        .filter(|span| span.trace_id() == slowest.trace_id);
    assert!(
        agents
            .filter(|span| span.name() == "orchestration::run_agent")
            .count()
            > 0
    );
}
