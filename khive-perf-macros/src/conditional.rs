//! `#[cfg_attr(.., measure(..))]` on a member of a measured block: nobody has decided yet whether it is there.

use std::iter::once;

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Path, Token, parse_quote};

/// The attributes of an item that is measured in one of two ways.
pub(crate) struct Conditional {
    /// Where the condition holds: `#[cfg(..)]`, and ours as if it stood there alone.
    pub(crate) so: Vec<Attribute>,
    /// Where it does not: `#[cfg(not(..))]`, and none of ours.
    pub(crate) not_so: Vec<Attribute>,
    /// Neither ours nor a condition.
    pub(crate) plain: Vec<Attribute>,
}

/// Whether a path is that of our attribute, so that a block can take it off its functions: `measure` itself, or
/// `measure` in what is called `khive_perf`, or as a word of the path that the block gives with `crate`.
pub(crate) fn is_measure(path: &Path, krate: Option<&Path>) -> bool {
    let mut words = path.segments.iter().rev().map(|segment| &segment.ident);
    let is_called_so = words.next().is_some_and(|last| last == "measure");
    is_called_so
        && words.next().is_none_or(|around| {
            let mut of_crate = krate.into_iter().flat_map(|krate| &krate.segments);
            around == "khive_perf" || of_crate.any(|word| word.ident == *around)
        })
}

/// Finds the first attribute of ours in a `cfg_attr`.
pub(crate) fn find(attrs: &[Attribute], krate: Option<&Path>) -> Option<Conditional> {
    attrs.iter().enumerate().find_map(|(position, attr)| {
        let (predicate, ours, others) = ours(attr, krate)?;
        let (before, behind) = (attrs.get(..position)?, attrs.get(position + 1..)?);
        let rest = (!others.is_empty()).then(|| {
            let mut rest = attr.clone();
            if let Meta::List(list) = &mut rest.meta {
                list.tokens = quote!(#predicate, #(#others),*);
            }
            rest
        });
        let plain: Vec<_> = before.iter().chain(&rest).chain(behind).cloned().collect();
        let alone = |meta| Attribute {
            meta,
            ..attr.clone()
        };
        let there: Attribute = parse_quote!(#[cfg(#predicate)]);
        let gone: Attribute = parse_quote!(#[cfg(not(#predicate))]);
        Some(Conditional {
            so: once(there)
                .chain(plain.iter().cloned())
                .chain(ours.into_iter().map(alone))
                .collect(),
            not_so: once(gone).chain(plain.iter().cloned()).collect(),
            plain,
        })
    })
}

/// The condition, our attributes under it, and the others.
fn ours(attr: &Attribute, krate: Option<&Path>) -> Option<(TokenStream, Vec<Meta>, Vec<Meta>)> {
    let Meta::List(list) = &attr.meta else {
        return None;
    };
    if !list.path.is_ident("cfg_attr") || !mentions_measure(&list.tokens) {
        return None;
    }
    let all = Punctuated::<Meta, Token![,]>::parse_terminated
        .parse2(list.tokens.clone())
        .ok()?;
    let mut all = all.into_iter();
    let predicate = all.next()?.into_token_stream();
    let (ours, others): (Vec<_>, Vec<_>) = all.partition(|meta| is_measure(meta.path(), krate));
    (!ours.is_empty()).then_some((predicate, ours, others))
}

fn mentions_measure(tokens: &TokenStream) -> bool {
    tokens
        .clone()
        .into_iter()
        .any(|tree| matches!(tree, TokenTree::Ident(word) if word == "measure"))
}
