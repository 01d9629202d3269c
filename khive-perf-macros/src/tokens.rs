//! Tokens, written one by one: where each function has some, this takes the compiler a third of the time of `quote`, which
//! makes a stream of everything, and goes through it again to put it into another one.

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};

use crate::paths::Paths;

/// What is written so far, and what the next token looks like.
pub(crate) struct Tokens {
    trees: Vec<TokenTree>,
    span: Span,
}

impl Tokens {
    /// Nothing yet.
    pub(crate) fn new(span: Span) -> Self {
        Self::behind(Vec::new(), span)
    }

    /// What is there already.
    pub(crate) const fn behind(trees: Vec<TokenTree>, span: Span) -> Self {
        Self { trees, span }
    }

    /// The next tokens have this span.
    pub(crate) const fn at(&mut self, span: Span) -> &mut Self {
        self.span = span;
        self
    }

    /// A name or a keyword.
    pub(crate) fn word(&mut self, word: &str) -> &mut Self {
        self.trees.push(Ident::new(word, self.span).into());
        self
    }

    /// One punctuation mark; the characters of `::` and `->` are one.
    pub(crate) fn mark(&mut self, mark: &str) -> &mut Self {
        let mut rest = mark.as_bytes();
        while let [first, behind @ ..] = rest {
            rest = behind;
            let spacing = if behind.is_empty() {
                Spacing::Alone
            } else {
                Spacing::Joint
            };
            let mut punct = Punct::new(char::from(*first), spacing);
            punct.set_span(self.span);
            self.trees.push(punct.into());
        }
        self
    }

    /// The path of one item of the `__private` module.
    pub(crate) fn private(&mut self, paths: &Paths, item: &str) -> &mut Self {
        match paths.krate() {
            Some(krate) => self.stream(krate),
            None => self.mark("::").word("khive_perf"),
        };
        self.mark("::").word("__private").mark("::").word(item)
    }

    /// What is between these delimiters.
    pub(crate) fn group(&mut self, delimiter: Delimiter, contents: TokenStream) -> &mut Self {
        let mut group = Group::new(delimiter, contents);
        group.set_span(self.span);
        self.tree(group)
    }

    /// One token as it is.
    pub(crate) fn tree(&mut self, tree: impl Into<TokenTree>) -> &mut Self {
        self.trees.push(tree.into());
        self
    }

    /// Some tokens as they are.
    pub(crate) fn trees(&mut self, trees: &[TokenTree]) -> &mut Self {
        self.trees.extend_from_slice(trees);
        self
    }

    /// Tokens that are made; this takes long where there are many.
    pub(crate) fn stream(&mut self, stream: TokenStream) -> &mut Self {
        if !stream.is_empty() {
            self.trees.extend(stream);
        }
        self
    }

    /// All that was written.
    pub(crate) fn done(&mut self) -> TokenStream {
        self.trees.drain(..).collect()
    }

    /// All that was written, and this behind it.
    pub(crate) fn done_with(&mut self, rest: TokenStream) -> TokenStream {
        let mut all = self.done();
        all.extend([rest]);
        all
    }
}
