//! Turns the functions that are told from their tokens into tokens, as `expand` does with those that are parsed.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

use crate::expand;
use crate::input::Body;
use crate::params;
use crate::paths::Paths;
use crate::plain::{Plain, PlainAsync};
use crate::tokens::Tokens;

/// A function that works while it is called: a guard in front of its statements.
pub(crate) fn call(function: Plain) -> TokenStream {
    let Plain { head, ident, body } = function;
    let mixed = Span::mixed_site();
    let Body {
        group,
        inner_attrs,
        items,
        statements,
        ..
    } = body;
    let mut contents = Tokens::new(mixed);
    contents.stream(inner_attrs);
    expand::static_callsite(
        &mut contents,
        &Paths::default(),
        "FUNCTION",
        &TokenStream::new(),
    );
    contents.stream(items);
    contents.word("let").word("__khive_perf_guard").mark("=");
    expand::call_callsite(&mut contents, &ident, "enter");
    contents.mark(";");
    Tokens::behind(head, group.span())
        .group(Delimiter::Brace, contents.done_with(statements))
        .done()
}

/// An `async fn`, as a function that returns the measured future of its statements.
pub(crate) fn flat_async_fn(function: PlainAsync) -> TokenStream {
    let PlainAsync {
        head,
        asyncness,
        ident,
        moved,
        output,
        bounds,
        body,
    } = function;
    let mixed = Span::mixed_site();
    let paths = Paths::default();
    let of_output = output.first().map_or(mixed, TokenTree::span);
    let mut future = Tokens::new(mixed);
    expand::return_edge(&mut future, &paths, &output, of_output);
    for name in &moved {
        params::rebind_word(&mut future, name);
    }
    let mut arguments = Tokens::new(mixed);
    expand::call_callsite(&mut arguments, &ident, "here");
    arguments.mark(",");
    expand::async_move(&mut arguments, &mut future, &body);
    let mut contents = Tokens::new(mixed);
    contents.stream(body.inner_attrs);
    expand::static_callsite(&mut contents, &paths, "FUTURE", &TokenStream::new());
    contents.private(&paths, "measure_future");
    contents.group(Delimiter::Parenthesis, arguments.done());
    let mut all = Tokens::behind(head, mixed.located_at(asyncness.span()));
    all.mark("->");
    expand::future_of(&mut all, &output);
    all.trees(&bounds);
    all.at(mixed.located_at(body.group.span()));
    all.group(Delimiter::Brace, contents.done()).done()
}
