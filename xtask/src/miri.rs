//! `cargo xtask miri`: the recorder and the table of blocks under an interpreter that knows what is undefined.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::run;

/// Exit code where something that is needed is not installed.
const MISSING: u8 = 3;

/// Pointers keep their provenance, and data races and leaks are errors; the clock is the system's.
const FLAGS: &str = "-Zmiri-strict-provenance -Zmiri-disable-isolation";
/// For tests that use the table of blocks: whenever that is borrowed, the interpreter would look at each of a million words.
const UNBORROWED: &str = "-Zmiri-disable-stacked-borrows";

/// Modules of the unit tests that are run: those with unsafe code or atomics. Others read files of the system, or go
/// through thousands of cases that say nothing of memory.
const UNITS: &[&str] = &[
    "callsite::",
    "clock::",
    "heap::",
    "recorder::",
    "registry::",
];
/// Tests among them that draw a hundred thousand numbers, or fill a table of as many rows.
const NOT_UNITS: &[&str] = &["heap::rate::", "heap::traces::", "recorder::sampled::"];

/// Runs the unit tests of `khive-perf`, and the tests of `tests/smoke`: threads that record, end and panic while others
/// read; futures, captures, blocks that change threads. With a number, under so many seeds of the scheduler.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let seeds = read(arguments)?;
    let missing = missing(root)?;
    if let Some(missing) = missing {
        run::complain(&format!("miri: {missing}"));
        return Ok(ExitCode::from(MISSING));
    }
    let mut units = miri(root);
    units
        .args(["--package=khive-perf", "--lib", "--"])
        .args(UNITS)
        .args(NOT_UNITS.iter().flat_map(|tests| ["--skip", tests]))
        .env("MIRIFLAGS", FLAGS);
    let mut all = run::succeeds(&mut units, root)?;
    for test in ["record", "heap"] {
        let mut smoke = miri(root);
        let seeds = format!("-Zmiri-many-seeds=0..{seeds}");
        smoke
            .args(["--package=khive-perf-smoke", "--test", test])
            .env("MIRIFLAGS", format!("{FLAGS} {UNBORROWED} {seeds}"));
        all &= run::succeeds(&mut smoke, root)?;
    }
    if !all {
        return Ok(ExitCode::FAILURE);
    }
    run::say(&format!("miri: nothing found, under {seeds} seeds"));
    Ok(ExitCode::SUCCESS)
}

/// `cargo +nightly miri test`, whichever toolchain runs this.
fn miri(root: &Path) -> Command {
    let mut cargo = nightly();
    cargo
        .args(["miri", "test", "--locked", "--target-dir"])
        .arg(root.join("target/miri"));
    cargo
}

fn nightly() -> Command {
    // The proxy of rustup, and not the cargo that started this process, which is that of one toolchain.
    let mut cargo = Command::new("cargo");
    cargo
        .arg("+nightly")
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN");
    cargo
}

/// What is not there, and how to get it.
fn missing(root: &Path) -> Result<Option<String>> {
    let asked = nightly()
        .args(["miri", "--version"])
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .context("cannot start `cargo`; is it installed?")?;
    if asked.status.success() {
        return Ok(None);
    }
    Ok(Some(
        "Miri is not installed; `rustup toolchain install nightly --component miri,rust-src` installs it".into(),
    ))
}

fn read(arguments: &[String]) -> Result<u32> {
    match arguments {
        [] => Ok(2),
        [seeds] => match seeds.parse() {
            Ok(seeds @ 1..) => Ok(seeds),
            _ => bail!("`miri` takes a number of seeds from 1 on, not `{seeds}`"),
        },
        _ => bail!("`miri` takes one argument, a number of seeds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_seeds_is_read() {
        assert_eq!(read(&[]).ok(), Some(2));
        assert_eq!(read(&["7".into()]).ok(), Some(7));
        assert!(read(&["0".into()]).is_err() && read(&["x".into()]).is_err());
    }
}
