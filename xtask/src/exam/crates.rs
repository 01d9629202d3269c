//! The crates of the exam, and the tests in them that measuring does change, each with the reason.

/// A released crate, pinned so that two runs examine the same source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Further arguments of `cargo test`, such as features.
    pub(super) arguments: &'static [&'static str],
}

/// Practice: any other crate can be named on the command line.
pub(super) const SUBJECTS: &[Subject] = &[
    subject("semver", "1.0.28", &[]),
    // One of its tests parses four bytes in every combination.
    subject("httparse", "1.10.1", &["--release"]),
    subject("indexmap", "2.14.2", &[]),
    subject("itertools", "0.15.0", &[]),
    subject("async-channel", "2.5.0", &[]),
    subject("serde_json", "1.0.154", &[]),
    subject("tower", "0.5.3", &["--features=full"]),
    subject("hyper", "1.12.0", &["--features=full"]),
    subject("h2", "0.4.20", &[]),
    subject(
        "axum",
        "0.8.9",
        &["--all-features", "--features=axum-macros/__private"],
    ),
    subject("mini-redis", "0.4.1", &[]),
    subject("moka", "0.12.16", &["--features=sync,future"]),
    subject("regex-automata", "0.4.19", &[]),
    subject("tantivy", "0.27.0", &[]),
    // Shapes its vtables by hand, and looks at its callers and at type names.
    subject("anyhow", "1.0.104", &[]),
    // What a derive macro makes is measured in its tests.
    subject("thiserror", "2.0.21", &[]),
    // Little but generic futures and streams; its examples take long to compile.
    subject("futures-util", "0.3.34", &["--lib", "--tests"]),
    // Edition 2015, and its tests are full of functions that macros make.
    subject("error-chain", "0.12.4", &[]),
];

const fn subject(
    name: &'static str,
    version: &'static str,
    arguments: &'static [&'static str],
) -> Subject {
    Subject {
        name,
        version,
        arguments,
    }
}

/// A test that measuring changes, for a reason that lies in the test.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exception {
    pub(super) name: &'static str,
    pub(super) test: &'static str,
    pub(super) reason: &'static str,
}

/// Looked up by the name of the crate and the end of the test's name.
pub(super) const EXCEPTIONS: &[Exception] = &[];

/// Why a test of a crate may differ, if it may.
pub(super) fn exception(name: &str, test: &str) -> Option<&'static Exception> {
    EXCEPTIONS
        .iter()
        .find(|exception| exception.name == name && exception.test == test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_a_dozen_crates_are_examined_and_each_once() {
        let mut names: Vec<_> = SUBJECTS.iter().map(|subject| subject.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SUBJECTS.len());
        assert!(names.len() >= 12, "{names:?}");
    }

    #[test]
    fn every_exception_is_one_test_of_an_examined_crate_and_has_a_reason() {
        for exception in EXCEPTIONS {
            let examined = SUBJECTS
                .iter()
                .any(|subject| subject.name == exception.name);
            assert!(examined, "{exception:?}");
            assert!(
                exception.reason.len() > 20 && !exception.test.contains('*'),
                "{exception:?}"
            );
        }
    }
}
