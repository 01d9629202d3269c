//! `#[expect(..)]` on what is measured. Some lints look at a function as a whole, and do not find what they look
//! for in an expansion: so what was expected of them is allowed, or the compiler would ask where it is.

use proc_macro2::Span;
use quote::{quote, quote_spanned};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Path, Token, parse_quote};

/// The attributes that an expansion bears; `moved` where the statements are no longer those of the function itself.
pub(crate) fn relaxed(attrs: &[Attribute], moved: bool) -> Vec<Attribute> {
    attrs
        .iter()
        .flat_map(|attr| relax(attr, moved).unwrap_or_else(|| vec![attr.clone()]))
        .collect()
}

/// Parts an expectation into what is allowed and what is still expected; nothing where all is.
fn relax(attr: &Attribute, moved: bool) -> Option<Vec<Attribute>> {
    let Meta::List(list) = &attr.meta else {
        return None;
    };
    if !list.path.is_ident("expect") {
        return None;
    }
    let all = Punctuated::<Meta, Token![,]>::parse_terminated
        .parse2(list.tokens.clone())
        .ok()?;
    let (reason, lints): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|meta| matches!(meta, Meta::NameValue(_)));
    let (gone, kept): (Vec<_>, Vec<_>) = lints
        .into_iter()
        .partition(|lint| may_be_gone(lint.path(), moved));
    if gone.is_empty() {
        return None;
    }
    let allow = quote_spanned!(Span::mixed_site()=> allow(#(#gone,)* #(#reason),*));
    let mut parts = vec![parse_quote!(#[#allow])];
    if !kept.is_empty() {
        let mut rest = list.clone();
        rest.tokens = quote!(#(#kept,)* #(#reason),*);
        let meta = Meta::List(rest);
        parts.push(Attribute {
            meta,
            ..attr.clone()
        });
    }
    Some(parts)
}

/// Whether a lint may have nothing more to say: measured, no function is `const`, and one whose statements are in a
/// future or closure looks short, simple and far from `async`.
fn may_be_gone(lint: &Path, moved: bool) -> bool {
    let Some(last) = lint.segments.last() else {
        return false;
    };
    let is_clippy = lint.segments.len() == 2 && lint.segments[0].ident == "clippy";
    (is_clippy && (moved || last.ident == "missing_const_for_fn"))
        || (moved && last.ident == "async_fn_in_trait")
}
