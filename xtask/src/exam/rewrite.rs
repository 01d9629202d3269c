//! Puts `#[khive_perf::measure]` on every function of a source file, by tokens: on the same line, so that no line moves.

use std::ops::Range;
use std::str::FromStr as _;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

const ATTRIBUTE: &str = "#[khive_perf::measure] ";

/// Where the attribute goes among the other attributes of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Before all of them, and before the doc comment.
    #[default]
    First,
    /// After all of them, right before the visibility.
    Last,
}

/// A source file with its functions measured.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) text: String,
    pub(crate) count: Count,
}

/// What became of the functions that have a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) measured: usize,
    /// Shorter than was asked for.
    pub(crate) trivial: usize,
    /// `const fn`, and naked functions: nothing may run in them but what they say.
    pub(crate) unmeasurable: usize,
    /// In a macro, behind fragments that may say `const`.
    pub(crate) unclear: usize,
}

impl Count {
    pub(crate) fn add(&mut self, other: Self) {
        self.trivial += other.trivial;
        self.measured += other.measured;
        self.unmeasurable += other.unmeasurable;
        self.unclear += other.unclear;
    }
}

/// Rewrites a file.
///
/// Functions in the output of `macro_rules!` and in the arguments of `cfg_*!` macros are measured, too. What other
/// macros make of their arguments is not known, so these stay as they are.
pub(super) fn rewrite(source: &str, placement: Placement) -> Result<Rewritten> {
    rewrite_from(source, placement, 0)
}

/// Rewrites a file, but for functions whose bodies have fewer tokens.
pub(crate) fn rewrite_from(
    source: &str,
    placement: Placement,
    tokens_min: usize,
) -> Result<Rewritten> {
    let tokens = TokenStream::from_str(source)
        .map_err(|error| anyhow!("line {}: {error}", error.span().start().line))?;
    let mut rewriter = Rewriter {
        placement,
        tokens_min,
        inserts: Vec::new(),
        count: Count::default(),
    };
    rewriter.walk(&inside(tokens), false);
    let mut text = String::with_capacity(source.len() + rewriter.inserts.len() * ATTRIBUTE.len());
    let mut done = 0;
    rewriter.inserts.sort_unstable();
    for at in rewriter.inserts {
        let (before, _) = source
            .get(done..at)
            .zip(source.get(at..))
            .ok_or_else(|| anyhow!("byte {at} is no place in the file"))?;
        text.push_str(before);
        text.push_str(ATTRIBUTE);
        done = at;
    }
    text.push_str(source.get(done..).unwrap_or_default());
    Ok(Rewritten {
        text,
        count: rewriter.count,
    })
}

struct Rewriter {
    placement: Placement,
    /// Tokens of a body that is worth measuring.
    tokens_min: usize,
    /// Byte offsets.
    inserts: Vec<usize>,
    count: Count,
}

/// What stands before a `fn`.
struct Start {
    /// Index of its first qualifier, or of the `fn` itself.
    qualifiers: usize,
    /// Index of the first attribute, or of the first qualifier.
    attributes: usize,
    verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Measurable,
    Unmeasurable,
    Unclear,
}

impl Rewriter {
    /// Walks over the trees of one group; `in_macro` where they are the output of `macro_rules!`.
    fn walk(&mut self, trees: &[TokenTree], in_macro: bool) {
        let mut at = 0;
        while at < trees.len() {
            at = if let Some(end) = attribute(trees, at) {
                end
            } else if let Some(Call { name, group, end }) = call(trees, at) {
                if name == "macro_rules" {
                    self.rules(group);
                } else if name.starts_with("cfg_") {
                    self.group(group, in_macro);
                }
                end
            } else {
                if is_function(trees, at, in_macro)
                    && let Some(tokens) = body(&trees[at + 1..], in_macro)
                {
                    self.function(trees, at, in_macro, tokens);
                }
                self.group(&trees[at], in_macro);
                at + 1
            };
        }
    }

    fn group(&mut self, tree: &TokenTree, in_macro: bool) {
        if let TokenTree::Group(group) = tree {
            self.walk(&inside(group.stream()), in_macro);
        }
    }

    /// `(matcher) => {output}; ..`: only the output is code.
    fn rules(&mut self, rules: &TokenTree) {
        let TokenTree::Group(rules) = rules else {
            return;
        };
        let trees = inside(rules.stream());
        for rule in trees.windows(3) {
            if is_punct(&rule[0], '=') && is_punct(&rule[1], '>') {
                self.group(&rule[2], true);
            }
        }
    }

    fn function(&mut self, trees: &[TokenTree], at: usize, in_macro: bool, tokens: usize) {
        let start = start(trees, at, in_macro);
        match start.verdict {
            Verdict::Unmeasurable => self.count.unmeasurable += 1,
            Verdict::Unclear => self.count.unclear += 1,
            Verdict::Measurable if tokens < self.tokens_min => self.count.trivial += 1,
            Verdict::Measurable => {
                self.count.measured += 1;
                let first = match self.placement {
                    Placement::First => start.attributes,
                    Placement::Last => start.qualifiers,
                };
                self.inserts.push(bytes(&trees[first]).start);
            }
        }
    }
}

fn inside(tokens: TokenStream) -> Vec<TokenTree> {
    tokens.into_iter().collect()
}

fn bytes(tree: &TokenTree) -> Range<usize> {
    tree.span().byte_range()
}

fn is_punct(tree: &TokenTree, mark: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_group(tree: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == delimiter)
}

fn word(tree: &TokenTree) -> Option<String> {
    match tree {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        _ => None,
    }
}

/// The end of the attribute or doc comment that begins at `at`.
fn attribute(trees: &[TokenTree], at: usize) -> Option<usize> {
    let mut next = at + 1;
    if !is_punct(trees.get(at)?, '#') {
        return None;
    }
    if is_punct(trees.get(next)?, '!') {
        next += 1;
    }
    is_group(trees.get(next)?, Delimiter::Bracket).then_some(next + 1)
}

struct Call<'a> {
    name: String,
    group: &'a TokenTree,
    end: usize,
}

/// The macro call `name!(..)`, or `macro_rules! name {..}`, that begins at `at`.
fn call(trees: &[TokenTree], at: usize) -> Option<Call<'_>> {
    const KEYWORDS: [&str; 10] = [
        "as", "break", "else", "if", "in", "match", "return", "while", "yield", "move",
    ];
    let name = word(trees.get(at)?).filter(|name| !KEYWORDS.contains(&name.as_str()))?;
    if !is_punct(trees.get(at + 1)?, '!') {
        return None;
    }
    let mut next = at + 2;
    if name == "macro_rules" {
        next += usize::from(is_punct(trees.get(next)?, '$'));
        next += 1;
    }
    let group = trees.get(next)?;
    matches!(group, TokenTree::Group(_)).then_some(Call {
        name,
        group,
        end: next + 1,
    })
}

/// Whether `fn name` begins at `at`; in a macro the name may be a fragment.
fn is_function(trees: &[TokenTree], at: usize, in_macro: bool) -> bool {
    let is_fn = trees.get(at).and_then(word).is_some_and(|it| it == "fn");
    let named = |at: usize| matches!(trees.get(at), Some(TokenTree::Ident(_)));
    let fragment = || in_macro && trees.get(at + 1).is_some_and(|it| is_punct(it, '$'));
    is_fn && (named(at + 1) || (fragment() && named(at + 2)))
}

/// How many tokens the body has, where the signature ends in braces (in a macro, maybe in a fragment, which counts
/// for none) and not in a semicolon.
fn body(signature: &[TokenTree], in_macro: bool) -> Option<usize> {
    let mut depth = 0_usize;
    let mut arrow = false;
    for tree in signature {
        match tree {
            TokenTree::Punct(punct) => {
                match punct.as_char() {
                    '<' => depth += 1,
                    '>' if !arrow => depth = depth.saturating_sub(1),
                    ';' => return None,
                    _ => {}
                }
                arrow = matches!(punct.as_char(), '-' | '=');
            }
            // Braces between `<` and `>` are a constant.
            TokenTree::Group(group) if depth == 0 && group.delimiter() == Delimiter::Brace => {
                return Some(count(group.stream()));
            }
            _ => arrow = false,
        }
    }
    in_macro.then_some(0)
}

/// Tokens at any depth; a pair of delimiters is one.
fn count(tokens: TokenStream) -> usize {
    let trees = tokens.into_iter().map(|tree| match tree {
        TokenTree::Group(group) => 1 + count(group.stream()),
        _ => 1,
    });
    trees.sum()
}

/// Looks back from a `fn` over its qualifiers and attributes.
fn start(trees: &[TokenTree], function: usize, in_macro: bool) -> Start {
    let mut verdict = Verdict::Measurable;
    let mut qualifiers = function;
    while let Some(before) = qualifiers.checked_sub(1) {
        let tree = &trees[before];
        let fragment = in_macro && before > 0 && is_punct(&trees[before - 1], '$');
        qualifiers = match word(tree).as_deref() {
            Some(name) if fragment => {
                if !name.contains("vis") && !name.contains("pub") {
                    verdict = Verdict::Unclear;
                    break;
                }
                before - 1
            }
            Some("const") => {
                verdict = Verdict::Unmeasurable;
                before
            }
            Some("pub" | "crate" | "default" | "async" | "unsafe" | "safe" | "extern") => before,
            None if is_abi(trees, before) || is_restriction(trees, before) => before,
            _ => break,
        };
    }
    let mut attributes = qualifiers;
    while let Some(before) = attribute_before(trees, attributes, in_macro) {
        if trees[before..attributes].iter().any(is_naked) {
            verdict = Verdict::Unmeasurable;
        }
        attributes = before;
    }
    if in_macro && repetition_before(trees, attributes).is_some_and(|trees| !ends_item(&trees)) {
        verdict = Verdict::Unclear;
    }
    Start {
        qualifiers,
        attributes,
        verdict,
    }
}

/// The `"C"` of `extern "C"`.
fn is_abi(trees: &[TokenTree], at: usize) -> bool {
    let behind_extern = || {
        at.checked_sub(1)
            .is_some_and(|before| word(&trees[before]).as_deref() == Some("extern"))
    };
    matches!(trees[at], TokenTree::Literal(_)) && behind_extern()
}

/// The `(crate)` of `pub(crate)`.
fn is_restriction(trees: &[TokenTree], at: usize) -> bool {
    let behind_pub = || {
        at.checked_sub(1)
            .is_some_and(|before| word(&trees[before]).as_deref() == Some("pub"))
    };
    is_group(&trees[at], Delimiter::Parenthesis) && behind_pub()
}

/// The `?`, `*` or `+` behind a `$(..)`.
fn is_repetition(tree: &TokenTree) -> bool {
    ['?', '*', '+'].iter().any(|mark| is_punct(tree, *mark))
}

/// Where the attribute, or in a macro the `$(#[..])*`, that ends before `end` begins.
fn attribute_before(trees: &[TokenTree], end: usize, in_macro: bool) -> Option<usize> {
    let at = |back: usize| end.checked_sub(back).map(|at| &trees[at]);
    if is_group(at(1)?, Delimiter::Bracket) && is_punct(at(2)?, '#') {
        return Some(end - 2);
    }
    let repeated = in_macro.then(|| repetition_before(trees, end)).flatten()?;
    only_attributes(&repeated).then_some(end - 3)
}

/// What stands in the `$(..)*` that ends before `end`.
fn repetition_before(trees: &[TokenTree], end: usize) -> Option<Vec<TokenTree>> {
    let at = |back: usize| end.checked_sub(back).map(|at| &trees[at]);
    match at(2)? {
        TokenTree::Group(group) if is_repetition(at(1)?) && is_punct(at(3)?, '$') => {
            Some(inside(group.stream()))
        }
        _ => None,
    }
}

/// Whether the tokens end in the end of an item, so that what follows is another one.
fn ends_item(trees: &[TokenTree]) -> bool {
    let last = trees.last();
    last.is_some_and(|last| is_punct(last, ';') || is_group(last, Delimiter::Brace))
}

/// Whether a repetition holds attributes, and not a function with its attributes.
fn only_attributes(trees: &[TokenTree]) -> bool {
    let mut at = 0;
    while let Some(end) = attribute(trees, at) {
        at = end;
    }
    at > 0 && at == trees.len()
}

/// `#[naked]` and `#[unsafe(naked)]`.
fn is_naked(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Group(group) => inside(group.stream()).iter().any(is_naked),
        TokenTree::Ident(ident) => ident == "naked",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "@ ";

    /// The text with `@` for the attribute, and how many there are.
    fn marked(source: &str, placement: Placement) -> (String, usize) {
        let rewritten = rewrite(source, placement).expect("it is Rust");
        let text = rewritten.text.replace(ATTRIBUTE, MARK);
        (text, rewritten.count.measured)
    }

    #[track_caller]
    fn becomes(source: &str, expected: &str) {
        let (text, measured) = marked(source, Placement::First);
        assert_eq!(text, expected);
        assert_eq!(measured, expected.matches(MARK).count());
    }

    #[test]
    fn functions_are_found_at_any_depth() {
        becomes("fn a() { fn b() {} }", "@ fn a() { @ fn b() {} }");
        becomes(
            "mod m { impl S { pub(in a::b) unsafe extern \"C\" fn c(self) {} } }",
            "mod m { impl S { @ pub(in a::b) unsafe extern \"C\" fn c(self) {} } }",
        );
        becomes(
            "trait T { fn a(&self); fn b(&self) -> [u8; 2] { x } }",
            "trait T { fn a(&self); @ fn b(&self) -> [u8; 2] { x } }",
        );
        becomes(
            "fn f() -> S<{ N + 1 }>; fn g<F: Fn() -> u8>(f: F) {}",
            "fn f() -> S<{ N + 1 }>; @ fn g<F: Fn() -> u8>(f: F) {}",
        );
        becomes("struct S(fn(u8) -> u8);", "struct S(fn(u8) -> u8);");
    }

    #[test]
    fn the_attribute_goes_above_or_below_the_others_and_no_line_moves() {
        let source = "// c\n/// Doc.\n#[test]\n#[inline]\npub fn a() {}\n";
        let (first, _) = marked(source, Placement::First);
        assert_eq!(
            first,
            "// c\n@ /// Doc.\n#[test]\n#[inline]\npub fn a() {}\n"
        );
        let (last, _) = marked(source, Placement::Last);
        assert_eq!(
            last,
            "// c\n/// Doc.\n#[test]\n#[inline]\n@ pub fn a() {}\n"
        );
    }

    #[test]
    fn inner_attributes_belong_to_the_file() {
        becomes(
            "//! Doc.\n#![no_std]\nfn a() {}",
            "//! Doc.\n#![no_std]\n@ fn a() {}",
        );
    }

    #[test]
    fn const_and_naked_functions_are_left_and_counted() {
        let source =
            "const fn a() {} pub const unsafe fn b() {} #[unsafe(naked)] fn c() {} fn d() {}";
        let rewritten = rewrite(source, Placement::Last).expect("it is Rust");
        assert_eq!(
            rewritten.count,
            Count {
                measured: 1,
                trivial: 0,
                unmeasurable: 3,
                unclear: 0
            }
        );
        assert!(rewritten.text.ends_with("#[khive_perf::measure] fn d() {}"));
    }

    #[test]
    fn functions_that_are_too_short_are_left_and_counted() {
        let source = "fn a(&self) -> u8 { self.0 } fn b() { for x in (1..2) { f(x); } }";
        let rewritten = rewrite_from(source, Placement::First, 4).expect("it is Rust");
        assert_eq!((rewritten.count.measured, rewritten.count.trivial), (1, 1));
        assert!(rewritten.text.contains("#[khive_perf::measure] fn b()"));
    }

    #[test]
    fn the_output_of_macro_rules_is_code_and_its_matchers_are_not() {
        becomes(
            "macro_rules! m { ($(#[$a:meta])* $vis:vis fn $n:ident() $b:block) => { $(#[$a])* $vis fn $n() $b }; \
             () => ($(fn x() {})*) }",
            "macro_rules! m { ($(#[$a:meta])* $vis:vis fn $n:ident() $b:block) => { @ $(#[$a])* $vis fn $n() $b }; \
             () => ($(@ fn x() {})*) }",
        );
    }

    #[test]
    fn a_repeated_function_is_no_attribute_of_the_next_one() {
        becomes(
            "macro_rules! m { ($($n:ident)*) => { trait T { $(#[doc] fn $n();)+ #[inline] fn a() {} } } }",
            "macro_rules! m { ($($n:ident)*) => { trait T { $(#[doc] fn $n();)+ @ #[inline] fn a() {} } } }",
        );
    }

    #[test]
    fn a_function_that_a_fragment_may_make_const_is_left_and_counted() {
        let source =
            "macro_rules! m { ($c:tt) => { $c fn a() {} $(#[x])* $($c)? fn b() {} fn c() {} } }";
        let rewritten = rewrite(source, Placement::First).expect("it is Rust");
        assert_eq!((rewritten.count.measured, rewritten.count.unclear), (1, 2));
    }

    #[test]
    fn arguments_of_macros_are_left_but_for_those_of_cfg_macros() {
        becomes(
            "quickcheck! { fn a() {} } cfg_rt! { fn b() {} } fn c() { if !(x) { fn d() {} } }",
            "quickcheck! { fn a() {} } cfg_rt! { @ fn b() {} } @ fn c() { if !(x) { @ fn d() {} } }",
        );
    }

    #[test]
    fn text_outside_ascii_does_not_shift_the_place() {
        becomes(
            "const S: &str = \"äöü\"; fn a() {}",
            "const S: &str = \"äöü\"; @ fn a() {}",
        );
    }

    #[test]
    fn what_is_no_rust_is_refused_with_its_line() {
        let error = rewrite("fn a() {\n}}", Placement::First).expect_err("a brace too many");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
