//! An adversary: random bytes, damaged requests, and messages that are small on the wire and huge in memory.

use khive_perf_analysis::receiver::Limits;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use prost::Message;

use crate::support::{
    CUMULATIVE, JSON, PROTOBUF, START, Served, attributes, calls, exp_histogram, exp_point, gzip,
    histogram, histogram_point, http, metric, request, sum, sum_point,
};

/// One of everything that a request can hold.
fn rich() -> ExportMetricsServiceRequest {
    let pairs = [
        ("code.function.name", "app::work"),
        ("khive.perf.outcome", "ok"),
    ];
    let mut request = request(
        "shop",
        "1",
        vec![
            metric(
                "a",
                "{call}",
                sum(CUMULATIVE, vec![sum_point(&pairs, START, START + 1, 7)]),
            ),
            metric(
                "b",
                "s",
                exp_histogram(1, vec![exp_point(&pairs, 5, -80, &[1, 2, 3], 6.0)]),
            ),
            metric(
                "c",
                "ms",
                histogram(vec![histogram_point(&[1.0, 2.0], &[1, 2, 3], 9.0)]),
            ),
        ],
    );
    request.resource_metrics[0].scope_metrics[0].metrics[0].metadata = attributes(&[("k", "v")]);
    request
}

fn damage(whole: &[u8], edits: &[(usize, u8)], cut: usize) -> Vec<u8> {
    let mut damaged = whole.to_vec();
    for (position, byte) in edits {
        let position = position % damaged.len();
        damaged[position] = *byte;
    }
    damaged.truncate(damaged.len() - cut % 4);
    damaged
}

/// Whatever comes, the answer is a success or a refusal of the client's data, never of ours.
#[tokio::test(flavor = "multi_thread")]
async fn random_and_damaged_requests_are_answered_and_the_receiver_serves_on() {
    let served = Served::start().await;
    served.send(&calls("before", "1", "app::before", 7)).await;
    let protobuf = rich().encode_to_vec();
    let json = serde_json::to_vec(&rich()).expect("JSON");
    let packed = gzip(&protobuf);
    let edits = proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4);
    let random = proptest::collection::vec(any::<u8>(), 0..200);
    let strategy = (0..4usize, edits, 0..4usize, random);
    // The same cases each time; PROPTEST_CASES asks for more of them.
    let mut runner = TestRunner::deterministic();
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..Config::default().cases * 2 {
        let (which, edits, cut, random) = strategy.new_tree(&mut runner).expect("a case").current();
        let (content_type, encoding, body) = match which {
            0 => (PROTOBUF, "identity", damage(&protobuf, &edits, cut)),
            1 => (JSON, "identity", damage(&json, &edits, cut)),
            2 => (PROTOBUF, "gzip", damage(&packed, &edits, cut)),
            _ => (PROTOBUF, "identity", random),
        };
        let headers = [
            ("content-type", content_type),
            ("content-encoding", encoding),
        ];
        let addr = served.receiver.http_addr();
        let answer = http(addr, "POST", "/v1/metrics", &headers, &body).await;
        assert!(
            matches!(answer.status, 200 | 400 | 413),
            "{:?} to {body:02x?}",
            answer.status
        );
        *statuses.entry(answer.status).or_insert(0) += 1;
    }
    assert!(
        statuses[&200] > 0 && statuses[&400] > 100,
        "both ways were taken: {statuses:?}"
    );
    let before = served.store.runs_named("before").expect("runs")[0].id;
    let callsites = served.store.load(before).expect("the run").callsites;
    assert_eq!(
        callsites
            .values()
            .map(|callsite| callsite.calls[0])
            .sum::<u64>(),
        7
    );
}

fn nested(tag: u8, inner: &[u8]) -> Vec<u8> {
    let mut outer = vec![tag];
    prost::encoding::encode_varint(inner.len() as u64, &mut outer);
    outer.extend_from_slice(inner);
    outer
}

/// Four million empty metrics in eight megabytes would decode to more than half a gigabyte.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_explode_in_memory_is_refused_before_it_is_decoded() {
    let served = Served::start().await;
    let empty_metrics = [0x12, 0].repeat(4_000_000);
    let bomb = nested(0x0a, &nested(0x12, &empty_metrics));
    for (encoding, body) in [("identity", bomb.clone()), ("gzip", gzip(&bomb))] {
        let headers = [("content-type", PROTOBUF), ("content-encoding", encoding)];
        let answer = http(
            served.receiver.http_addr(),
            "POST",
            "/v1/metrics",
            &headers,
            &body,
        )
        .await;
        assert_eq!(answer.status, 413, "{answer:?}");
        assert!(
            answer.rpc_status().message.contains("once decoded"),
            "{answer:?}"
        );
    }
    let json = format!("{{\"resourceMetrics\":[{}{{}}]}}", "{},".repeat(2_000_000));
    let answer = served.post(JSON, json.as_bytes()).await;
    assert_eq!(
        (answer.status, answer.rpc_status().code),
        (413, 8),
        "{answer:?}"
    );
    assert!(
        peak_rss_bytes() < 400 << 20,
        "the receiver held {} bytes",
        peak_rss_bytes()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_bomb_stops_at_the_limit() {
    let served = Served::with(Limits {
        request_bytes_max: 1 << 20,
        ..Limits::default()
    })
    .await;
    let headers = [("content-type", PROTOBUF), ("content-encoding", "gzip")];
    // Three hundred members of one megabyte each.
    let bomb = gzip(&vec![0; 1 << 20]).repeat(300);
    assert!(bomb.len() < 1 << 20, "the bomb itself is within the limit");
    let answer = http(
        served.receiver.http_addr(),
        "POST",
        "/v1/metrics",
        &headers,
        &bomb,
    )
    .await;
    assert_eq!(answer.status, 413);
    served.send(&calls("after", "1", "app::after", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_nested_without_end_are_refused() {
    let served = Served::start().await;
    let mut value = vec![0x0a, 0];
    for _ in 0..500 {
        // AnyValue { array_value (5): ArrayValue { values (1): .. } }
        value = nested(0x2a, &nested(0x0a, &value));
    }
    let attribute = nested(0x0a, &nested(0x12, &value));
    let bomb = nested(0x0a, &nested(0x0a, &attribute));
    let answer = served.post(PROTOBUF, &bomb).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let json = format!(
        "{}{}",
        "{\"resourceMetrics\":".repeat(100_000),
        "}".repeat(100_000)
    );
    assert_eq!(served.post(JSON, json.as_bytes()).await.status, 400);
    served.send(&calls("after", "1", "app::after", 1)).await;
}

/// Most memory that this process ever had; 0 where the system does not say.
fn peak_rss_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or_default() << 10
}
