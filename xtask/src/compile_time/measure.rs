//! What cargo and its children take to compile a crate once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::compile_time::source::{self, Variant};
use crate::run;

/// A way to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// `cargo check`, with nothing kept from the last time.
    Check,
    /// `cargo check` with what is kept from the last time, one function edited.
    Recheck,
    /// `cargo build --release`
    Release,
}

impl Step {
    pub(super) const ALL: [Self; 3] = [Self::Check, Self::Recheck, Self::Release];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Recheck => "check again",
            Self::Release => "release",
        }
    }

    /// How often it is done in a round, of the two variants that a limit is about: a step of seconds is disturbed more.
    pub(super) const fn repeats(self) -> u32 {
        match self {
            Self::Check | Self::Recheck => 5,
            Self::Release => 1,
        }
    }

    /// The share over plain, in percent, that our attribute may add.
    pub(super) const fn limit(self) -> Option<f64> {
        match self {
            Self::Check => Some(15.0),
            Self::Recheck => None,
            Self::Release => Some(25.0),
        }
    }

    fn command(self, workspace: &Path) -> Command {
        let mut cargo = run::cargo();
        let (arguments, incremental): (&[&str], &str) = match self {
            Self::Check => (&["check"], "0"),
            Self::Recheck => (&["check"], "1"),
            Self::Release => (&["build", "--release"], "0"),
        };
        // Whatever would compile elsewhere, or not at all.
        for variable in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
            cargo.env(variable, "");
        }
        cargo
            .current_dir(workspace)
            .env("CARGO_INCREMENTAL", incremental)
            .env("CARGO_TARGET_DIR", workspace.join("target"))
            .args(arguments)
            .args(["--offline", "--quiet"])
            .stdin(Stdio::null());
        cargo
    }
}

/// The crates, and what has been made of them so far.
#[derive(Debug)]
pub(super) struct Workspace {
    directory: PathBuf,
    revision: u32,
}

impl Workspace {
    /// Writes the crates, and fetches what they depend on.
    pub(super) fn create(root: &Path) -> Result<Self> {
        let directory = root.join("target").join("compile-time");
        source::write(root, &directory)?;
        let mut fetch = run::cargo();
        fetch.arg("fetch").arg("--quiet");
        if !run::succeeds(&mut fetch, &directory)? {
            bail!("the crates to compare with cannot be fetched; is the network there?");
        }
        Ok(Self {
            directory,
            revision: 0,
        })
    }

    /// Edits a crate and compiles it.
    pub(super) fn run(&mut self, step: Step, variant: &Variant) -> Result<Duration> {
        self.revision += 1;
        let file = self.directory.join(variant.directory).join("src/lib.rs");
        source::write_file(&file, &source::root(self.revision))?;
        let mut command = step.command(&self.directory);
        command.args(["--package", &variant.package()]);
        timed(&mut command)
    }
}

/// The processor time that a command and its children take, in user and in system mode. A crate that is warned about
/// is none that others can be held against.
fn timed(command: &mut Command) -> Result<Duration> {
    let before = of_children()?;
    let output = command.output().context("cannot start cargo")?;
    let spent = of_children()?.saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.trim().is_empty() {
        bail!("does not compile without a word:\n{}", said.trim());
    }
    Ok(spent)
}

/// Of all children that have ended so far, and theirs.
fn of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read the processor time")?;
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_grandchildren_take_is_counted() {
        let spin = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let spent = timed(&mut shell(&format!("sh -c '{spin}'; true"))).expect("a shell starts");
        assert!(spent > Duration::from_millis(1), "{spent:?}");
    }

    #[test]
    fn a_crate_that_fails_or_is_warned_about_is_not_measured() {
        assert!(timed(&mut shell("exit 1")).is_err());
        let error = timed(&mut shell("echo warning: unused >&2")).expect_err("a warning");
        assert!(error.to_string().contains("warning: unused"), "{error}");
    }
}
