//! The arguments of `cargo xtask exam`.

use anyhow::{Context as _, Result, bail};

use crate::exam::crates::SUBJECTS;
use crate::exam::rewrite::Placement;

/// What is to be done.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) tasks: Vec<Task>,
    pub(super) placement: Placement,
    /// Compare clippy's warnings instead of running tests.
    pub(super) clippy: bool,
}

/// A crate to examine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) name: String,
    /// A requirement, as in a manifest.
    pub(super) version: String,
    /// Further arguments of `cargo test`.
    pub(super) arguments: Vec<String>,
}

impl Options {
    /// Reads `[CRATE[@VERSION]..] [--placement first|last] [--clippy] [-- ARGUMENT..]`.
    ///
    /// # Errors
    ///
    /// When an argument is not known.
    pub(super) fn read(arguments: &[String]) -> Result<Self> {
        let (own, passed) = match arguments.iter().position(|argument| argument == "--") {
            Some(at) => (&arguments[..at], Some(&arguments[at + 1..])),
            None => (arguments, None),
        };
        let mut options = Self {
            tasks: Vec::new(),
            placement: Placement::default(),
            clippy: false,
        };
        let mut own = own.iter();
        while let Some(argument) = own.next() {
            match argument.as_str() {
                "--clippy" => options.clippy = true,
                "--placement" => {
                    let value = own
                        .next()
                        .context("`--placement` needs `first` or `last`")?;
                    options.placement = match value.as_str() {
                        "first" => Placement::First,
                        "last" => Placement::Last,
                        other => bail!("`--placement` is `first` or `last`, not `{other}`"),
                    };
                }
                unknown if unknown.starts_with('-') => {
                    bail!("`exam` knows no `{unknown}`; arguments for `cargo test` go behind `--`")
                }
                name => options.tasks.push(task(name, passed)),
            }
        }
        if options.tasks.is_empty() {
            let all = SUBJECTS.iter().map(|subject| task(subject.name, passed));
            options.tasks = all.collect();
        }
        Ok(options)
    }
}

/// A crate of the table with its version and arguments, unless others are given; or any other crate.
fn task(name: &str, passed: Option<&[String]>) -> Task {
    let (name, version) = match name.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (name, None),
    };
    let subject = SUBJECTS.iter().find(|subject| subject.name == name);
    let listed = || subject.map_or(&[][..], |subject| subject.arguments);
    Task {
        name: name.to_owned(),
        version: match (version, subject) {
            (Some(version), _) => format!("={version}"),
            (None, Some(subject)) => format!("={}", subject.version),
            (None, None) => String::from("*"),
        },
        arguments: passed.map_or_else(
            || {
                listed()
                    .iter()
                    .map(|argument| (*argument).to_owned())
                    .collect()
            },
            <[String]>::to_vec,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::read(&words)
    }

    #[test]
    fn without_names_the_whole_table_is_examined() {
        let options = read("--placement last").expect("valid");
        assert_eq!(options.tasks.len(), SUBJECTS.len());
        assert_eq!(options.placement, Placement::Last);
        assert_eq!(
            options.tasks[0].version,
            format!("={}", SUBJECTS[0].version)
        );
    }

    #[test]
    fn any_crate_can_be_named_with_its_version_and_arguments() {
        let options = read("foo@1.2.3 bar -- --all-features --lib").expect("valid");
        let expected = |name: &str, version: &str| Task {
            name: name.into(),
            version: version.into(),
            arguments: vec!["--all-features".into(), "--lib".into()],
        };
        assert_eq!(
            options.tasks,
            [expected("foo", "=1.2.3"), expected("bar", "*")]
        );
    }

    #[test]
    fn unknown_arguments_are_refused_with_the_remedy() {
        let error = read("semver --lib").expect_err("it is cargo's").to_string();
        assert!(
            error.contains("`--lib`") && error.contains("behind `--`"),
            "{error}"
        );
        assert!(read("--placement above").is_err());
    }
}
