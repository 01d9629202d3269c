//! Child processes that are stopped by their id, waits that end, and ports.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How long one look takes to come back to the next.
const PAUSE: Duration = Duration::from_millis(50);
/// Looks until a child must have done what it is waited for: 20 seconds.
const LOOKS_MAX: u32 = 400;
/// What an error shows of a child's log.
const LOG_LINES_SHOWN: usize = 15;

/// A running child, its output in a log file. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Child {
    name: &'static str,
    inner: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts `command` with its output going to `NAME.log` in `directory`.
    pub(super) fn start(
        command: &mut Command,
        name: &'static str,
        directory: &Path,
    ) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let file =
            File::create(&log).with_context(|| format!("cannot write `{}`", log.display()))?;
        let errors = file.try_clone()?;
        let inner = command
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, inner, log })
    }

    /// What the child has written so far.
    pub(super) fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Looks until `look` finds something, the child ends, or the time is up.
    pub(super) fn wait_for<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        for _ in 0..LOOKS_MAX {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if let Some(status) = self.inner.try_wait()? {
                bail!(
                    "{} ended ({status}) before {what}; its log ends with\n{}",
                    self.name,
                    self.tail()
                );
            }
            thread::sleep(PAUSE);
        }
        bail!(
            "{}: {what} did not happen in time; its log ends with\n{}",
            self.name,
            self.tail()
        )
    }

    /// Waits for the child to end by itself.
    pub(super) fn finish(&mut self) -> Result<ExitStatus> {
        self.finish_within(LOOKS_MAX)
    }

    /// The same of one that takes minutes.
    pub(super) fn finish_late(&mut self) -> Result<ExitStatus> {
        self.finish_within(20 * LOOKS_MAX)
    }

    fn finish_within(&mut self, looks: u32) -> Result<ExitStatus> {
        for _ in 0..looks {
            if let Some(status) = self.inner.try_wait()? {
                return Ok(status);
            }
            thread::sleep(PAUSE);
        }
        bail!(
            "{} did not end in time; its log ends with\n{}",
            self.name,
            self.tail()
        )
    }

    /// Asks the child to end, as Ctrl-C would, and waits until it has.
    pub(super) fn interrupt(&mut self) -> Result<ExitStatus> {
        let id = self.inner.id().to_string();
        let sent = Command::new("kill")
            .args(["-INT", &id])
            .status()
            .context("cannot start `kill`")?;
        if !sent.success() {
            bail!(
                "{} could not be interrupted; its log ends with\n{}",
                self.name,
                self.tail()
            );
        }
        self.finish()
    }

    pub(super) fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(LOG_LINES_SHOWN))
            .map(|line| format!("    {line}\n"))
            .collect()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail when the child has ended already, which is what they are for.
        let _ = self.inner.kill();
        let _ = self.inner.wait();
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, name: &'static str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start(&mut command, name, &std::env::temp_dir()).expect("a shell starts")
    }

    #[test]
    fn a_child_that_ends_early_is_reported_with_its_log() {
        let mut child = shell("echo no such port; exit 4", "xtask-ends-early");
        let error = child
            .wait_for("listening", |_| Ok(None::<()>))
            .expect_err("it ended");
        let said = error.to_string();
        assert!(
            said.contains("before listening") && said.contains("no such port"),
            "{said}"
        );
    }

    #[test]
    fn what_is_waited_for_is_returned() {
        let mut child = shell("echo ready 7; read line", "xtask-gets-ready");
        let found = child.wait_for("ready", |child| {
            Ok(child.log().strip_prefix("ready ").map(str::to_owned))
        });
        assert_eq!(found.expect("it said so").trim(), "7");
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let child = shell("read line", "xtask-is-dropped");
        let id = child.inner.id();
        drop(child);
        assert!(!Path::new(&format!("/proc/{id}/stat")).exists());
    }
}
