//! Turns the functions that are told from their tokens into tokens, as `expand` does with those that are parsed.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use crate::expand;
use crate::input::Body;
use crate::params;
use crate::paths::Paths;
use crate::plain::{Plain, PlainAsync};

/// A function that works while it is called: a guard in front of its statements.
pub(crate) fn call(function: Plain) -> TokenStream {
    let Plain {
        mut head,
        ident,
        body,
    } = function;
    let paths = Paths::default();
    let callsite = expand::static_callsite(&paths, &ident, "function", &TokenStream::new());
    let enter = paths.private("enter");
    let Body {
        group,
        inner_attrs,
        items,
        statements,
        ..
    } = body;
    let contents = quote_spanned! {Span::mixed_site()=>
        #inner_attrs
        #callsite
        #items
        let __khive_perf_guard = #enter(&__KHIVE_PERF_CALLSITE);
        #statements
    };
    expand::in_braces_of(&group, contents).to_tokens(&mut head);
    head
}

/// An `async fn`, as a function that returns the measured future of its statements.
pub(crate) fn flat_async_fn(function: PlainAsync) -> TokenStream {
    let PlainAsync {
        mut head,
        asyncness,
        ident,
        moved,
        output,
        bounds,
        body,
    } = function;
    let mixed = Span::mixed_site();
    let paths = Paths::default();
    let callsite = expand::static_callsite(&paths, &ident, "future", &TokenStream::new());
    let measure = paths.private("measure_future");
    let of_output = output.clone().into_iter().next();
    let of_output = of_output.map_or(mixed, |first| first.span());
    let edge = expand::return_edge(&paths, &output, of_output);
    let keep: TokenStream = moved.iter().map(params::rebind_word).collect();
    let future = expand::async_move(&edge, &keep, &body);
    let inner_attrs = &body.inner_attrs;
    let contents = quote_spanned! {mixed=>
        #inner_attrs
        #callsite
        #measure(&__KHIVE_PERF_CALLSITE, #future)
    };
    let mut braces = Group::new(Delimiter::Brace, contents);
    braces.set_span(mixed.located_at(body.group.span()));
    let at = mixed.located_at(asyncness.span());
    let returned = expand::future_of(&output, at);
    head.extend(quote_spanned!(at=> ->));
    head.extend(quote!(#returned #bounds #braces));
    head
}
