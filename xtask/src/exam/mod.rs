//! `cargo xtask exam`: released crates that nobody wrote for us, every function of them measured, pass their own tests.
//!
//! ```text
//! registry ──> plain/     ── cargo test ──> warnings, files read, outcomes ─┐
//!        '───> measured/  ── #[khive_perf::measure] on every function in    ├─> the same?
//!                            the files read ── cargo test ── the same ──────┘
//! ```
//!
//! Each crate has a row in a table, with what was warned of and what passed before and after `>`. A new warning,
//! an error, and a test that ends otherwise or is gone fail the crate, and with it the command.
//!
//! What is not measured:
//!
//! - `const fn` and naked functions, in which nothing else may run; they are counted;
//! - functions in a macro behind fragments that may say `const`; they are counted, too;
//! - functions in the arguments of macros other than `cfg_..!`: what becomes of them is not known. The bodies of
//!   `macro_rules!` are code, and measured;
//! - build scripts and procedural macros, which run while the crate is compiled;
//! - examples in documentation, and files that the compiler does not read with the given features;
//! - tests, examples and benchmarks that do not compile as they were released, for want of what was not released
//!   with them. They are left out in both copies, and listed.
//!
//! Copies and builds are kept below `target/exam/`.

mod build;
mod child;
pub(crate) mod copies;
mod crates;
mod options;
mod outcome;
pub(crate) mod rewrite;
mod verdict;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};

use crate::exam::build::Built;
use crate::exam::copies::Copies;
use crate::exam::options::{Options, Task};
use crate::exam::outcome::{Difference, Outcomes};
use crate::exam::rewrite::Count;
use crate::exam::verdict::Verdict;
use crate::run;

/// Stands in for a test, example or benchmark that does not compile as it was released.
const LEFT_OUT: &str = "#![allow(dead_code)]\nfn main() {}\n";
/// How often a test that ended otherwise is run again, alone, before that is held against measuring.
const RETRIES: usize = 3;

/// Examines the crates of the table, or those that are named.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    let options = Options::read(arguments)?;
    run::say(verdict::HEADER);
    let mut failed = Vec::new();
    for task in &options.tasks {
        let examined = Exam::new(root, task, &options).and_then(|exam| exam.run());
        let verdict = examined.unwrap_or_else(|error| Verdict::impossible(&error));
        run::say(&verdict.line(&task.name));
        if !verdict.is_same() {
            failed.push(task.name.as_str());
        }
    }
    let passed = options.tasks.len() - failed.len();
    run::say(&format!("exam: {passed} passed, {} failed", failed.len()));
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One crate on its way through.
struct Exam<'a> {
    task: &'a Task,
    options: &'a Options,
    copies: Copies,
    /// Shared by all: dependencies are compiled once.
    target: PathBuf,
}

impl<'a> Exam<'a> {
    fn new(root: &Path, task: &'a Task, options: &'a Options) -> Result<Self> {
        let home = root.join("target/exam");
        let directory = home.join(&task.name);
        Ok(Self {
            task,
            options,
            copies: copies::make(root, &directory, &task.name, &task.version)?,
            target: home.join("build"),
        })
    }

    fn run(&self) -> Result<Verdict> {
        let mut verdict = Verdict::of(&self.copies.version);
        let mut plain = self.build(&self.copies.plain)?;
        // Cargo stops at the first error, so that there may be more than one round.
        while !plain.succeeded && !plain.broken.is_subset(&verdict.left_out) {
            self.leave_out(&plain.broken)?;
            verdict.left_out.append(&mut plain.broken);
            plain = self.build(&self.copies.plain)?;
        }
        ensure!(
            plain.succeeded,
            "cannot be examined: it fails to compile without measuring, too\n{}",
            plain.errors.join("\n")
        );
        let outcomes = self.test(&self.copies.plain)?;
        verdict.count = self.measure(&plain.sources)?;
        let measured = self.build(&self.copies.measured)?;
        verdict.built(&plain, &measured);
        if measured.succeeded {
            let seen = self.test(&self.copies.measured)?;
            self.compare(&outcomes, &seen, &mut verdict)?;
        }
        Ok(verdict)
    }

    fn build(&self, copy: &Path) -> Result<Built> {
        let command: &[&str] = if self.options.clippy {
            &["clippy", "--all-targets"]
        } else {
            &["test", "--no-run"]
        };
        build::build(copy, &self.target, command, &self.task.arguments)
    }

    /// Empties targets in both copies. Of many crates not all that their tests need is released.
    fn leave_out(&self, targets: &BTreeSet<PathBuf>) -> Result<()> {
        for copy in [&self.copies.plain, &self.copies.measured] {
            for target in targets {
                let path = copy.join(target);
                fs::write(&path, LEFT_OUT)
                    .with_context(|| format!("cannot write `{}`", path.display()))?;
            }
        }
        Ok(())
    }

    /// Puts the attribute on every function in the files that the compiler read.
    fn measure(&self, sources: &BTreeSet<PathBuf>) -> Result<Count> {
        let mut count = Count::default();
        for source in sources {
            let path = self.copies.measured.join(source);
            let text = fs::read_to_string(self.copies.plain.join(source))
                .with_context(|| format!("cannot read `{}`", source.display()))?;
            let rewritten = rewrite::rewrite(&text, self.options.placement)
                .with_context(|| format!("`{}`", source.display()))?;
            fs::write(&path, rewritten.text)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
            count.add(rewritten.count);
        }
        Ok(count)
    }

    fn test(&self, copy: &Path) -> Result<Outcomes> {
        if self.options.clippy {
            return Ok(Outcomes::default());
        }
        self.test_with(copy, &[], "test.log")
    }

    fn test_with(&self, copy: &Path, harness: &[&str], log: &str) -> Result<Outcomes> {
        let mut cargo = child::cargo(copy, &self.target);
        cargo
            .args(["test", "--no-fail-fast"])
            .args(&self.task.arguments);
        if !harness.is_empty() {
            cargo.arg("--").args(harness);
        }
        let log = child::run(cargo, &copy.with_extension(log))?;
        Ok(Outcomes::read(&log.text))
    }

    fn compare(&self, plain: &Outcomes, measured: &Outcomes, verdict: &mut Verdict) -> Result<()> {
        verdict.passed = [plain, measured].map(|outcomes| outcomes.count("ok"));
        verdict.failing = plain.count("FAILED");
        for difference in plain.differences(measured) {
            if let Some(exception) = crates::exception(&self.task.name, &difference.name.1) {
                verdict.excepted.push(exception);
            } else if self.settles(&difference)? {
                verdict.unsteady.push(difference.name.1);
            } else {
                verdict.differences.push(difference);
            }
        }
        verdict.targets(&plain.failed_targets, &measured.failed_targets);
        verdict.unread = measured.unread.saturating_sub(plain.unread);
        Ok(())
    }

    /// Whether a test that ended differently ends alike when it runs alone, in the copy where it failed.
    fn settles(&self, difference: &Difference) -> Result<bool> {
        let copy = match (difference.plain.as_str(), difference.measured.as_str()) {
            ("ok", "FAILED") => &self.copies.measured,
            ("FAILED", "ok") => &self.copies.plain,
            _ => return Ok(false),
        };
        for _ in 0..RETRIES {
            let again = self.test_with(copy, &["--exact", &difference.name.1], "again.log")?;
            if again
                .tests
                .get(&difference.name)
                .is_some_and(|all| all.iter().all(|one| one == "ok"))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
