//! Traces from service to service: layers for tower's servers and clients, tonic's interceptors, and what their headers say.

use khive_perf::testing::capture_async;
use khive_perf::trace::{self, Span, SpanContext, SpanKind};
use khive_perf::{AttributeValue, Outcome};

use crate::traces::{CALLER, collector, family, leaf, lock, taken, waits};

#[test]
fn requests_of_a_service_are_traces_of_their_callers() {
    use axum::body::Body;
    use axum::{Router, extract::Request, http::StatusCode, routing::get};
    use tower::ServiceExt as _;

    let _alone = lock();
    // An exporter that another test has shut down lets go of its traces when its thread ends, a little later.
    let collector = loop {
        match collector().collect_process() {
            Ok(collector) => break collector,
            Err(_) => std::thread::yield_now(),
        }
    };
    let name = |request: &Request| match request.uri().path() {
        "/fails" => "GET /fails",
        _ => "GET /fine",
    };
    let app: Router = Router::new()
        .route("/fine", get(async || waits(1).await))
        .route("/fails", get(async || StatusCode::BAD_GATEWAY))
        .layer(trace::TraceLayer::new(name));
    let ask = |path: &str| {
        Request::get(path)
            .header("traceparent", CALLER)
            .body(Body::empty())
            .unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        app.clone().oneshot(ask("/fine")).await.unwrap();
        app.oneshot(ask("/fails")).await.unwrap();
    });
    let spans = taken(&collector);
    assert_eq!(
        family(&spans),
        [
            "GET /fine < -",
            "waits < GET /fine",
            "leaf < waits",
            "GET /fails < -"
        ]
    );
    let caller = SpanContext::from_traceparent(CALLER).unwrap();
    assert!(
        spans
            .iter()
            .all(|span| span.trace_id() == caller.trace_id())
    );
    let [fine, .., fails] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(
        (fine.kind(), fine.outcome()),
        (SpanKind::Server, Outcome::Ok)
    );
    assert_eq!(fails.outcome(), Outcome::Error);
    let status = fails
        .attributes()
        .iter()
        .find(|(key, _)| key == "http.response.status_code");
    assert_eq!(
        status.map(|(_, value)| value.clone()),
        Some(AttributeValue::I64(502))
    );
}

#[test]
fn requests_of_a_client_are_spans_that_callees_are_told_of() {
    use http::{Request, Response, StatusCode};
    use tower::{Layer as _, ServiceExt as _, service_fn};

    let name = |request: &Request<()>| match request.uri().path() {
        "/fails" => "ask what fails",
        _ => "ask",
    };
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let hears = std::sync::Arc::clone(&told);
    let callee = service_fn(move |request: Request<()>| {
        let header = request.headers().get("traceparent").cloned();
        hears.lock().unwrap().push(header);
        let fails = request.uri().path() == "/fails";
        async move {
            tokio::task::yield_now().await;
            let status = if fails {
                StatusCode::BAD_GATEWAY
            } else {
                StatusCode::OK
            };
            Ok::<_, ()>(Response::builder().status(status).body(()).unwrap())
        }
    });
    let client = trace::ClientLayer::new(name).layer(callee);
    let ask = |path: &str| Request::get(path).body(()).unwrap();
    let collector = collector();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let ((), captured) = runtime.block_on(capture_async(async {
        let asks = async {
            let uri = "http://users.example/fine";
            client.clone().oneshot(ask(uri)).await.unwrap();
            client.clone().oneshot(ask("/fails")).await.unwrap();
        };
        collector.root("request").attach(asks).await;
        client.clone().oneshot(ask("/outside")).await.unwrap();
    }));
    let spans = taken(&collector);
    let [_, fine, fails] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    assert_eq!(
        family(&spans),
        ["request < -", "ask < request", "ask what fails < request"]
    );
    assert_eq!(
        (fine.kind(), fine.outcome()),
        (SpanKind::Client, Outcome::Ok)
    );
    assert_eq!(fails.outcome(), Outcome::Error);
    let told = told.lock().unwrap();
    let heard: Vec<_> = told
        .iter()
        .flatten()
        .map(|header| header.to_str().unwrap())
        .collect();
    let named =
        |span: &Span| SpanContext::new(span.trace_id(), span.span_id(), true).to_traceparent();
    assert_eq!(heard, [named(fine), named(fails)]);
    assert!(told[2].is_none(), "outside of traces nothing is told");
    let address =
        |(key, _): &&(std::borrow::Cow<'static, str>, AttributeValue)| key == "server.address";
    let address = fine
        .attributes()
        .iter()
        .find(address)
        .map(|(_, value)| value.to_string());
    assert_eq!(address.as_deref(), Some("users.example"));
    assert_eq!(captured.callsite("ask").map(|stats| stats.calls()), Some(2));
}

#[test]
fn an_interceptor_of_tonic_hands_a_trace_on_and_takes_it_up() {
    use tonic::service::Interceptor;
    use tonic::{Request, Status};

    /// As an application writes it.
    fn tells(mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        trace::inject(|name, value: String| {
            if let Ok(value) = value.parse() {
                metadata.insert(name, value);
            }
        });
        Ok(request)
    }

    let (client, server) = (collector(), collector());
    client.root("call").scope(|| {
        let mut interceptor = tells;
        let request = Interceptor::call(&mut interceptor, Request::new(())).unwrap();
        // What arrives at the other end.
        let headers = |name: &str| request.metadata().get(name)?.to_str().ok();
        server
            .root("serve")
            .kind(SpanKind::Server)
            .caller(headers)
            .scope(leaf);
    });
    let (sent, served) = (taken(&client), taken(&server));
    assert_eq!(served[0].trace_id(), sent[0].trace_id());
    assert_eq!(served[0].parent_id(), Some(sent[0].span_id()));
    assert_eq!(served[0].kind(), SpanKind::Server);
}
