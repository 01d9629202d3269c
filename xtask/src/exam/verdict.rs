//! What the exam of one crate came to, as the lines that are printed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::exam::build::Built;
use crate::exam::crates::Exception;
use crate::exam::outcome::Difference;
use crate::exam::rewrite::Count;

/// Of the lines; what was before measuring stands before the `>`.
pub(super) const HEADER: &str =
    "      crate                        functions  const  unclear      warnings  tests passed";
/// Compiler errors printed per crate; the rest is in its log.
const ERRORS_SHOWN: usize = 5;
/// Differences of each kind printed per crate.
const DIFFERENCES_SHOWN: usize = 20;

/// Everything found out about a crate.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) version: String,
    pub(super) count: Count,
    /// Tests that pass without measuring, and with it.
    pub(super) passed: [usize; 2],
    /// Tests that fail without measuring, too.
    pub(super) failing: usize,
    pub(super) excepted: Vec<&'static Exception>,
    /// Tests that ended alike only when they were run again.
    pub(super) unsteady: Vec<String>,
    pub(super) differences: Vec<Difference>,
    /// Results that could not be read in the measured copy only.
    pub(super) unread: usize,
    /// Targets that do not compile as they were released.
    pub(super) left_out: BTreeSet<PathBuf>,
    /// Without measuring, and with it.
    warnings: [usize; 2],
    problems: Vec<String>,
}

impl Verdict {
    pub(super) fn of(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn impossible(error: &anyhow::Error) -> Self {
        Self {
            problems: vec![format!("{error:#}")],
            ..Self::default()
        }
    }

    /// Notes what the compiler said of the measured copy, but not of the plain one.
    pub(super) fn built(&mut self, plain: &Built, measured: &Built) {
        let new = measured.beyond(plain);
        self.warnings = [plain.count(), measured.count()];
        for warning in new.into_iter().take(DIFFERENCES_SHOWN) {
            self.problems.push(format!(
                "new warning: {}: {} ({})",
                warning.place, warning.message, warning.lint
            ));
        }
        if !measured.succeeded {
            let count = measured.errors.len();
            self.problems
                .push(format!("{count} errors of the compiler"));
            self.problems
                .extend(measured.errors.iter().take(ERRORS_SHOWN).cloned());
        }
    }

    /// Notes targets that failed in the measured copy only, unless the reason is a test that is known already.
    pub(super) fn targets(&mut self, plain: &[String], measured: &[String]) {
        let explained =
            !self.excepted.is_empty() || !self.unsteady.is_empty() || !self.differences.is_empty();
        let new = measured.iter().filter(|target| !plain.contains(target));
        if !explained {
            self.problems
                .extend(new.map(|target| format!("target failed: {target}")));
        }
    }

    pub(super) fn is_same(&self) -> bool {
        self.problems.is_empty() && self.differences.is_empty() && self.unread == 0
    }

    /// One row of the table, and a line below for everything that is to be known.
    pub(super) fn line(&self, name: &str) -> String {
        let [before, after] = self.warnings;
        let [passed_before, passed_after] = self.passed;
        let mut line = format!(
            "{}  {:<28} {:>9}  {:>5}  {:>7}  {:>12}  {:>12}",
            if self.is_same() { "ok  " } else { "FAIL" },
            format!("{name} {}", self.version),
            self.count.measured,
            self.count.unmeasurable,
            self.count.unclear,
            format!("{before} > {after}"),
            format!("{passed_before} > {passed_after}"),
        );
        let mut also = |text: String| {
            let _ = write!(
                line,
                "\n        {}",
                text.trim_end().replace('\n', "\n        ")
            );
        };
        if self.failing > 0 {
            also(format!(
                "{} tests fail without measuring, too",
                self.failing
            ));
        }
        for target in &self.left_out {
            also(format!(
                "left out: {}: does not compile as it was released",
                target.display()
            ));
        }
        for exception in &self.excepted {
            also(format!(
                "excepted: {}: {}",
                exception.test, exception.reason
            ));
        }
        for test in &self.unsteady {
            also(format!(
                "unsteady: {test}: ended alike when run again alone"
            ));
        }
        if self.unread > 0 {
            also(format!("{} results could not be read", self.unread));
        }
        for difference in self.differences.iter().take(DIFFERENCES_SHOWN) {
            let (target, test) = &difference.name;
            also(format!(
                "{target}: {test}: {} without, {} with measuring",
                difference.plain, difference.measured
            ));
        }
        self.problems
            .iter()
            .for_each(|problem| also(problem.clone()));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_ends_otherwise_fails_the_crate_and_is_shown() {
        let mut verdict = Verdict::of("1.0.0");
        assert!(verdict.is_same() && verdict.line("a").starts_with("ok    a 1.0.0 "));
        verdict.differences.push(Difference {
            name: (String::from("src/lib.rs"), String::from("m::t")),
            plain: String::from("ok"),
            measured: String::from("FAILED"),
        });
        assert!(!verdict.is_same());
        let line = verdict.line("a");
        assert!(
            line.contains("src/lib.rs: m::t: ok without, FAILED with measuring"),
            "{line}"
        );
    }

    #[test]
    fn a_target_that_fails_for_no_known_test_fails_the_crate() {
        let failed = [String::from("--test it")];
        let mut verdict = Verdict::of("1.0.0");
        verdict.targets(&failed, &failed);
        assert!(verdict.is_same());
        verdict.targets(&[], &failed);
        assert!(!verdict.is_same());
    }

    #[test]
    fn a_copy_that_does_not_compile_fails_the_crate() {
        let mut verdict = Verdict::of("1.0.0");
        let broken = Built {
            errors: vec![String::from("error: here")],
            ..Built::default()
        };
        verdict.built(&Built::default(), &broken);
        assert!(!verdict.is_same() && verdict.line("a").contains("error: here"));
    }
}
