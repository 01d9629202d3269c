//! What requests look like besides protobuf with gzip: JSON, by the rules of the specification, and zstd.

use std::time::Duration;

use khive_perf::testing::capture;
use khive_perf::trace;
use khive_perf_otel::{Compression, Delivery, Exporter, ExporterBuilder, Protocol};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use serde_json::Value;

use crate::export_server::{Server, grpc, http, response, success, watched};
use crate::traces::lock;

#[khive_perf::measure]
fn work() {}

const POINTS: u64 = 5;
const LONG: Duration = Duration::from_secs(20);

fn builder(server: &Server, protocol: Protocol) -> ExporterBuilder {
    let snapshot = capture(work).1.into_snapshot();
    Exporter::builder()
        .endpoint(server.url())
        .protocol(protocol)
        .snapshot_source(move || snapshot.clone())
}

fn export(builder: ExporterBuilder) -> Delivery {
    watched(move || builder.start().unwrap().shutdown(LONG))
}

#[test]
fn zstd_arrives_over_both_protocols() {
    let over_http = http(|_| success());
    let over_grpc = grpc(|_| Some(Ok(ExportMetricsServiceResponse::default())));
    for (server, protocol, header) in [
        (over_http, Protocol::HttpProtobuf, "content-encoding"),
        (over_grpc, Protocol::Grpc, "grpc-encoding"),
    ] {
        let delivery = export(builder(&server, protocol).compression(Compression::Zstd));
        assert_eq!(
            (delivery.sent, delivery.is_complete()),
            (POINTS, true),
            "{delivery}"
        );
        let seen = server.seen().remove(0);
        assert_eq!(seen.header(header), Some("zstd"));
        assert_eq!(
            seen.message.resource_metrics[0].scope_metrics[0]
                .metrics
                .len(),
            5
        );
    }
}

/// Each value of the key, wherever it stands.
fn values<'a>(json: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == key {
                    found.push(value);
                }
                values(value, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, key, found)),
        _ => {}
    }
}

fn check_each(json: &Value, key: &str, is_right: fn(&Value) -> bool) {
    let mut found = Vec::new();
    values(json, key, &mut found);
    assert!(!found.is_empty(), "no {key} in {json}");
    for value in found {
        assert!(is_right(value), "{key} is {value}");
    }
}

fn is_whole(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.parse::<i64>().is_ok())
}

fn is_id(value: &Value) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    value
        .as_str()
        .is_some_and(|text| matches!(text.len(), 0 | 16 | 32) && is_hex(text))
}

/// Integers of 64 bits are texts, ids hexadecimal, enumerations numbers, names in lower camel case.
#[test]
fn json_is_that_of_the_specification() {
    let _alone = lock();
    watched(|| {
        let server = http(|_| success());
        let guard = Exporter::builder()
            .endpoint(server.url())
            .protocol(Protocol::HttpJson)
            .compression(Compression::Gzip)
            .traces(true)
            .start()
            .unwrap();
        trace::root("export_formats").scope(work);
        let delivery = guard.shutdown(LONG);
        assert!(
            delivery.is_complete() && delivery.spans.sent == 2,
            "{delivery}"
        );
        let seen = server.seen();
        let of = |path: &str| {
            let seen = seen.iter().find(|seen| seen.line.contains(path)).unwrap();
            assert_eq!(seen.header("content-type"), Some("application/json"));
            assert_eq!(seen.header("content-encoding"), Some("gzip"));
            &seen.json
        };
        let (metrics, traces) = (of("/v1/metrics"), of("/v1/traces"));
        assert!(metrics["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].is_array());
        for key in [
            "asInt",
            "timeUnixNano",
            "startTimeUnixNano",
            "count",
            "zeroCount",
            "intValue",
        ] {
            check_each(metrics, key, is_whole);
        }
        check_each(metrics, "bucketCounts", |counts| {
            counts
                .as_array()
                .is_some_and(|counts| counts.iter().all(is_whole))
        });
        check_each(metrics, "aggregationTemporality", |value| value == 2);
        check_each(metrics, "scale", Value::is_i64);
        check_each(metrics, "asDouble", Value::is_f64);
        check_each(metrics, "isMonotonic", Value::is_boolean);
        check_each(traces, "traceId", |id| {
            is_id(id) && id.as_str().map(str::len) == Some(32)
        });
        check_each(traces, "spanId", |id| {
            is_id(id) && id.as_str().map(str::len) == Some(16)
        });
        check_each(traces, "parentSpanId", is_id);
        check_each(traces, "kind", |kind| kind == 1);
        check_each(traces, "startTimeUnixNano", is_whole);
        check_each(traces, "flags", Value::is_u64);
    });
}

#[test]
fn answers_in_json_are_understood() {
    let kind = "content-type: application/json\r\n";
    let partial = br#"{"partialSuccess":{"rejectedDataPoints":"2","errorMessage":"too old"}}"#;
    let server = http(move |_| response("200 OK", kind, partial));
    let delivery = export(builder(&server, Protocol::HttpJson));
    assert_eq!((delivery.sent, delivery.rejected), (POINTS - 2, 2));
    assert!(delivery.last_error.unwrap().contains("too old"));
    let server = http(move |_| response("400 Bad Request", kind, br#"{"code":3,"message":"no"}"#));
    let delivery = export(builder(&server, Protocol::HttpJson));
    assert_eq!((delivery.sent, delivery.rejected), (0, POINTS));
    let error = delivery.last_error.unwrap();
    assert!(
        error.contains("HTTP status 400: no") && !error.contains("code"),
        "{error}"
    );
}
