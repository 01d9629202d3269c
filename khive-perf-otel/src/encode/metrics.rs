//! Metrics: each figure of a snapshot under the name that `docs/metrics.md` gives it.

use std::collections::BTreeMap;

use khive_perf::snapshot::CallsiteStats;
use khive_perf::stats::Histogram;
use khive_perf::{AttributeValue, Kind, Outcome, Snapshot};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any,
};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric,
    NumberDataPoint, Sum, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::resource::Value;

/// What does not change between snapshots.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    pub(crate) resource: Resource,
    pub(crate) scope: InstrumentationScope,
    buckets_max: usize,
}

/// What the points of a snapshot count from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counting {
    /// From the snapshot before, and not from the start.
    pub(crate) is_delta: bool,
    /// When the recording began: what in-flight counts and maxima always count from.
    pub(crate) start_unix_ns: u64,
}

impl Encoder {
    pub(crate) fn new(resource: &BTreeMap<String, Value>, buckets_max: usize) -> Self {
        let attributes = resource
            .iter()
            .map(|(name, value)| {
                let value = match value {
                    Value::Text(text) => Any::StringValue(text.clone()),
                    Value::Whole(number) => Any::IntValue(*number),
                };
                attribute(name, value)
            })
            .collect();
        let scope = InstrumentationScope {
            name: "khive-perf".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let resource = Resource {
            attributes,
            ..Resource::default()
        };
        Self {
            resource,
            scope,
            buckets_max,
        }
    }

    /// All metrics of a snapshot; none of them is empty.
    pub(crate) fn metrics(&self, snapshot: &Snapshot, counting: Counting) -> Vec<Metric> {
        let points = Points {
            snapshot,
            counting,
            buckets_max: self.buckets_max,
        };
        let mut metrics = vec![
            points.durations(),
            points.calls(),
            points.seconds(
                "self_time",
                "time on a thread outside measured callees",
                |stats| Some(stats.self_time()),
            ),
            points.seconds(
                "busy_time",
                "time on a thread, measured callees included",
                |stats| Some(stats.busy()),
            ),
            points.seconds(
                "idle_time",
                "time between polls of finished calls",
                |stats| (stats.kind() == Kind::Future).then(|| stats.idle()),
            ),
            points.polls(),
            points.longest_polls(),
            points.in_flight(),
            points.overflow(),
        ];
        metrics.retain(|metric| points_of(metric) > 0);
        metrics
    }
}

/// Number of data points of a metric.
pub(crate) fn points_of(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    }
}

struct Points<'a> {
    snapshot: &'a Snapshot,
    counting: Counting,
    buckets_max: usize,
}

impl Points<'_> {
    fn each(
        &self,
        point: impl Fn(&CallsiteStats) -> Option<NumberDataPoint>,
    ) -> Vec<NumberDataPoint> {
        self.snapshot.callsites().iter().filter_map(point).collect()
    }

    fn number(&self, attributes: Vec<KeyValue>, value: Number) -> NumberDataPoint {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: self.snapshot.start_unix_ns(),
            time_unix_nano: self.snapshot.time_unix_ns(),
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }

    /// A point about the state since the process started, whatever the rest counts from.
    fn state(&self, attributes: Vec<KeyValue>, value: Number) -> NumberDataPoint {
        let start_time_unix_nano = self.counting.start_unix_ns;
        NumberDataPoint {
            start_time_unix_nano,
            ..self.number(attributes, value)
        }
    }

    fn temporality(&self) -> i32 {
        let temporality = if self.counting.is_delta {
            AggregationTemporality::Delta
        } else {
            AggregationTemporality::Cumulative
        };
        temporality.into()
    }

    fn counter(&self, data_points: Vec<NumberDataPoint>) -> Data {
        let aggregation_temporality = self.temporality();
        Data::Sum(Sum {
            data_points,
            aggregation_temporality,
            is_monotonic: true,
        })
    }

    fn durations(&self) -> Metric {
        let data_points = self
            .snapshot
            .callsites()
            .iter()
            .flat_map(|stats| Outcome::ALL.map(|outcome| (stats, outcome)))
            .filter(|(stats, outcome)| !stats.wall_by(*outcome).is_empty())
            .map(|(stats, outcome)| {
                self.histogram(with_outcome(stats, outcome), stats.wall_by(outcome))
            })
            .collect();
        let aggregation_temporality = self.temporality();
        let data = Data::ExponentialHistogram(ExponentialHistogram {
            data_points,
            aggregation_temporality,
        });
        metric(
            "function.duration",
            "s",
            "wall time of outermost calls, by outcome",
            data,
        )
    }

    fn histogram(
        &self,
        attributes: Vec<KeyValue>,
        histogram: &Histogram,
    ) -> ExponentialHistogramDataPoint {
        let exact = histogram.range_is_exact();
        let (scale, positive) = buckets(histogram, self.buckets_max);
        ExponentialHistogramDataPoint {
            attributes,
            start_time_unix_nano: self.snapshot.start_unix_ns(),
            time_unix_nano: self.snapshot.time_unix_ns(),
            count: histogram.count(),
            sum: Some(histogram.sum().as_secs_f64()),
            scale,
            zero_count: histogram.zero_count(),
            positive: Some(positive),
            min: exact.then(|| histogram.min().as_secs_f64()),
            max: exact.then(|| histogram.max().as_secs_f64()),
            ..ExponentialHistogramDataPoint::default()
        }
    }

    fn calls(&self) -> Metric {
        let points = self
            .snapshot
            .callsites()
            .iter()
            .flat_map(|stats| Outcome::ALL.map(|outcome| (stats, outcome)))
            .filter(|(stats, outcome)| stats.calls_by(*outcome) > 0)
            .map(|(stats, outcome)| {
                self.number(with_outcome(stats, outcome), whole(stats.calls_by(outcome)))
            })
            .collect();
        metric(
            "function.calls",
            "{call}",
            "finished calls, by outcome",
            self.counter(points),
        )
    }

    fn seconds(
        &self,
        name: &str,
        description: &str,
        of: impl Fn(&CallsiteStats) -> Option<std::time::Duration>,
    ) -> Metric {
        let points = self.each(|stats| {
            let seconds = of(stats)?.as_secs_f64();
            Some(self.number(attributes(stats), Number::AsDouble(seconds)))
        });
        metric(
            &format!("function.{name}"),
            "s",
            description,
            self.counter(points),
        )
    }

    fn polls(&self) -> Metric {
        let points = self.each(|stats| {
            (stats.kind() == Kind::Future)
                .then(|| self.number(attributes(stats), whole(stats.polls())))
        });
        metric(
            "function.polls",
            "{poll}",
            "polls of futures",
            self.counter(points),
        )
    }

    fn longest_polls(&self) -> Metric {
        let data_points = self.each(|stats| {
            let seconds = Number::AsDouble(stats.max_poll().as_secs_f64());
            (stats.kind() == Kind::Future).then(|| self.state(attributes(stats), seconds))
        });
        let data = Data::Gauge(Gauge { data_points });
        metric(
            "function.poll.duration.max",
            "s",
            "the longest poll since the process started",
            data,
        )
    }

    fn in_flight(&self) -> Metric {
        let data_points =
            self.each(|stats| Some(self.state(attributes(stats), whole(stats.in_flight()))));
        let data = Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: false,
        });
        metric(
            "function.in_flight",
            "{call}",
            "calls that have begun and not ended",
            data,
        )
    }

    fn overflow(&self) -> Metric {
        let points = self
            .snapshot
            .overflow()
            .iter()
            .map(|(reason, count)| {
                let reason = Any::StringValue(reason.to_owned());
                self.number(vec![attribute("khive.perf.reason", reason)], whole(count))
            })
            .collect();
        let description = "measurements that were not recorded in full, by reason";
        metric(
            "overflow",
            "{measurement}",
            description,
            self.counter(points),
        )
    }
}

/// Buckets of a histogram at the finest scale at which they fit.
fn buckets(histogram: &Histogram, buckets_max: usize) -> (i32, Buckets) {
    let sparse: Vec<(i32, u64)> = histogram.buckets().collect();
    let (Some((first, _)), Some((last, _))) = (sparse.first(), sparse.last()) else {
        return (Histogram::SCALE, Buckets::default());
    };
    let mut merges = 0;
    // One scale coarser, bucket `i` is `i` halved, rounded down.
    while usize::try_from((last >> merges) - (first >> merges)).unwrap_or(0) + 1 > buckets_max {
        merges += 1;
    }
    let offset = first >> merges;
    let mut bucket_counts = vec![0; usize::try_from((last >> merges) - offset).unwrap_or(0) + 1];
    for (index, count) in sparse {
        let at = usize::try_from((index >> merges) - offset).unwrap_or(0);
        if let Some(bucket) = bucket_counts.get_mut(at) {
            *bucket += count;
        }
    }
    (
        Histogram::SCALE - merges,
        Buckets {
            offset,
            bucket_counts,
        },
    )
}

fn metric(name: &str, unit: &str, description: &str, data: Data) -> Metric {
    Metric {
        name: format!("khive.perf.{name}"),
        description: description.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn whole(count: u64) -> Number {
    Number::AsInt(i64::try_from(count).unwrap_or(i64::MAX))
}

fn attribute(name: &str, value: Any) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn attributes(stats: &CallsiteStats) -> Vec<KeyValue> {
    let text = |text: &str| Any::StringValue(text.to_owned());
    let mut attributes = vec![
        attribute("code.function.name", text(stats.function())),
        attribute("code.file.path", text(stats.file())),
        attribute("code.line.number", Any::IntValue(i64::from(stats.line()))),
    ];
    if stats.has_custom_name() {
        attributes.push(attribute("khive.perf.name", text(stats.name())));
    }
    if let Some(group) = stats.group() {
        attributes.push(attribute("khive.perf.group", text(group)));
    }
    attributes.extend(stats.attributes().iter().map(|(name, value)| {
        let value = match value {
            AttributeValue::Bool(value) => Any::BoolValue(*value),
            AttributeValue::I64(value) => Any::IntValue(*value),
            AttributeValue::F64(value) => Any::DoubleValue(*value),
            other => Any::StringValue(other.to_string()),
        };
        attribute(name, value)
    }));
    if stats.is_overflow() {
        attributes.push(attribute("otel.metric.overflow", Any::BoolValue(true)));
    }
    attributes
}

fn with_outcome(stats: &CallsiteStats, outcome: Outcome) -> Vec<KeyValue> {
    let mut attributes = attributes(stats);
    let outcome = Any::StringValue(outcome.as_str().to_owned());
    attributes.push(attribute("khive.perf.outcome", outcome));
    attributes
}
