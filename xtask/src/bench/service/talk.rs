//! Talk: a program that answers each line of its input with one of its output.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How long one look takes to come back to the next, where a program is to end.
const PAUSE: Duration = Duration::from_millis(20);
/// Looks until it is ended: ten seconds, twice what an exporter is given for its last words.
const LOOKS_MAX: u32 = 500;

/// A running program. Dropping it closes its input and waits for it to end.
pub(super) struct Talk {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Talk {
    pub(super) fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let name = program.display().to_string();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_remove("KHIVE_PERF")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start `{name}`"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.with_context(|| format!("`{name}` has no output"))?;
        Ok(Self {
            name,
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// The next line.
    pub(super) fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("`{}` ended before it answered", self.name);
        }
        Ok(line.trim_end().to_owned())
    }

    /// Says a line and hears the answer.
    pub(super) fn ask(&mut self, line: &str) -> Result<String> {
        if let Some(input) = &mut self.input {
            let said = writeln!(input, "{line}").and_then(|()| input.flush());
            said.with_context(|| format!("`{}` listens no more", self.name))?;
        }
        self.hear()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        drop(self.input.take());
        for _ in 0..LOOKS_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(PAUSE);
        }
        // It does not end by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_answered_and_the_end_of_the_input_ends_the_program() {
        let mut echo = Talk::start(Path::new("cat"), &[]).expect("it is everywhere");
        assert_eq!(echo.ask("one").expect("it echoes"), "one");
        assert_eq!(echo.ask("two").expect("it echoes"), "two");
    }

    #[test]
    fn a_program_that_ends_early_is_named() {
        let mut silent = Talk::start(Path::new("true"), &[]).expect("it is everywhere");
        let error = silent.hear().expect_err("it says nothing").to_string();
        assert!(error.contains("`true`"), "{error}");
    }
}
