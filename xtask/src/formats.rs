//! `cargo xtask formats`: what `khive-perf` writes, against the schema of each format or a program that reads it.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::{install, run};

const SCRIPT: &str = "xtask/formats/formats.py";

/// At the versions that were tried.
const PACKAGES: [&str; 7] = [
    "check-jsonschema==0.39.0",
    "html5lib==1.1",
    "jsonschema==4.26.0",
    "junitparser==5.0.3",
    "markdown-it-py[linkify]==4.3.0",
    "sarif-tools==3.0.5",
    "xmlschema==4.3.2",
];

/// Runs the script in an environment of its own, on a program of now.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    if let Some(argument) = arguments.first() {
        bail!("`formats` takes no arguments, and got `{argument}`");
    }
    let target = root.join("target");
    let mut build = run::cargo();
    build
        .args(["build", "--package", "khive-perf-analysis", "--target-dir"])
        .arg(&target);
    if !run::succeeds(&mut build, root)? {
        bail!("khive-perf cannot be built");
    }
    let python = install::packages(&target.join("formats/python"), &PACKAGES)
        .context("the packages that read the formats")?;
    let mut script = Command::new(python);
    script
        .arg(root.join(SCRIPT))
        .arg(target.join("debug/khive-perf"))
        .arg(root)
        .arg(target.join("formats/scratch"));
    Ok(ExitCode::from(u8::from(!run::succeeds(&mut script, root)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_a_mistake() {
        let error = command(Path::new("."), &["json".to_owned()]).expect_err("a mistake");
        assert!(error.to_string().contains("`json`"), "{error}");
    }
}
