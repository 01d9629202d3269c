//! From a client of reqwest to a service of axum, through a socket: the trace goes on, and the baggage with it.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::{Router, routing::get};
use khive_perf::trace::{self, Baggage, Collector, Span, SpanContext, SpanKind};
use khive_perf::{AttributeValue, Outcome};
use tokio::sync::oneshot;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::traces::{collector, lock, taken};

/// Says who called, and with what baggage.
async fn tells(request: Request) -> (StatusCode, String) {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let caller = header("traceparent").unwrap_or("none");
    let baggage = header("baggage").unwrap_or("none");
    let status = match request.uri().path() {
        "/fails" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    (status, format!("{caller} {baggage}"))
}

/// Runs `f` beside a service that listens at the address.
async fn served<R>(f: impl AsyncFnOnce(SocketAddr) -> R) -> R {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .route("/fine", get(tells))
        .route("/fails", get(tells))
        .layer(trace::TraceLayer::new(|_: &Request| "answer"));
    let (stop, stopped) = oneshot::channel::<()>();
    let served = axum::serve(listener, app).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let served = tokio::spawn(served.into_future());
    let result = f(address).await;
    drop(stop);
    served.await.unwrap().unwrap();
    result
}

/// Asks once, with a connection of its own.
async fn ask(address: SocketAddr, path: &str) -> Result<String, reqwest::Error> {
    let reqwest = reqwest::Client::builder().no_proxy().build()?;
    // A client of reqwest has requests of its own, which those of `http` become.
    let sends = service_fn(move |request: http::Request<reqwest::Body>| {
        let reqwest = reqwest.clone();
        async move {
            let answer = reqwest.execute(request.try_into()?).await?;
            Ok::<_, reqwest::Error>(http::Response::<reqwest::Body>::from(answer))
        }
    });
    let client = trace::ClientLayer::new(|_: &http::Request<reqwest::Body>| "ask").layer(sends);
    let request = http::Request::get(format!("http://{address}{path}"));
    let request = request.body(reqwest::Body::default()).unwrap();
    let answer = client.oneshot(request).await?;
    reqwest::Response::from(answer).text().await
}

fn run<R>(future: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// The collector of the process, which services have.
fn of_process() -> Collector {
    loop {
        match collector().collect_process() {
            Ok(collector) => return collector,
            // An exporter that another test has shut down lets go of its traces a little later.
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn status(span: &Span) -> Option<&AttributeValue> {
    let mut attributes = span.attributes().iter();
    let status = attributes.find(|(key, _)| key == "http.response.status_code");
    status.map(|(_, value)| value)
}

#[test]
fn the_caller_and_its_baggage_arrive_and_its_span_is_the_parent() {
    let _alone = lock();
    let collector = of_process();
    let mut baggage = Baggage::default();
    assert!(baggage.set("tenant", "blue"));
    let (fine, fails, outside) = run(served(async |address| {
        let asks = async {
            let fine = ask(address, "/fine?secret=1").await.unwrap();
            (fine, ask(address, "/fails").await.unwrap())
        };
        let root = collector.root("request").baggage(baggage);
        let (fine, fails) = root.attach(asks).await;
        (fine, fails, ask(address, "/fine").await.unwrap())
    }));
    assert_eq!(outside, "none none", "outside of traces nothing is told");
    let spans = taken(&collector);
    let root = spans.iter().find(|span| span.name() == "request").unwrap();
    for (expected, heard, outcome) in [(200, fine, Outcome::Ok), (503, fails, Outcome::Error)] {
        let expected = AttributeValue::I64(expected);
        let find = |name: &str| {
            let mut named = spans.iter().filter(|span| span.name() == name);
            let found = named
                .find(|span| status(span) == Some(&expected) && span.trace_id() == root.trace_id());
            found.unwrap_or_else(|| panic!("no {name} with {expected} in {spans:?}"))
        };
        let (asked, answered) = (find("ask"), find("answer"));
        let context = SpanContext::new(asked.trace_id(), asked.span_id(), true);
        assert_eq!(heard, format!("{} tenant=blue", context.to_traceparent()));
        assert_eq!(asked.parent_id(), Some(root.span_id()));
        assert_eq!(answered.parent_id(), Some(asked.span_id()));
        assert_eq!(
            (asked.kind(), answered.kind()),
            (SpanKind::Client, SpanKind::Server)
        );
        assert_eq!((asked.outcome(), answered.outcome()), (outcome, outcome));
    }
    let asked = spans.iter().find(|span| span.name() == "ask").unwrap();
    let told = asked.attributes().iter();
    let told: Vec<_> = told.map(|(key, value)| format!("{key}={value}")).collect();
    let expected = [
        "http.request.method=GET",
        "server.address=127.0.0.1",
        "url.path=/fine",
        "http.response.status_code=200",
    ];
    assert_eq!(told, expected, "a query may hold secrets");
}

#[test]
fn a_service_that_is_not_there_is_a_failure_of_the_call() {
    let collector = collector();
    let error = run(async {
        let gone = served(async |address| address).await;
        let asks = collector.root("request").attach(ask(gone, "/fine"));
        asks.await.unwrap_err()
    });
    assert!(error.is_connect(), "{error}");
    let spans = taken(&collector);
    let [_, asked] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!((asked.name(), asked.outcome()), ("ask", Outcome::Error));
    assert_eq!(status(asked), None);
}
