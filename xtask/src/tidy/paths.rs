//! The paths that a file names, with groups expanded and `self`/`super` resolved.

use crate::tidy::lexer::{Kind, Token};

/// A path in code: `crate`, `self` and `super` are resolved to names from the crate root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) line: usize,
    pub(super) root: Root,
    pub(super) segments: Vec<String>,
    /// The path is a macro call, `path!`.
    pub(super) is_macro: bool,
}

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// At the root of the crate it stands in.
    Own,
    /// At a name in scope: another crate, or an item that was imported.
    Scope,
    /// At `super::super`, which the house style forbids.
    Climbing,
}

/// All paths with two or more segments in `tokens`, which are those of module `module`.
/// Inline modules marked `#[cfg(test)]` are left out: tests may look up.
pub(super) fn named(tokens: &[Token], module: &[String]) -> Vec<Named> {
    let mut scan = Scan {
        tokens,
        found: Vec::new(),
        module: module.to_vec(),
        open: Vec::new(),
    };
    scan.run();
    scan.found
}

struct Scan<'a> {
    tokens: &'a [Token],
    found: Vec<Named>,
    module: Vec<String>,
    /// For each open brace, whether it opened an inline module.
    open: Vec<bool>,
}

impl Scan<'_> {
    fn mark(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is_mark(text))
    }

    fn word(&self, at: usize) -> Option<&str> {
        let token = self.tokens.get(at)?;
        (token.kind == Kind::Word).then_some(token.text.as_str())
    }

    fn run(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            at = self.step(at);
        }
    }

    fn step(&mut self, at: usize) -> usize {
        if self.word(at) == Some("mod")
            && let Some(name) = self.word(at + 1)
            && self.mark(at + 2, "{")
        {
            if is_for_tests(self.tokens, at) {
                return closing(self.tokens, at + 2) + 1;
            }
            self.module.push(name.to_owned());
            self.open.push(true);
            return at + 3;
        }
        if self.mark(at, "{") {
            self.open.push(false);
        } else if self.mark(at, "}") && self.open.pop() == Some(true) {
            self.module.pop();
        } else if self.word(at).is_some() && self.mark(at + 1, "::") && self.starts_path(at) {
            return self.path(at);
        }
        at + 1
    }

    /// False after `$` (the macro's user's crate), `.` and inside a longer path.
    fn starts_path(&self, at: usize) -> bool {
        let Some(previous) = at.checked_sub(1) else {
            return true;
        };
        if self.mark(previous, "::") {
            // `::name::x` starts a path, `a::name::x` and `<T>::name::x` go on with one.
            return !previous.checked_sub(1).is_some_and(|before| {
                self.word(before).is_some_and(|word| word != "use") || self.mark(before, ">")
            });
        }
        !self.mark(previous, "$") && !self.mark(previous, ".")
    }

    fn path(&mut self, at: usize) -> usize {
        let line = self.tokens.get(at).map_or(0, |token| token.line);
        let mut raw = Vec::new();
        let mut paths = Vec::new();
        let end = self.tree(at, &mut raw, &mut paths);
        for raw in paths {
            let is_macro = self.mark(end, "!");
            let (root, segments) = self.resolve(raw);
            self.found.push(Named {
                line,
                root,
                segments,
                is_macro,
            });
        }
        end
    }

    /// Reads one branch of a use tree or one plain path into `out`; gives the index behind it.
    fn tree(&self, at: usize, prefix: &mut Vec<String>, out: &mut Vec<Vec<String>>) -> usize {
        let depth = prefix.len();
        let mut at = at;
        loop {
            if self.mark(at, "{") {
                at = self.group(at, prefix, out);
                break;
            }
            if let Some(word) = self.word(at) {
                if word != "self" || prefix.is_empty() {
                    prefix.push(word.to_owned());
                }
                at += 1;
            } else if self.mark(at, "*") {
                at += 1;
                out.push(prefix.clone());
                break;
            } else {
                out.push(prefix.clone());
                break;
            }
            if !self.mark(at, "::") {
                out.push(prefix.clone());
                break;
            }
            at += 1;
        }
        prefix.truncate(depth);
        at
    }

    fn group(&self, open: usize, prefix: &mut Vec<String>, out: &mut Vec<Vec<String>>) -> usize {
        let end = closing(self.tokens, open);
        let mut at = open + 1;
        while at < end {
            if self.word(at).is_some() || self.mark(at, "{") || self.mark(at, "*") {
                at = self.tree(at, prefix, out).max(at + 1);
            }
            // Past `as name`, to the next comma.
            while at < end && !self.mark(at, ",") {
                at += 1;
            }
            at += 1;
        }
        end + 1
    }

    fn resolve(&self, raw: Vec<String>) -> (Root, Vec<String>) {
        let mut raw = raw.into_iter().peekable();
        match raw.peek().map(String::as_str) {
            Some("crate") => {
                raw.next();
                (Root::Own, raw.collect())
            }
            Some("self") => {
                raw.next();
                (Root::Own, self.module.iter().cloned().chain(raw).collect())
            }
            Some("super") => {
                raw.next();
                if raw.peek().map(String::as_str) == Some("super") {
                    return (Root::Climbing, raw.collect());
                }
                let parent = self
                    .module
                    .split_last()
                    .map_or(&[][..], |(_, parent)| parent);
                (Root::Own, parent.iter().cloned().chain(raw).collect())
            }
            _ => (Root::Scope, raw.collect()),
        }
    }
}

/// The index of the brace that closes the one at `open`, or of the last token.
pub(super) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is_mark("{") {
            depth += 1;
        } else if token.is_mark("}") {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    tokens.len().saturating_sub(1)
}

/// True when the item whose keyword is at `at` carries `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
pub(super) fn is_for_tests(tokens: &[Token], at: usize) -> bool {
    attributes(tokens, at).iter().any(|attribute| {
        attribute.first().is_some_and(|token| token.is_word("cfg"))
            && attribute.iter().any(|token| token.is_word("test"))
            && !attribute
                .iter()
                .any(|token| token.is_word("not") || token.is_word("any"))
    })
}

/// The attributes in front of the item whose keyword is at `at`, without `#[` and `]`.
pub(super) fn attributes(tokens: &[Token], at: usize) -> Vec<&[Token]> {
    let mut found = Vec::new();
    let mut end = at;
    while let Some(previous) = end.checked_sub(1) {
        let Some(token) = tokens.get(previous) else {
            break;
        };
        if token.is_mark("]") {
            let Some(open) = (0..previous).rev().find(|open| {
                tokens.get(*open).is_some_and(|token| token.is_mark("["))
                    && open
                        .checked_sub(1)
                        .and_then(|hash| tokens.get(hash))
                        .is_some_and(|hash| hash.is_mark("#"))
            }) else {
                break;
            };
            found.extend(tokens.get(open + 1..previous));
            end = open - 1;
        } else if token.kind == Kind::Word || token.is_mark("(") || token.is_mark(")") {
            // `pub`, `pub(crate)`, `unsafe`.
            end = previous;
        } else {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::lexer::lex;

    fn own(source: &str, module: &[&str]) -> Vec<String> {
        let module: Vec<String> = module.iter().map(|name| (*name).to_owned()).collect();
        let named = named(&lex(source).tokens, &module).into_iter();
        named
            .filter(|path| path.root == Root::Own)
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn groups_are_expanded_at_every_depth() {
        let source = "use crate::{a, b::{c as d, self}, e::*}; use {crate::f::G, std::mem};";
        assert_eq!(own(source, &[]), ["a", "b::c", "b", "e", "f::G"]);
    }

    #[test]
    fn paths_in_expressions_types_and_generics_are_seen() {
        let source =
            "fn f(x: Vec<crate::a::B>) { crate::c::d::<crate::e::F>(); g(::std::mem::take) }";
        assert_eq!(own(source, &[]), ["a::B", "c::d", "e::F"]);
    }

    #[test]
    fn a_macro_definition_names_its_users_crate() {
        assert_eq!(
            own("macro_rules! m { () => { $crate::a::b() } }", &[]),
            [""; 0]
        );
    }

    #[test]
    fn super_is_resolved_through_inline_modules() {
        let source = "use super::a; mod inner { use super::b; } use super::c;";
        assert_eq!(own(source, &["x"]), ["a", "x::b", "c"]);
    }

    #[test]
    fn inline_test_modules_may_look_anywhere() {
        let source =
            "#[cfg(test)] mod tests { use crate::a::b; } #[cfg(not(test))] mod c { use crate::d; }";
        assert_eq!(own(source, &[]), ["d"]);
    }

    #[test]
    fn climbing_twice_is_reported() {
        let tokens = lex("use super::super::a;").tokens;
        let found = named(&tokens, &[String::from("x"), String::from("y")]);
        assert_eq!(found.first().map(|path| path.root), Some(Root::Climbing));
    }

    #[test]
    fn a_macro_call_is_told_from_a_path() {
        let tokens = lex("crate::span!(1); crate::span::Span").tokens;
        let macros: Vec<bool> = named(&tokens, &[])
            .iter()
            .map(|path| path.is_macro)
            .collect();
        assert_eq!(macros, [true, false]);
    }
}
