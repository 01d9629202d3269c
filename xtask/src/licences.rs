//! `cargo xtask licences`: every dependency may be used under a licence that deny.toml allows.
//!
//! `cargo deny check` looks at more, advisories above all; this needs nothing installed and no network.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::run;

/// Runs the check alone.
pub(crate) fn command(root: &Path, arguments: &[String]) -> Result<ExitCode> {
    crate::no_arguments("licences", arguments)?;
    Ok(if check(root)? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Prints every dependency that may not be used; true when there is none.
pub(crate) fn check(root: &Path) -> Result<bool> {
    let allowed = allowed(&fs::read_to_string(root.join("deny.toml")).context("deny.toml")?)?;
    let mut cargo = run::cargo();
    cargo
        .args(["metadata", "--format-version=1", "--locked"])
        .current_dir(root);
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!(
            "`cargo metadata` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("the answer of `cargo metadata`")?;
    let packages = metadata["packages"]
        .as_array()
        .context("`cargo metadata` names no packages")?;
    let findings: Vec<String> = packages
        .iter()
        .filter_map(|package| finding(package, &allowed))
        .collect();
    for finding in &findings {
        run::complain(&format!("licences: {finding}"));
    }
    if findings.is_empty() {
        run::say(&format!(
            "licences: {} packages may be used",
            packages.len()
        ));
    }
    Ok(findings.is_empty())
}

fn finding(package: &Value, allowed: &BTreeSet<String>) -> Option<String> {
    let name = format!(
        "{} {}",
        package["name"].as_str().unwrap_or("?"),
        package["version"].as_str().unwrap_or("?")
    );
    let Some(licence) = package["license"].as_str() else {
        return Some(format!(
            "{name} names no licence; look at its files and decide whether to depend on it"
        ));
    };
    match permits(licence, allowed) {
        Ok(true) => None,
        Ok(false) => Some(format!(
            "{name} is under `{licence}`, of which deny.toml does not allow enough"
        )),
        Err(error) => Some(format!("{name}: cannot read `{licence}`: {error}")),
    }
}

/// The strings of `allow = [..]` in the table `[licenses]`.
fn allowed(deny: &str) -> Result<BTreeSet<String>> {
    let table = deny.split_once("[licenses]").map(|(_, rest)| rest);
    let list = table
        .and_then(|table| table.split_once("allow = ["))
        .and_then(|(_, rest)| rest.split_once(']'));
    let (list, _) = list.context("deny.toml has no `allow = [..]` in [licenses]")?;
    let quoted = list
        .split('"')
        .enumerate()
        .filter(|(part, _)| part % 2 == 1);
    Ok(quoted.map(|(_, licence)| licence.to_owned()).collect())
}

/// Whether an SPDX expression can be met with the allowed licences alone.
fn permits(expression: &str, allowed: &BTreeSet<String>) -> Result<bool> {
    // `/` is how `OR` was once written.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        allowed,
    };
    let met = reader.any()?;
    match reader.words.first() {
        Some(extra) => bail!("`{extra}` is out of place"),
        None => Ok(met),
    }
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a BTreeSet<String>,
}

impl Reader<'_> {
    fn skip(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn any(&mut self) -> Result<bool> {
        let mut met = self.all()?;
        while self.skip("OR") {
            met |= self.all()?;
        }
        Ok(met)
    }

    fn all(&mut self) -> Result<bool> {
        let mut met = self.one()?;
        while self.skip("AND") {
            met &= self.one()?;
        }
        Ok(met)
    }

    fn one(&mut self) -> Result<bool> {
        if self.skip("(") {
            let met = self.any()?;
            if !self.skip(")") {
                bail!("a parenthesis is not closed");
            }
            return Ok(met);
        }
        let Some((name, rest)) = self.words.split_first() else {
            bail!("a licence is missing at the end")
        };
        if matches!(*name, "OR" | "AND" | "WITH" | ")") {
            bail!("`{name}` is out of place");
        }
        self.words = rest;
        if self.skip("WITH") {
            let Some((exception, rest)) = self.words.split_first() else {
                bail!("`WITH` has no exception")
            };
            self.words = rest;
            return Ok(self.allowed.contains(&format!("{name} WITH {exception}")));
        }
        Ok(self.allowed.contains(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(expression: &str) -> Option<bool> {
        let allowed = allowed(
            "[licenses]\nallow = [\n  \"MIT\",\n  \"Zlib\", \"Apache-2.0 WITH LLVM-exception\"\n]\n",
        );
        permits(expression, &allowed.expect("a list")).ok()
    }

    #[test]
    fn one_allowed_licence_of_several_is_enough() {
        for expression in [
            "MIT",
            "GPL-3.0 OR MIT",
            "GPL-3.0/MIT",
            "(GPL-3.0 AND Zlib) OR (MIT AND Zlib)",
        ] {
            assert_eq!(met(expression), Some(true), "{expression}");
        }
        assert_eq!(met("Apache-2.0 WITH LLVM-exception"), Some(true));
    }

    #[test]
    fn all_that_are_joined_by_and_are_needed() {
        for expression in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT AND (GPL-3.0 OR LGPL-2.1)",
            "Apache-2.0",
        ] {
            assert_eq!(met(expression), Some(false), "{expression}");
        }
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_an_error() {
        for expression in [
            "",
            "MIT OR",
            "(MIT",
            "MIT Zlib",
            "OR MIT",
            "Apache-2.0 WITH",
        ] {
            assert_eq!(met(expression), None, "{expression}");
        }
    }

    #[test]
    fn a_package_that_may_not_be_used_is_named() {
        let package =
            serde_json::json!({ "name": "copyleft", "version": "1.0.0", "license": "GPL-3.0" });
        let said = finding(&package, &BTreeSet::from([String::from("MIT")])).unwrap_or_default();
        assert!(
            said.starts_with("copyleft 1.0.0 is under `GPL-3.0`"),
            "{said}"
        );
        let nameless = serde_json::json!({ "name": "a", "version": "1.0.0", "license": null });
        assert!(finding(&nameless, &BTreeSet::new()).is_some());
    }
}
