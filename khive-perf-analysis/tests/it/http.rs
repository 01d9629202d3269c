//! OTLP over HTTP: every line of what a receiver has to answer.

use std::time::Duration;

use khive_perf_analysis::receiver::Limits;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, Metric, NumberDataPoint, Summary, metric as data,
};
use prost::Message;
use rusqlite::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    Answer, CUMULATIVE, JSON, PATIENCE, PROTOBUF, START, Served, calls, exp_histogram, exp_point,
    gzip, histogram, histogram_point, http, metric, raw, request, sum, sum_point,
};

fn small() -> Limits {
    Limits {
        request_bytes_max: 10_000,
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_stored_and_the_answer_leaves_partial_success_unset() {
    let served = Served::start().await;
    let answer = served.send(&calls("shop", "1", "app::work", 7)).await;
    assert_eq!(answer.response().partial_success, None);
    assert_eq!(served.calls(), 7);
    let run = &served.store.runs().expect("runs")[0];
    assert_eq!((run.name.as_str(), run.started_unix_ns), ("shop", START));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_says_the_same_as_protobuf_on_the_same_port() {
    let served = Served::start().await;
    let json = serde_json::to_vec(&calls("shop", "1", "app::work", 7)).expect("JSON");
    let answer = served.post("application/JSON; charset=utf-8", &json).await;
    assert_eq!((answer.status, answer.json()), (200, serde_json::json!({})));
    // The same points again, in the other encoding, change nothing.
    served.send(&calls("shop", "1", "app::work", 7)).await;
    assert_eq!(served.calls(), 7);
    assert_eq!(served.receiver.received().repeated, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_unpacked_in_both_encodings() {
    let served = Served::start().await;
    let protobuf = calls("shop", "1", "app::work", 7);
    let json = serde_json::to_vec(&calls("shop", "2", "app::work", 5)).expect("JSON");
    for (content_type, body) in [(PROTOBUF, protobuf.encode_to_vec()), (JSON, json)] {
        let headers = [("content-type", content_type), ("content-encoding", "gzip")];
        let addr = served.receiver.http_addr();
        let answer = http(addr, "POST", "/v1/metrics", &headers, &gzip(&body)).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(content_type))
        );
    }
    assert_eq!(served.calls(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_request_is_fine() {
    let served = Served::start().await;
    assert_eq!(
        served.post(PROTOBUF, b"").await.response().partial_success,
        None
    );
    assert_eq!(served.post(JSON, b"{}").await.json(), serde_json::json!({}));
    assert!(served.store.runs().expect("runs").is_empty());
}

/// Sends what must be refused, and checks that the receiver still serves and has what it had.
async fn check_refused(served: &Served, answer: &Answer, status: u16, code: i32, says: &str) {
    let refusal = answer.rpc_status();
    assert_eq!((answer.status, refusal.code), (status, code), "{answer:?}");
    assert!(
        refusal.message.contains(says),
        "`{}` does not say `{says}`",
        refusal.message
    );
    let before = served.calls();
    let sequence = i64::try_from(served.receiver.received().requests).expect("few requests");
    served
        .send(&calls("after", &sequence.to_string(), "app::after", 1))
        .await;
    assert_eq!(served.calls(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_status_and_says_why() {
    let served = Served::with(small()).await;
    served.send(&calls("shop", "1", "app::work", 7)).await;
    let addr = served.receiver.http_addr();
    let whole = calls("shop", "1", "app::work", 9).encode_to_vec();
    let zeros = vec![0; 10_001];

    let post = async |headers: &[(&str, &str)], body: &[u8]| {
        http(addr, "POST", "/v1/metrics", headers, body).await
    };
    let answer = post(&[("content-type", PROTOBUF)], &whole[..whole.len() - 1]).await;
    check_refused(
        &served,
        &answer,
        400,
        3,
        "not an OTLP export request in protobuf",
    )
    .await;
    assert_eq!(answer.header("content-type"), Some(PROTOBUF));
    let answer = post(&[("content-type", JSON)], b"{\"resourceMetrics\": [").await;
    check_refused(&served, &answer, 400, 3, "in JSON: EOF").await;
    assert_eq!(answer.header("content-type"), Some(JSON));
    let packed = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
    let answer = post(&packed, &whole).await;
    check_refused(&served, &answer, 400, 3, "not gzip").await;
    let cut = gzip(&whole);
    let answer = post(&packed, &cut[..cut.len() - 3]).await;
    check_refused(&served, &answer, 400, 3, "not gzip").await;
    let answer = post(&[("content-type", "text/plain")], &whole).await;
    check_refused(&served, &answer, 415, 3, "`text/plain` is not supported").await;
    let answer = post(&[], &whole).await;
    check_refused(&served, &answer, 415, 3, "no Content-Type").await;
    let answer = post(
        &[("content-type", PROTOBUF), ("content-encoding", "br")],
        &whole,
    )
    .await;
    check_refused(&served, &answer, 415, 12, "`br` is not supported").await;
    assert_eq!(answer.header("accept-encoding"), Some("gzip, zstd"));
    let answer = post(&[("content-type", PROTOBUF)], &zeros).await;
    check_refused(&served, &answer, 413, 8, "limit of 10000 bytes").await;
    let answer = post(&packed, &gzip(&zeros)).await;
    check_refused(
        &served,
        &answer,
        413,
        8,
        "once unpacked, is larger than the limit of 10000",
    )
    .await;
    let answer = http(
        addr,
        "GET",
        "/v1/metrics",
        &[("content-type", PROTOBUF)],
        b"",
    )
    .await;
    check_refused(&served, &answer, 405, 12, "use POST").await;
    assert_eq!(answer.header("allow"), Some("POST"));
    let answer = http(addr, "POST", "/metrics", &[("content-type", JSON)], b"{}").await;
    check_refused(&served, &answer, 404, 12, "/v1/metrics").await;
    assert_eq!(served.receiver.received().refused, 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_far_beyond_the_limit_still_gets_an_answer() {
    let served = Served::with(small()).await;
    let answer = served.post(PROTOBUF, &vec![0; 39_000]).await;
    check_refused(&served, &answer, 413, 8, "limit of 10000 bytes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_says_when_to_come_back() {
    let limits = Limits {
        in_flight_bytes_max: 2_000,
        ..Limits::default()
    };
    let served = Served::with(limits).await;
    let addr = served.receiver.http_addr();
    let answer = served.post(PROTOBUF, &vec![0; 2_001]).await;
    let status = answer.rpc_status();
    assert_eq!((answer.status, status.code), (503, 14), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        status.details[0].type_url,
        "type.googleapis.com/google.rpc.RetryInfo"
    );
    // What was held is given back: a small request fits again.
    let answer = http(
        addr,
        "POST",
        "/v1/metrics",
        &[("content-type", JSON)],
        b"{}",
    )
    .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_is_asked_for_again_and_then_stored_once() {
    let served = Served::start().await;
    let other = Connection::open(served.store.path()).expect("the database");
    other
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON point
             BEGIN SELECT RAISE(ABORT, 'no space left'); END",
        )
        .expect("a trigger");
    let request = calls("shop", "1", "app::work", 7).encode_to_vec();
    let answer = served.post(PROTOBUF, &request).await;
    assert_eq!(
        (answer.status, answer.rpc_status().code),
        (503, 14),
        "{answer:?}"
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(
        answer.rpc_status().message.contains("no space left"),
        "{answer:?}"
    );
    assert_eq!(served.calls(), 0);
    other
        .execute_batch("DROP TRIGGER refuse")
        .expect("the trigger");
    assert_eq!(served.post(PROTOBUF, &request).await.status, 200);
    assert_eq!(served.calls(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_given_up() {
    let limits = Limits {
        body_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let served = Served::with(limits).await;
    let head = format!(
        "POST /v1/metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {PROTOBUF}\r\n\
         content-length: 1000\r\n\r\nonly this"
    );
    let answer = raw(served.receiver.http_addr(), head.as_bytes()).await;
    check_refused(&served, &answer, 408, 4, "did not arrive within 50ms").await;
}

fn one_good_of_four() -> Vec<NumberDataPoint> {
    let good = sum_point(&[("code.function.name", "app::work")], START, START + 1, 3);
    let mut late = good.clone();
    late.start_time_unix_nano = START + 2;
    let mut timeless = good.clone();
    timeless.time_unix_nano = 0;
    let empty = NumberDataPoint {
        time_unix_nano: START,
        ..NumberDataPoint::default()
    };
    vec![good, late, timeless, empty]
}

fn six_untrue() -> Vec<ExponentialHistogramDataPoint> {
    let mut not_a_sum = exp_point(&[], 5, 0, &[1, 2], 3.0);
    not_a_sum.count = 4;
    let mut negative = exp_point(&[], 5, 0, &[1], 1.0);
    negative.negative.clone_from(&negative.positive);
    negative.count = 1;
    vec![
        not_a_sum,
        negative,
        exp_point(&[], 5, 0, &[1], f64::NAN),
        exp_point(&[], 21, 0, &[1], 1.0),
        exp_point(&[], 5, i32::MAX, &[1, 1], 1.0),
        exp_point(&[], 5, 0, &[u64::MAX / 2 + 1], 1.0),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_cannot_be_true_are_rejected_and_the_others_kept() {
    let served = Served::start().await;
    let summary = data::Data::Summary(Summary {
        data_points: vec![Default::default(); 2],
    });
    let metrics = vec![
        metric(
            "khive.perf.function.calls",
            "{call}",
            sum(CUMULATIVE, one_good_of_four()),
        ),
        metric("exp", "s", exp_histogram(CUMULATIVE, six_untrue())),
        metric(
            "explicit",
            "s",
            histogram(vec![
                histogram_point(&[1.0, 2.0], &[1, 2], 3.0),
                histogram_point(&[2.0, 1.0], &[1, 1, 1], 3.0),
            ]),
        ),
        metric("summary", "s", summary),
        metric(
            "undecided",
            "s",
            sum(0, vec![sum_point(&[], START, START, 1)]),
        ),
        metric(
            "",
            "s",
            sum(CUMULATIVE, vec![sum_point(&[], START, START, 1)]),
        ),
        Metric {
            name: "nothing".to_owned(),
            ..Metric::default()
        },
    ];
    let answer = served.send(&request("shop", "1", metrics)).await;
    let partial = answer
        .response()
        .partial_success
        .expect("some were rejected");
    assert_eq!(
        partial.rejected_data_points, 16,
        "{}",
        partial.error_message
    );
    assert_eq!(served.calls(), 3);
    assert_eq!(served.receiver.received().points, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_for_rejecting_a_point_is_named() {
    let served = Served::start().await;
    let check = async |metric: Metric, says: &str| {
        let answer = served.send(&request("shop", "1", vec![metric])).await;
        let partial = answer.response().partial_success.expect("rejected");
        assert_eq!(partial.rejected_data_points, 1);
        assert!(
            partial.error_message.contains(says),
            "`{}`: `{says}`",
            partial.error_message
        );
    };
    let exp = |point| metric("m", "s", exp_histogram(CUMULATIVE, vec![point]));
    let mut wrong = exp_point(&[], 5, 0, &[1, 2], 3.0);
    wrong.count = 4;
    check(
        exp(wrong),
        "metric `m`: the buckets of a histogram add up to 3 and its count is 4",
    )
    .await;
    check(
        exp(exp_point(&[], 21, 0, &[1], 1.0)),
        "scale 21; scales are -10 to 20",
    )
    .await;
    check(
        exp(exp_point(&[], 5, 0, &[1], f64::INFINITY)),
        "the sum is inf",
    )
    .await;
    check(
        exp(exp_point(&[], 5, i32::MAX, &[1, 1], 1.0)),
        "bucket index 2147483648",
    )
    .await;
    check(
        exp(exp_point(&[], 5, 0, &vec![0; 16_385], 0.0)),
        "16385 buckets; the limit is 16384",
    )
    .await;
    let short = histogram_point(&[1.0, 2.0], &[1, 2], 3.0);
    check(
        metric("m", "s", histogram(vec![short])),
        "2 buckets for 2 bounds",
    )
    .await;
    let unordered = histogram_point(&[2.0, 2.0], &[1, 1, 1], 3.0);
    check(
        metric("m", "s", histogram(vec![unordered])),
        "do not increase",
    )
    .await;
    let undecided = sum(0, vec![sum_point(&[], START, START, 1)]);
    check(metric("m", "s", undecided), "no aggregation temporality").await;
    let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{
        "aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"5","asInt":"1"},{"asInt":"2"}]}}]}]}]}"#;
    let answer = served.post(JSON, json).await.json();
    assert_eq!(
        answer["partialSuccess"],
        serde_json::json!({
            "rejectedDataPoints": "1",
            "errorMessage": "metric `m`: a point has no time (1)",
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_finishes_the_request_in_flight() {
    let served = Served::start().await;
    let Served {
        receiver,
        store,
        dir,
    } = served;
    let body = calls("shop", "1", "app::work", 7).encode_to_vec();
    let addr = receiver.http_addr();
    let mut stream = TcpStream::connect(addr)
        .await
        .expect("a listening receiver");
    let head = format!(
        "POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(head.as_bytes())
        .await
        .expect("a listening receiver");
    // The interim answer says that the request has reached its handler.
    let mut interim = [0; 25];
    stream
        .read_exact(&mut interim)
        .await
        .expect("an interim answer");
    assert!(interim.starts_with(b"HTTP/1.1 100 Continue"));
    let shutdown = tokio::spawn(receiver.shutdown());
    stream.write_all(&body).await.expect("the connection stays");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.expect("an answer in time").expect("an answer");
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    let received = shutdown.await.expect("no panic").expect("a clean end");
    assert_eq!((received.requests, received.points), (1, 1));
    assert_eq!(store.load(1).expect("the run").callsites.len(), 1);
    assert!(
        TcpStream::connect(addr).await.is_err(),
        "nobody listens any more"
    );
    drop(dir);
}

/// Clients keep connections for the next export; the receiver's ten seconds are for requests only.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_connections_without_a_request() {
    let Served { receiver, .. } = Served::start().await;
    let fresh = TcpStream::connect(receiver.http_addr())
        .await
        .expect("listening");
    let mut half = TcpStream::connect(receiver.http_addr())
        .await
        .expect("listening");
    half.write_all(b"POST /v1/metr")
        .await
        .expect("a connection");
    let grpc = TcpStream::connect(receiver.grpc_addr())
        .await
        .expect("listening");
    let shutdown = tokio::time::timeout(Duration::from_secs(8), receiver.shutdown()).await;
    assert_eq!(
        shutdown
            .expect("an end in time")
            .expect("a clean end")
            .requests,
        0
    );
    drop((fresh, half, grpc));
}
