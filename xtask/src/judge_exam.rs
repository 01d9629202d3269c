//! The exam of comparison and trend, compiled with optimisations and run with the given series.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::run;

/// Runs the exam; it prints one line for each check.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let series = match arguments {
        [] => None,
        // The exam runs in the root of the workspace, wherever the caller stands.
        [path] => Some(std::path::absolute(path).with_context(|| format!("`{path}`"))?),
        [_, extra, ..] => bail!("`judge-exam` takes one file, but got `{extra}` as well"),
    };
    let mut exam = run::cargo();
    exam.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "khive-perf-analysis",
    ])
    .args(["--example", "judge-exam", "--"])
    .args(series);
    Ok(if run::succeeds(&mut exam, root)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
