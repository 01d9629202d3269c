//! Arize Phoenix, in an environment of its own: a backend for traces that users run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::install;
use crate::interop::child::Child;

/// At the version that was tried.
const PACKAGE: &str = "arize-phoenix==20.26.1";
const SCRIPT: &str = "xtask/interop/phoenix.py";

/// The Python that has Phoenix; installs it the first time, which takes 850 MB.
pub(super) fn install(cache: &Path) -> Result<PathBuf> {
    let python = install::packages(&cache.join("phoenix"), &["--only-binary", ":all:", PACKAGE])?;
    // It listens on every address, and only in a namespace of its own are there no others than loopback.
    install::output(Command::new("unshare").args(["--user", "--map-root-user", "--net", "true"]))
        .context("`unshare --user --net` (package util-linux, and user namespaces)")?;
    Ok(python)
}

/// What Phoenix has after the program has sent its traces there, and the program's own answer.
pub(super) fn record(
    python: &Path,
    root: &Path,
    program: &Path,
    directory: &Path,
) -> Result<(Value, Value)> {
    let (answer, stored) = (
        directory.join("snapshot.json"),
        directory.join("spans.json"),
    );
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--net"])
        .arg(python)
        .arg(root.join(SCRIPT))
        .arg(program)
        .args([&answer, &stored]);
    let mut child = Child::start(&mut command, "phoenix", directory)?;
    let status = child.finish_late()?;
    if !status.success() {
        bail!(
            "phoenix failed ({status}); its log ends with\n{}",
            child.tail()
        );
    }
    let read = |path: &Path| -> Result<Value> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    };
    Ok((read(&stored)?, read(&answer)?))
}
