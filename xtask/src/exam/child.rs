//! Cargo on a copy, its output in a log file, ended with all its children when it takes too long.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::run;

/// How long one look takes to come back to the next.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks until the child must have ended: 40 minutes, which is what a large crate takes to build and test.
const LOOKS_MAX: u32 = 24_000;

/// What a child left behind.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) succeeded: bool,
    pub(super) text: String,
}

/// Cargo in a copy: the same settings for each, nothing of ours.
pub(super) fn cargo(copy: &Path, target: &Path) -> Command {
    let mut cargo = run::cargo();
    cargo
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_TERM_COLOR", "never")
        .env("CLIPPY_CONF_DIR", copy);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("KHIVE_PERF")
            || name.starts_with("CARGO_PKG_")
            || name == "RUST_BACKTRACE"
        {
            cargo.env_remove(name.as_ref());
        }
    }
    cargo
}

/// Runs a command to its end. Both of its outputs go to one file, so that their order is kept.
pub(super) fn run(mut command: Command, log: &Path) -> Result<Log> {
    let file = File::create(log).with_context(|| format!("cannot write `{}`", log.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let status = Running(child).finish(log)?;
    let text = fs::read(log).with_context(|| format!("cannot read `{}`", log.display()))?;
    Ok(Log {
        succeeded: status.success(),
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

/// A child that leads a process group. Dropping it ends the group.
struct Running(Child);

impl Running {
    fn finish(mut self, log: &Path) -> Result<ExitStatus> {
        for _ in 0..LOOKS_MAX {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            thread::sleep(PAUSE);
        }
        bail!(
            "did not end in time; its output so far is in `{}`",
            log.display()
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        // The children of cargo are in the group, too.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.0.wait();
    }
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
    fn both_outputs_are_logged_in_their_order() {
        let log = std::env::temp_dir().join("xtask-exam-both-outputs.log");
        let log = run(shell("echo a; echo b >&2; echo c; exit 3"), &log).expect("a shell starts");
        assert_eq!((log.succeeded, log.text.as_str()), (false, "a\nb\nc\n"));
    }

    #[test]
    fn a_dropped_child_takes_its_children_along() {
        let mut command = shell("sleep 600 & echo $! > \"$0\"; wait");
        let note = std::env::temp_dir().join("xtask-exam-grandchild");
        let _ = fs::remove_file(&note);
        command.arg(&note).process_group(0).stdin(Stdio::null());
        let child = Running(command.spawn().expect("a shell starts"));
        let mut id = String::new();
        for _ in 0..100 {
            id = fs::read_to_string(&note)
                .unwrap_or_default()
                .trim()
                .to_owned();
            if !id.is_empty() {
                break;
            }
            thread::sleep(PAUSE);
        }
        assert!(!id.is_empty());
        drop(child);
        // Nobody may have reaped it yet, but it runs no more.
        for _ in 0..100 {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            thread::sleep(PAUSE);
        }
        panic!("process {id} still runs");
    }
}
