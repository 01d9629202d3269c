//! What a program recorded, in the one form in which all parties are compared.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Name of the metric whose points are histograms.
pub(super) const DURATION: &str = "khive.perf.function.duration";
const OUTCOME: &str = "khive.perf.outcome";
const NS_PER_S: f64 = 1e9;

/// The most buckets the exporter sends in one point unless told otherwise.
const BUCKETS_MAX: i64 = 320;

/// Attributes of a series, values as text: what is left of them in every backend.
pub(super) type Key = BTreeMap<String, String>;

/// Every number of a recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Recording {
    pub(super) durations: BTreeMap<Key, Histogram>,
    /// By metric; times in nanoseconds.
    pub(super) numbers: BTreeMap<(String, Key), u64>,
}

/// A histogram in nanoseconds; bucket indices as OpenTelemetry counts them, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    pub(super) scale: i64,
    pub(super) count: u64,
    pub(super) sum_ns: u64,
    pub(super) min_ns: u64,
    pub(super) max_ns: u64,
    pub(super) zero_count: u64,
    pub(super) buckets: BTreeMap<i64, u64>,
}

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) series: usize,
    /// Histograms too wide for one point, sent with neighbouring buckets merged.
    pub(super) coarser: usize,
    pub(super) buckets: usize,
    pub(super) numbers: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            series,
            coarser,
            buckets,
            numbers,
        } = self;
        write!(
            f,
            "{series} series ({coarser} merged to fit), {buckets} buckets, {numbers} numbers equal"
        )
    }
}

/// Seconds on the wire to the nanoseconds they were made of: exact up to 2^53 ns, 104 days.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-integer cast saturates, and a wrong number is a difference we then report"
)]
pub(super) fn to_ns(seconds: f64) -> u64 {
    (seconds * NS_PER_S).round() as u64
}

// === impl Recording ===

impl Recording {
    /// Reads `khive_perf::report::json`, named by the metrics that docs/metrics.md promises.
    pub(super) fn of_snapshot(snapshot: &Value) -> Result<Self> {
        let mut recording = Self::default();
        let callsites = snapshot["callsites"]
            .as_array()
            .context("the snapshot has no `callsites`")?;
        for callsite in callsites {
            recording
                .add_callsite(callsite)
                .with_context(|| format!("callsite {} of the snapshot", callsite["name"]))?;
        }
        if let Some(reasons) = snapshot["overflow"].as_object() {
            for (reason, count) in reasons {
                let key = Key::from([(String::from("khive.perf.reason"), reason.clone())]);
                recording.number("khive.perf.overflow", &key, count)?;
            }
        }
        Ok(recording)
    }

    /// The attributes of one outcome of a callsite of a snapshot.
    pub(super) fn key_of(callsite: &Value, outcome: &str) -> Result<Key> {
        let mut key = key_of_callsite(callsite)?;
        key.insert(String::from(OUTCOME), outcome.to_owned());
        Ok(key)
    }

    fn add_callsite(&mut self, callsite: &Value) -> Result<()> {
        let key = key_of_callsite(callsite)?;
        let outcomes = callsite["outcomes"]
            .as_object()
            .context("it has no `outcomes`")?;
        for (outcome, found) in outcomes {
            let mut key = key.clone();
            key.insert(String::from(OUTCOME), outcome.clone());
            if found["calls"] != 0 {
                self.number("khive.perf.function.calls", &key, &found["calls"])?;
            }
            let histogram = Histogram::of_snapshot(&found["wall"]).context(outcome.clone())?;
            if histogram.count > 0 {
                self.durations.insert(key, histogram);
            }
        }
        self.number("khive.perf.function.self_time", &key, &callsite["self_ns"])?;
        self.number("khive.perf.function.busy_time", &key, &callsite["busy_ns"])?;
        self.number(
            "khive.perf.function.in_flight",
            &key,
            &callsite["in_flight"],
        )?;
        let count = |value: &Value| value.as_u64().context("its counts of calls");
        let outcomes = outcomes.values().map(|found| count(&found["calls"]));
        let untimed = outcomes.sum::<Result<u64>>()? - count(&callsite["timed"])?;
        if untimed > 0 {
            let of = |metric: &str| format!("khive.perf.function.{metric}");
            self.number(&of("untimed_calls"), &key, &untimed.into())?;
            self.number(&of("overhead"), &key, &callsite["overhead_ns"])?;
        }
        if callsite["kind"] == "future" {
            self.number("khive.perf.function.idle_time", &key, &callsite["idle_ns"])?;
            self.number("khive.perf.function.polls", &key, &callsite["polls"])?;
            self.number(
                "khive.perf.function.poll.duration.max",
                &key,
                &callsite["max_poll_ns"],
            )?;
        }
        Ok(())
    }

    fn number(&mut self, metric: &str, key: &Key, value: &Value) -> Result<()> {
        let number = value
            .as_u64()
            .with_context(|| format!("{metric} is {value}, not a count"))?;
        if self
            .numbers
            .insert((metric.to_owned(), key.clone()), number)
            .is_some()
        {
            bail!("{metric} {} is there twice", show(key));
        }
        Ok(())
    }

    /// Adds one point as it came over the wire; true when it takes the place of an earlier one of its series.
    pub(super) fn add_point(
        &mut self,
        metric: &str,
        attributes: &Value,
        value: Point<'_>,
    ) -> Result<bool> {
        let key = key(attributes)?;
        let number = match value {
            Point::Histogram(found) => {
                let histogram = Histogram::of_point(found)
                    .with_context(|| format!("{metric} {}", show(&key)))?;
                return Ok(self.durations.insert(key, histogram).is_some());
            }
            Point::Seconds(seconds) => to_ns(seconds),
            Point::Count(count) => count,
        };
        Ok(self
            .numbers
            .insert((metric.to_owned(), key), number)
            .is_some())
    }

    /// Compares `found` with what was recorded; where they differ, says where.
    pub(super) fn compare(&self, found: &Self) -> Result<Tally, Vec<String>> {
        let mut differences = Vec::new();
        for (key, ours) in &self.durations {
            match found.durations.get(key) {
                Some(theirs) => differences.extend(
                    ours.sent()
                        .difference(theirs)
                        .map(|why| format!("{} {why}", show(key))),
                ),
                None => differences.push(format!("{} has no histogram", show(key))),
            }
        }
        for ((metric, key), ours) in &self.numbers {
            match found.numbers.get(&(metric.clone(), key.clone())) {
                Some(theirs) if theirs == ours => {}
                Some(theirs) => differences.push(format!(
                    "{} {metric} is {theirs}, recorded {ours}",
                    show(key)
                )),
                None => differences.push(format!("{} has no {metric}", show(key))),
            }
        }
        let extra = found
            .durations
            .keys()
            .filter(|key| !self.durations.contains_key(*key));
        differences.extend(extra.map(|key| format!("{} was never recorded", show(key))));
        let extra = found
            .numbers
            .keys()
            .filter(|key| !self.numbers.contains_key(*key));
        differences.extend(
            extra.map(|(metric, key)| format!("{} {metric} was never recorded", show(key))),
        );
        if self.durations.is_empty() {
            differences.push(String::from("nothing was recorded, so nothing is shown"));
        }
        if differences.is_empty() {
            Ok(self.tally())
        } else {
            Err(differences)
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let sent: Vec<Histogram> = self.durations.values().map(Histogram::sent).collect();
        let coarser = self
            .durations
            .values()
            .zip(&sent)
            .filter(|(ours, sent)| ours.scale != sent.scale);
        Tally {
            series: sent.len(),
            coarser: coarser.count(),
            buckets: sent.iter().map(|histogram| histogram.buckets.len()).sum(),
            numbers: self.numbers.len(),
        }
    }
}

/// The value of a point on the wire.
pub(super) enum Point<'a> {
    Histogram(&'a Value),
    Seconds(f64),
    Count(u64),
}

impl Point<'_> {
    /// A number in the unit that the metric states.
    pub(super) fn number(value: &Value, unit: &str) -> Result<Self> {
        if unit == "s" {
            return value
                .as_f64()
                .map(Self::Seconds)
                .with_context(|| format!("{value} is no number of seconds"));
        }
        value
            .as_u64()
            .map(Self::Count)
            .with_context(|| format!("{value} is no count"))
    }
}

// === impl Histogram ===

impl Histogram {
    fn of_snapshot(found: &Value) -> Result<Self> {
        let number = |name: &str| {
            found[name]
                .as_u64()
                .with_context(|| format!("`{name}` is {}", found[name]))
        };
        Ok(Self {
            scale: found["scale"].as_i64().context("no `scale`")?,
            count: number("count")?,
            sum_ns: number("sum_ns")?,
            min_ns: number("min_ns")?,
            max_ns: number("max_ns")?,
            zero_count: number("zero_count")?,
            buckets: buckets(&found["buckets"])?,
        })
    }

    fn of_point(found: &Value) -> Result<Self> {
        let ns = |name: &str| {
            found[name]
                .as_f64()
                .map(to_ns)
                .with_context(|| format!("`{name}` is {}, not seconds", found[name]))
        };
        Ok(Self {
            scale: found["scale"].as_i64().context("no `scale`")?,
            count: found["count"].as_u64().context("no `count`")?,
            sum_ns: ns("sum")?,
            min_ns: ns("min")?,
            max_ns: ns("max")?,
            zero_count: found["zero_count"].as_u64().context("no `zero_count`")?,
            buckets: buckets(&found["buckets"])?,
        })
    }

    /// This histogram as an exporter sends it: neighbours are merged pairwise until the buckets fit.
    pub(super) fn sent(&self) -> Self {
        let mut sent = self.clone();
        while sent.span() > BUCKETS_MAX {
            sent.scale -= 1;
            let mut merged = BTreeMap::new();
            for (index, count) in &sent.buckets {
                *merged.entry(index >> 1).or_insert(0) += count;
            }
            sent.buckets = merged;
        }
        sent
    }

    /// How many buckets there are from the first to the last, the empty ones included.
    fn span(&self) -> i64 {
        let ends = self
            .buckets
            .first_key_value()
            .zip(self.buckets.last_key_value());
        ends.map_or(0, |((first, _), (last, _))| last - first + 1)
    }

    fn difference(&self, found: &Self) -> Option<String> {
        let fields = [
            ("count", self.count, found.count),
            ("sum_ns", self.sum_ns, found.sum_ns),
            ("min_ns", self.min_ns, found.min_ns),
            ("max_ns", self.max_ns, found.max_ns),
            ("zero_count", self.zero_count, found.zero_count),
        ];
        if self.scale != found.scale {
            return Some(format!(
                "has scale {}, recorded {}",
                found.scale, self.scale
            ));
        }
        if let Some((name, ours, theirs)) =
            fields.into_iter().find(|(_, ours, theirs)| ours != theirs)
        {
            return Some(format!("has {name} {theirs}, recorded {ours}"));
        }
        let indices = self.buckets.keys().chain(found.buckets.keys());
        let bucket = |histogram: &Self, index| histogram.buckets.get(index).copied().unwrap_or(0);
        let mut differing = indices.filter(|index| bucket(self, index) != bucket(found, index));
        let index = differing.next()?;
        Some(format!(
            "has {} in bucket {index}, recorded {}",
            bucket(found, index),
            bucket(self, index)
        ))
    }
}

/// `[[index, count], ..]` without the empty ones.
fn buckets(found: &Value) -> Result<BTreeMap<i64, u64>> {
    let mut buckets = BTreeMap::new();
    for pair in found.as_array().context("no `buckets`")? {
        let index = pair[0].as_i64().with_context(|| format!("bucket {pair}"))?;
        let count = pair[1].as_u64().with_context(|| format!("bucket {pair}"))?;
        if count > 0 && buckets.insert(index, count).is_some() {
            bail!("bucket {index} is there twice");
        }
    }
    Ok(buckets)
}

fn key_of_callsite(callsite: &Value) -> Result<Key> {
    let mut key = key(&callsite["attributes"])?;
    let overflow = callsite["is_overflow"] == true;
    let mut add = |name: &str, value: &Value| key.insert(name.to_owned(), text(value));
    add("code.function.name", &callsite["function"]);
    add("code.file.path", &callsite["file"]);
    add("code.line.number", &callsite["line"]);
    if callsite["has_custom_name"] == true {
        add("khive.perf.name", &callsite["name"]);
    }
    if !callsite["group"].is_null() {
        add("khive.perf.group", &callsite["group"]);
    }
    if overflow {
        add("otel.metric.overflow", &Value::Bool(true));
    }
    Ok(key)
}

fn key(attributes: &Value) -> Result<Key> {
    let attributes = attributes.as_object().context("no `attributes`")?;
    Ok(attributes
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect())
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A series as a person would name it.
pub(super) fn show(key: &Key) -> String {
    let name = key
        .get("khive.perf.name")
        .or_else(|| key.get("code.function.name"));
    let shown = |name: &&String| !name.starts_with("code.") && *name != "khive.perf.name";
    let rest: Vec<String> = key
        .iter()
        .filter(|(name, _)| shown(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "`{}`{{{}}}",
        name.map_or("", String::as_str),
        rest.join(", ")
    )
}

#[cfg(test)]
mod tests;
