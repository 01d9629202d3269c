//! Data flows down, names are only looked up: keeps the rows, doors and walls of the tables.

use crate::tidy::Finding;
use crate::tidy::lexer::{Kind, lex};
use crate::tidy::modules::{Module, walk};
use crate::tidy::paths::{Named, Root, named};
use crate::tidy::tables::{CORE_FOR_EXPORTER, LAYERS, Layers, SQL, SQL_PLACES};
use crate::tidy::tree::Tree;

/// Checks the library and the program of every package that has a table.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let targets = LAYERS
        .iter()
        .flat_map(|layers| ["lib.rs", "main.rs"].map(|root| (layers, root)));
    targets
        .flat_map(|(layers, root)| target(tree, layers, root))
        .collect()
}

fn target(tree: &Tree, layers: &Layers, root: &str) -> Vec<Finding> {
    let root = format!("{}/src/{root}", layers.package);
    let (modules, _) = walk(tree, &root);
    let mut findings = Vec::new();
    for module in modules.iter().filter(|module| !module.tests) {
        let Some(text) = tree.text(&module.file) else {
            continue;
        };
        let lexed = lex(text);
        let top = module.path.first().map(String::as_str);
        if let Some(top) = top.filter(|top| row(layers, top).is_none()) {
            let says = format!("`{top}` is on no row; give it one in xtask/src/tidy/tables.rs");
            findings.push(Finding::new(&module.file, 0, says));
            continue;
        }
        for path in named(&lexed.tokens, &module.path) {
            let says = broken(layers, module, &path);
            findings.extend(says.map(|says| Finding::new(&module.file, path.line, says)));
        }
        if layers.package == "khive-perf-analysis" && !is_in(place(layers, module), SQL_PLACES) {
            findings.extend(sql(module, &lexed.tokens));
        }
    }
    findings
}

/// The file of a module below the package's sources.
fn place<'a>(layers: &Layers, module: &'a Module) -> &'a str {
    let sources = format!("{}/src/", layers.package);
    module.file.strip_prefix(&sources).unwrap_or(&module.file)
}

/// What is wrong with a path that a module names.
fn broken(layers: &Layers, module: &Module, path: &Named) -> Option<String> {
    let place = place(layers, module);
    match path.root {
        Root::Climbing => Some(String::from(
            "`super::super` hides what is named; write the path from `crate::`",
        )),
        Root::Own => {
            let top = module.path.first()?;
            let full = format!("crate::{}", path.segments.join("::"));
            own(layers, top, path).or_else(|| wall(layers, place, &full))
        }
        Root::Scope => foreign(layers, place, path),
    }
}

fn row(layers: &Layers, module: &str) -> Option<usize> {
    layers.rows.iter().position(|row| row.contains(&module))
}

/// What is wrong with `path`, named by the top-level module `top`.
fn own(layers: &Layers, top: &str, path: &Named) -> Option<String> {
    let target = path.segments.first().map(String::as_str)?;
    if target == top || (path.is_macro && path.segments.len() == 1) {
        return None;
    }
    let own_row = row(layers, top)?;
    match row(layers, target) {
        Some(target_row) if target_row < own_row => None,
        Some(_) => Some(match own_row.checked_sub(1) {
            Some(last) => {
                format!("{top} must not name {target} (row {own_row} may name rows 0-{last})")
            }
            None => format!("{top} must not name {target} (row 0 may name no other module)"),
        }),
        None => Some(format!(
            "{top} names `crate::{target}`, which is no module on a row; write the path of the module that defines it"
        )),
    }
}

/// What is wrong with a path that starts outside the crate, named in the file `place` below `src`.
fn foreign(layers: &Layers, place: &str, path: &Named) -> Option<String> {
    let full = path.segments.join("::");
    if layers.package == "khive-perf-otel"
        && let Some((first, rest)) = path.segments.split_first()
        && first == "khive_perf"
        && !rest.first().is_some_and(|name| is_offered(name))
    {
        let offered = CORE_FOR_EXPORTER.join(", ");
        return Some(format!(
            "names `{full}`; of the core it may name its types and {offered}"
        ));
    }
    for door in layers.doors {
        if starts_with(&full, door.path) && !is_in(place, door.places) {
            return Some(format!("must not name `{}`: {}", door.path, door.because));
        }
    }
    wall(layers, place, &full)
}

/// Which wall stands between the file `place` and the path `full`.
fn wall(layers: &Layers, place: &str, full: &str) -> Option<String> {
    let mut walls = layers.walls.iter().filter(|wall| is_in(place, wall.places));
    let wall = walls.find(|wall| wall.paths.iter().any(|banned| starts_with(full, banned)))?;
    Some(format!("must not name `{full}`: {}", wall.because))
}

/// A module for exporters, or a type at the core's root.
fn is_offered(name: &str) -> bool {
    CORE_FOR_EXPORTER.contains(&name) || name.starts_with(char::is_uppercase)
}

/// True when `path` is `prefix` or lies below it; `*` stands for everything below.
fn starts_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// True when the file `place` is one of `places`, or lies in one, or is the module of that name.
fn is_in(place: &str, places: &[&str]) -> bool {
    places.iter().any(|allowed| {
        place
            .strip_prefix(allowed)
            .is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
    })
}

fn sql(module: &Module, tokens: &[crate::tidy::lexer::Token]) -> Vec<Finding> {
    let says = "SQL outside `store/sqlite.rs`; ask the store in its own words";
    let texts = tokens.iter().filter(|token| token.kind == Kind::Text);
    let found = texts.filter(|token| {
        SQL.iter()
            .any(|start| token.text.trim_start().starts_with(start))
    });
    found
        .map(|token| Finding::new(&module.file, token.line, says))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE_LIB: &str = "mod sync; mod registry; mod report; mod stats;";

    fn core(registry: &str, stats: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("khive-perf/src/lib.rs", CORE_LIB),
            (
                "khive-perf/src/sync.rs",
                "use std::sync::atomic::AtomicU64;",
            ),
            (
                "khive-perf/src/report.rs",
                "use crate::{registry::Registry, stats};",
            ),
            ("khive-perf/src/registry/mod.rs", registry),
            ("khive-perf/src/stats.rs", stats),
        ]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_that_look_up_are_allowed() {
        let registry =
            "use crate::{stats::Histogram, sync};\n#[cfg(test)] mod tests { use crate::report; }";
        assert_eq!(core(registry, "use std::fmt;"), [""; 0]);
    }

    #[test]
    fn a_name_that_looks_down_is_refused_with_both_rows() {
        let said = core("\nuse crate::{sync, report::text};", "");
        let expected = "`khive-perf/src/registry/mod.rs:2`: registry must not name report (row 4 may name rows 0-3)";
        assert_eq!(said, [expected]);
    }

    #[test]
    fn super_at_the_top_of_a_module_is_a_name_from_the_root() {
        assert_eq!(core("fn f() { super::report::text() }", "").len(), 1);
    }

    #[test]
    fn a_name_on_the_same_row_is_refused() {
        let tree = Tree::of(&[
            ("khive-perf/src/lib.rs", "mod config; mod error;"),
            ("khive-perf/src/config.rs", "use crate::error::E;"),
            ("khive-perf/src/error.rs", ""),
        ]);
        assert_eq!(check(&tree).len(), 1);
    }

    #[test]
    fn root_re_exports_are_refused_and_macros_are_not() {
        assert_eq!(core("use crate::Snapshot;", "").len(), 1);
        assert_eq!(core("fn f() { crate::span!(\"x\") }", ""), [""; 0]);
    }

    #[test]
    fn climbing_is_refused() {
        let said = core("use super::super::x;", "");
        assert!(
            said.iter().any(|said| said.contains("`super::super`")),
            "{said:?}"
        );
    }

    #[test]
    fn doors_and_walls_are_kept() {
        assert_eq!(
            core("use std::sync::atomic::Ordering;", "").len(),
            1,
            "atomics outside sync"
        );
        assert_eq!(
            core("", "use std::{fmt, fs};").len(),
            1,
            "a file system in stats"
        );
        assert_eq!(
            core("// std::sync::atomic::Ordering", "/* std::fs::read */"),
            [""; 0]
        );
    }

    #[test]
    fn a_module_without_a_row_is_refused() {
        let tree = Tree::of(&[
            ("khive-perf/src/lib.rs", "mod novel;"),
            ("khive-perf/src/novel.rs", ""),
        ]);
        assert!(
            check(&tree)
                .iter()
                .any(|finding| finding.says.contains("`novel` is on no row"))
        );
    }

    #[test]
    fn the_exporter_names_public_modules_of_the_core_only() {
        let otel = |encode| {
            let lib = ("khive-perf-otel/src/lib.rs", "mod encode;");
            check(&Tree::of(&[lib, ("khive-perf-otel/src/encode.rs", encode)])).len()
        };
        assert_eq!(otel("use khive_perf::snapshot::Snapshot;"), 0);
        assert_eq!(otel("use khive_perf::{Outcome, snapshot};"), 0);
        assert_eq!(otel("use khive_perf::registry::Registry;"), 1);
        assert_eq!(otel("use khive_perf::__private::enter;"), 1);
        assert_eq!(otel("fn f() { tokio::spawn(x) }"), 1);
    }

    #[test]
    fn each_outside_format_has_one_place_in_the_analysis() {
        let analysis = |store, sqlite, receiver| {
            let lib = ("khive-perf-analysis/src/lib.rs", "mod store; mod receiver;");
            let tree = Tree::of(&[
                lib,
                ("khive-perf-analysis/src/store/mod.rs", store),
                ("khive-perf-analysis/src/store/sqlite.rs", sqlite),
                ("khive-perf-analysis/src/receiver.rs", receiver),
            ]);
            check(&tree).len()
        };
        let (sqlite, receiver) = (
            "fn f() { rusqlite::open(\"SELECT 1\") }",
            "use opentelemetry_proto::tonic;",
        );
        assert_eq!(analysis("mod sqlite;", sqlite, receiver), 0);
        assert_eq!(
            analysis("mod sqlite; fn f() { g(\"SELECT 1\") }", sqlite, receiver),
            1
        );
        assert_eq!(
            analysis(
                "mod sqlite; use opentelemetry_proto::tonic;",
                sqlite,
                receiver
            ),
            1
        );
        assert_eq!(
            analysis("mod sqlite;", sqlite, "use rusqlite::Connection;"),
            1
        );
    }

    #[test]
    fn a_report_is_written_from_model_and_detect() {
        let report = |source| {
            let tree = Tree::of(&[
                ("khive-perf-analysis/src/main.rs", "mod report;"),
                ("khive-perf-analysis/src/report.rs", source),
            ]);
            check(&tree).len()
        };
        assert_eq!(report("use crate::{detect::Comparison, model};"), 0);
        assert_eq!(report("use crate::store::Store;"), 1);
    }
}
