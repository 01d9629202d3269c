//! `cargo xtask lints`: clippy and the compiler, asked for everything, say of a measured function nothing
//! that they do not say of the plain one.
//!
//! The functions are in `tests/lints`, in two editions; their feature `measured` puts the attribute on them,
//! and each line stays where it was; `asked` turns the lints on.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::run;

const PACKAGES: &[&str] = &["khive-perf-tests-lints", "khive-perf-tests-lints-2021"];

/// Lints about a tail expression, which clippy shows at the attribute where the tail is wrapped. So one that is
/// shown there in place of one further down in the function is the same.
const MOVED: &[&str] = &["clippy::implicit_return"];

/// A lint that was shown, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    file: String,
    line: u64,
    lint: String,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.lint)
    }
}

/// Runs the check alone.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    crate::no_arguments("lints", arguments)?;
    Ok(if check(root)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints every lint that the attribute brings; true when there is none.
pub(crate) fn check(root: &Path) -> Result<bool> {
    let mut clean = true;
    for package in PACKAGES {
        let plain = shown(root, package, false)?;
        let measured = shown(root, package, true)?;
        if plain.is_subset(&measured) {
            // A plain function could be a `const fn`, for one thing.
            bail!("no lint of {package} went away with the attribute; was it there?");
        }
        let brought = brought(&plain, &measured);
        if brought.is_empty() {
            run::say(&format!(
                "lints: {package}: {} without the attribute, none more with it",
                plain.len()
            ));
        }
        for shown in brought {
            clean = false;
            run::complain(&format!("lints: {shown} (only where it is measured)"));
        }
    }
    Ok(clean)
}

/// The lints that only the measured functions show.
fn brought(plain: &BTreeSet<Shown>, measured: &BTreeSet<Shown>) -> Vec<Shown> {
    let more: Vec<_> = measured.difference(plain).collect();
    let moved = |shown: &Shown| {
        let behind = |other: &&Shown| {
            (&other.file, &other.lint) == (&shown.file, &shown.lint) && other.line > shown.line
        };
        let next = more
            .iter()
            .copied()
            .find(behind)
            .map_or(u64::MAX, |other| other.line);
        let gone = plain.difference(measured).find(behind);
        MOVED.contains(&&*shown.lint) && gone.is_some_and(|gone| gone.line < next)
    };
    more.iter()
        .filter(|shown| !moved(shown))
        .map(|shown| (*shown).clone())
        .collect()
}

fn shown(root: &Path, package: &str, measured: bool) -> Result<BTreeSet<Shown>> {
    let mut cargo = run::cargo();
    let features = if measured { "asked,measured" } else { "asked" };
    cargo
        .args(["clippy", "--locked", "--message-format=json"])
        .args(["--package", package, "--features", features])
        .current_dir(root);
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!(
            "clippy failed on {package}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let stdout = String::from_utf8(output.stdout).context("clippy's messages")?;
    read(&stdout, package)
}

/// The lints in cargo's messages about a package.
fn read(messages: &str, package: &str) -> Result<BTreeSet<Shown>> {
    let mut all = BTreeSet::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("a message of cargo")?;
        let ours = message["target"]["name"].as_str() == Some(&package.replace('-', "_"));
        let diagnostic = &message["message"];
        if let (true, Some(lint)) = (ours, diagnostic["code"]["code"].as_str()) {
            let spans = diagnostic["spans"].as_array();
            let primary =
                spans.and_then(|spans| spans.iter().find(|span| span["is_primary"] == true));
            if !primary.is_some_and(is_in_an_argument) {
                all.insert(primary.map_or_else(|| nowhere(lint), |span| placed(lint, span)));
            }
        }
    }
    Ok(all)
}

/// Whether a span is in what the user wrote between the parentheses of the attribute, such as the closure of
/// `ok_if`: the plain function has no such code.
fn is_in_an_argument(span: &Value) -> bool {
    let line = span["text"][0]["text"].as_str().unwrap_or_default();
    span["expansion"].is_null() && line.contains("khive_perf::measure(")
}

fn nowhere(lint: &str) -> Shown {
    Shown {
        file: String::from("Cargo.toml"),
        line: 0,
        lint: lint.to_owned(),
    }
}

/// Where the user is shown a lint: for a span without a place of its own, that is the attribute.
fn placed(lint: &str, span: &Value) -> Shown {
    Shown {
        file: span["file_name"].as_str().unwrap_or("?").to_owned(),
        line: span["line_start"].as_u64().unwrap_or_default(),
        lint: lint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lint: &str, span: Value) -> String {
        serde_json::json!({
            "reason": "compiler-message",
            "target": { "name": "fixture" },
            "message": { "code": { "code": lint }, "spans": [span] },
        })
        .to_string()
    }

    #[test]
    fn what_an_argument_of_the_attribute_trips_does_not_count() {
        let span = |line: u64, text: &str, expansion: Value| {
            serde_json::json!({
                "is_primary": true,
                "file_name": "lib.rs",
                "line_start": line,
                "text": [{ "text": text }],
                "expansion": expansion,
            })
        };
        let attribute = "#[khive_perf::measure(ok_if = |x| *x > 0)]";
        let messages = [
            message("body", span(3, "x + 1", Value::Null)),
            message("expansion", span(2, attribute, serde_json::json!({}))),
            message("argument", span(2, attribute, Value::Null)),
        ];
        let all = read(&messages.join("\n"), "fixture").expect("messages");
        let shown: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["lib.rs:2: expansion", "lib.rs:3: body"]);
    }

    #[test]
    fn a_lint_about_a_tail_may_be_shown_at_the_attribute_instead() {
        let set = |lines: &[u64], lint: &str| -> BTreeSet<Shown> {
            let shown = lines.iter().map(|line| Shown {
                line: *line,
                ..nowhere(lint)
            });
            shown.collect()
        };
        let lint = "clippy::implicit_return";
        assert_eq!(brought(&set(&[5, 9], lint), &set(&[2, 9], lint)), []);
        assert_eq!(brought(&set(&[9], lint), &set(&[2, 7], lint)).len(), 1);
        assert_eq!(
            brought(&set(&[5], "another"), &set(&[2], "another")).len(),
            1
        );
    }

    #[test]
    fn messages_about_other_crates_do_not_count() {
        let all = read(&message("a", serde_json::json!({})), "another").expect("messages");
        assert!(all.is_empty(), "{all:?}");
        assert!(read("no json", "another").is_err());
    }
}
