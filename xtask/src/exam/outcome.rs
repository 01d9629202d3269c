//! What `cargo test` printed, test by test, and how two runs of it differ.

use std::collections::BTreeMap;

/// A test of a target, such as `src/lib.rs` or `doc`; some documentation has two on one line.
pub(super) type Name = (String, String);

/// All tests of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcomes {
    /// Outcomes in order: `ok`, `FAILED` or `ignored`.
    pub(super) tests: BTreeMap<Name, Vec<String>>,
    /// Targets that cargo says failed, also those without a list of tests.
    pub(super) failed_targets: Vec<String>,
    /// Lines that tests were counted in, but not found.
    pub(super) unread: usize,
}

/// A test that ended otherwise in the measured copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) name: Name,
    pub(super) plain: String,
    pub(super) measured: String,
}

impl Outcomes {
    /// Reads the output of `cargo test`, standard error included.
    pub(super) fn read(log: &str) -> Self {
        let mut outcomes = Self::default();
        let mut target = String::new();
        let mut found = 0;
        let mut failed = false;
        for line in log.lines() {
            if let Some(next) = target_of(line) {
                target = next;
            } else if let Some((name, outcome)) = test_of(line) {
                found += 1;
                let key = (target.clone(), name.to_owned());
                outcomes
                    .tests
                    .entry(key)
                    .or_default()
                    .push(outcome.to_owned());
            } else if let Some(counted) = counted(line) {
                outcomes.unread += counted.abs_diff(found);
                found = 0;
            } else if line.starts_with("error: ") && line.contains("failed") {
                failed = true;
            } else if failed && let Some(name) = line.trim().strip_prefix('`') {
                outcomes
                    .failed_targets
                    .push(name.trim_end_matches('`').to_owned());
            }
        }
        outcomes
    }

    pub(super) fn count(&self, outcome: &str) -> usize {
        let all = self.tests.values().flatten();
        all.filter(|one| *one == outcome).count()
    }

    /// Tests that ended otherwise in `measured`, were not run there, or were run only there.
    pub(super) fn differences(&self, measured: &Self) -> Vec<Difference> {
        let show = |outcomes: Option<&Vec<String>>| {
            outcomes.map_or_else(|| String::from("missing"), |all| all.join(", "))
        };
        let mut differences = Vec::new();
        let added = measured
            .tests
            .keys()
            .filter(|name| !self.tests.contains_key(*name));
        for name in self.tests.keys().chain(added) {
            let (plain, measured) = (self.tests.get(name), measured.tests.get(name));
            if plain != measured {
                differences.push(Difference {
                    name: name.clone(),
                    plain: show(plain),
                    measured: show(measured),
                });
            }
        }
        differences
    }
}

/// `Running unittests src/lib.rs (..)`, `Running tests/it.rs (..)`, `Doc-tests name`.
fn target_of(line: &str) -> Option<String> {
    let line = line.trim_start();
    if line.starts_with("Doc-tests ") {
        return Some(String::from("doc"));
    }
    let running = line
        .strip_prefix("Running ")?
        .strip_prefix("unittests ")
        .unwrap_or_else(|| line.trim_start_matches("Running "));
    running
        .rsplit_once(" (")
        .map(|(target, _)| target.to_owned())
}

/// `test NAME ... OUTCOME`. A reason or a duration may follow; text of the program's may stand before.
fn test_of(line: &str) -> Option<(&str, &str)> {
    let line = line.get(line.find("test ")?..)?;
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let outcome = ["ok", "FAILED", "ignored"]
        .into_iter()
        .find(|outcome| rest.starts_with(outcome))?;
    // Whether it should panic is no part of the name.
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    Some((name, outcome))
}

/// The number of tests in `test result: ok. 5 passed; 0 failed; 1 ignored; ..`.
fn counted(line: &str) -> Option<usize> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut count = 0;
    for part in numbers.split("; ") {
        if let Some((number, "passed" | "failed" | "ignored")) = part.split_once(' ') {
            count += number.parse::<usize>().ok()?;
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
     Running unittests src/lib.rs (target/debug/deps/a-1)

running 3 tests
test a::b ... ok
test a::c - should panic ... ok
test a::d ... ignored, slow

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/it.rs (target/debug/deps/it-1)
output of a thread test a::b ... FAILED
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
error: test failed, to rerun pass `--test it`
   Doc-tests a
test src/lib.rs - a (line 3) ... ok
test src/lib.rs - a (line 3) ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
error: 1 target failed:
    `--test it`
";

    fn name(target: &str, test: &str) -> Name {
        (target.to_owned(), test.to_owned())
    }

    #[test]
    fn every_test_is_read_with_its_target() {
        let outcomes = Outcomes::read(LOG);
        assert_eq!(outcomes.tests[&name("src/lib.rs", "a::c")], ["ok"]);
        assert_eq!(outcomes.tests[&name("tests/it.rs", "a::b")], ["FAILED"]);
        assert_eq!(
            outcomes.tests[&name("doc", "src/lib.rs - a (line 3)")],
            ["ok", "ok"]
        );
        assert_eq!(
            (
                outcomes.count("ok"),
                outcomes.count("ignored"),
                outcomes.unread
            ),
            (4, 1, 0)
        );
        assert_eq!(outcomes.failed_targets, ["--test it"]);
    }

    #[test]
    fn a_test_that_was_counted_and_not_found_is_told() {
        let log = LOG.replace("test a::b ... ok\n", "");
        assert_eq!(Outcomes::read(&log).unread, 1);
    }

    #[test]
    fn a_test_that_fails_or_is_gone_or_is_new_makes_a_difference() {
        let plain = Outcomes::read(LOG);
        assert!(plain.differences(&plain).is_empty());
        let log = LOG.replace("test a::b ... ok", "test a::b ... FAILED");
        let log = log.replace("test a::c - should panic ... ok", "test a::new ... ok");
        let seen = plain.differences(&Outcomes::read(&log));
        let seen: Vec<_> = seen
            .iter()
            .map(|it| (it.name.1.as_str(), it.plain.as_str(), it.measured.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("a::b", "ok", "FAILED"),
                ("a::c", "ok", "missing"),
                ("a::new", "missing", "ok")
            ]
        );
    }
}
