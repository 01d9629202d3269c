//! Traces and logs: taken in by every protocol, each once, and kept with what they add up to.

use khive_perf_analysis::points::logs::{LogRecord, ResourceLogs};
use khive_perf_analysis::points::spans::{
    Id, Operation, OperationSpans, ResourceSpans, Span, SpanKind, SpanStatus,
};
use khive_perf_analysis::points::{Attributes, Value};
use khive_perf_analysis::receiver::Limits;
use khive_perf_analysis::store::{
    LOG_RECORDS, LOGS_MAX_PER_RUN, NewRun, SPAN_DURATION, SPANS_MAX_PER_RUN, Store, Target,
};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;
use tonic::codec::CompressionEncoding;

use crate::support::{Answer, JSON, PROTOBUF, START, Served, calls, db_in, gzip, http, request};

const MS: u64 = 1_000_000;

/// Spans of one trace: name, id, parent, milliseconds. Each begins where the one before began.
pub(crate) fn spans_of(service: &str, spans: &[(&str, u8, Option<u8>, u64)]) -> ResourceSpans {
    let operation = |&(name, id, parent, ms): &(&str, u8, Option<u8>, u64)| OperationSpans {
        operation: Operation {
            name: name.to_owned(),
            kind: SpanKind::Internal,
            ..Operation::default()
        },
        spans: vec![Span {
            trace_id: Id([7; 16]),
            span_id: Id([id; 8]),
            parent_span_id: parent.map(|id| Id([id; 8])),
            start_unix_ns: START,
            duration_ns: ms * MS,
            status: SpanStatus::Unset,
            attributes: Attributes::new(),
        }],
    };
    ResourceSpans {
        resource: Attributes::from([("service.name".to_owned(), service.into())]),
        operations: spans.iter().map(operation).collect(),
    }
}

/// A root of 30 ms and below it a failed query of 20 ms, as a request.
fn query_below_root() -> ExportTraceServiceRequest {
    let resource = request("shop", "1", Vec::new()).resource_metrics[0]
        .resource
        .clone();
    let span = |name: &str, id: u8, parent: &[u8], ms: u64, code: i32| otlp::Span {
        trace_id: vec![7; 16],
        span_id: vec![id; 8],
        parent_span_id: parent.to_vec(),
        name: name.to_owned(),
        kind: 3,
        start_time_unix_nano: START,
        end_time_unix_nano: START + ms * MS,
        attributes: crate::support::attributes(&[("db.query.text", "SELECT 1")]),
        status: Some(otlp::Status {
            code,
            ..otlp::Status::default()
        }),
        ..otlp::Span::default()
    };
    let spans = vec![
        span("checkout", 1, &[], 30, 0),
        span("query", 2, &[1; 8], 20, 2),
    ];
    ExportTraceServiceRequest {
        resource_spans: vec![otlp::ResourceSpans {
            resource,
            scope_spans: vec![otlp::ScopeSpans {
                spans,
                ..otlp::ScopeSpans::default()
            }],
            ..otlp::ResourceSpans::default()
        }],
    }
}

async fn post(served: &Served, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    http(served.receiver.http_addr(), "POST", path, headers, body).await
}

/// The callsites that the spans of the only run became: name, calls that ended well, errors, their sum in milliseconds.
fn callsites(store: &Store) -> Vec<(String, u64, u64, f64)> {
    let runs = store.runs().expect("runs");
    let [run] = &runs[..] else {
        panic!("{} runs", runs.len());
    };
    let loaded = store.load(run.id).expect("a run").callsites;
    let told = loaded.into_iter().map(|(key, of)| {
        let sum = (of.ok.sum * 1e6).round() / 1e3;
        (key.name, of.calls[0], of.calls[1], sum)
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_become_callsites_by_every_protocol_and_each_counts_once() {
    let served = Served::start().await;
    let spans = query_below_root();
    let protobuf = spans.encode_to_vec();
    let json = serde_json::to_vec(&spans).expect("JSON");
    let packed = zstd::encode_all(&*protobuf, 3).expect("memory does not fail");
    for (content_type, encoding, body) in [
        (PROTOBUF, "identity", &protobuf),
        (JSON, "identity", &json),
        (PROTOBUF, "zstd", &packed),
        (PROTOBUF, "gzip", &gzip(&protobuf)),
        (JSON, "gzip", &gzip(&json)),
    ] {
        let headers = [
            ("content-type", content_type),
            ("content-encoding", encoding),
        ];
        let answer = post(&served, "/v1/traces", &headers, body).await;
        assert_eq!(answer.status, 200, "{content_type} {encoding}: {answer:?}");
        if content_type == PROTOBUF {
            let response = ExportTraceServiceResponse::decode(&*answer.body).expect("a response");
            assert_eq!(response.partial_success, None);
        } else {
            assert_eq!(answer.json(), serde_json::json!({}));
        }
    }
    let endpoint = format!("http://{}", served.receiver.grpc_addr());
    for compression in [None, Some(CompressionEncoding::Gzip)] {
        let mut client = TraceServiceClient::connect(endpoint.clone())
            .await
            .expect("listening");
        if let Some(compression) = compression {
            client = client.send_compressed(compression);
        }
        let response = client.export(spans.clone()).await.expect("stored");
        assert_eq!(response.into_inner().partial_success, None);
    }
    let want = [
        ("checkout".to_owned(), 1, 0, 30.0),
        ("query".to_owned(), 0, 1, 0.0),
    ];
    assert_eq!(callsites(&served.store), want);
    let received = served.receiver.received();
    assert_eq!(
        (received.requests, received.spans, received.repeated),
        (7, 2, 12)
    );

    let kept = served.store.spans(1).expect("spans");
    let query = &kept[0].operations[1];
    assert_eq!(
        (&*query.operation.name, query.operation.kind),
        ("query", SpanKind::Client)
    );
    assert_eq!(query.spans[0].parent_span_id, Some(Id([1; 8])));
    assert_eq!(query.spans[0].status, SpanStatus::Error);
    assert_eq!(query.spans[0].attributes["db.query.text"], "SELECT 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_cannot_be_are_rejected_by_name_and_the_others_stay() {
    let served = Served::start().await;
    let mut spans = query_below_root();
    let all = &mut spans.resource_spans[0].scope_spans[0].spans;
    let broken = |change: fn(&mut otlp::Span)| {
        let mut span = all[0].clone();
        span.span_id = vec![9; 8];
        change(&mut span);
        span
    };
    let wrong = [
        broken(|span| span.trace_id.truncate(8)),
        broken(|span| span.span_id = vec![0; 8]),
        broken(|span| span.parent_span_id = vec![1; 3]),
        broken(|span| span.end_time_unix_nano = 1),
        broken(|span| span.name.clear()),
    ];
    all.extend(wrong);
    let headers = [("content-type", JSON)];
    let body = serde_json::to_vec(&spans).expect("JSON");
    let answer = post(&served, "/v1/traces", &headers, &body).await;
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(
        (answer.status, &partial["rejectedSpans"]),
        (200, &"5".into())
    );
    let says = partial["errorMessage"].as_str().expect("reasons");
    for reason in [
        "trace id of 8 bytes",
        "parent id of 3 bytes",
        "ends at 1",
        "no name",
    ] {
        assert!(says.contains(reason), "{says}");
    }
    assert_eq!(callsites(&served.store).len(), 2);
    // Without ids, as in JSON of a careless client.
    let bare = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{}]},{}]}]}"#;
    let answer = post(&served, "/v1/traces", &headers, bare).await;
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_records_are_counted_by_severity_and_each_once() {
    let served = Served::start().await;
    let json = br#"{"resourceLogs":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"logRecords":[
        {"timeUnixNano":"1795413600000000000","severityNumber":9,"body":{"stringValue":"started"}},
        {"observedTimeUnixNano":"1795413600000000001","severityNumber":17,"eventName":"e",
         "body":{"kvlistValue":{"values":[{"key":"k","value":{"intValue":"3"}}]}}},
        {"timeUnixNano":"5","severityNumber":99}]}]}]}"#;
    for _ in 0..2 {
        let answer = post(&served, "/v1/logs", &[("content-type", JSON)], json).await;
        let partial = &answer.json()["partialSuccess"];
        assert_eq!(partial["rejectedLogRecords"], "1");
        let says = partial["errorMessage"].as_str().expect("a reason");
        assert!(says.contains("severity number 99"), "{says}");
    }
    let received = served.receiver.received();
    assert_eq!((received.logs, received.repeated), (2, 2));
    let series = served.store.series(1).expect("series");
    let counted: Vec<_> = series
        .iter()
        .map(|of| (&*of.metric, of.attributes["severity"].clone(), &of.value))
        .collect();
    let one = Value::Int(1);
    assert_eq!(
        counted,
        [
            (LOG_RECORDS, "error".into(), &one),
            (LOG_RECORDS, "info".into(), &one)
        ]
    );
    let logs = served.store.logs(1).expect("logs");
    let said: Vec<&str> = logs[0].records.iter().map(|of| &*of.body).collect();
    assert_eq!(said, ["started", "{\"k\":3}"]);
    let empty = ExportLogsServiceRequest::default().encode_to_vec();
    let answer = post(&served, "/v1/logs", &[("content-type", PROTOBUF)], &empty).await;
    assert_eq!(answer.response().partial_success, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn zstd_is_held_to_the_same_limits() {
    let limits = Limits {
        request_bytes_max: 100_000,
        ..Limits::default()
    };
    let served = Served::with(limits).await;
    let headers = [("content-type", PROTOBUF), ("content-encoding", "zstd")];
    let bomb = zstd::encode_all(&*vec![0; 50 << 20], 3).expect("memory does not fail");
    assert!(bomb.len() < 10_000);
    let answer = post(&served, "/v1/metrics", &headers, &bomb).await;
    assert_eq!((answer.status, answer.rpc_status().code), (413, 8));
    let body = calls("shop", "1", "app::work", 7).encode_to_vec();
    let mut packed = zstd::encode_all(&*body, 3).expect("memory does not fail");
    let answer = post(&served, "/v1/metrics", &headers, &packed).await;
    assert_eq!((answer.status, served.calls()), (200, 7));
    packed.truncate(packed.len() - 1);
    for broken in [&packed, &body] {
        let answer = post(&served, "/v1/metrics", &headers, broken).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let says = answer.rpc_status().message;
        assert!(says.contains("not zstd"), "{says}");
    }
    // Single frames may ask for a window of gigabytes in a few bytes.
    let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];
    let answer = post(&served, "/v1/metrics", &headers, &greedy).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[test]
fn the_newest_spans_are_kept_and_all_are_counted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(db_in(&dir)).expect("a new database");
    let run = store.create_run(&NewRun::default()).expect("a run");
    let mut of = spans_of("shop", &[("work", 1, None, 10)]);
    let first = of.operations[0].spans[0].clone();
    let numbered = |number: u64| Span {
        trace_id: Id((u128::from(number) + 1).to_be_bytes()),
        start_unix_ns: START + number,
        ..first.clone()
    };
    let all = SPANS_MAX_PER_RUN + SPANS_MAX_PER_RUN / 10;
    for from in (0..all).step_by(20_000) {
        of.operations[0].spans = (from..from + 20_000).map(numbered).collect();
        let resources = std::slice::from_ref(&of);
        let appended = store.append_spans(Target::Run(run), resources);
        assert_eq!(appended.expect("room").stored, 20_000);
    }
    let kept = store.spans(run).expect("spans");
    let spans = &kept[0].operations[0].spans;
    assert_eq!(spans.len() as u64, SPANS_MAX_PER_RUN);
    assert_eq!(spans[0].start_unix_ns, START + all - SPANS_MAX_PER_RUN);
    let series = store.series(run).expect("series");
    let Value::ExpHistogram(total) = &series[0].value else {
        panic!("{series:?}");
    };
    assert_eq!(
        (&*series[0].metric, total.histogram.count),
        (SPAN_DURATION, all)
    );
    // What was added up may go.
    assert_eq!(store.downsample(&[run]).expect("done"), SPANS_MAX_PER_RUN);
    assert_eq!(store.spans(run).expect("no spans"), []);
    assert_eq!(store.series(run).expect("series"), series);
}

#[test]
fn records_that_warn_are_kept_longer() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(db_in(&dir)).expect("a new database");
    let run = store.create_run(&NewRun::default()).expect("a run");
    let record = |number: u64| LogRecord {
        time_unix_ns: START + number,
        severity: if number < 5 { 13 } else { 9 },
        ..LogRecord::default()
    };
    let logs = [ResourceLogs {
        resource: Attributes::new(),
        records: (0..LOGS_MAX_PER_RUN + 100).map(record).collect(),
    }];
    store.append_logs(Target::Run(run), &logs).expect("room");
    let kept = &store.logs(run).expect("logs")[0].records;
    assert_eq!(kept.len() as u64, LOGS_MAX_PER_RUN);
    assert_eq!(
        kept.iter().filter(|record| record.severity == 13).count(),
        5
    );
    assert_eq!(kept[5].time_unix_ns, START + 105);
}

#[test]
fn spans_of_the_sdk_do_not_count_beside_its_metrics() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(db_in(&dir)).expect("a new database");
    let run = store.create_run(&NewRun::default()).expect("a run");
    let mut of = spans_of("shop", &[("shop::pay", 1, None, 10)]);
    of.operations[0].operation.scope_name = "khive-perf".to_owned();
    store.append_spans(Target::Run(run), &[of]).expect("room");
    assert_eq!(callsites(&store), [("shop::pay".to_owned(), 1, 0, 10.0)]);
    let point = khive_perf_analysis::points::Point {
        attributes: Attributes::from([("code.function.name".to_owned(), "shop::pay".into())]),
        start_unix_ns: START,
        time_unix_ns: START + 1,
        value: Value::Int(3),
    };
    let metric = khive_perf_analysis::points::MetricPoints {
        scope_name: "khive-perf".to_owned(),
        scope_version: String::new(),
        scope_attributes: Attributes::new(),
        name: "khive.perf.function.calls".to_owned(),
        unit: "{call}".to_owned(),
        kind: khive_perf_analysis::points::Kind::Sum,
        temporality: khive_perf_analysis::points::Temporality::Cumulative,
        monotonic: true,
        points: vec![point],
    };
    let batch = khive_perf_analysis::points::Batch {
        resources: vec![khive_perf_analysis::points::ResourcePoints {
            resource: Attributes::from([("service.name".to_owned(), "shop".into())]),
            metrics: vec![metric],
        }],
    };
    store.append(Target::Run(run), &batch).expect("room");
    assert_eq!(callsites(&store), [("shop::pay".to_owned(), 3, 0, 0.0)]);
}
