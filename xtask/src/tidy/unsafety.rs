//! Unsafe code stands in listed files only, and every block is argued for.

use crate::tidy::Finding;
use crate::tidy::lexer::{Comment, Lexed, lex};
use crate::tidy::tables::{UNSAFE_FILES, is_fixture};
use crate::tidy::tree::Tree;

/// Checks the list, and the `// SAFETY:` comment in front of every unsafe block and impl.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree
        .with_extension("rs")
        .filter(|(path, _)| !is_fixture(path))
    {
        let lexed = lex(text);
        for (at, token) in lexed
            .tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| token.is_word("unsafe"))
        {
            if !is_listed(path) {
                let says = "holds unsafe code but is not listed in UNSAFE_FILES of xtask/src/tidy/tables.rs";
                findings.push(Finding::new(path, token.line, says));
            }
            let next = lexed.tokens.get(at + 1);
            if next.is_some_and(|next| next.is_mark("{") || next.is_word("impl"))
                && !is_argued(&lexed, at)
            {
                let says = "`unsafe` without a `// SAFETY:` comment in front of it";
                findings.push(Finding::new(path, token.line, says));
            }
        }
    }
    findings
}

fn is_listed(path: &str) -> bool {
    UNSAFE_FILES
        .iter()
        .any(|listed| path == *listed || (listed.ends_with('/') && path.starts_with(listed)))
}

/// True when a SAFETY comment stands between the start of the statement and the token at `at`, or in the
/// lines right above it.
fn is_argued(lexed: &Lexed, at: usize) -> bool {
    let ends = |index: &usize| {
        lexed
            .tokens
            .get(*index)
            .is_some_and(|token| [";", "{", "}"].iter().any(|mark| token.is_mark(mark)))
    };
    let start = (0..at).rev().find(ends).map_or(0, |end| end + 1);
    let argues = |comment: &Comment| comment.text.contains("SAFETY:");
    let mut inside = lexed
        .comments
        .iter()
        .filter(|comment| (start..=at).contains(&comment.before));
    if inside.any(argues) {
        return true;
    }
    // The statement may have braces in front of the word: `let Node { id, .. } = unsafe { .. }`.
    let mut line = lexed.tokens.get(at).map_or(0, |token| token.line);
    for comment in lexed
        .comments
        .iter()
        .rev()
        .filter(|comment| comment.before <= at)
    {
        if comment.line + 1 != line {
            return false;
        }
        if argues(comment) {
            let between = lexed.tokens.get(comment.before..at).unwrap_or_default();
            return !between
                .iter()
                .any(|token| token.is_mark(";") || token.is_word("fn"));
        }
        line = comment.line;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, source: &str) -> usize {
        check(&Tree::of(&[(path, source)])).len()
    }

    #[test]
    fn an_argued_block_in_a_listed_file_passes() {
        let source = "fn f() {\n  // SAFETY: the slot is ours,\n  // see `Slot`.\n  let x = g(1, unsafe { h() });\n}\n\
                      // SAFETY: no shared state.\nunsafe impl Send for S {}\nunsafe fn i() {}";
        assert_eq!(count("khive-perf/src/sync.rs", source), 0);
        let pattern = "fn f() {\n  // SAFETY: alive,\n  // as ever.\n  let Node { id, .. } = unsafe { &*node };\n}";
        assert_eq!(count("khive-perf/src/sync.rs", pattern), 0);
    }

    #[test]
    fn an_unargued_block_is_found() {
        let source = "// SAFETY: this argues for the first block only.\nfn f() { unsafe { g() } }";
        assert_eq!(count("khive-perf/src/recorder/shard.rs", source), 1);
        let far = "fn f() {\n  // SAFETY: for the first.\n  unsafe { g() }\n  let N { a } = unsafe { h() };\n}";
        assert_eq!(count("khive-perf/src/recorder/shard.rs", far), 1);
    }

    #[test]
    fn unsafe_code_in_an_unlisted_file_is_found() {
        assert_eq!(
            count(
                "khive-perf/src/report/text.rs",
                "// SAFETY: x\nunsafe impl Send for S {}"
            ),
            1
        );
    }

    #[test]
    fn the_word_alone_is_no_unsafe_code() {
        let source =
            "#![forbid(unsafe_code)] // unsafe {\nconst A: &str = \"unsafe {\"; macro_rules! m {}";
        assert_eq!(count("khive-perf-otel/src/lib.rs", source), 0);
    }
}
