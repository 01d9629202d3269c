//! Prometheus: the protobuf that is written by hand, as a library reads it, and exemplars in both forms.

use std::time::Duration;

use khive_perf::report::{PROMETHEUS_CONTENT_TYPE, prometheus, prometheus_for};
use khive_perf::testing::{Capture, Captured, ManualClock};
use khive_perf::trace::{Collector, Span, TraceConfig};
use khive_perf::{Outcome, measure};
use prost::Message;

const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                        encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3";

/// `io.prometheus.client`, as far as it is written, as `prometheus/client_model` numbers the fields.
mod client {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct MetricFamily {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) help: String,
        #[prost(int32, tag = "3")]
        pub(super) kind: i32,
        #[prost(message, repeated, tag = "4")]
        pub(super) metric: Vec<Metric>,
        #[prost(string, tag = "5")]
        pub(super) unit: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Metric {
        #[prost(message, repeated, tag = "1")]
        pub(super) label: Vec<LabelPair>,
        #[prost(message, optional, tag = "2")]
        pub(super) gauge: Option<Number>,
        #[prost(message, optional, tag = "3")]
        pub(super) counter: Option<Number>,
        #[prost(message, optional, tag = "7")]
        pub(super) histogram: Option<Histogram>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct LabelPair {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }

    /// A gauge, or a counter.
    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Number {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(message, optional, tag = "3")]
        pub(super) created: Option<Timestamp>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Histogram {
        #[prost(uint64, tag = "1")]
        pub(super) sample_count: u64,
        #[prost(double, tag = "2")]
        pub(super) sample_sum: f64,
        #[prost(message, repeated, tag = "3")]
        pub(super) bucket: Vec<Bucket>,
        #[prost(sint32, tag = "5")]
        pub(super) schema: i32,
        #[prost(double, tag = "6")]
        pub(super) zero_threshold: f64,
        #[prost(uint64, tag = "7")]
        pub(super) zero_count: u64,
        #[prost(message, repeated, tag = "12")]
        pub(super) positive_span: Vec<BucketSpan>,
        #[prost(sint64, repeated, tag = "13")]
        pub(super) positive_delta: Vec<i64>,
        #[prost(message, optional, tag = "15")]
        pub(super) created: Option<Timestamp>,
        #[prost(message, repeated, tag = "16")]
        pub(super) exemplars: Vec<Exemplar>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Bucket {
        #[prost(uint64, tag = "1")]
        pub(super) cumulative_count: u64,
        #[prost(double, tag = "2")]
        pub(super) upper_bound: f64,
        #[prost(message, optional, tag = "3")]
        pub(super) exemplar: Option<Exemplar>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct BucketSpan {
        #[prost(sint32, tag = "1")]
        pub(super) offset: i32,
        #[prost(uint32, tag = "2")]
        pub(super) length: u32,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Exemplar {
        #[prost(message, repeated, tag = "1")]
        pub(super) label: Vec<LabelPair>,
        #[prost(double, tag = "2")]
        pub(super) value: f64,
        #[prost(message, optional, tag = "3")]
        pub(super) timestamp: Option<Timestamp>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Timestamp {
        #[prost(int64, tag = "1")]
        pub(super) seconds: i64,
        #[prost(int32, tag = "2")]
        pub(super) nanos: i32,
    }
}

use self::client::{Exemplar, Histogram, Metric, MetricFamily};

/// Long and short, close together and far apart, one of no measurable time.
const TOOK_NS: [u64; 9] = [
    0,
    1,
    700,
    3_500_000,
    3_500_001,
    3_600_000,
    250_000_000,
    251_000_000,
    90_000_000_000,
];

#[measure(name = "work", group = "all", fields(part = part, größe = 0.5, gr__e = true), err)]
fn work(part: &str, fails: bool) -> Result<(), ()> {
    let _ = part;
    if fails { Err(()) } else { Ok(()) }
}

/// Roots that took so long, with the spans of their traces.
fn traced() -> (Vec<Span>, Captured) {
    let clock = ManualClock::new();
    let collector = Collector::new(TraceConfig::default());
    Capture::new().clock(&clock).run(|| {
        for ns in TOOK_NS {
            collector
                .root("request")
                .scope(|| clock.advance(Duration::from_nanos(ns)));
        }
        let _ = (work("a \"part\"\\\n", false), work("b", true));
        collector.take(usize::MAX)
    })
}

fn read(mut body: &[u8]) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    while !body.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut body).expect("a family"));
    }
    families
}

fn label<'a>(metric: &'a Metric, name: &str) -> Option<&'a str> {
    let mut of_name = metric.label.iter().filter(|label| label.name == name);
    let found = of_name.next().map(|label| label.value.as_str());
    assert!(of_name.next().is_none(), "{name} twice in {metric:?}");
    found
}

fn metrics_of<'a>(families: &'a [MetricFamily], family: &str, name: &str) -> Vec<&'a Metric> {
    let family = families.iter().find(|of| of.name == family);
    let metrics = family.expect("the family").metric.iter();
    let of_name = metrics.filter(|metric| label(metric, "name") == Some(name));
    of_name.collect()
}

/// Buckets as Prometheus reads them: number and count.
fn buckets(histogram: &Histogram) -> Vec<(i32, i64)> {
    let mut deltas = histogram.positive_delta.iter();
    let (mut index, mut count) = (0, 0);
    let mut buckets = Vec::new();
    for span in &histogram.positive_span {
        index += span.offset;
        for _ in 0..span.length {
            count += deltas.next().expect("a count for each bucket");
            buckets.push((index, count));
            index += 1;
        }
    }
    assert!(deltas.next().is_none());
    buckets
}

#[test]
fn native_histograms_hold_each_value_in_the_bucket_that_is_its_own() {
    let (_, captured) = traced();
    let (content_type, body) = prometheus_for(PROTOBUF, &captured);
    assert_eq!(
        content_type,
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
    );
    let families = read(&body);
    let family = families
        .iter()
        .find(|family| family.name == "khive_perf_function_duration_seconds")
        .unwrap();
    assert_eq!((family.kind, family.unit.as_str()), (4, "seconds"));
    let requests = metrics_of(&families, &family.name, "request");
    let histogram = requests[0].histogram.as_ref().unwrap();
    assert_eq!((histogram.sample_count, histogram.zero_count), (9, 1));
    assert_eq!(histogram.schema, 5);
    assert!(histogram.zero_threshold > 0.0 && histogram.zero_threshold < 1e-30);
    let sum: u64 = TOOK_NS.iter().sum();
    assert!((histogram.sample_sum - sum as f64 / 1e9).abs() < 1e-9);
    // A bucket `i` of schema 5 holds what is above `2^((i-1)/32)` and not above `2^(i/32)`.
    let mut expected: Vec<(i32, i64)> = Vec::new();
    for ns in TOOK_NS.iter().skip(1) {
        let seconds = *ns as f64 / 1e9;
        let above = |index: &i32| 2_f64.powf(f64::from(*index) / 32.0) >= seconds;
        let index = (-1_000..1_000).find(above).expect("a bucket");
        match expected.last_mut() {
            Some((at, count)) if *at == index => *count += 1,
            _ => expected.push((index, 1)),
        }
    }
    assert_eq!(buckets(histogram), expected);
    assert!(
        histogram.positive_span.len() > 3,
        "gaps are not written out"
    );
    let bounds = histogram.bucket.iter().map(|bucket| bucket.upper_bound);
    assert!(bounds.is_sorted() && histogram.bucket.len() == 15);
    let last = histogram.bucket.last().unwrap();
    assert_eq!(
        (last.cumulative_count, last.upper_bound),
        (9, f64::INFINITY)
    );
    let created = histogram.created.as_ref().unwrap();
    assert_eq!(
        created.seconds as u64 * 1_000_000_000 + created.nanos as u64,
        captured.start_unix_ns()
    );
}

#[test]
fn counters_and_labels_are_those_of_the_text() {
    let (_, captured) = traced();
    let families = read(&prometheus_for(PROTOBUF, &captured).1);
    let calls = metrics_of(&families, "khive_perf_function_calls_total", "work");
    let told: Vec<_> = calls
        .iter()
        .map(|metric| {
            let of = |name| label(metric, name).unwrap();
            let counter = metric.counter.as_ref().unwrap();
            assert!(counter.created.is_some() && metric.gauge.is_none());
            (of("field_part"), of("outcome"), counter.value)
        })
        .collect();
    assert_eq!(told, [("a \"part\"\\\n", "ok", 1.0), ("b", "error", 1.0)]);
    // Two fields whose names are one to Prometheus stay two.
    assert_eq!(label(calls[0], "field_gr__e"), Some("0.5"));
    assert_eq!(label(calls[0], "field_gr__e_"), Some("true"));
    let in_flight = metrics_of(&families, "khive_perf_function_in_flight", "work");
    assert!(in_flight[0].gauge.as_ref().unwrap().value.abs() < 0.1);

    let text = prometheus(&captured);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let per_histogram = 15 + 2;
    let written: usize = families
        .iter()
        .flat_map(|family| &family.metric)
        .map(|metric| metric.histogram.as_ref().map_or(1, |_| per_histogram))
        .sum();
    assert_eq!(samples.count(), written);
}

#[test]
fn exemplars_lead_to_the_traces_that_were_kept() {
    let (spans, captured) = traced();
    let slowest = spans
        .iter()
        .max_by_key(|span| span.duration())
        .expect("a span");
    let families = read(&prometheus_for(PROTOBUF, &captured).1);
    let requests = metrics_of(&families, "khive_perf_function_duration_seconds", "request");
    let histogram = requests[0].histogram.as_ref().unwrap();
    let ids = |exemplar: &Exemplar| -> Vec<String> {
        let labels = exemplar.label.iter();
        labels
            .map(|label| format!("{}={}", label.name, label.value))
            .collect()
    };
    let expected = [
        format!("trace_id={}", slowest.trace_id()),
        format!("span_id={}", slowest.span_id()),
    ];
    let first = &histogram.exemplars[0];
    assert_eq!(ids(first), expected);
    assert!((first.value - 90.0).abs() < 1e-9);
    let time = first.timestamp.as_ref().unwrap();
    assert_eq!(
        time.seconds as u64 * 1_000_000_000 + time.nanos as u64,
        slowest.end_unix_ns()
    );
    let with = histogram.bucket.iter().find(|bucket| {
        let exemplar = bucket.exemplar.as_ref();
        exemplar.is_some_and(|exemplar| ids(exemplar) == expected)
    });
    assert!(with.unwrap().upper_bound.is_infinite());

    let end = slowest.end_unix_ns();
    let line = format!(
        "le=\"+Inf\"}} 9 # {{trace_id=\"{}\",span_id=\"{}\"}} 90.0 {}.{:09}",
        slowest.trace_id(),
        slowest.span_id(),
        end / 1_000_000_000,
        end % 1_000_000_000,
    );
    let text = prometheus(&captured);
    assert!(text.lines().any(|of| of.ends_with(&line)), "{line}\n{text}");
}

#[test]
fn who_takes_only_older_text_gets_no_more_than_it_knows() {
    let (_, captured) = traced();
    let (content_type, body) = prometheus_for("text/plain;version=0.0.4", &captured);
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(body).unwrap();
    assert!(!text.contains("# EOF") && !text.contains("# UNIT") && !text.contains(" # {"));
    assert!(text.contains("# TYPE khive_perf_function_calls_total counter\n"));
    let (content_type, body) = prometheus_for("*/*", &captured);
    assert_eq!(content_type, PROMETHEUS_CONTENT_TYPE);
    assert_eq!(body, prometheus(&captured).into_bytes());
    let errors = captured
        .callsite("work")
        .map(|stats| stats.calls_by(Outcome::Error));
    assert!(errors.is_some_and(|errors| errors < 2));
}
