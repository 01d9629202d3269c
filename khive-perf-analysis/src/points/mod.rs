//! What a source sent, as plain values that know neither OTLP nor SQL.

pub mod logs;
pub mod spans;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::ExpHistogram;

/// Attributes by key; the values are JSON scalars, arrays or objects.
pub type Attributes = BTreeMap<String, serde_json::Value>;

/// The points of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// One entry for each resource the request names.
    pub resources: Vec<ResourcePoints>,
}

/// The points of one resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourcePoints {
    /// Who is measured: `service.name`, `service.instance.id`, `host.name` and so on.
    pub resource: Attributes,
    /// The metrics of every scope.
    pub metrics: Vec<MetricPoints>,
}

/// The points of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricPoints {
    /// Name of the instrumentation scope.
    pub scope_name: String,
    /// Version of the instrumentation scope.
    pub scope_version: String,
    /// Attributes of the instrumentation scope.
    pub scope_attributes: Attributes,
    /// Name of the metric.
    pub name: String,
    /// Unit, in UCUM.
    pub unit: String,
    /// What the points are.
    pub kind: Kind,
    /// What the points cover.
    pub temporality: Temporality,
    /// Whether a sum can only grow; always false for other kinds.
    pub monotonic: bool,
    /// The points themselves.
    pub points: Vec<Point>,
}

/// What the points of a metric are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A value at one moment.
    Gauge,
    /// A total.
    Sum,
    /// A histogram with explicit bounds.
    Histogram,
    /// A base-2 exponential histogram.
    #[serde(rename = "exponential_histogram")]
    ExpHistogram,
}

/// What a point covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temporality {
    /// One moment: gauges.
    Instant,
    /// The time since the previous point.
    Delta,
    /// The time since the start, which consecutive points share.
    Cumulative,
}

/// One data point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Attributes of the series.
    pub attributes: Attributes,
    /// Start of what the point covers, nanoseconds since the Unix epoch; 0 where unknown.
    pub start_unix_ns: u64,
    /// End of what the point covers, nanoseconds since the Unix epoch.
    pub time_unix_ns: u64,
    /// What was measured.
    pub value: Value,
}

/// What a data point says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A finite number.
    Double(f64),
    /// A histogram with explicit bounds.
    Histogram(BoundedHistogram),
    /// A base-2 exponential histogram.
    #[serde(rename = "exponential_histogram")]
    ExpHistogram(ExpPoint),
}

/// A histogram with explicit bounds: bucket `i` holds `(bounds[i-1], bounds[i]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundedHistogram {
    /// Number of measurements.
    pub count: u64,
    /// Sum of the measurements, where the source sent it.
    pub sum: Option<f64>,
    /// Smallest measurement, where the source sent it.
    pub min: Option<f64>,
    /// Largest measurement, where the source sent it.
    pub max: Option<f64>,
    /// Upper bounds, strictly increasing; empty where there are no buckets.
    pub bounds: Vec<f64>,
    /// One more than `bounds`, or none at all.
    pub counts: Vec<u64>,
}

/// A base-2 exponential histogram as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpPoint {
    /// The distribution; its `sum` is 0 where the source sent none.
    pub histogram: ExpHistogram,
    /// Whether the source sent a sum.
    pub has_sum: bool,
    /// Measurements up to this size are in `zero_count`.
    pub zero_threshold: f64,
}

// === impl Kind ===

impl Kind {
    /// The word the database and the exports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Sum => "sum",
            Self::Histogram => "histogram",
            Self::ExpHistogram => "exponential_histogram",
        }
    }

    /// The kind called `word`.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Gauge, Self::Sum, Self::Histogram, Self::ExpHistogram]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

// === impl Temporality ===

impl Temporality {
    /// The word the database and the exports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Delta => "delta",
            Self::Cumulative => "cumulative",
        }
    }

    /// The temporality called `word`.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Instant, Self::Delta, Self::Cumulative]
            .into_iter()
            .find(|temporality| temporality.as_str() == word)
    }
}

// === impl Value ===

impl Value {
    /// The kind of metric this value belongs to, where the value alone tells.
    pub fn is_of(&self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Int(_) | Self::Double(_), Kind::Gauge | Kind::Sum)
                | (Self::Histogram(_), Kind::Histogram)
                | (Self::ExpHistogram(_), Kind::ExpHistogram)
        )
    }
}

/// A value as text: strings without quotes, anything else as JSON.
pub(crate) fn text(value: &serde_json::Value) -> Cow<'_, str> {
    match value {
        serde_json::Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}
