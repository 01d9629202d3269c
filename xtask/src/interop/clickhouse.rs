//! ClickHouse in process, by chdb: a database that users keep telemetry in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::install;
use crate::interop::quantiles::Sample;
use crate::interop::source::QUANTILES;

/// At the version that was tried.
const PACKAGE: &str = "chdb==4.4.0";
const SCRIPT: &str = "xtask/interop/clickhouse.py";

/// The Python that has chdb; installs it the first time, which takes 910 MB.
pub(super) fn install(cache: &Path) -> Result<PathBuf> {
    install::packages(&cache.join("chdb"), &["--only-binary", ":all:", PACKAGE])
}

/// Stores what a decoder noted, and reads each quantile of each series by SQL.
pub(super) fn quantiles(python: &Path, root: &Path, directory: &Path) -> Result<Vec<Vec<Sample>>> {
    let (notes, out) = (
        directory.join("requests.jsonl"),
        directory.join("quantiles.json"),
    );
    let script = root.join(SCRIPT);
    install::output(Command::new(python).arg(script).args([&notes, &out]))?;
    let text =
        fs::read_to_string(&out).with_context(|| format!("cannot read `{}`", out.display()))?;
    let rows: Vec<Value> = serde_json::from_str(&text)?;
    let of = |at: usize| rows.iter().map(move |row| sample(row, at)).collect();
    (0..QUANTILES.len()).map(of).collect()
}

/// `[attributes, [p50, p95, p99]]`
fn sample(row: &Value, at: usize) -> Result<Sample> {
    let attributes = row[0].as_object().context("a row without attributes")?;
    let texts = attributes
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    let value = row[1][at].as_f64();
    Ok((
        texts.collect(),
        value.with_context(|| format!("no quantile in {row}"))?,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_is_a_series_with_its_quantiles() {
        let row = json!([{ "a": "b" }, [0.1, 0.2, 0.3]]);
        let (key, value) = sample(&row, 1).expect("a row");
        assert_eq!((key.get("a").map(String::as_str), value), (Some("b"), 0.2));
        assert!(sample(&json!([{}, [0.1, null]]), 1).is_err());
    }
}
