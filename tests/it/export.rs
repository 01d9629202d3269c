//! The exporter against receivers that fail in every way: the host goes on, and losses are counted.
//!
//! Nothing here is timed. A call that does not come back fails by its watchdog.

use std::time::Duration;

use khive_perf::testing::capture;
use khive_perf_otel::{
    Compression, Delivery, Exporter, ExporterBuilder, ExporterGuard, Protocol, Stats,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost::Message;
use tonic::{Code, Status};

use crate::export_server::{Reaction, Server, grpc, http, response, success, watched};

#[khive_perf::measure]
fn work() {}

/// Points of the one snapshot: duration, calls, self time, busy time, in flight.
const POINTS: u64 = 5;
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

fn builder(url: &str, protocol: Protocol) -> ExporterBuilder {
    let snapshot = capture(work).1.into_snapshot();
    Exporter::builder()
        .endpoint(url)
        .protocol(protocol)
        .service_name("faults")
        .snapshot_source(move || snapshot.clone())
}

fn balanced(guard: &ExporterGuard) -> Stats {
    let stats = guard.stats();
    let accounted = stats.sent + stats.rejected + stats.dropped + stats.superseded + stats.pending;
    assert_eq!(stats.collected, accounted, "{stats:?}");
    stats
}

/// Starts, flushes and shuts down; returns both deliveries.
fn export(builder: ExporterBuilder, within: Duration) -> (Delivery, Delivery, Stats) {
    watched(move || {
        let guard = builder.start().unwrap();
        let flushed = guard.flush(within);
        let ended = guard.shutdown(within);
        assert_eq!(
            guard.shutdown(LONG),
            ended,
            "a second shutdown says the same"
        );
        assert_eq!(ended.pending, 0);
        (flushed, ended, balanced(&guard))
    })
}

fn check_accepted(server: &Server, builder: ExporterBuilder, requests: usize) {
    let (flushed, ended, stats) = export(builder, LONG);
    assert_eq!(
        (flushed.sent, flushed.is_complete()),
        (POINTS, true),
        "{flushed}"
    );
    assert_eq!((ended.sent, ended.is_complete()), (POINTS, true), "{ended}");
    assert_eq!(server.seen().len(), requests, "{stats:?}");
    assert_eq!(stats.retries, requests as u64 - 1);
    let names = names(server);
    assert!(
        names.contains(&"khive.perf.function.duration".to_owned()),
        "{names:?}"
    );
}

fn names(server: &Server) -> Vec<String> {
    let seen = server.seen();
    let request = &seen.last().unwrap().message;
    let scope = &request.resource_metrics[0].scope_metrics[0];
    scope
        .metrics
        .iter()
        .map(|metric| metric.name.clone())
        .collect()
}

fn check_refused(builder: ExporterBuilder, message: &str) {
    let (flushed, ended, stats) = export(builder, LONG);
    assert_eq!((flushed.sent, flushed.rejected), (0, POINTS), "{flushed}");
    assert_eq!(
        (ended.sent, ended.rejected, ended.dropped),
        (0, POINTS, 0),
        "{ended}"
    );
    let error = ended.last_error.unwrap();
    assert!(error.contains(message), "{error} does not say {message}");
    assert_eq!(stats.requests, 1);
}

fn check_dropped(builder: ExporterBuilder, message: &str) {
    let (flushed, ended, _) = export(builder.clone(), SHORT);
    assert_eq!((flushed.sent, flushed.pending), (0, POINTS), "{flushed}");
    assert_eq!((ended.sent, ended.dropped), (0, POINTS), "{ended}");
    let error = ended.last_error.unwrap();
    assert!(
        error.contains("not sent") && error.contains(message),
        "{error}"
    );
    let ended = watched(move || builder.start().unwrap().shutdown(Duration::ZERO));
    assert_eq!(ended.sent, 0, "no time at all is a deadline too");
}

#[test]
fn http_arrives_with_the_headers_of_the_specification() {
    let server = http(|_| success());
    let builder = builder(&server.url(), Protocol::HttpProtobuf)
        .compression(Compression::Gzip)
        .header("authorization", "Bearer t");
    check_accepted(&server, builder, 1);
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "POST /v1/metrics HTTP/1.1");
    assert_eq!(seen.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(seen.header("content-encoding"), Some("gzip"));
    assert_eq!(seen.header("authorization"), Some("Bearer t"));
    let agent = seen.header("user-agent").unwrap();
    assert!(
        agent.starts_with("OTel-OTLP-Exporter-Rust/khive-perf-"),
        "{agent}"
    );
    let resource = seen.message.resource_metrics[0].resource.as_ref().unwrap();
    let keys: Vec<&str> = resource
        .attributes
        .iter()
        .map(|pair| pair.key.as_str())
        .collect();
    for key in [
        "service.name",
        "service.instance.id",
        "telemetry.sdk.name",
        "telemetry.sdk.language",
        "telemetry.sdk.version",
        "process.pid",
        "process.executable.name",
        "host.arch",
        "os.type",
    ] {
        assert!(keys.contains(&key), "{key} is missing from {keys:?}");
    }
}

#[test]
fn grpc_arrives_with_the_headers_of_the_specification() {
    let server = grpc(|_| Some(Ok(ExportMetricsServiceResponse::default())));
    let builder = builder(&server.url(), Protocol::Grpc)
        .compression(Compression::Gzip)
        .header("x-tenant", "blue");
    check_accepted(&server, builder, 1);
    let seen = server.seen().remove(0);
    assert_eq!(seen.header("grpc-encoding"), Some("gzip"));
    assert_eq!(seen.header("x-tenant"), Some("blue"));
    let agent = seen.header("user-agent").unwrap();
    assert!(
        agent.starts_with("OTel-OTLP-Exporter-Rust/khive-perf-"),
        "{agent}"
    );
}

#[test]
fn an_overloaded_http_receiver_is_asked_again() {
    for (status, headers) in [
        ("429 Too Many Requests", ""),
        ("503 Service Unavailable", ""),
        ("502 Bad Gateway", ""),
        ("504 Gateway Timeout", ""),
        ("503 Service Unavailable", "retry-after: 1\r\n"),
        (
            "429 Too Many Requests",
            "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n",
        ),
    ] {
        let server = http(move |nth| match nth {
            0 => response(status, headers, b"busy"),
            _ => success(),
        });
        check_accepted(&server, builder(&server.url(), Protocol::HttpProtobuf), 2);
    }
}

#[test]
fn an_overloaded_grpc_receiver_is_asked_again() {
    for (code, details) in [
        (Code::Unavailable, Vec::new()),
        (Code::Unavailable, retry_info(300)),
        (Code::ResourceExhausted, retry_info(300)),
        (Code::OutOfRange, Vec::new()),
    ] {
        let server = grpc(move |nth| match nth {
            0 => Some(Err(Status::with_details(
                code,
                "busy",
                details.clone().into(),
            ))),
            _ => Some(Ok(ExportMetricsServiceResponse::default())),
        });
        check_accepted(&server, builder(&server.url(), Protocol::Grpc), 2);
    }
}

/// `google.rpc.Status` with a `RetryInfo`, written by hand: field 3, an `Any` of fields 1 and 2.
fn retry_info(ms: i32) -> Vec<u8> {
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let mut nanos = Vec::new();
    prost::encoding::int32::encode(2, &(ms * 1_000_000), &mut nanos);
    let wrap = |tag: u32, bytes: &[u8]| {
        let mut wrapped = Vec::new();
        prost::encoding::bytes::encode(tag, &bytes.to_vec(), &mut wrapped);
        wrapped
    };
    let any = [wrap(1, url), wrap(2, &wrap(1, &nanos))].concat();
    wrap(3, &any)
}

#[test]
fn a_receiver_that_refuses_for_good_is_not_asked_again() {
    let mut status = Vec::new();
    prost::encoding::int32::encode(1, &3, &mut status);
    prost::encoding::string::encode(2, &"no start time".to_owned(), &mut status);
    let server = http(move |_| {
        let kind = "content-type: application/x-protobuf\r\n";
        response("400 Bad Request", kind, &status)
    });
    let to = |server: &Server, protocol| builder(&server.url(), protocol);
    check_refused(
        to(&server, Protocol::HttpProtobuf),
        "HTTP status 400: no start time",
    );

    let server = http(|_| response("404 Not Found", "", b"no such page"));
    check_refused(
        to(&server, Protocol::HttpProtobuf),
        "HTTP status 404: no such page",
    );

    let server = http(|_| response("301 Moved Permanently", "location: http://there\r\n", b""));
    check_refused(to(&server, Protocol::HttpProtobuf), "http://there");

    let server = grpc(|_| Some(Err(Status::resource_exhausted("quota is used up"))));
    check_refused(
        to(&server, Protocol::Grpc),
        "RESOURCE_EXHAUSTED: quota is used up",
    );

    let server = grpc(|_| Some(Err(Status::unauthenticated("who are you"))));
    check_refused(to(&server, Protocol::Grpc), "UNAUTHENTICATED: who are you");
}

#[test]
fn a_partial_success_is_counted_with_its_message() {
    let partial = |rejected_data_points, message: &str| ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points,
            error_message: message.to_owned(),
        }),
    };
    let two = partial(2, "too old");
    let (for_http, for_grpc) = (two.encode_to_vec(), two);
    let over_http = http(move |_| response("200 OK", "", &for_http));
    let over_grpc = grpc(move |_| Some(Ok(for_grpc.clone())));
    for (server, protocol) in [
        (over_http, Protocol::HttpProtobuf),
        (over_grpc, Protocol::Grpc),
    ] {
        let (flushed, ended, _) = export(builder(&server.url(), protocol), LONG);
        assert_eq!((flushed.sent, flushed.rejected), (POINTS - 2, 2));
        assert!(ended.last_error.unwrap().contains("too old"));
    }
    let empty = partial(0, "");
    let server = grpc(move |_| Some(Ok(empty.clone())));
    check_accepted(&server, builder(&server.url(), Protocol::Grpc), 1);
}

#[test]
fn a_response_that_breaks_off_is_asked_for_again() {
    let halves: [&[u8]; 3] = [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    ];
    for half in halves {
        let server = http(move |nth| match nth {
            0 => Reaction::Close(half.to_vec()),
            _ => success(),
        });
        check_accepted(&server, builder(&server.url(), Protocol::HttpProtobuf), 2);
    }
}

#[test]
fn a_response_without_end_is_cut_off() {
    let server = http(|_| response("200 OK", "", &vec![0; 1 << 20]));
    check_accepted(&server, builder(&server.url(), Protocol::HttpProtobuf), 1);
    let server = http(|_| response("400 Bad Request", "", &vec![b'x'; 1 << 20]));
    check_refused(
        builder(&server.url(), Protocol::HttpProtobuf),
        "HTTP status 400",
    );
}

#[test]
fn an_absent_receiver_costs_a_deadline_and_every_point() {
    // Bound and dropped: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    check_dropped(builder(&url, Protocol::HttpProtobuf), "127.0.0.1");
    check_dropped(builder(&url, Protocol::Grpc), "127.0.0.1");
}

#[test]
fn a_hanging_receiver_costs_a_deadline_and_every_point() {
    let server = http(|_| Reaction::Hang);
    check_dropped(builder(&server.url(), Protocol::HttpProtobuf), "");
    let server = grpc(|_| None);
    check_dropped(builder(&server.url(), Protocol::Grpc), "");
    // Accepts, and does not even speak HTTP.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", mute.local_addr().unwrap());
    check_dropped(builder(&url, Protocol::Grpc), "");
}

#[test]
fn dropping_the_guard_returns_and_sends_what_it_can() {
    let hangs = http(|_| Reaction::Hang);
    let works = http(|_| success());
    let (hanging, working) = (hangs.url(), works.url());
    watched(move || {
        drop(builder(&hanging, Protocol::HttpProtobuf).start().unwrap());
        drop(builder(&working, Protocol::HttpProtobuf).start().unwrap());
    });
    assert_eq!(works.seen().len(), 1);
}

#[test]
fn it_works_on_a_current_thread_runtime_and_inside_a_task() {
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        let server = match protocol {
            Protocol::Grpc => grpc(|_| Some(Ok(ExportMetricsServiceResponse::default()))),
            _ => http(|_| success()),
        };
        let make = {
            let url = server.url();
            move || builder(&url, protocol)
        };
        watched(move || {
            let current = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            current.block_on(async {
                let guard = make().start().unwrap();
                assert_eq!(
                    guard.flush(LONG).sent,
                    POINTS,
                    "blocking, and no time driver"
                );
                assert_eq!(guard.shutdown_async(LONG).await.sent, POINTS);
            });
            let one_worker = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .build()
                .unwrap();
            let task = one_worker.spawn(async move {
                let guard = make().start().unwrap();
                let flushed = guard.flush_async(LONG).await.sent;
                (flushed, guard.shutdown(LONG).sent)
            });
            let sent = one_worker.block_on(task).unwrap();
            assert_eq!(sent, (POINTS, POINTS));
        });
        assert_eq!(server.seen().len(), 2, "{protocol:?}");
    }
}

#[test]
fn it_collects_by_itself_each_interval() {
    let (told, is_told) = std::sync::mpsc::channel();
    let server = http(move |nth| {
        let _ = told.send(nth);
        success()
    });
    let guard = builder(&server.url(), Protocol::HttpProtobuf)
        .interval(Duration::from_millis(20))
        .start()
        .unwrap();
    for nth in 0..3 {
        assert_eq!(is_told.recv_timeout(LONG), Ok(nth));
    }
    watched(move || guard.shutdown(LONG));
    let seen = server.seen();
    assert_eq!(
        seen[0].message, seen[1].message,
        "a cumulative series repeats itself"
    );
}
