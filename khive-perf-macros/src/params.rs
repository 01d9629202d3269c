//! The parameters of a function whose body moves into a closure or future: bound anew inside, as the compiler
//! does with those of an `async fn`, so that they are dropped when the plain function would drop them.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, FnArg, Ident, Pat, PatType, ReceiverKind, Signature, Type};

use crate::input::is_one_of;
use crate::tokens::Tokens;

/// Types of which a value need not be dropped.
pub(crate) const NUMBERS: [&str; 16] = [
    "bool", "char", "f32", "f64", "i128", "i16", "i32", "i64", "i8", "isize", "u128", "u16", "u32",
    "u64", "u8", "usize",
];

/// Whether an attribute of a parameter means the same on a `let` statement.
pub(crate) fn is_movable(attr: &Attribute) -> bool {
    ["allow", "cfg", "deny", "expect", "warn"]
        .iter()
        .any(|known| attr.path().is_ident(known))
}

/// Takes the patterns off the signature; the statements to put into the closure or future, right before the
/// user's block, which bind them there.
///
/// An argument behind a reference is captured as any other variable: there is nothing to drop.
///
/// `outside` is what is evaluated outside of it, so that what it names stays bound there, too.
pub(crate) fn rebind(sig: &mut Signature, outside: &TokenStream) -> TokenStream {
    let mut keep = TokenStream::new();
    let mut allow = None;
    for (position, input) in sig.inputs.iter_mut().enumerate() {
        match input {
            FnArg::Receiver(receiver) if matches!(receiver.kind, ReceiverKind::Reference(..)) => {}
            FnArg::Receiver(receiver) => {
                let this = receiver.self_token;
                keep.extend(quote_spanned!(Span::mixed_site()=> let _ = (&#this,);));
                // It cannot be bound anew, and of what is captured the compiler does not see that it is dropped:
                // what was assigned for that would be "never read".
                allow = receiver
                    .mutability
                    .map(|_| quote_spanned!(Span::mixed_site()=> #[allow(unused_assignments)]));
            }
            FnArg::Typed(typed) => keep.extend(rebind_typed(typed, position, outside)),
        }
    }
    keep.extend(allow);
    keep
}

fn rebind_typed(typed: &mut PatType, position: usize, outside: &TokenStream) -> TokenStream {
    if matches!(*typed.ty, Type::Reference(_) | Type::Ptr(_))
        || !typed.attrs.iter().all(is_movable)
        || is_number(typed)
    {
        return TokenStream::new();
    }
    let is_named = names(outside, &typed.pat);
    if is_named && !matches!(*typed.pat, Pat::Ident(_)) {
        return TokenStream::new();
    }
    // What uses the argument outside does not use what is bound inside.
    let unused = is_named.then(|| quote_spanned!(Span::mixed_site()=> #[allow(unused_variables)]));
    let (stay, attrs): (Vec<_>, Vec<_>) = std::mem::take(&mut typed.attrs)
        .into_iter()
        .partition(|attr| attr.path().is_ident("cfg"));
    typed.attrs = stay.clone();
    let allow = allow(&typed.pat);
    let quiet = quote_spanned! {Span::mixed_site()=>
        #(#stay)*
        #(#attrs)*
        #unused
        #allow
    };
    if let Pat::Ident(pat) = &mut *typed.pat
        && pat.by_ref.is_none()
        && pat.subpat.is_none()
    {
        let inside = pat.clone();
        pat.mutability = None;
        return quote_spanned!(Span::mixed_site()=> #quiet let #inside = #pat;);
    }
    let at = Span::mixed_site().located_at(typed.pat.span());
    let name = Ident::new(&format!("__khive_perf_argument_{position}"), at);
    let whole = Pat::Ident(syn::PatIdent {
        attrs: Vec::new(),
        by_ref: None,
        mutability: None,
        ident: name.clone(),
        subpat: None,
    });
    let inside = std::mem::replace(&mut *typed.pat, whole);
    // First all of the argument, so that what the pattern leaves is dropped behind what it binds.
    let bind = match inside {
        Pat::Wild(_) => TokenStream::new(),
        inside => quote_spanned!(Span::mixed_site()=> #quiet let #inside = #name;),
    };
    // `mut`, for a pattern that borrows a part of it so.
    quote_spanned!(Span::mixed_site()=> #quiet #[allow(unused_mut)] let mut #name = #name; #bind)
}

/// Binds an argument anew that has a plain name.
pub(crate) fn rebind_word(tokens: &mut Tokens, name: &Ident) {
    let mut lints = Tokens::new(Span::mixed_site());
    lints
        .word("clippy")
        .mark("::")
        .word("redundant_locals")
        .mark(",");
    lints.word("clippy").mark("::").word("shadow_same");
    let mut allow = Tokens::new(Span::mixed_site());
    allow
        .word("allow")
        .group(Delimiter::Parenthesis, lints.done());
    tokens.mark("#").group(Delimiter::Bracket, allow.done());
    tokens
        .word("let")
        .tree(name.clone())
        .mark("=")
        .tree(name.clone())
        .mark(";");
}

/// Whether an argument is a number, or the like, under a name of its own: there is nothing to drop either.
fn is_number(typed: &PatType) -> bool {
    let (Pat::Ident(pat), Type::Path(ty)) = (&*typed.pat, &*typed.ty) else {
        return false;
    };
    let is_plain = pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none();
    let word = ty
        .path
        .get_ident()
        .filter(|_| is_plain && typed.attrs.is_empty());
    word.is_some_and(|word| is_one_of(word, &NUMBERS))
}

/// What clippy might say of a variable that is bound again; each lint that is allowed takes the compiler some time.
fn allow(pat: &Pat) -> TokenStream {
    let mixed = Span::mixed_site();
    match pat {
        Pat::Ident(pat) if !pat.ident.to_string().starts_with('_') => {
            quote_spanned!(mixed=> #[allow(clippy::redundant_locals, clippy::shadow_same)])
        }
        _ => {
            quote_spanned!(mixed=> #[allow(clippy::no_effect_underscore_binding, clippy::redundant_locals, clippy::shadow_same, clippy::used_underscore_binding)])
        }
    }
}

/// Whether tokens name something that the pattern binds.
fn names(tokens: &TokenStream, pat: &Pat) -> bool {
    #[derive(Default)]
    struct Bindings(Vec<String>);
    impl<'ast> Visit<'ast> for Bindings {
        fn visit_pat_ident(&mut self, pat: &'ast syn::PatIdent) {
            self.0.push(pat.ident.to_string());
            syn::visit::visit_pat_ident(self, pat);
        }
    }
    if tokens.is_empty() {
        return false;
    }
    let mut bindings = Bindings::default();
    bindings.visit_pat(pat);
    bindings.0.iter().any(|name| mentions(tokens, name))
}

/// Whether a name occurs in the tokens, also as `{name}` in a format string.
fn mentions(tokens: &TokenStream, name: &str) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        TokenTree::Literal(literal) => literal.to_string().contains(&format!("{{{name}")),
        TokenTree::Punct(_) => false,
    })
}
