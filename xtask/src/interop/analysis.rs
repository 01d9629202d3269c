//! Our own receiver and store: `khive-perf serve`, then `khive-perf export`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::install;
use crate::interop::child::Child;
use crate::interop::recording::{Point, Recording};

/// A running `khive-perf serve` with an empty store.
pub(super) struct Analysis {
    child: Child,
    program: PathBuf,
    store: PathBuf,
    pub(super) grpc: u16,
    pub(super) http: u16,
}

impl Analysis {
    pub(super) fn start(program: &Path, directory: &Path) -> Result<Self> {
        let store = directory.join("runs.sqlite");
        let mut command = Command::new(program);
        command
            .args([
                "serve",
                "--grpc",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--db",
            ])
            .arg(&store);
        let mut child = Child::start(&mut command, "khive-perf-serve", directory)?;
        let (grpc, http) = child.wait_for("it says its ports", |child| {
            let log = child.log();
            let port = |after: &str| log.split_once(after).and_then(|(_, rest)| port_of(rest));
            Ok(port("OTLP/gRPC on ").zip(port("OTLP/HTTP on ")))
        })?;
        Ok(Self {
            child,
            program: program.to_owned(),
            store,
            grpc,
            http,
        })
    }

    /// Ends the receiver as a user would, and reads back what is in the store.
    pub(super) fn finish(mut self) -> Result<Recording> {
        let status = self.child.interrupt()?;
        if !status.success() {
            bail!(
                "`khive-perf serve` failed ({status}); its log ends with\n{}",
                self.child.tail()
            );
        }
        let mut export = Command::new(&self.program);
        export
            .args(["export", "*", "--format", "json", "--db"])
            .arg(&self.store);
        read(
            &serde_json::from_str(&install::output(&mut export)?)
                .context("`khive-perf export` wrote no JSON")?,
        )
    }
}

/// `127.0.0.1:4317, ...` to 4317.
fn port_of(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once(':')?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn read(exported: &Value) -> Result<Recording> {
    let runs = exported["runs"]
        .as_array()
        .context("the export has no `runs`")?;
    let [run] = runs.as_slice() else {
        bail!("one program ran, but the store has {} runs", runs.len());
    };
    let mut recording = Recording::default();
    for series in run["series"]
        .as_array()
        .context("the run has no `series`")?
    {
        let metric = series["metric"]
            .as_str()
            .context("a series without a metric")?;
        let value = &series["value"];
        let point = if value.is_object() {
            Point::Histogram(value)
        } else {
            Point::number(value, series["unit"].as_str().unwrap_or_default())?
        };
        if recording.add_point(metric, &series["attributes"], point)? {
            bail!(
                "the store has a series of {metric} twice: {}",
                series["attributes"]
            );
        }
    }
    Ok(recording)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports_are_read_from_an_address() {
        assert_eq!(port_of("127.0.0.1:4317, OTLP/HTTP"), Some(4317));
        assert_eq!(port_of("nowhere"), None);
    }

    #[test]
    fn a_store_with_one_run_is_read_and_any_other_is_refused() {
        let calls =
            json!({ "metric": "m", "unit": "{call}", "attributes": { "a": 1 }, "value": 7 });
        let time = json!({ "metric": "t", "unit": "s", "attributes": {}, "value": 0.5 });
        let stored = |runs: &[&[&Value]]| {
            let runs: Vec<Value> = runs
                .iter()
                .map(|series| json!({ "series": series }))
                .collect();
            read(&json!({ "runs": runs }))
                .map(|recording| recording.numbers.into_values().collect::<Vec<_>>())
        };
        assert_eq!(
            stored(&[&[&calls, &time]]).expect("one run"),
            [7, 500_000_000]
        );
        assert!(stored(&[&[&calls, &calls]]).is_err(), "a series twice");
        assert!(stored(&[&[&calls], &[&time]]).is_err(), "two runs");
        assert!(stored(&[]).is_err(), "no run");
    }
}
