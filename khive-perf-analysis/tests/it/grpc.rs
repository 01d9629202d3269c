//! OTLP over gRPC: the standard client, and what it cannot be made to send.

use khive_perf_analysis::receiver::Limits;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

use crate::support::{
    CUMULATIVE, RpcStatus, START, Served, calls, metric, request, sum, sum_point,
};

async fn client(served: &Served) -> MetricsServiceClient<Channel> {
    MetricsServiceClient::connect(format!("http://{}", served.receiver.grpc_addr()))
        .await
        .expect("a listening receiver")
}

/// A request of about `bytes` bytes that packs well.
fn large(bytes: usize) -> ExportMetricsServiceRequest {
    let text = "x".repeat(bytes);
    calls("shop", "1", &text, 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_client_stores_plain_and_packed() {
    let served = Served::start().await;
    let mut plain = client(&served).await;
    let response = plain
        .export(calls("shop", "1", "app::work", 7))
        .await
        .expect("stored");
    assert_eq!(response.into_inner().partial_success, None);
    let mut packed = client(&served)
        .await
        .send_compressed(CompressionEncoding::Gzip);
    packed
        .export(calls("shop", "2", "app::work", 5))
        .await
        .expect("stored");
    plain
        .export(ExportMetricsServiceRequest::default())
        .await
        .expect("an empty request is fine");
    assert_eq!(served.calls(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_points_are_in_the_response() {
    let served = Served::start().await;
    let points = vec![sum_point(&[], START, START, 1), sum_point(&[], START, 0, 1)];
    let request = request("shop", "1", vec![metric("m", "1", sum(CUMULATIVE, points))]);
    let response = client(&served)
        .await
        .export(request)
        .await
        .expect("stored in part");
    let partial = response
        .into_inner()
        .partial_success
        .expect("one was rejected");
    assert_eq!(partial.rejected_data_points, 1);
    assert!(
        partial.error_message.contains("a point has no time"),
        "{}",
        partial.error_message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn too_large_is_resource_exhausted_plain_and_unpacked() {
    let limits = Limits {
        request_bytes_max: 10_000,
        ..Limits::default()
    };
    let served = Served::with(limits).await;
    let mut plain = client(&served).await;
    let mut packed = client(&served)
        .await
        .send_compressed(CompressionEncoding::Gzip);
    for client in [&mut plain, &mut packed] {
        let refusal = client.export(large(20_000)).await.expect_err("too large");
        assert_eq!(refusal.code(), Code::ResourceExhausted);
        assert!(
            refusal.message().contains("limit of 10000 bytes"),
            "{}",
            refusal.message()
        );
        assert!(
            refusal.details().is_empty(),
            "RetryInfo would make clients send it again"
        );
        client
            .export(calls("shop", "1", "app::work", 7))
            .await
            .expect("still serving");
    }
    let refusal = plain
        .export(large(1 << 20))
        .await
        .expect_err("far too large");
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
    assert_eq!(served.calls(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_unavailable_with_retry_info() {
    let limits = Limits {
        in_flight_bytes_max: 2_000,
        ..Limits::default()
    };
    let served = Served::with(limits).await;
    let refusal = client(&served)
        .await
        .export(large(3_000))
        .await
        .expect_err("overload");
    assert_eq!(refusal.code(), Code::Unavailable);
    let status = RpcStatus::decode(refusal.details()).expect("an encoded google.rpc.Status");
    assert_eq!(status.code, Code::Unavailable as i32);
    assert_eq!(
        status.details[0].type_url,
        "type.googleapis.com/google.rpc.RetryInfo"
    );
    // retry_delay (1) { seconds (1): 1 }
    assert_eq!(status.details[0].value, [0x0a, 2, 8, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_without_ids_are_rejected_and_unknown_services_are_unimplemented() {
    let served = Served::start().await;
    let endpoint = format!("http://{}", served.receiver.grpc_addr());
    let scope_spans = vec![ScopeSpans {
        spans: vec![Span::default(); 3],
        ..ScopeSpans::default()
    }];
    let spans = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans,
            ..ResourceSpans::default()
        }],
    };
    let mut traces = TraceServiceClient::connect(endpoint.clone())
        .await
        .expect("listening");
    let partial = traces
        .export(spans)
        .await
        .expect("an answer")
        .into_inner()
        .partial_success;
    assert_eq!(partial.map(|partial| partial.rejected_spans), Some(3));
    let mut logs = LogsServiceClient::connect(endpoint.clone())
        .await
        .expect("listening");
    let response = logs
        .export(ExportLogsServiceRequest::default())
        .await
        .expect("an answer");
    assert_eq!(response.into_inner().partial_success, None);

    let (code, message) = call(
        &served,
        "/some.Service/Method",
        "application/grpc",
        None,
        &[0; 5],
    )
    .await;
    assert_eq!(
        (code, message.contains("/some.Service/Method")),
        (12, true),
        "{message}"
    );
}

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// A call made by hand: its `grpc-status` and `grpc-message`.
async fn call(
    served: &Served,
    path: &str,
    content_type: &str,
    encoding: Option<&str>,
    framed: &[u8],
) -> (i32, String) {
    use tonic::body::Body;
    use tonic::codegen::Service;

    let mut channel = Channel::from_shared(format!("http://{}", served.receiver.grpc_addr()))
        .expect("an address")
        .connect()
        .await
        .expect("a listening receiver");
    let mut request = http::Request::post(path).header("content-type", content_type);
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let body = Body::new(http_body_util::Full::new(
        prost::bytes::Bytes::copy_from_slice(framed),
    ));
    std::future::poll_fn(|context| channel.poll_ready(context))
        .await
        .expect("a connection");
    let response = channel
        .call(request.body(body).expect("a request"))
        .await
        .expect("an answer");
    let status = tonic::Status::from_header_map(response.headers()).expect("a refusal");
    (status.code() as i32, status.message().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_calls_are_refused_and_the_next_is_served() {
    let served = Served::start().await;
    let check = async |content_type, encoding, framed: &[u8], code, says: &str| {
        let (found, message) = call(&served, EXPORT, content_type, encoding, framed).await;
        assert_eq!(
            (found, message.contains(says)),
            (code, true),
            "{found}: {message}"
        );
    };
    let grpc = "application/grpc";
    check(grpc, None, &[], 3, "no message").await;
    check(
        grpc,
        None,
        &[0, 0, 0, 0, 9, 1],
        3,
        "says it has 9 bytes and 1 follow",
    )
    .await;
    check(
        grpc,
        None,
        &[0, 0, 0, 0, 1, 0xff],
        3,
        "not an OTLP export request in protobuf",
    )
    .await;
    check(grpc, None, &[1, 0, 0, 0, 0], 3, "grpc-encoding is not set").await;
    check(
        grpc,
        Some("deflate"),
        &[1, 0, 0, 0, 0],
        12,
        "`deflate` is not supported",
    )
    .await;
    check(grpc, Some("gzip"), &[1, 0, 0, 0, 1, 7], 3, "not gzip").await;
    check(
        "application/grpc+json",
        None,
        &[0; 5],
        3,
        "speaks gRPC with protobuf",
    )
    .await;
    check(
        "application/x-protobuf",
        None,
        &[],
        3,
        "has a port of its own",
    )
    .await;
    client(&served)
        .await
        .export(calls("shop", "1", "app::work", 7))
        .await
        .expect("still serving");
    assert_eq!(served.calls(), 7);
}
