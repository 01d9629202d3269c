//! Runs child processes and prints what the user is to read.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

/// Prints one line of the answer. A closed pipe is no reason to stop the checks.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints one line about what went wrong.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The cargo that started this process, so that a toolchain override stays in force.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs `command` in `directory` with its output passed through; true when it succeeded.
///
/// # Errors
///
/// When the program cannot be started.
pub(crate) fn succeeds(command: &mut Command, directory: &Path) -> Result<bool> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .current_dir(directory)
        .status()
        .with_context(|| format!("cannot start `{name}`; is it installed?"))?;
    Ok(status.success())
}

/// The triple of the machine that compiles, as `rustc` names it.
///
/// # Errors
///
/// When `rustc` cannot be started or says nothing of its host.
pub(crate) fn host(directory: &Path) -> Result<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .arg("-vV")
        .current_dir(directory)
        .output()
        .context("cannot start `rustc`; is it installed?")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("`rustc -vV` names no host")
}
