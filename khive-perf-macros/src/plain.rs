//! The function that most are: not async, returns no future, and nothing is asked of it but to be measured.
//!
//! The compiler runs macros without optimization, and what they take is added to each build. So this one is told from
//! its tokens, and nothing of it is parsed; any doubt is for the parser.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use crate::input::{Body, is_one_of};

/// A function of which nothing need be known.
pub(crate) struct Plain {
    /// All in front of the body.
    pub(crate) head: TokenStream,
    pub(crate) ident: Ident,
    pub(crate) body: Body,
}

/// Where one of these is in a signature, the function may return a future.
const OF_FUTURES: [&str; 5] = ["Box", "BoxFuture", "Future", "LocalBoxFuture", "Pin"];

impl Plain {
    /// The function that the tokens are, unless there is any doubt.
    pub(crate) fn read(item: TokenStream) -> Option<Self> {
        let mut trees: Vec<_> = item.into_iter().collect();
        let Some(TokenTree::Group(body)) = trees.pop() else {
            return None;
        };
        if body.delimiter() != Delimiter::Brace {
            return None;
        }
        let rest = behind_attributes(&trees)?;
        let keyword = rest
            .iter()
            .position(|tree| matches!(tree, TokenTree::Ident(word) if word == "fn"))?;
        let (qualifiers, rest) = rest.split_at(keyword);
        let (Some(TokenTree::Ident(ident)), true) =
            (rest.get(1), qualifiers.iter().all(is_harmless))
        else {
            return None;
        };
        let ident = ident.clone();
        // All but the arguments of most functions.
        let arrow = rest.iter().position(is_arrow_head).unwrap_or(rest.len());
        let (before, behind) = rest.split_at(arrow);
        if before.iter().any(names_future) || behind.iter().any(holds_future) {
            return None;
        }
        Some(Self {
            head: trees.into_iter().collect(),
            ident,
            body: Body::new(body),
        })
    }
}

/// What comes behind the attributes; nothing where one of them may be ours.
fn behind_attributes(mut trees: &[TokenTree]) -> Option<&[TokenTree]> {
    while let [
        TokenTree::Punct(hash),
        TokenTree::Group(attribute),
        rest @ ..,
    ] = trees
    {
        if hash.as_char() != '#' {
            break;
        }
        let mut words = attribute.stream().into_iter();
        if words.any(|tree| matches!(tree, TokenTree::Ident(word) if word == "measure")) {
            return None;
        }
        trees = rest;
    }
    Some(trees)
}

/// Whether nothing but `pub(in path)` and `unsafe extern "C"` can be of this.
fn is_harmless(qualifier: &TokenTree) -> bool {
    match qualifier {
        TokenTree::Ident(word) => is_one_of(word, &["pub", "unsafe", "extern"]),
        TokenTree::Group(path) => path.delimiter() == Delimiter::Parenthesis,
        TokenTree::Literal(_) => true,
        TokenTree::Punct(_) => false,
    }
}

fn is_arrow_head(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '-')
}

/// Whether a part of a signature is a word that stands in types of futures, or cannot be looked into.
fn names_future(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Ident(word) => is_one_of(word, &OF_FUTURES),
        TokenTree::Group(group) => group.delimiter() == Delimiter::None,
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    }
}

/// The same of all that is in it.
fn holds_future(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Group(group) => {
            group.delimiter() == Delimiter::None
                || group.stream().into_iter().any(|tree| holds_future(&tree))
        }
        other => names_future(other),
    }
}
