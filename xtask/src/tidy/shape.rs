//! The shape of a source file: it says what it is for, and it is short enough to be read.

use crate::tidy::Finding;
use crate::tidy::tables::{LINES_MAX, is_fixture};
use crate::tidy::tree::Tree;

/// Every .rs file opens with a `//!` line of purpose.
pub(super) fn documented(tree: &Tree) -> Vec<Finding> {
    let files = tree
        .with_extension("rs")
        .filter(|(path, _)| !is_fixture(path));
    let bare = files.filter(|(_, text)| {
        let first = text.lines().next().unwrap_or_default();
        first
            .strip_prefix("//!")
            .is_none_or(|purpose| purpose.trim().is_empty())
    });
    bare.map(|(path, _)| {
        Finding::new(
            path,
            1,
            "must open with a `//!` line that says what the file is for",
        )
    })
    .collect()
}

/// No source file is longer than [`LINES_MAX`].
pub(super) fn bounded(tree: &Tree) -> Vec<Finding> {
    let sources = ["rs", "py", "sh", "html", "css", "js"];
    let files = sources
        .iter()
        .flat_map(|extension| tree.with_extension(extension));
    files
        .filter_map(|(path, text)| {
            let lines = text.lines().count();
            let says =
                format!("has {lines} lines, at most {LINES_MAX} are allowed; split it by purpose");
            (lines > LINES_MAX).then(|| Finding::new(path, 0, says))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_what_it_is_for_passes() {
        let tree = Tree::of(&[("a.rs", "//! Counts.\n"), ("tests/ui/b.rs", "fn main() {}")]);
        assert_eq!(documented(&tree), []);
    }

    #[test]
    fn a_file_without_a_purpose_is_found() {
        let tree = Tree::of(&[
            ("a.rs", "use b;\n//! Late."),
            ("c.rs", "//!\n//! Second."),
            ("d.rs", ""),
        ]);
        assert_eq!(documented(&tree).len(), 3);
    }

    #[test]
    fn only_the_file_over_the_limit_is_found() {
        let (full, over) = ("x\n".repeat(LINES_MAX), "x\n".repeat(LINES_MAX + 1));
        let tree = Tree::of(&[
            ("full.rs", &full),
            ("over.rs", &over),
            ("Cargo.lock", &over),
        ]);
        let paths: Vec<String> = bounded(&tree)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(paths, ["over.rs"]);
    }
}
