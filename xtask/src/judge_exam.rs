//! The exams of the analysis stage: of comparison and trend, of the store's pace, and of what a killed receiver keeps.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::run;

/// How often the receiver is killed.
const KILLS: &str = "100";

/// Runs the exam of the store; it prints one line for each check.
pub(crate) fn store(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    example(root, "store-exam", arguments)
}

/// Kills a receiver in the middle of its work, again and again.
pub(crate) fn kills(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    crate::no_arguments("kills", arguments)?;
    let mut kills = run::cargo();
    kills
        .args([
            "test",
            "--quiet",
            "--package",
            "khive-perf-analysis",
            "--test",
            "it",
        ])
        .args(["kill_9", "--", "--nocapture"])
        .env("KHIVE_PERF_KILLS", KILLS);
    Ok(if run::succeeds(&mut kills, root)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the exam; it prints one line for each check.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let series = match arguments {
        [] => Vec::new(),
        // The exam runs in the root of the workspace, wherever the caller stands.
        [path] => {
            let path = std::path::absolute(path).with_context(|| format!("`{path}`"))?;
            vec![path.to_string_lossy().into_owned()]
        }
        [_, extra, ..] => bail!("`judge-exam` takes one file, but got `{extra}` as well"),
    };
    example(root, "judge-exam", &series)
}

/// Runs an example of the analysis crate, compiled with optimisations.
fn example(root: &Path, name: &str, arguments: &[String]) -> Result<ExitCode> {
    let mut exam = run::cargo();
    exam.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "khive-perf-analysis",
    ])
    .args(["--example", name, "--"])
    .args(arguments);
    Ok(if run::succeeds(&mut exam, root)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
