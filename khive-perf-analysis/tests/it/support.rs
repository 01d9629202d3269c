//! What the tests share: a receiver on free ports, requests, and a client that hides nothing of HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use khive_perf_analysis::receiver::{Config, Limits, Receiver};
use khive_perf_analysis::store::{Store, Target};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing that works takes as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";

/// When the tests' points begin: 2026-11-23 06:00 UTC.
pub(crate) const START: u64 = 1_795_413_600_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) const DELTA: i32 = 1;
pub(crate) const CUMULATIVE: i32 = 2;

/// A receiver and its database, gone at the end of the test.
pub(crate) struct Served {
    pub(crate) receiver: Receiver,
    pub(crate) store: Store,
    pub(crate) dir: TempDir,
}

impl Served {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(db_in(&dir)).expect("a new database");
        let config = Config {
            limits,
            ..Config::on_free_ports()
        };
        let receiver = Receiver::start(config, store.clone(), Target::PerInstance)
            .await
            .expect("free ports");
        Self {
            receiver,
            store,
            dir,
        }
    }

    pub(crate) async fn post(&self, content_type: &str, body: &[u8]) -> Answer {
        http(
            self.receiver.http_addr(),
            "POST",
            "/v1/metrics",
            &[("content-type", content_type)],
            body,
        )
        .await
    }

    pub(crate) async fn send(&self, request: &ExportMetricsServiceRequest) -> Answer {
        let answer = self.post(PROTOBUF, &request.encode_to_vec()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Calls of all callsites of all runs.
    pub(crate) fn calls(&self) -> u64 {
        let runs = self.store.runs().expect("runs");
        let loaded = runs
            .iter()
            .map(|run| self.store.load(run.id).expect("a run"));
        loaded
            .flat_map(|run| run.callsites.into_values())
            .flat_map(|callsite| callsite.calls)
            .sum()
    }
}

pub(crate) fn db_in(dir: &TempDir) -> PathBuf {
    dir.path().join("runs.sqlite")
}

// === HTTP ===

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Detail>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Detail {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as the `google.rpc.Status` that every refusal carries, in the encoding of the answer.
    pub(crate) fn rpc_status(&self) -> RpcStatus {
        if self.header("content-type") == Some(PROTOBUF) {
            return RpcStatus::decode(&*self.body).expect("an encoded google.rpc.Status");
        }
        let json = self.json();
        RpcStatus {
            code: i32::try_from(json["code"].as_i64().expect("a code")).expect("a small code"),
            message: json["message"].as_str().expect("a message").to_owned(),
            details: Vec::new(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some(JSON), "{self:?}");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(crate) fn response(&self) -> ExportMetricsServiceResponse {
        assert_eq!(
            (self.status, self.header("content-type")),
            (200, Some(PROTOBUF)),
            "{self:?}"
        );
        ExportMetricsServiceResponse::decode(&*self.body).expect("a response of the service")
    }
}

/// One request on one connection.
pub(crate) async fn http(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    raw(addr, &request).await
}

pub(crate) async fn raw(addr: SocketAddr, request: &[u8]) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(addr)
            .await
            .expect("a listening receiver");
        // A receiver may answer and hang up before it has read everything.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("an answer in time");
    parse(&answer)
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no whole answer: {:?}", String::from_utf8_lossy(answer)));
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .expect("a status line");
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Answer {
        status: status.parse().expect("a status code"),
        headers,
        body: answer[end + 4..].to_vec(),
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;

    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

// === requests ===

pub(crate) fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue {
        value: Some(any_value::Value::StringValue(value.to_owned())),
    };
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs
        .iter()
        .map(|(key, value)| attribute(key, value))
        .collect()
}

pub(crate) fn request(
    service: &str,
    instance: &str,
    metrics: Vec<Metric>,
) -> ExportMetricsServiceRequest {
    let resource = Resource {
        attributes: attributes(&[("service.name", service), ("service.instance.id", instance)]),
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "khive-perf".to_owned(),
        version: "0.1.0".to_owned(),
        ..InstrumentationScope::default()
    };
    let scope_metrics = vec![ScopeMetrics {
        scope: Some(scope),
        metrics,
        ..ScopeMetrics::default()
    }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics,
            ..ResourceMetrics::default()
        }],
    }
}

pub(crate) fn metric(name: &str, unit: &str, data: metric::Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

pub(crate) fn sum_point(
    pairs: &[(&str, &str)],
    start: u64,
    time: u64,
    value: i64,
) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(pairs),
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    }
}

pub(crate) fn sum(temporality: i32, data_points: Vec<NumberDataPoint>) -> metric::Data {
    metric::Data::Sum(Sum {
        data_points,
        aggregation_temporality: temporality,
        is_monotonic: true,
    })
}

/// The calls of function `name`, cumulative since `START`.
pub(crate) fn calls(
    service: &str,
    instance: &str,
    name: &str,
    value: i64,
) -> ExportMetricsServiceRequest {
    let pairs = [("code.function.name", name), ("khive.perf.outcome", "ok")];
    let point = sum_point(&pairs, START, START + SECOND, value);
    let data = sum(CUMULATIVE, vec![point]);
    request(
        service,
        instance,
        vec![metric("khive.perf.function.calls", "{call}", data)],
    )
}

/// Call number `sequence` as a delta of one; each is a point of its own.
pub(crate) fn one_call(service: &str, sequence: u64) -> ExportMetricsServiceRequest {
    let pairs = [
        ("code.function.name", "app::work"),
        ("khive.perf.outcome", "ok"),
    ];
    let start = START + sequence * SECOND;
    let data = sum(DELTA, vec![sum_point(&pairs, start, start + SECOND, 1)]);
    request(
        service,
        "one",
        vec![metric("khive.perf.function.calls", "{call}", data)],
    )
}

pub(crate) fn exp_point(
    pairs: &[(&str, &str)],
    scale: i32,
    offset: i32,
    bucket_counts: &[u64],
    sum: f64,
) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        attributes: attributes(pairs),
        start_time_unix_nano: START,
        time_unix_nano: START + SECOND,
        count: bucket_counts.iter().sum(),
        sum: Some(sum),
        scale,
        positive: Some(Buckets {
            offset,
            bucket_counts: bucket_counts.to_vec(),
        }),
        ..ExponentialHistogramDataPoint::default()
    }
}

pub(crate) fn exp_histogram(
    temporality: i32,
    data_points: Vec<ExponentialHistogramDataPoint>,
) -> metric::Data {
    metric::Data::ExponentialHistogram(ExponentialHistogram {
        data_points,
        aggregation_temporality: temporality,
    })
}

pub(crate) fn histogram_point(bounds: &[f64], counts: &[u64], sum: f64) -> HistogramDataPoint {
    HistogramDataPoint {
        start_time_unix_nano: START,
        time_unix_nano: START + SECOND,
        count: counts.iter().sum(),
        sum: Some(sum),
        explicit_bounds: bounds.to_vec(),
        bucket_counts: counts.to_vec(),
        ..HistogramDataPoint::default()
    }
}

pub(crate) fn histogram(data_points: Vec<HistogramDataPoint>) -> metric::Data {
    metric::Data::Histogram(Histogram {
        data_points,
        aggregation_temporality: CUMULATIVE,
    })
}
