//! `cargo xtask tidy`: rules about the source that no compiler keeps.
//!
//! A rule is a pure function from the [`Tree`] to its [`Finding`]s, so that each has a test with a
//! good and a bad input. The tables are in [`tables`]; a new module or a new file with unsafe code
//! is added there, in the change that needs it.

mod dependencies;
mod layers;
mod lexer;
mod modules;
mod paths;
mod prose;
mod shape;
mod tables;
mod tree;
mod unsafety;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::run;
use crate::tidy::tree::Tree;

/// One broken rule: where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    says: String,
}

impl Finding {
    fn new(path: &str, line: usize, says: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            says: says.into(),
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 {
            write!(f, "`{}`: {}", self.path, self.says)
        } else {
            write!(f, "`{}:{}`: {}", self.path, self.line, self.says)
        }
    }
}

type Rule = (&'static str, fn(&Tree) -> Vec<Finding>);

const RULES: &[Rule] = &[
    ("layers", layers::check),
    ("dependencies", dependencies::check),
    ("module docs", shape::documented),
    ("file sizes", shape::bounded),
    ("orphan files", modules::check),
    ("unsafe code", unsafety::check),
    ("links", prose::links),
    ("changelog", prose::changelog),
    ("foreign paths", prose::foreign_paths),
];

/// Runs tidy alone.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    crate::no_arguments("tidy", arguments)?;
    Ok(if check(root)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints every finding; true when there is none.
pub(crate) fn check(root: &Path) -> Result<bool> {
    let tree = Tree::read(root)?;
    let mut count = 0;
    for (name, rule) in RULES {
        let mut findings = rule(&tree);
        findings.sort();
        findings.dedup();
        count += findings.len();
        for finding in findings {
            run::complain(&format!("{name}: {finding}"));
        }
    }
    if count == 0 {
        run::say(&format!(
            "tidy: {} rules hold over {} files",
            RULES.len(),
            tree.len()
        ));
    } else {
        run::complain(&format!("tidy: {count} findings"));
    }
    Ok(count == 0)
}
