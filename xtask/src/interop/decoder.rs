//! The independent decoder: `decoder.py`, on the official protobuf definitions for Python.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::install;
use crate::interop::child::Child;
use crate::interop::findings::Findings;
use crate::interop::recording::{Point, Recording};
use crate::interop::source::{RESOURCE, SERVICE};
use crate::interop::traces::Traces;

/// The packages at the versions that were tried.
const REQUIREMENTS: &str = include_str!("../../interop/requirements.txt");
const SCRIPT: &str = "xtask/interop/decoder.py";
/// What docs/metrics.md promises of every resource, besides what the user sets.
const RESOURCE_ATTRIBUTES: [&str; 8] = [
    "service.instance.id",
    "telemetry.sdk.name",
    "telemetry.sdk.language",
    "telemetry.sdk.version",
    "process.pid",
    "process.executable.name",
    "host.arch",
    "os.type",
];

/// The Python that has the decoder's packages; installs them the first time.
pub(super) fn install(cache: &Path) -> Result<PathBuf> {
    let list = cache.join("requirements.txt");
    fs::write(&list, REQUIREMENTS)?;
    let list = list.to_string_lossy();
    // The list has every package; its text is part of the name, so that another list is installed anew.
    let arguments = ["--only-binary", ":all:", "--no-deps", "-r", &list];
    install::packages(
        &cache.join(format!("python-{:x}", digest(REQUIREMENTS))),
        &arguments,
    )
}

/// Tells two lists apart.
fn digest(text: &str) -> u64 {
    // FNV-1a.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A running decoder.
pub(super) struct Decoder {
    child: Child,
    notes: PathBuf,
    pub(super) grpc: u16,
    pub(super) http: u16,
}

/// What the decoder saw of one export.
pub(super) struct Seen {
    pub(super) recording: Recording,
    pub(super) traces: Traces,
    pub(super) findings: Findings,
    /// Broken promises of docs/metrics.md and of the protocol.
    pub(super) breaches: Vec<String>,
    pub(super) points: usize,
}

impl Decoder {
    pub(super) fn start(python: &Path, root: &Path, directory: &Path) -> Result<Self> {
        let (ready, notes) = (
            directory.join("ready.json"),
            directory.join("requests.jsonl"),
        );
        let mut command = Command::new(python);
        command.arg(root.join(SCRIPT)).args([&ready, &notes]);
        let mut child = Child::start(&mut command, "decoder", directory)?;
        let ports: Value = child.wait_for("its ports are known", |_| {
            Ok(fs::read(&ready)
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok()))
        })?;
        let port = |name: &str| {
            let port = ports[name]
                .as_u64()
                .and_then(|port| u16::try_from(port).ok());
            port.with_context(|| format!("the decoder's ports are {ports}"))
        };
        Ok(Self {
            grpc: port("grpc")?,
            http: port("http")?,
            child,
            notes,
        })
    }

    /// Ends the decoder and reads what arrived, all of it over `transport`, in the stated encoding.
    pub(super) fn finish(
        self,
        transport: &str,
        encoding: &Value,
        promised: &Promises,
    ) -> Result<Seen> {
        drop(self.child);
        let text = fs::read_to_string(&self.notes)?;
        let mut seen = Seen {
            recording: Recording::default(),
            traces: Traces::default(),
            findings: Findings::default(),
            breaches: Vec::new(),
            points: 0,
        };
        for line in text.lines() {
            let request: Value =
                serde_json::from_str(line).context("a line of the decoder's notes")?;
            if let Some(why) = request["refused"].as_str() {
                bail!("the decoder refused a request: {why}");
            }
            if request["transport"] != transport || request["encoding"] != *encoding {
                let (transport, encoding) = (&request["transport"], &request["encoding"]);
                seen.breaches
                    .push(format!("a request came over {transport} as {encoding}"));
            }
            seen.traces.add_spans(&request["spans"]);
            seen.findings.add(&request["logs"]);
            for scope in request["scopes"]
                .as_array()
                .context("a request without `scopes`")?
            {
                seen.add(scope, promised)?;
            }
        }
        if seen.points == 0 {
            bail!("nothing arrived");
        }
        seen.breaches.sort();
        seen.breaches.dedup();
        Ok(seen)
    }
}

impl Seen {
    fn add(&mut self, scope: &Value, promised: &Promises) -> Result<()> {
        let resource = &scope["resource"];
        let missing = RESOURCE_ATTRIBUTES
            .iter()
            .filter(|name| resource[**name].is_null());
        self.breaches
            .extend(missing.map(|name| format!("the resource has no {name}")));
        if resource["service.name"] != SERVICE || resource[RESOURCE.0] != RESOURCE.1 {
            self.breaches
                .push(format!("the resource ignores OTEL_*: {resource}"));
        }
        if scope["scope"]["name"] != "khive-perf" {
            self.breaches
                .push(format!("the scope is {}", scope["scope"]));
        }
        for point in scope["points"]
            .as_array()
            .context("a scope without `points`")?
        {
            let metric = point["metric"]
                .as_str()
                .context("a point without a metric")?;
            self.points += 1;
            self.breaches
                .extend(promised.breach(point).map(|why| format!("{metric}: {why}")));
            if point["type"] == "exponential_histogram" {
                self.traces.add_point(point);
                let histogram = with_buckets(point)?;
                self.recording.add_point(
                    metric,
                    &point["attributes"],
                    Point::Histogram(&histogram),
                )?;
            } else {
                let number =
                    Point::number(&point["value"], point["unit"].as_str().unwrap_or_default())?;
                self.recording
                    .add_point(metric, &point["attributes"], number)?;
            }
        }
        Ok(())
    }
}

/// The offset and the counts as `[[index, count], ..]`.
fn with_buckets(point: &Value) -> Result<Value> {
    let counts = |side: &str| {
        point[side]["counts"]
            .as_array()
            .cloned()
            .with_context(|| format!("no {side} buckets"))
    };
    if counts("negative")?.iter().any(|count| *count != 0) {
        bail!("a duration is negative");
    }
    let offset = point["positive"]["offset"]
        .as_i64()
        .context("no bucket offset")?;
    let buckets: Vec<Value> = (offset..)
        .zip(counts("positive")?)
        .map(|(index, count)| Value::from(vec![Value::from(index), count]))
        .collect();
    let mut histogram = point.clone();
    histogram["buckets"] = buckets.into();
    Ok(histogram)
}

/// Type and unit of each metric, as the tables of docs/metrics.md state them.
pub(super) struct Promises {
    metrics: BTreeMap<String, (String, String)>,
}

impl Promises {
    pub(super) fn read(markdown: &str) -> Result<Self> {
        let mut metrics = BTreeMap::new();
        for line in markdown.lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            if let ["", metric, kind, unit, _, ""] = cells.as_slice()
                && metric.starts_with("`khive.")
            {
                let bare = |cell: &str| cell.trim_matches('`').to_owned();
                let kind = kind.split(", scale").next().unwrap_or_default();
                metrics.insert(bare(metric), (kind.to_owned(), bare(unit)));
            }
        }
        if metrics.is_empty() {
            bail!("docs/metrics.md has no table of metrics");
        }
        Ok(Self { metrics })
    }

    /// What a point does otherwise than promised.
    fn breach(&self, point: &Value) -> Option<String> {
        let metric = point["metric"].as_str().unwrap_or_default();
        let Some((kind, unit)) = self.metrics.get(metric) else {
            return Some(String::from("is not in docs/metrics.md"));
        };
        if kind_of(point) != *kind || point["unit"] != unit.as_str() {
            let (is_kind, is_unit) = (kind_of(point), &point["unit"]);
            return Some(format!(
                "is a {is_kind} in {is_unit}, docs/metrics.md says {kind} in {unit}"
            ));
        }
        if point["type"] == "gauge" {
            return None;
        }
        if point["temporality"] != "AGGREGATION_TEMPORALITY_CUMULATIVE" {
            return Some(format!("is {}", point["temporality"]));
        }
        let ns = |name: &str| point[name].as_u64().unwrap_or(0);
        let (start, time) = (ns("start_unix_ns"), ns("time_unix_ns"));
        (start == 0 || start >= time).then(|| format!("starts at {start} and ends at {time}"))
    }
}

/// A point's type in the words of docs/metrics.md.
fn kind_of(point: &Value) -> String {
    let number = if point["kind"] == "as_int" {
        "int"
    } else {
        "double"
    };
    match (
        point["type"].as_str().unwrap_or_default(),
        point["monotonic"].as_bool(),
    ) {
        // Wide histograms are sent at a coarser scale; comparing the buckets says whether it is the right one.
        ("exponential_histogram", _) => String::from("exponential histogram"),
        ("sum", Some(true)) => format!("sum, monotonic, {number}"),
        ("sum", _) => format!("sum, non-monotonic, {number}"),
        (other, _) => format!("{other}, {number}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const METRICS: &str = include_str!("../../../docs/metrics.md");

    fn calls() -> Value {
        json!({ "metric": "khive.perf.function.calls", "type": "sum", "unit": "{call}", "kind": "as_int",
            "monotonic": true, "temporality": "AGGREGATION_TEMPORALITY_CUMULATIVE",
            "start_unix_ns": 5, "time_unix_ns": 6 })
    }

    #[test]
    fn a_point_as_documented_keeps_its_promises() {
        let promises = Promises::read(METRICS).expect("the tables");
        assert_eq!(promises.breach(&calls()), None);
    }

    #[test]
    fn each_broken_promise_is_named() {
        let promises = Promises::read(METRICS).expect("the tables");
        let spoilt = [
            ("metric", json!("khive.perf.novel")),
            ("unit", json!("1")),
            ("kind", json!("as_double")),
            ("monotonic", json!(false)),
            ("temporality", json!("AGGREGATION_TEMPORALITY_DELTA")),
            ("start_unix_ns", json!(6)),
            ("start_unix_ns", json!(0)),
        ];
        for (field, value) in spoilt {
            let mut point = calls();
            point[field] = value.clone();
            assert!(promises.breach(&point).is_some(), "{field} = {value}");
        }
    }

    #[test]
    fn counts_stand_at_their_index() {
        let side = |offset: i64, counts: &[u64]| json!({ "offset": offset, "counts": counts });
        let point = json!({ "positive": side(-3, &[1, 0, 2]), "negative": side(0, &[]) });
        assert_eq!(
            with_buckets(&point).expect("buckets")["buckets"],
            json!([[-3, 1], [-2, 0], [-1, 2]])
        );
        let negative = json!({ "positive": side(0, &[]), "negative": side(0, &[1]) });
        assert!(with_buckets(&negative).is_err());
    }
}
