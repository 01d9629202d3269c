//! Builds a copy's tests with cargo: what the compiler warned of, and which files it read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use crate::exam::child;

/// What came of building.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) succeeded: bool,
    /// How often each was said: a library is compiled for itself and for its tests.
    pub(super) warnings: BTreeMap<Warning, usize>,
    pub(super) errors: Vec<String>,
    /// Root files of the tests, examples and benchmarks with errors, relative to the copy.
    pub(super) broken: BTreeSet<PathBuf>,
    /// The files of the copy that the compiler read, relative to it.
    pub(super) sources: BTreeSet<PathBuf>,
}

/// What makes a warning the same in both copies: lines do not move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Warning {
    pub(super) lint: String,
    pub(super) message: String,
    pub(super) place: String,
}

/// Builds everything that `cargo test` runs.
pub(super) fn build(
    copy: &Path,
    target: &Path,
    command: &[&str],
    arguments: &[String],
) -> Result<Built> {
    let mut cargo = child::cargo(copy, target);
    cargo
        .args(command)
        .arg("--message-format=json")
        .args(arguments);
    let log = child::run(cargo, &copy.with_extension("build.log"))?;
    let mut built = read(copy, &log.text);
    built.succeeded = log.succeeded;
    if !built.succeeded && built.errors.is_empty() {
        let said = log.text.lines().filter(|line| !line.starts_with('{'));
        let last: Vec<_> = said.rev().take(12).collect();
        built.errors = last.into_iter().rev().map(str::to_owned).collect();
    }
    Ok(built)
}

/// Reads cargo's messages. There are none about dependencies from the registry: lints are capped in them.
fn read(copy: &Path, log: &str) -> Built {
    let mut built = Built::default();
    let mut script = BTreeSet::new();
    let here = |path: &Value| {
        path.as_str()
            .is_some_and(|path| Path::new(path).starts_with(copy))
    };
    for message in log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        match message["reason"].as_str() {
            Some("compiler-message") => {
                built.note(&message["message"]);
                if message["message"]["level"] == "error" {
                    built
                        .broken
                        .extend(beside_library(copy, &message["target"]));
                }
            }
            Some("compiler-artifact") if here(&message["manifest_path"]) => {
                built.sources.extend(sources(copy, &message));
                if message["target"]["kind"][0] == "custom-build" {
                    script.extend(sources_of_script(copy, &message));
                }
            }
            _ => {}
        }
    }
    built.sources.retain(|source| !script.contains(source));
    built
}

/// The root file of a target that the crate can do without.
fn beside_library(copy: &Path, target: &Value) -> Option<PathBuf> {
    let kind = target["kind"][0].as_str()?;
    let path = Path::new(target["src_path"].as_str()?);
    matches!(kind, "test" | "example" | "bench")
        .then(|| path.strip_prefix(copy).ok().map(Path::to_owned))?
}

fn warning(message: &Value, text: &str) -> Warning {
    let spans = message["spans"].as_array();
    let primary = spans.and_then(|spans| spans.iter().find(|span| span["is_primary"] == true));
    let primary = primary.unwrap_or(&Value::Null);
    Warning {
        lint: message["code"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        message: text.to_owned(),
        place: format!(
            "{}:{}",
            primary["file_name"].as_str().unwrap_or_default(),
            primary["line_start"]
        ),
    }
}

impl Built {
    fn note(&mut self, message: &Value) {
        let text = message["message"].as_str().unwrap_or_default();
        let has_place = message["spans"]
            .as_array()
            .is_some_and(|spans| !spans.is_empty());
        match message["level"].as_str() {
            // The one without a place is "12 warnings emitted".
            Some("warning") if has_place => {
                *self.warnings.entry(warning(message, text)).or_default() += 1;
            }
            Some("error") => {
                let rendered = message["rendered"].as_str().unwrap_or(text);
                self.errors.push(rendered.to_owned());
            }
            _ => {}
        }
    }

    /// All warnings, each as often as it was said.
    pub(super) fn count(&self) -> usize {
        self.warnings.values().sum()
    }

    /// Warnings that are here oftener than in the other copy.
    pub(super) fn beyond(&self, other: &Self) -> Vec<&Warning> {
        let more = |(warning, count): &(&Warning, &usize)| {
            other
                .warnings
                .get(*warning)
                .is_none_or(|before| before < *count)
        };
        self.warnings
            .iter()
            .filter(more)
            .map(|(warning, _)| warning)
            .collect()
    }
}

/// The Rust files, relative to the copy, in the notes that the compiler leaves beside what it makes.
fn sources(copy: &Path, artifact: &Value) -> Vec<PathBuf> {
    let made = artifact["filenames"].as_array().into_iter().flatten();
    let notes = made.filter_map(Value::as_str).flat_map(|made| {
        let made = Path::new(made).with_extension("d");
        let name = made
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let library = made.with_file_name(name.strip_prefix("lib").unwrap_or(name));
        [made, library]
    });
    notes
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|notes| of_copy(&notes, copy))
        .collect()
}

/// What a build script is made of: it is compiled without the crate's dependencies. Its notes have another name
/// than the program, and all else that is made of the crate may name it in theirs.
fn sources_of_script(copy: &Path, artifact: &Value) -> Vec<PathBuf> {
    let root = artifact["target"]["src_path"].as_str().map(PathBuf::from);
    let made = artifact["filenames"][0].as_str().map(Path::new);
    let beside = made
        .and_then(Path::parent)
        .and_then(|directory| fs::read_dir(directory).ok());
    let notes = beside
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().with_extension("d")).ok());
    notes
        .flat_map(|notes| of_copy(&notes, copy))
        .chain(root.and_then(|root| root.strip_prefix(copy).ok().map(Path::to_owned)))
        .collect()
}

/// Files of the copy in `made: file file ..`; a space in a name has a backslash before it.
fn of_copy(notes: &str, copy: &Path) -> Vec<PathBuf> {
    let lines = notes.lines().filter_map(|line| line.split_once(": "));
    let escaped: Vec<String> = lines.map(|(_, files)| files.replace("\\ ", "\0")).collect();
    let files = escaped.iter().flat_map(|files| files.split(' '));
    files
        .map(|file| PathBuf::from(file.replace('\0', " ")))
        .map(|file| {
            file.strip_prefix(copy)
                .map_or_else(|_| file.clone(), Path::to_owned)
        })
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .filter(|file| file.is_relative() && copy.join(file).is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARNING: &str = r#"{"reason":"compiler-message","message":{"level":"warning","message":"unused variable: `x`",
        "code":{"code":"unused_variables"},"spans":[{"is_primary":true,"file_name":"src/lib.rs","line_start":7}]}}"#;

    fn said(times: usize) -> Built {
        let line = WARNING.replace('\n', "");
        let lines: Vec<_> = (0..times).map(|_| line.as_str()).collect();
        read(Path::new("/nowhere"), &lines.join("\n"))
    }

    #[test]
    fn a_warning_is_new_when_it_is_said_oftener() {
        assert!(said(1).beyond(&said(2)).is_empty());
        let (twice, once) = (said(2), said(1));
        let new = twice.beyond(&once);
        assert_eq!(new.len(), 1);
        assert_eq!(
            (new[0].lint.as_str(), new[0].place.as_str()),
            ("unused_variables", "src/lib.rs:7")
        );
    }

    #[test]
    fn a_broken_target_is_known_unless_it_is_the_library() {
        let line = |kind: &str| {
            format!(
                r#"{{"reason":"compiler-message","target":{{"kind":["{kind}"],"src_path":"/here/tests/it.rs"}},"message":{{"level":"error","message":"m","spans":[]}}}}"#
            )
        };
        let broken = |kind| read(Path::new("/here"), &line(kind)).broken;
        assert_eq!(broken("test"), [PathBuf::from("tests/it.rs")].into());
        assert!(broken("lib").is_empty());
    }

    #[test]
    fn an_error_is_kept_as_the_compiler_renders_it() {
        let line = r#"{"reason":"compiler-message","message":{"level":"error","message":"m","rendered":"error: m here","spans":[]}}"#;
        assert_eq!(read(Path::new("/nowhere"), line).errors, ["error: m here"]);
    }

    #[test]
    fn the_files_of_a_copy_are_told_from_those_of_its_dependencies() {
        let copy = Path::new(env!("CARGO_MANIFEST_DIR"));
        let notes = format!(
            "out.d: src/main.rs /elsewhere/src/lib.rs {}/src/run.rs src/none\\ such.rs Cargo.toml\n",
            copy.display()
        );
        assert_eq!(
            of_copy(&notes, copy),
            [Path::new("src/main.rs"), Path::new("src/run.rs")]
        );
    }
}
