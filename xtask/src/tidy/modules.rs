//! Walks the `mod` lines from each target's root file and finds files that no target reaches.

use std::collections::BTreeSet;

use crate::tidy::Finding;
use crate::tidy::lexer::{Kind, Token, lex};
use crate::tidy::paths::{attributes, is_for_tests};
use crate::tidy::tables::is_fixture;
use crate::tidy::tree::Tree;

/// One reached file of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) file: String,
    /// Names from the crate root; empty for the root file.
    pub(super) path: Vec<String>,
    /// Compiled for tests only.
    pub(super) tests: bool,
}

/// Every .rs file in a package must be reached from one of the package's targets.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut findings = Vec::new();
    for (manifest, text) in tree.all().filter(|(path, _)| is_manifest(path)) {
        for root in targets(tree, manifest, text) {
            let (modules, missing) = walk(tree, &root);
            reached.extend(modules.into_iter().map(|module| module.file));
            findings.extend(missing);
        }
    }
    for (path, _) in tree.with_extension("rs") {
        if !reached.contains(path) && !is_fixture(path) {
            findings.push(Finding::new(
                path,
                0,
                "no `mod` line and no target reaches this file; add one or delete it",
            ));
        }
    }
    findings
}

fn is_manifest(path: &str) -> bool {
    path == "Cargo.toml" || path.ends_with("/Cargo.toml")
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The root files of the package whose manifest this is: those it names and those cargo looks for.
fn targets(tree: &Tree, manifest: &str, text: &str) -> BTreeSet<String> {
    let directory = parent(manifest);
    let mut roots = BTreeSet::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        if matches!(key.trim(), "path" | "build") && value.ends_with(".rs") {
            roots.insert(join(directory, value));
        }
    }
    for usual in ["src/lib.rs", "src/main.rs", "build.rs"] {
        roots.insert(join(directory, usual));
    }
    for (folder, switch) in [
        ("src/bin", "autobins"),
        ("tests", "autotests"),
        ("examples", "autoexamples"),
        ("benches", "autobenches"),
    ] {
        let switched_off = text
            .lines()
            .any(|line| line.replace(' ', "") == format!("{switch}=false"));
        let folder = format!("{}/", join(directory, folder));
        // A folder with a manifest is a package of its own.
        if switched_off || tree.text(&format!("{folder}Cargo.toml")).is_some() {
            continue;
        }
        for (path, _) in tree.with_extension("rs") {
            let Some(rest) = path.strip_prefix(&folder) else {
                continue;
            };
            if !rest.contains('/') || (rest.ends_with("/main.rs") && rest.matches('/').count() == 1)
            {
                roots.insert(path.to_owned());
            }
        }
    }
    roots.retain(|root| tree.text(root).is_some());
    roots
}

/// The files reached from `root`, and the `mod` lines that lead nowhere.
pub(super) fn walk(tree: &Tree, root: &str) -> (Vec<Module>, Vec<Finding>) {
    let mut modules = Vec::new();
    let mut findings = Vec::new();
    let mut pending = vec![Module {
        file: root.to_owned(),
        path: Vec::new(),
        tests: false,
    }];
    while let Some(module) = pending.pop() {
        let Some(text) = tree.text(&module.file) else {
            continue;
        };
        for declared in declared(&lex(text).tokens) {
            let candidates = candidates(&module, root, &declared);
            let Some(file) = candidates.iter().find(|file| tree.text(file).is_some()) else {
                let says = format!(
                    "`mod {}` has no file; looked for {}",
                    declared.name,
                    candidates.join(", ")
                );
                findings.push(Finding::new(&module.file, declared.line, says));
                continue;
            };
            let path = [module.path.clone(), declared.inside, vec![declared.name]].concat();
            pending.push(Module {
                file: file.clone(),
                path,
                tests: module.tests || declared.tests,
            });
        }
        modules.push(module);
    }
    (modules, findings)
}

/// A `mod name;` line.
struct Declared {
    name: String,
    inside: Vec<String>,
    explicit: Option<String>,
    tests: bool,
    line: usize,
}

fn declared(tokens: &[Token]) -> Vec<Declared> {
    let mut found = Vec::new();
    let mut open: Vec<Option<(String, bool)>> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let opens_module = at >= 2
            && tokens.get(at - 2).is_some_and(|word| word.is_word("mod"))
            && tokens
                .get(at - 1)
                .is_some_and(|name| name.kind == Kind::Word);
        let name = || {
            tokens
                .get(at.wrapping_sub(1))
                .map(|name| name.text.clone())
                .unwrap_or_default()
        };
        if token.is_mark("{") {
            open.push(opens_module.then(|| (name(), is_for_tests(tokens, at - 2))));
        } else if token.is_mark("}") {
            open.pop();
        } else if token.is_mark(";") && opens_module {
            found.push(Declared {
                name: name(),
                inside: open
                    .iter()
                    .flatten()
                    .map(|(name, _)| name.clone())
                    .collect(),
                explicit: explicit_path(tokens, at - 2),
                tests: is_for_tests(tokens, at - 2)
                    || open.iter().flatten().any(|(_, tests)| *tests),
                line: token.line,
            });
        }
    }
    found
}

fn explicit_path(tokens: &[Token], at: usize) -> Option<String> {
    let attributes = attributes(tokens, at);
    let path = attributes
        .iter()
        .find(|attribute| attribute.first().is_some_and(|token| token.is_word("path")))?;
    path.iter()
        .find(|token| token.kind == Kind::Text)
        .map(|token| token.text.clone())
}

fn candidates(module: &Module, root: &str, declared: &Declared) -> Vec<String> {
    let directory = parent(&module.file);
    let stem = module
        .file
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs");
    if let Some(explicit) = &declared.explicit {
        return vec![normal(&join(directory, explicit))];
    }
    let own = if module.file == root || stem == "mod" {
        directory.to_owned()
    } else {
        join(directory, stem)
    };
    let base = declared
        .inside
        .iter()
        .fold(own, |base, name| join(&base, name));
    vec![
        join(&base, &format!("{}.rs", declared.name)),
        join(&base, &format!("{}/mod.rs", declared.name)),
    ]
}

/// Takes `.` and `..` out of a path.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_behind_mod_lines_are_reached() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", ""),
            (
                "a/src/lib.rs",
                "mod b;\n#[path = \"odd.rs\"]\npub(crate) mod c;\nmod d { mod e; }",
            ),
            ("a/src/b/mod.rs", "#[cfg(test)]\nmod tests;"),
            ("a/src/b/tests.rs", ""),
            ("a/src/odd.rs", ""),
            ("a/src/d/e.rs", ""),
            ("a/tests/whole.rs", ""),
            ("a/tests/ui/pass.rs", ""),
        ]);
        assert_eq!(check(&tree), []);
        let (modules, _) = walk(&tree, "a/src/lib.rs");
        let tests = modules
            .iter()
            .filter(|module| module.tests)
            .map(|module| module.path.join("::"));
        assert_eq!(tests.collect::<Vec<_>>(), ["b::tests"]);
    }

    #[test]
    fn a_file_without_a_mod_line_is_an_orphan() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", ""),
            ("a/src/lib.rs", "// mod b;"),
            ("a/src/b.rs", ""),
        ]);
        assert_eq!(
            check(&tree).first().map(|finding| finding.path.as_str()),
            Some("a/src/b.rs")
        );
    }

    #[test]
    fn a_mod_line_without_a_file_is_named_with_the_places_looked_at() {
        let tree = Tree::of(&[("Cargo.toml", ""), ("src/lib.rs", "\nmod b;")]);
        let said = check(&tree)
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert_eq!(
            said,
            "`src/lib.rs:2`: `mod b` has no file; looked for src/b.rs, src/b/mod.rs"
        );
    }

    #[test]
    fn programs_that_a_manifest_names_are_roots() {
        let manifest = "[[example]]\nname = \"one\"\npath = \"one.rs\"\n";
        let tree = Tree::of(&[
            ("e/Cargo.toml", manifest),
            ("e/one.rs", ""),
            ("e/two.rs", ""),
        ]);
        let orphans: Vec<String> = check(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(orphans, ["e/two.rs"]);
    }
}
