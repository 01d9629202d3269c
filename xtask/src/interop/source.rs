//! The program whose recording is compared: built once, run once for each party.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::interop::child::Child;
use crate::interop::recording::{Key, Recording, show};
use crate::run;

/// Sent with every export, to see the user's own resource attributes arrive.
pub(super) const RESOURCE: (&str, &str) = ("deployment.environment.name", "interop");
pub(super) const SERVICE: &str = "interop-source";
/// The quantiles that the program reads from its own histograms.
pub(super) const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// Where to send and how.
pub(super) struct Endpoint {
    /// As in `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub(super) protocol: &'static str,
    pub(super) port: u16,
    /// Path of the metrics on the server; for gRPC, none.
    pub(super) path: &'static str,
    /// The same of traces; `None` where the party takes none.
    pub(super) traces: Option<&'static str>,
    /// The same of log records.
    pub(super) logs: Option<&'static str>,
}

/// What the program recorded, in its own view.
pub(super) struct Recorded {
    pub(super) recording: Recording,
    pub(super) quantiles: Vec<Quantiles>,
    /// The tree of its traces, see [`Traces::compare`](crate::interop::traces::Traces::compare).
    pub(super) spans: Value,
    /// `[[function, calls], ..]` of what its log records must tell.
    pub(super) findings: Value,
}

/// The values of one histogram at [`QUANTILES`].
pub(super) struct Quantiles {
    pub(super) key: Key,
    pub(super) ns: [u64; 3],
    /// The scale at which the histogram is sent: no receiver can know it better than to a bucket of that.
    pub(super) scale: i64,
}

/// Builds the named target and gives the path of the program.
pub(super) fn build(root: &Path, arguments: &[&str]) -> Result<PathBuf> {
    let output = run::cargo()
        .args([
            "build",
            "--quiet",
            "--message-format=json-render-diagnostics",
        ])
        .args(arguments)
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`cargo build {}` failed", arguments.join(" "));
    }
    let messages = String::from_utf8(output.stdout)?;
    let artifacts = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs =
        artifacts.filter_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
    programs
        .next_back()
        .with_context(|| format!("`cargo build {}` built no program", arguments.join(" ")))
}

/// Runs the program until it has exported once, and reads what it recorded from its output.
pub(super) fn record(program: &Path, directory: &Path, endpoint: &Endpoint) -> Result<Recorded> {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("OTEL_") || name.starts_with("KHIVE_PERF") {
            command.env_remove(name.as_ref());
        }
    }
    let answer = directory.join("snapshot.json");
    command
        .arg(&answer)
        .env("OTEL_SERVICE_NAME", SERVICE)
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            format!("{}={}", RESOURCE.0, RESOURCE.1),
        )
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", endpoint.protocol)
        .env(
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            format!("http://127.0.0.1:{}{}", endpoint.port, endpoint.path),
        )
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    for (signal, path) in [("TRACES", endpoint.traces), ("LOGS", endpoint.logs)] {
        match path {
            Some(path) => command.env(
                format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"),
                format!("http://127.0.0.1:{}{path}", endpoint.port),
            ),
            None => command.env(format!("OTEL_{signal}_EXPORTER"), "none"),
        };
    }
    let mut child = Child::start(&mut command, "source", directory)?;
    let status = child.finish()?;
    if !status.success() {
        bail!(
            "the source program failed ({status}); its log ends with\n{}",
            child.tail()
        );
    }
    let text = std::fs::read_to_string(&answer)
        .with_context(|| format!("cannot read `{}`", answer.display()))?;
    read(serde_json::from_str(&text).context("the source program's answer is no JSON")?)
}

/// Reads `{"snapshot": .., "has_custom_name": [..], "quantiles": [[callsite, outcome, [p50, p95, p99]], ..]}`.
fn read(mut answer: Value) -> Result<Recorded> {
    let mut snapshot = answer["snapshot"].take();
    let named = answer["has_custom_name"]
        .as_array()
        .context("the answer has no `has_custom_name`")?;
    let callsites = snapshot["callsites"]
        .as_array_mut()
        .context("the snapshot has no `callsites`")?;
    if named.len() != callsites.len() {
        bail!("{} callsites, but {} names", callsites.len(), named.len());
    }
    // The one fact about a series that its report leaves out.
    for (callsite, named) in callsites.iter_mut().zip(named) {
        callsite["has_custom_name"] = named.clone();
    }
    let recording = Recording::of_snapshot(&snapshot)?;
    let mut quantiles = Vec::new();
    for entry in answer["quantiles"]
        .as_array()
        .context("the answer has no `quantiles`")?
    {
        let index = usize::try_from(entry[0].as_u64().context("an index")?)?;
        let callsite = &snapshot["callsites"][index];
        let key = Recording::key_of(callsite, entry[1].as_str().context("an outcome")?)?;
        let value = |at: usize| {
            entry[2][at]
                .as_u64()
                .with_context(|| format!("quantiles {entry}"))
        };
        let ns = [value(0)?, value(1)?, value(2)?];
        let histogram = recording
            .durations
            .get(&key)
            .with_context(|| format!("no histogram for {}", show(&key)))?;
        let scale = histogram.sent().scale;
        quantiles.push(Quantiles { key, ns, scale });
    }
    Ok(Recorded {
        recording,
        quantiles,
        spans: answer["spans"].take(),
        findings: answer["findings"].take(),
    })
}
