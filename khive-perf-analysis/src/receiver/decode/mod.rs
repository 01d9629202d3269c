//! OTLP metrics to plain points, refusing what cannot be true; with its children the only place that knows OTLP's data model.

mod logs;
mod spans;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1 as otlp;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use serde_json::Value as Json;

pub(crate) use self::logs::logs;
pub(crate) use self::spans::spans;
use crate::model::ExpHistogram;
use crate::points::{
    self, Attributes, Batch, BoundedHistogram, ExpPoint, Kind, MetricPoints, Point, ResourcePoints,
    Temporality, Value,
};

/// Scales of OpenTelemetry's exponential histograms.
const SCALES: std::ops::RangeInclusive<i32> = -10..=20;

/// A histogram with more buckets than this is an attack or a mistake: the SDKs stop at 160.
const BUCKETS_MAX: usize = 16_384;

/// Bit of `flags`: the series ended, and this point has no value.
const NO_RECORDED_VALUE: u32 = 1;

/// Different reasons that one answer names.
const REASONS_MAX: usize = 5;

/// What was not taken, by reason.
#[derive(Debug, Default)]
pub(crate) struct Rejected {
    points: u64,
    reasons: BTreeMap<String, u64>,
    more_reasons: bool,
}

/// The instrumentation scope of some metrics.
struct Scope {
    name: String,
    version: String,
    attributes: Attributes,
}

/// The points of a request that can be kept, and what was rejected.
pub(crate) fn batch(request: ExportMetricsServiceRequest) -> (Batch, Rejected) {
    let mut rejected = Rejected::default();
    let mut batch = Batch::default();
    for from in request.resource_metrics {
        let mut to = ResourcePoints {
            resource: attributes(from.resource.unwrap_or_default().attributes),
            metrics: Vec::new(),
        };
        for scope_metrics in from.scope_metrics {
            let scope = scope_metrics.scope.unwrap_or_default();
            let scope = Scope {
                name: scope.name,
                version: scope.version,
                attributes: attributes(scope.attributes),
            };
            for metric in scope_metrics.metrics {
                to.metrics.extend(points_of(metric, &scope, &mut rejected));
            }
        }
        batch.resources.push(to);
    }
    (batch, rejected)
}

// === impl Rejected ===

impl Rejected {
    /// Counts `points` rejected for `reason`.
    pub(crate) fn add(&mut self, points: u64, reason: impl Into<String>) {
        self.points = self.points.saturating_add(points);
        let reason = reason.into();
        if self.reasons.len() < REASONS_MAX || self.reasons.contains_key(&reason) {
            let count = self.reasons.entry(reason).or_default();
            *count = count.saturating_add(points);
        } else {
            self.more_reasons = true;
        }
    }

    /// Number of points rejected.
    pub(crate) fn points(&self) -> u64 {
        self.points
    }

    /// What was wrong; empty where nothing was.
    pub(crate) fn message(&self) -> String {
        let reasons: Vec<String> = self
            .reasons
            .iter()
            .map(|(reason, count)| format!("{reason} ({count})"))
            .collect();
        let more = if self.more_reasons {
            "; and other reasons"
        } else {
            ""
        };
        reasons.join("; ") + more
    }
}

fn points_of(metric: otlp::Metric, scope: &Scope, rejected: &mut Rejected) -> Option<MetricPoints> {
    let name = metric.name;
    let shown = brief(&name);
    let Some(data) = metric.data else {
        rejected.add(
            1,
            format!("metric `{shown}` has no data of a kind that OTLP 1 defines"),
        );
        return None;
    };
    let Some((kind, temporality, count)) = outline(&data) else {
        let Data::Summary(summary) = data else {
            return None;
        };
        let what =
            format!("metric `{shown}` is a summary, which cannot be added up; send a histogram");
        rejected.add(summary.data_points.len() as u64, what);
        return None;
    };
    if name.is_empty() {
        rejected.add(count as u64, "a metric has no name");
        return None;
    }
    let Some(temporality) = temporality else {
        rejected.add(
            count as u64,
            format!("metric `{shown}` has no aggregation temporality"),
        );
        return None;
    };
    let monotonic = matches!(&data, Data::Sum(sum) if sum.is_monotonic);
    let mut points = Vec::with_capacity(count);
    let mut keep = |point: Result<Option<Point>, String>| match point {
        Ok(point) => points.extend(point),
        Err(reason) => rejected.add(1, format!("metric `{shown}`: {reason}")),
    };
    match data {
        Data::Gauge(data) => data
            .data_points
            .into_iter()
            .map(|point| recorded(point, number))
            .for_each(&mut keep),
        Data::Sum(data) => data
            .data_points
            .into_iter()
            .map(|point| recorded(point, number))
            .for_each(&mut keep),
        Data::Histogram(data) => data
            .data_points
            .into_iter()
            .map(|point| recorded(point, bounded))
            .for_each(&mut keep),
        Data::ExponentialHistogram(data) => {
            data.data_points
                .into_iter()
                .map(|point| recorded(point, exponential))
                .for_each(&mut keep);
        }
        Data::Summary(_) => {}
    }
    Some(MetricPoints {
        scope_name: scope.name.clone(),
        scope_version: scope.version.clone(),
        scope_attributes: scope.attributes.clone(),
        name,
        unit: metric.unit,
        kind,
        temporality,
        monotonic,
        points,
    })
}

/// What the points are, what they cover, and how many they are; `None` for summaries.
fn outline(data: &Data) -> Option<(Kind, Option<Temporality>, usize)> {
    match data {
        Data::Gauge(data) => Some((
            Kind::Gauge,
            Some(Temporality::Instant),
            data.data_points.len(),
        )),
        Data::Sum(data) => Some((
            Kind::Sum,
            covered(data.aggregation_temporality),
            data.data_points.len(),
        )),
        Data::Histogram(data) => Some((
            Kind::Histogram,
            covered(data.aggregation_temporality),
            data.data_points.len(),
        )),
        Data::ExponentialHistogram(data) => Some((
            Kind::ExpHistogram,
            covered(data.aggregation_temporality),
            data.data_points.len(),
        )),
        Data::Summary(_) => None,
    }
}

/// Enough of a name to find it by: answers must not grow with what they answer.
fn brief(name: &str) -> String {
    const CHARS_MAX: usize = 100;
    match name.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}..", &name[..end]),
        None => name.to_owned(),
    }
}

fn covered(temporality: i32) -> Option<Temporality> {
    match otlp::AggregationTemporality::try_from(temporality) {
        Ok(otlp::AggregationTemporality::Delta) => Some(Temporality::Delta),
        Ok(otlp::AggregationTemporality::Cumulative) => Some(Temporality::Cumulative),
        Ok(otlp::AggregationTemporality::Unspecified) | Err(_) => None,
    }
}

/// What every point has beside its value.
struct Frame {
    flags: u32,
    start_unix_ns: u64,
    time_unix_ns: u64,
    attributes: Vec<KeyValue>,
}

/// A point of any kind.
trait Framed {
    /// Takes out what is around its value.
    fn frame(&mut self) -> Frame;
}

macro_rules! framed {
    ($($point:ident),*) => {$(
        impl Framed for otlp::$point {
            fn frame(&mut self) -> Frame {
                Frame {
                    flags: self.flags,
                    start_unix_ns: self.start_time_unix_nano,
                    time_unix_ns: self.time_unix_nano,
                    attributes: std::mem::take(&mut self.attributes),
                }
            }
        }
    )*};
}

framed!(
    NumberDataPoint,
    HistogramDataPoint,
    ExponentialHistogramDataPoint
);

fn number(point: otlp::NumberDataPoint) -> Result<Value, String> {
    match point.value {
        Some(Number::AsInt(value)) => Ok(Value::Int(value)),
        Some(Number::AsDouble(value)) => Ok(Value::Double(finite(value, "value")?)),
        None => Err("a point has no value".to_owned()),
    }
}

fn bounded(point: otlp::HistogramDataPoint) -> Result<Value, String> {
    let (bounds, counts) = (point.explicit_bounds, point.bucket_counts);
    few(&counts)?;
    if counts.is_empty() {
        if !bounds.is_empty() {
            return Err("a histogram has bounds and no bucket counts".to_owned());
        }
        counted(point.count)?;
    } else {
        if counts.len() != bounds.len() + 1 {
            return Err(format!(
                "a histogram has {} buckets for {} bounds; there is one more bucket than bounds",
                counts.len(),
                bounds.len()
            ));
        }
        add_up(&counts, 0, point.count)?;
    }
    if bounds.iter().any(|bound| !bound.is_finite()) {
        return Err("a histogram has a bound that is not finite".to_owned());
    }
    if bounds.windows(2).any(|pair| pair[1] <= pair[0]) {
        return Err("the bounds of a histogram do not increase".to_owned());
    }
    Ok(Value::Histogram(BoundedHistogram {
        count: point.count,
        sum: point.sum.map(|sum| finite(sum, "sum")).transpose()?,
        min: extreme(point.min, point.count, "min")?,
        max: extreme(point.max, point.count, "max")?,
        bounds,
        counts,
    }))
}

fn exponential(point: otlp::ExponentialHistogramDataPoint) -> Result<Value, String> {
    if !SCALES.contains(&point.scale) {
        return Err(format!(
            "an exponential histogram has scale {}; scales are {} to {}",
            point.scale,
            SCALES.start(),
            SCALES.end()
        ));
    }
    if point
        .negative
        .is_some_and(|negative| negative.bucket_counts.iter().any(|&count| count > 0))
    {
        return Err(
            "an exponential histogram has negative measurements; durations have none".to_owned(),
        );
    }
    let positive = point.positive.unwrap_or_default();
    let counts = positive.bucket_counts;
    few(&counts)?;
    add_up(&counts, point.zero_count, point.count)?;
    let mut buckets = BTreeMap::new();
    for (index, count) in (i64::from(positive.offset)..).zip(counts) {
        if count > 0 {
            let index = i32::try_from(index)
                .map_err(|_| format!("bucket index {index} does not fit in 32 bits"))?;
            buckets.insert(index, count);
        }
    }
    let zero_threshold = finite(point.zero_threshold, "zero_threshold")?;
    Ok(Value::ExpHistogram(ExpPoint {
        has_sum: point.sum.is_some(),
        zero_threshold,
        histogram: ExpHistogram {
            scale: point.scale,
            count: point.count,
            sum: finite(point.sum.unwrap_or_default(), "sum")?,
            min: extreme(point.min, point.count, "min")?,
            max: extreme(point.max, point.count, "max")?,
            zero_count: point.zero_count,
            buckets,
        },
    }))
}

/// A point as it is kept, with the value that `value` takes from it; `None` where it says that nothing was recorded.
fn recorded<P: Framed>(
    mut point: P,
    value: fn(P) -> Result<Value, String>,
) -> Result<Option<Point>, String> {
    let Frame {
        flags,
        start_unix_ns,
        time_unix_ns,
        attributes: from,
    } = point.frame();
    if flags & NO_RECORDED_VALUE != 0 {
        return Ok(None);
    }
    let value = value(point)?;
    if time_unix_ns == 0 {
        return Err("a point has no time".to_owned());
    }
    if i64::try_from(time_unix_ns).is_err() {
        return Err(format!("the time {time_unix_ns} is after the year 2262"));
    }
    if start_unix_ns > time_unix_ns {
        return Err(format!(
            "a point starts at {start_unix_ns}, after its own time {time_unix_ns}"
        ));
    }
    Ok(Some(Point {
        attributes: attributes(from),
        start_unix_ns,
        time_unix_ns,
        value,
    }))
}

/// Bounds what one point may take of memory.
fn few(counts: &[u64]) -> Result<(), String> {
    match counts.len() {
        ..=BUCKETS_MAX => Ok(()),
        many => Err(format!(
            "a histogram has {many} buckets; the limit is {BUCKETS_MAX}"
        )),
    }
}

/// Checks that the buckets and `zeros` add up to `count`.
fn add_up(counts: &[u64], zeros: u64, count: u64) -> Result<(), String> {
    counted(count)?;
    let sum = counts
        .iter()
        .try_fold(zeros, |sum, &count| sum.checked_add(count));
    if sum == Some(count) {
        return Ok(());
    }
    let sum = sum.map_or_else(
        || "more than 64 bits hold".to_owned(),
        |sum| sum.to_string(),
    );
    Err(format!(
        "the buckets of a histogram add up to {sum} and its count is {count}"
    ))
}

fn counted(count: u64) -> Result<(), String> {
    match i64::try_from(count) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("the count {count} is larger than {}", i64::MAX)),
    }
}

fn finite(value: f64, what: &str) -> Result<f64, String> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(format!("the {what} is {value}"))
    }
}

/// An extreme of no measurements says nothing, whatever was sent.
fn extreme(value: Option<f64>, count: u64, what: &str) -> Result<Option<f64>, String> {
    value
        .filter(|_| count > 0)
        .map(|value| finite(value, what))
        .transpose()
}

fn attributes(from: Vec<KeyValue>) -> Attributes {
    from.into_iter()
        .map(|pair| (pair.key, json(pair.value)))
        .collect()
}

/// Attributes that a span or log record keeps, by key, and the bytes that each value may have.
const KEPT_MAX: usize = 32;
const KEPT_BYTES_MAX: usize = 512;

/// The attributes of a span or log record, as far as they are kept: there may be millions of them.
fn kept(from: Vec<KeyValue>) -> Attributes {
    let mut all = attributes(from);
    while all.len() > KEPT_MAX {
        all.pop_last();
    }
    for value in all.values_mut() {
        if value.is_array() || value.is_object() || value.is_string() {
            let text = points::text(value);
            if text.len() > KEPT_BYTES_MAX {
                *value = Json::String(shortened(&text));
            }
        }
    }
    all
}

/// The beginning of a text.
fn shortened(text: &str) -> String {
    if text.len() <= KEPT_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=KEPT_BYTES_MAX)
        .rev()
        .find(|&end| text.is_char_boundary(end))
        .unwrap_or_default();
    format!("{}..", text.get(..end).unwrap_or_default())
}

/// Numbers that JSON has no word for become text; bytes become text of hexadecimal digits.
fn json(value: Option<AnyValue>) -> Json {
    match value.and_then(|value| value.value) {
        None => Json::Null,
        Some(Any::StringValue(text)) => Json::String(text),
        Some(Any::BoolValue(value)) => Json::Bool(value),
        Some(Any::IntValue(value)) => Json::from(value),
        Some(Any::DoubleValue(value)) => serde_json::Number::from_f64(value)
            .map_or_else(|| Json::String(value.to_string()), Json::Number),
        Some(Any::ArrayValue(array)) => Json::Array(
            array
                .values
                .into_iter()
                .map(|value| json(Some(value)))
                .collect(),
        ),
        Some(Any::KvlistValue(list)) => {
            let sorted = attributes(list.values);
            Json::Object(sorted.into_iter().collect())
        }
        Some(Any::BytesValue(bytes)) => {
            Json::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        // An index into a table that metrics requests do not have.
        Some(Any::StringValueStrindex(index)) => Json::from(index),
    }
}
