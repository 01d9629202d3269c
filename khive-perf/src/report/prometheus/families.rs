//! Families: what a snapshot says, metric by metric, before it is written in one form or another.

use std::time::Duration;

use crate::exemplars::Exemplar;
use crate::outcome::Outcome;
use crate::snapshot::{CallsiteStats, Snapshot};
use crate::stats::Histogram;

/// All samples of one metric.
pub(super) struct Family<'a> {
    /// Name without `_total`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Option<&'static str>,
    pub(super) help: &'static str,
    pub(super) samples: Vec<Sample<'a>>,
    /// When what is counted began to be, nanoseconds since the Unix epoch.
    pub(super) start_unix_ns: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

pub(super) struct Sample<'a> {
    /// Without those that tell buckets.
    pub(super) labels: Labels,
    pub(super) value: Value<'a>,
}

/// Names and values; each name once.
pub(super) type Labels = Vec<(String, String)>;

pub(super) enum Value<'a> {
    Count(u64),
    Number(f64),
    Distribution(&'a Histogram, Vec<Exemplar>),
}

/// A bucket of a histogram as text has it.
pub(super) struct Bucket {
    /// `None` is the last one, which takes all.
    pub(super) bound: Option<f64>,
    /// Number of values up to the bound.
    pub(super) count: u64,
    pub(super) exemplar: Option<Exemplar>,
}

/// Bounds of the histograms are `2^k` seconds, for each second `k` of these: from about a microsecond to a minute. Buckets
/// as recorded end at powers of two, so that no count is estimated.
const BOUNDS_LOG2: (i32, i32) = (-20, 6);
const BOUNDS_STEP: usize = 2;

pub(super) fn of(snapshot: &Snapshot) -> Vec<Family<'_>> {
    let callsites: Vec<(Labels, &CallsiteStats)> = snapshot
        .callsites()
        .iter()
        .map(|stats| (labels(stats), stats))
        .collect();
    let start_unix_ns = snapshot.start_unix_ns();
    let family = |(name, kind, help, value): Metric| Family {
        name,
        kind,
        unit: ["seconds", "bytes"]
            .into_iter()
            .find(|unit| name.ends_with(unit)),
        help,
        samples: callsites
            .iter()
            .filter_map(|(labels, stats)| {
                Some(Sample {
                    labels: labels.clone(),
                    value: value(stats)?,
                })
            })
            .collect(),
        start_unix_ns,
    };
    let mut families = vec![durations(&callsites), calls(&callsites)];
    for family in &mut families {
        family.start_unix_ns = start_unix_ns;
    }
    families.extend(METRICS.map(family));
    families
}

/// Name of a metric, what it is and says, and how it is read.
type Metric = (
    &'static str,
    Kind,
    &'static str,
    fn(&CallsiteStats) -> Option<Value<'static>>,
);

/// Those whose samples are told by the function alone.
const METRICS: [Metric; 6] = [
    (
        "khive_perf_function_self_time_seconds",
        Kind::Counter,
        "Time on a thread outside of measured callees.",
        |stats| Some(seconds(stats.self_time())),
    ),
    (
        "khive_perf_function_busy_time_seconds",
        Kind::Counter,
        "Time on a thread, measured callees included.",
        |stats| Some(seconds(stats.busy())),
    ),
    (
        "khive_perf_function_idle_time_seconds",
        Kind::Counter,
        "Time between polls.",
        |stats| is_resumed(stats).then(|| seconds(stats.idle())),
    ),
    (
        "khive_perf_function_polls",
        Kind::Counter,
        "Polls of futures, and times that spans were entered.",
        |stats| is_resumed(stats).then(|| Value::Count(stats.polls())),
    ),
    (
        "khive_perf_function_in_flight",
        Kind::Gauge,
        "Calls that have begun and not ended.",
        |stats| Some(Value::Count(stats.in_flight())),
    ),
    (
        "khive_perf_function_retained_bytes",
        Kind::Gauge,
        "Bytes allocated by its calls that are alive, estimated.",
        |stats| {
            let alloc = stats.alloc();
            (alloc.sampled_bytes() > 0).then(|| Value::Count(alloc.retained()))
        },
    ),
];

const fn seconds(time: Duration) -> Value<'static> {
    Value::Number(time.as_secs_f64())
}

fn is_resumed(stats: &CallsiteStats) -> bool {
    stats.kind().is_resumed()
}

fn durations<'a>(callsites: &[(Labels, &'a CallsiteStats)]) -> Family<'a> {
    by_outcome(
        callsites,
        "khive_perf_function_duration_seconds",
        Kind::Histogram,
        "Wall time of outermost calls.",
        |stats, outcome| {
            let exemplars = stats.exemplars().iter();
            let exemplars = exemplars.filter(|exemplar| exemplar.outcome == outcome);
            Value::Distribution(stats.wall_by(outcome), exemplars.copied().collect())
        },
    )
}

fn calls<'a>(callsites: &[(Labels, &'a CallsiteStats)]) -> Family<'a> {
    by_outcome(
        callsites,
        "khive_perf_function_calls",
        Kind::Counter,
        "Finished calls, recursive ones included.",
        |stats, outcome| Value::Count(stats.calls_by(outcome)),
    )
}

fn by_outcome<'a>(
    callsites: &[(Labels, &'a CallsiteStats)],
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: impl Fn(&'a CallsiteStats, Outcome) -> Value<'a>,
) -> Family<'a> {
    let mut samples = Vec::new();
    for (labels, stats) in callsites {
        let occurred = Outcome::ALL.into_iter();
        for outcome in occurred.filter(|outcome| stats.calls_by(*outcome) > 0) {
            let mut labels = labels.clone();
            labels.push(("outcome".to_owned(), outcome.to_string()));
            let value = value(stats, outcome);
            samples.push(Sample { labels, value });
        }
    }
    Family {
        name,
        kind,
        unit: (kind == Kind::Histogram).then_some("seconds"),
        help,
        samples,
        start_unix_ns: 0,
    }
}

/// The buckets that all histograms have, whatever was recorded.
pub(super) fn buckets(histogram: &Histogram, exemplars: &[Exemplar]) -> Vec<Bucket> {
    let per_octave = 1 << Histogram::SCALE;
    let (first, last) = BOUNDS_LOG2;
    let mut recorded = histogram.buckets().peekable();
    let mut count = histogram.zero_count();
    let mut below = f64::NEG_INFINITY;
    let mut bucket = |bound: Option<f64>, count: u64| {
        let upper = bound.unwrap_or(f64::INFINITY);
        let is_in = |exemplar: &&Exemplar| {
            let value = exemplar.value.as_secs_f64();
            below < value && value <= upper
        };
        // The slowest comes first.
        let exemplar = exemplars.iter().find(is_in).copied();
        below = upper;
        Bucket {
            bound,
            count,
            exemplar,
        }
    };
    let mut buckets = Vec::new();
    for power in (first..=last).step_by(BOUNDS_STEP) {
        // The bucket of index `i` ends at `2^((i + 1) / per_octave)`.
        while let Some((_, more)) = recorded.next_if(|(index, _)| *index < power * per_octave) {
            count += more;
        }
        buckets.push(bucket(Some(2_f64.powi(power)), count));
    }
    buckets.push(bucket(None, histogram.count()));
    buckets
}

/// What tells a series.
fn labels(stats: &CallsiteStats) -> Labels {
    let mut labels = vec![
        ("function".to_owned(), stats.function().to_owned()),
        ("name".to_owned(), stats.name().to_owned()),
    ];
    if let Some(group) = stats.group() {
        labels.push(("group".to_owned(), group.to_owned()));
    }
    if stats.is_overflow() {
        labels.push(("overflow".to_owned(), "true".to_owned()));
    }
    for (key, value) in stats.attributes() {
        let letters = key
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
        let mut key: String = "field_".chars().chain(letters).collect();
        // A scraper refuses all of what has a name twice.
        while labels.iter().any(|(of, _)| *of == key) {
            key.push('_');
        }
        labels.push((key, value.to_string()));
    }
    labels
}
