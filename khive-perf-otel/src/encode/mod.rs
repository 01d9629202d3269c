//! Snapshots as OTLP metrics, spans as OTLP spans, findings as log records: pure and total, no clock, no input or output.
//!
//! They are those of `docs/metrics.md`.

mod histogram;
mod leaks;
mod logs;
mod process;
mod runtime;
mod split;
mod traces;

use khive_perf::snapshot::{CallsiteStats, Snapshot};
use khive_perf::{AttributeValue, Outcome};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

pub(crate) use self::histogram::Buckets;
pub(crate) use self::leaks::leaks;
pub(crate) use self::logs::{budget, leak, leak_gone, leak_origin, lost, not_recorded, split_logs};
pub(crate) use self::process::process;
pub(crate) use self::runtime::{Runtime, RuntimeWorker, runtimes};
pub(crate) use self::split::{Envelope, Split, split};
pub(crate) use self::traces::{spans, split_spans};

/// How the figures of a snapshot are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Whether they count since the last point, not since the process started.
    pub(crate) is_delta: bool,
    /// Since when they count.
    pub(crate) start_unix_ns: u64,
    /// When the process began to record: the start of what is cumulative in any case.
    pub(crate) process_start_unix_ns: u64,
    /// When the snapshot was taken.
    pub(crate) time_unix_ns: u64,
}

/// The value of an attribute of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
}

/// The resource as it is sent.
pub(crate) fn resource(attributes: &[(String, Value)]) -> Resource {
    let attributes = attributes.iter().map(|(key, value)| {
        let value = match value {
            Value::Text(text) => any_value::Value::StringValue(text.clone()),
            Value::Int(number) => any_value::Value::IntValue(*number),
        };
        key_value(key, value)
    });
    Resource {
        attributes: attributes.collect(),
        ..Resource::default()
    }
}

/// The scope of all metrics.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "khive-perf".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// All metrics of a snapshot; none without points.
pub(crate) fn metrics(snapshot: &Snapshot, shape: &Shape, buckets: &Buckets) -> Vec<Metric> {
    let series: Vec<Series<'_>> = snapshot.callsites().iter().map(Series::of).collect();
    let of = |describe: &Description,
              points: fn(&Series<'_>, &Shape) -> Option<NumberDataPoint>| {
        let points = series.iter().filter_map(|series| points(series, shape));
        describe.number(points.collect(), shape)
    };
    [
        duration(&series, shape, buckets),
        calls(&series, shape),
        of(&SELF_TIME, |series, shape| {
            let time = series.stats.self_time();
            series.counted(shape, seconds(time), time.is_zero())
        }),
        of(&BUSY_TIME, |series, shape| {
            let time = series.stats.busy();
            series.counted(shape, seconds(time), time.is_zero())
        }),
        of(&IDLE_TIME, |series, shape| {
            let time = series.future()?.idle();
            series.counted(shape, seconds(time), time.is_zero())
        }),
        of(&POLLS, |series, shape| {
            let polls = series.future()?.polls();
            series.counted(shape, count(polls), polls == 0)
        }),
        of(&POLL_MAX, |series, shape| {
            let longest = seconds(series.future()?.max_poll());
            Some(series.point(shape.process_start_unix_ns, shape, longest))
        }),
        of(&IN_FLIGHT, |series, shape| {
            let in_flight = count(series.stats.in_flight());
            Some(series.point(shape.process_start_unix_ns, shape, in_flight))
        }),
        of(&SLOW_CALLS, |series, shape| {
            series.stats.slow_threshold()?;
            let slow = series.stats.slow();
            series.counted(shape, count(slow), slow == 0)
        }),
        of(&UNTIMED_CALLS, |series, shape| {
            let untimed = series.stats.calls().saturating_sub(series.stats.timed());
            (untimed > 0).then(|| series.point(shape.start_unix_ns, shape, count(untimed)))
        }),
        of(&OVERHEAD, |series, shape| {
            let overhead = seconds(series.stats.overhead());
            let sampled = series.stats.sampled();
            sampled.then(|| series.point(shape.start_unix_ns, shape, overhead))
        }),
        of(&ALLOCATED, |series, shape| {
            let alloc = series.stats.alloc();
            (alloc.allocations() > 0)
                .then(|| series.point(shape.start_unix_ns, shape, count(alloc.bytes())))
        }),
        of(&ALLOCATIONS, |series, shape| {
            let allocations = series.stats.alloc().allocations();
            (allocations > 0).then(|| series.point(shape.start_unix_ns, shape, count(allocations)))
        }),
        overflow(snapshot, shape),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A callsite and the attributes that all its points carry.
struct Series<'a> {
    stats: &'a CallsiteStats,
    attributes: Vec<KeyValue>,
}

impl<'a> Series<'a> {
    fn of(stats: &'a CallsiteStats) -> Self {
        let mut attributes = vec![
            text("code.function.name", stats.function()),
            text("code.file.path", stats.file()),
            key_value(
                "code.line.number",
                any_value::Value::IntValue(i64::from(stats.line())),
            ),
        ];
        if stats.has_custom_name() {
            attributes.push(text("khive.perf.name", stats.name()));
        }
        if let Some(group) = stats.group() {
            attributes.push(text("khive.perf.group", group));
        }
        if stats.is_overflow() {
            attributes.push(key_value(
                "otel.metric.overflow",
                any_value::Value::BoolValue(true),
            ));
        }
        for (key, value) in stats.attributes() {
            // A key is there once; a field cannot take the place of one of ours.
            if key != OUTCOME && attributes.iter().all(|known| known.key != *key) {
                attributes.push(key_value(key, field(value)));
            }
        }
        Self { stats, attributes }
    }

    /// The statistics, if this is a future.
    fn future(&self) -> Option<&'a CallsiteStats> {
        self.stats.kind().is_resumed().then_some(self.stats)
    }

    fn with_outcome(&self, outcome: Outcome) -> Vec<KeyValue> {
        let mut attributes = self.attributes.clone();
        attributes.push(text(OUTCOME, outcome.as_str()));
        attributes
    }

    /// A point of a counter; a delta of nothing is not sent.
    fn counted(
        &self,
        shape: &Shape,
        value: number_data_point::Value,
        is_zero: bool,
    ) -> Option<NumberDataPoint> {
        if shape.is_delta && is_zero {
            return None;
        }
        Some(self.point(shape.start_unix_ns, shape, value))
    }

    fn point(
        &self,
        start_unix_ns: u64,
        shape: &Shape,
        value: number_data_point::Value,
    ) -> NumberDataPoint {
        number(self.attributes.clone(), start_unix_ns, shape, value)
    }
}

/// What is said of a metric, whatever its points.
struct Description {
    name: &'static str,
    unit: &'static str,
    text: &'static str,
    kind: NumberKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NumberKind {
    /// Only grows; a delta if so asked.
    Counter,
    /// Grows and falls; always cumulative.
    UpDown,
    Gauge,
}

impl Description {
    fn number(&self, data_points: Vec<NumberDataPoint>, shape: &Shape) -> Option<Metric> {
        if data_points.is_empty() {
            return None;
        }
        let data = match self.kind {
            NumberKind::Gauge => metric::Data::Gauge(Gauge { data_points }),
            NumberKind::Counter => metric::Data::Sum(Sum {
                data_points,
                aggregation_temporality: temporality(shape.is_delta),
                is_monotonic: true,
            }),
            NumberKind::UpDown => metric::Data::Sum(Sum {
                data_points,
                aggregation_temporality: temporality(false),
                is_monotonic: false,
            }),
        };
        Some(metric(self.name, self.unit, self.text, data))
    }
}

fn duration(series: &[Series<'_>], shape: &Shape, buckets: &Buckets) -> Option<Metric> {
    let mut points = Vec::new();
    for series in series {
        for outcome in Outcome::ALL {
            let wall = series.stats.wall_by(outcome);
            if !wall.is_empty() {
                let attributes = series.with_outcome(outcome);
                let exemplars = traces::exemplars(series.stats.exemplars(), outcome);
                points.push((wall, attributes, exemplars));
            }
        }
    }
    (!points.is_empty()).then(|| {
        let data = histogram::data(points, shape, buckets);
        metric(
            "khive.perf.function.duration",
            "s",
            "Wall time of outermost calls.",
            data,
        )
    })
}

fn calls(series: &[Series<'_>], shape: &Shape) -> Option<Metric> {
    let mut points = Vec::new();
    for series in series {
        for outcome in Outcome::ALL {
            let calls = series.stats.calls_by(outcome);
            if calls > 0 {
                let attributes = series.with_outcome(outcome);
                points.push(number(attributes, shape.start_unix_ns, shape, count(calls)));
            }
        }
    }
    CALLS.number(points, shape)
}

fn overflow(snapshot: &Snapshot, shape: &Shape) -> Option<Metric> {
    let points = snapshot.overflow().iter().map(|(reason, lost)| {
        let attributes = vec![text("khive.perf.reason", reason)];
        number(attributes, shape.start_unix_ns, shape, count(lost))
    });
    OVERFLOW.number(points.collect(), shape)
}

fn number(
    attributes: Vec<KeyValue>,
    start_unix_ns: u64,
    shape: &Shape,
    value: number_data_point::Value,
) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        // The time of day may be set back.
        start_time_unix_nano: start_unix_ns.min(shape.time_unix_ns),
        time_unix_nano: shape.time_unix_ns,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn metric(name: &str, unit: &str, description: &str, data: metric::Data) -> Metric {
    Metric {
        name: name.to_owned(),
        description: description.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

const fn temporality(is_delta: bool) -> i32 {
    if is_delta {
        AggregationTemporality::Delta as i32
    } else {
        AggregationTemporality::Cumulative as i32
    }
}

fn field(value: &AttributeValue) -> any_value::Value {
    match value {
        AttributeValue::Bool(value) => any_value::Value::BoolValue(*value),
        AttributeValue::I64(value) => any_value::Value::IntValue(*value),
        AttributeValue::F64(value) => any_value::Value::DoubleValue(*value),
        AttributeValue::Str(value) => any_value::Value::StringValue(value.to_string()),
        other => any_value::Value::StringValue(other.to_string()),
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    key_value(key, any_value::Value::StringValue(value.to_owned()))
}

fn key_value(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Counts beyond what the wire holds stay at its end.
fn count(value: u64) -> number_data_point::Value {
    number_data_point::Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX))
}

fn seconds(time: std::time::Duration) -> number_data_point::Value {
    number_data_point::Value::AsDouble(time.as_secs_f64())
}

const OUTCOME: &str = "khive.perf.outcome";

const CALLS: Description = Description {
    name: "khive.perf.function.calls",
    unit: "{call}",
    text: "Finished calls.",
    kind: NumberKind::Counter,
};
const SELF_TIME: Description = Description {
    name: "khive.perf.function.self_time",
    unit: "s",
    text: "Time on a thread outside measured callees.",
    kind: NumberKind::Counter,
};
const BUSY_TIME: Description = Description {
    name: "khive.perf.function.busy_time",
    unit: "s",
    text: "Time on a thread, measured callees included.",
    kind: NumberKind::Counter,
};
const IDLE_TIME: Description = Description {
    name: "khive.perf.function.idle_time",
    unit: "s",
    text: "Time between the polls of finished futures.",
    kind: NumberKind::Counter,
};
const POLLS: Description = Description {
    name: "khive.perf.function.polls",
    unit: "{poll}",
    text: "Polls of futures.",
    kind: NumberKind::Counter,
};
const POLL_MAX: Description = Description {
    name: "khive.perf.function.poll.duration.max",
    unit: "s",
    text: "The longest single poll since the process started.",
    kind: NumberKind::Gauge,
};
const IN_FLIGHT: Description = Description {
    name: "khive.perf.function.in_flight",
    unit: "{call}",
    text: "Calls that have begun and not ended.",
    kind: NumberKind::UpDown,
};
const SLOW_CALLS: Description = Description {
    name: "khive.perf.function.slow_calls",
    unit: "{call}",
    text: "Outermost calls that took as long as `slow` says, or longer.",
    kind: NumberKind::Counter,
};
const OVERHEAD: Description = Description {
    name: "khive.perf.function.overhead",
    unit: "s",
    text: "What measuring these calls has cost, about.",
    kind: NumberKind::Counter,
};

const UNTIMED_CALLS: Description = Description {
    name: "khive.perf.function.untimed_calls",
    unit: "{call}",
    text: "Finished calls that were counted and not timed; times are then estimates.",
    kind: NumberKind::Counter,
};
const ALLOCATED: Description = Description {
    name: "khive.perf.function.allocated",
    unit: "By",
    text: "Bytes that calls have allocated, callees included.",
    kind: NumberKind::Counter,
};
const ALLOCATIONS: Description = Description {
    name: "khive.perf.function.allocations",
    unit: "{allocation}",
    text: "Allocations and reallocations of calls, callees included.",
    kind: NumberKind::Counter,
};
const OVERFLOW: Description = Description {
    name: "khive.perf.overflow",
    unit: "{measurement}",
    text: "What was not recorded in full.",
    kind: NumberKind::Counter,
};

#[cfg(test)]
mod tests;
