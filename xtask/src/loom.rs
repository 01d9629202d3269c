//! `cargo xtask loom`: what threads agree by without a lock, in every way that they may interleave.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::run;

/// Runs the models, or those whose name contains one of the arguments.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let mut cargo = run::cargo();
    cargo
        .args(["test", "--locked", "--release", "--package=khive-perf-loom"])
        // A target of its own, as everything is compiled with another flag.
        .arg("--target-dir")
        .arg(root.join("target/loom"))
        .arg("--")
        .args(arguments)
        .env("RUSTFLAGS", flags(std::env::var("RUSTFLAGS").ok()));
    if run::succeeds(&mut cargo, root)? {
        run::say("loom: no model failed");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// What is passed to the compiler anyway, and that atomics are those of the model checker.
fn flags(given: Option<String>) -> String {
    let mut flags = given.unwrap_or_default();
    flags.push_str(" --cfg loom");
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_are_given_stay() {
        assert_eq!(flags(Some("-Dwarnings".into())), "-Dwarnings --cfg loom");
        assert_eq!(flags(None).trim(), "--cfg loom");
    }
}
