//! Turns a checked item into tokens; nothing is parsed here.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::VisitMut;
use syn::{Expr, ReturnType, Signature, Token, Type};

use crate::expectations;
use crate::fields::{Capture, Field};
use crate::input::{Block, Body, Function};
use crate::model::{Checked, Measured, Success};
use crate::params;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::shape::{self, Holder, Shape, Tail};
use crate::tokens::Tokens;
use crate::traced;

/// The item with its functions measured.
pub(crate) fn item(checked: &Checked) -> TokenStream {
    let function = |measured: &Measured| match measured.shape {
        Shape::Call => call(measured),
        Shape::AsyncFn => async_fn(measured),
        Shape::FlatAsyncFn => flat_async_fn(measured),
        Shape::Future(holder) => returned_future(measured, holder),
    };
    emit(checked, &function, true)
}

/// The item as it was, without our attributes on the members of a block.
pub(crate) fn untouched(checked: &Checked) -> TokenStream {
    let function = |measured: &Measured| {
        let body = measured.body.group.to_token_stream();
        plain(&measured.function, &body)
    };
    emit(checked, &function, false)
}

/// The item with what `function` makes of each function; `chooses` where that depends on how it is measured.
fn emit(
    checked: &Checked,
    function: &dyn Fn(&Measured) -> TokenStream,
    chooses: bool,
) -> TokenStream {
    match checked {
        Checked::Verbatim(tokens) => tokens.clone(),
        Checked::Measured(measured) => function(measured),
        Checked::Plain(function) => {
            let body = function.body.as_ref();
            let body = body.map_or_else(|| quote!(;), |body| body.group.to_token_stream());
            plain(function, &body)
        }
        Checked::Block { block, members } => {
            let Block {
                attrs, head, group, ..
            } = block;
            let contents = members
                .iter()
                .map(|member| emit(member, function, chooses))
                .collect();
            let contents = in_braces_of(group, contents);
            let relaxed = chooses.then(|| expectations::relaxed(attrs, true));
            let attrs = relaxed.as_ref().unwrap_or(attrs);
            quote!(#(#attrs)* #head #contents)
        }
        Checked::Either {
            mistakes,
            plain,
            so,
            not_so,
        } => {
            let ways = if chooses {
                vec![so, not_so]
            } else {
                vec![plain]
            };
            let ways = ways.iter().map(|way| emit(way, function, chooses));
            quote!(#mistakes #(#ways)*)
        }
    }
}

fn plain(function: &Function, body: &TokenStream) -> TokenStream {
    let Function {
        attrs, qualifiers, ..
    } = function;
    let sig = function.signature(&function.sig);
    quote!(#(#attrs)* #qualifiers #sig #body)
}

/// New contents between the braces that the user wrote.
pub(crate) fn in_braces_of(group: &Group, contents: TokenStream) -> Group {
    let mut braces = Group::new(Delimiter::Brace, contents);
    braces.set_span(group.span());
    braces
}

/// Puts a function back together around new contents of its braces.
fn function(measured: &Measured, sig: &Signature, contents: &TokenStream) -> TokenStream {
    let at = measured.body.group.span();
    around(measured, sig, contents, at)
}

/// The same where the user's statements have braces of their own inside. So the outer ones can be ours, and what
/// is asked about the style of the tail, like `clippy::implicit_return`, is asked about the inner ones.
fn wrapper(measured: &Measured, sig: &Signature, contents: &TokenStream) -> TokenStream {
    let at = Span::mixed_site().located_at(measured.body.group.span());
    around(measured, sig, contents, at)
}

fn around(measured: &Measured, sig: &Signature, contents: &TokenStream, at: Span) -> TokenStream {
    let Function {
        attrs, qualifiers, ..
    } = &measured.function;
    let moved = measured.shape != Shape::Call || measured.success.is_some();
    let attrs = expectations::relaxed(attrs, moved);
    let sig = measured.function.signature(sig);
    let inner_attrs = &measured.body.inner_attrs;
    let callsite = callsite(measured);
    let span = traced::site(measured);
    let mut braces = Group::new(
        Delimiter::Brace,
        quote!(#inner_attrs #callsite #span #contents),
    );
    braces.set_span(at);
    quote!(#(#attrs)* #qualifiers #sig #braces)
}

/// A function that works while it is called: a guard in front of the statements.
fn call(measured: &Measured) -> TokenStream {
    let enter = enter(measured);
    let alloc = count_alloc(measured);
    let sig = &measured.function.sig;
    let Some(success) = &measured.success else {
        // An item behind our `let` would trip `clippy::items_after_statements`.
        let Body {
            items, statements, ..
        } = &measured.body;
        return function(
            measured,
            sig,
            &quote_spanned! {Span::mixed_site()=>
                #items
                let __khive_perf_guard = #enter;
                #alloc
                #statements
            },
        );
    };
    let output = erase_impl_trait(measured.output());
    let mut sig = sig.clone();
    let returned = if measured.tracks_caller() && shape::runs_to_its_end(&measured.body) {
        // No closure: it would stand between the body and the caller it asks for.
        let body = block(&measured.body);
        quote_spanned!(Span::mixed_site()=> let __khive_perf_returned: #output = #body;)
    } else {
        let annotation = quote_spanned!(Span::mixed_site()=> -> #output);
        let keep = params::rebind(&mut sig, &measured.outside());
        let returned = once(&annotation, measured, &keep);
        // Clippy does not look at what a closure is declared to return.
        let allow = is_fallback(&output).then(
            || quote_spanned!(Span::mixed_site()=> #[allow(clippy::default_numeric_fallback)]),
        );
        quote_spanned!(Span::mixed_site()=> #allow let __khive_perf_returned = #returned;)
    };
    let verdict = verdict(measured, success, false);
    wrapper(
        measured,
        &sig,
        &quote_spanned! {Span::mixed_site()=>
            let mut __khive_perf_guard = #enter;
            #alloc
            #returned
            __khive_perf_guard.outcome(#verdict);
            __khive_perf_returned
        },
    )
}

/// Whether a type is one that a number without another type has.
fn is_fallback(ty: &Type) -> bool {
    matches!(ty, Type::Path(ty) if ty.path.is_ident("i32") || ty.path.is_ident("f64"))
}

/// Runs a body that may be left early. `unwrap_or_else` makes the closure an `FnOnce`, so that it
/// may return what it borrows from its arguments.
fn once(output: &TokenStream, measured: &Measured, keep: &TokenStream) -> TokenStream {
    let mut body = block(&measured.body).into_token_stream();
    if !keep.is_empty() || output.is_empty() {
        body = quote_spanned!(Span::mixed_site()=> { #keep #body });
    }
    quote_spanned! {Span::mixed_site()=>
        ::core::option::Option::unwrap_or_else(::core::option::Option::None, move || #output #body)
    }
}

/// An `async fn`: its statements become the future that is measured.
fn async_fn(measured: &Measured) -> TokenStream {
    let mut sig = measured.function.sig.clone();
    let future = async_block(measured, &params::rebind(&mut sig, &measured.outside()));
    let measure = measure_future(measured, &future);
    let awaited = if measured.never_returns() {
        quote_spanned!(Span::mixed_site()=> match #measure.await {})
    } else {
        quote_spanned!(Span::mixed_site()=> #measure.await)
    };
    wrapper(measured, &sig, &awaited)
}

/// An `async fn` as `fn -> impl Future`. The tokens of ours are of the edition of this crate, and so
/// `impl Future` captures every lifetime, as the `async fn` does.
fn flat_async_fn(measured: &Measured) -> TokenStream {
    let mut sig = measured.function.sig.clone();
    let output = measured.output();
    let asyncness = sig.asyncness.take();
    let at = asyncness.map_or_else(Span::mixed_site, |word| word.span);
    let at = Span::mixed_site().located_at(at);
    // Not parsed: nobody looks into it from here on.
    let mut future = Tokens::new(at);
    future_of(&mut future, &trees_of(&output));
    let future = Type::Verbatim(future.done());
    sig.output = ReturnType::Type(Token![->](at), Box::new(future));
    let keep = params::rebind(&mut sig, &measured.outside());
    let future = async_block(measured, &keep);
    wrapper(measured, &sig, &measure_future(measured, &future))
}

/// What an `async fn` returns. The compiler says what it has to say about it where `async` stands.
pub(crate) fn future_of(tokens: &mut Tokens, output: &[TokenTree]) {
    tokens
        .word("impl")
        .mark("::")
        .word("core")
        .mark("::")
        .word("future");
    tokens
        .mark("::")
        .word("Future")
        .mark("<")
        .word("Output")
        .mark("=");
    tokens.trees(output).mark(">");
}

fn async_block(measured: &Measured, keep: &TokenStream) -> TokenStream {
    let mut edge = Tokens::new(Span::mixed_site());
    match measured.output() {
        Type::ImplTrait(_) => {}
        Type::Never(_) => {
            let never = quote_spanned!(Span::mixed_site()=> ::core::convert::Infallible);
            return_edge(
                &mut edge,
                &measured.paths,
                &trees_of(&never),
                Span::mixed_site(),
            );
        }
        output => {
            let at = output.span();
            let output = trees_of(&erase_impl_trait(output));
            return_edge(&mut edge, &measured.paths, &output, at);
        }
    }
    edge.stream(keep.clone());
    let mut tokens = Tokens::new(Span::mixed_site());
    async_move(&mut tokens, &mut edge, &measured.body);
    tokens.done()
}

/// The future that an `async fn` would return; in it, before the body, what is written already.
pub(crate) fn async_move(tokens: &mut Tokens, before: &mut Tokens, body: &Body) {
    before.tree(block(body));
    // The outer braces are of the edition of this crate: there the temporaries of a tail go before the arguments.
    tokens
        .word("async")
        .word("move")
        .group(Delimiter::Brace, before.done());
}

fn trees_of(tokens: &impl ToTokens) -> Vec<TokenTree> {
    tokens.to_token_stream().into_iter().collect()
}

/// A function that returns a future: the future is measured, the statements before it are kept.
fn returned_future(measured: &Measured, holder: Holder) -> TokenStream {
    let sig = &measured.function.sig;
    if let Some(Tail {
        before,
        future,
        in_box_pin,
    }) = shape::tail(&measured.body, holder)
    {
        let items = &measured.body.items;
        let series = series(measured);
        let call = measure_call(measured, &future);
        let last = if in_box_pin { quote!((#call)) } else { call };
        return function(measured, sig, &quote!(#items #series #before #last));
    }
    let output = match holder {
        Holder::None => None,
        Holder::Box | Holder::PinBox | Holder::Alias => Some(erase_impl_trait(measured.output())),
    };
    let mut sig = sig.clone();
    let future = if measured.tracks_caller() && shape::runs_to_its_end(&measured.body) {
        // No closure here either.
        let annotation = output
            .as_ref()
            .map(|output| quote_spanned!(Span::mixed_site()=> : #output));
        let body = block(&measured.body);
        quote_spanned! {Span::mixed_site()=>
            { let __khive_perf_returned #annotation = #body; __khive_perf_returned }
        }
    } else {
        let annotation = output
            .as_ref()
            .map(|output| quote_spanned!(Span::mixed_site()=> -> #output));
        let keep = params::rebind(&mut sig, &measured.outside());
        once(&annotation.unwrap_or_default(), measured, &keep)
    };
    if holder == Holder::Alias && measured.is_plain() {
        let returned = measured.paths.private("Returned");
        let here = here(measured);
        let all = quote_spanned! {Span::mixed_site()=>
            let __khive_perf_output = #returned::<#output>::new();
            let __khive_perf_guard = __khive_perf_output.enter(#here);
            let __khive_perf_returned = #future;
            __khive_perf_output.finish(&__KHIVE_PERF_CALLSITE, __khive_perf_returned)
        };
        return wrapper(measured, &sig, &all);
    }
    let measure = measure_future(measured, &future);
    let held = match holder {
        Holder::None => measure,
        Holder::Box | Holder::PinBox | Holder::Alias => {
            let hold = measured.paths.private("hold");
            quote_spanned!(Span::mixed_site()=> #hold(#measure))
        }
    };
    wrapper(measured, &sig, &held)
}

/// The future, measured; its fields are read before it is made, because the arguments move into it.
fn measure_future(measured: &Measured, future: &TokenStream) -> TokenStream {
    let call = measure_call(measured, future);
    if measured.fields.is_empty() {
        return call;
    }
    let series = series(measured);
    quote_spanned!(Span::mixed_site()=> { #series #call })
}

fn measure_call(measured: &Measured, future: &TokenStream) -> TokenStream {
    let mut name = String::from("measure_future");
    let mut arguments = TokenStream::new();
    if !measured.fields.is_empty() {
        name.push_str("_with");
    }
    if let Some(success) = &measured.success {
        name.push_str("_if");
        // A closure of ours, so that what does not fit is told once, and not in every type around it.
        let verdict = verdict(measured, success, true);
        let moves = match success {
            Success::Predicate(predicate) => match &**predicate {
                Expr::Closure(closure) => closure.capture.as_ref(),
                _ => None,
            },
            Success::ResultIsOk(_) => None,
        };
        let predicate =
            quote_spanned!(Span::mixed_site()=> #moves |__khive_perf_returned| #verdict);
        arguments.extend(quote_spanned!(Span::mixed_site()=> , #predicate));
    }
    if !measured.fields.is_empty() {
        arguments.extend(quote_spanned!(Span::mixed_site()=> , __khive_perf_series));
    }
    let function = measured.paths.private(&name);
    let future = count_alloc_future(measured, future);
    let here = here(measured);
    traced::future(
        measured,
        quote_spanned!(Span::mixed_site()=> #function(#here, #future #arguments)),
    )
}

/// The statement that counts what the call of the guard allocates from here on.
fn count_alloc(measured: &Measured) -> TokenStream {
    if !measured.settings.alloc {
        return TokenStream::new();
    }
    let count_alloc = measured.paths.private("count_alloc");
    quote_spanned!(Span::mixed_site()=> let __khive_perf_alloc = #count_alloc(&__khive_perf_guard);)
}

/// The future, with what it allocates in its polls counted if that was asked.
fn count_alloc_future(measured: &Measured, future: &TokenStream) -> TokenStream {
    if !measured.settings.alloc {
        return future.clone();
    }
    if measured.fields.is_empty() {
        let count = measured.paths.private("count_alloc_future");
        return quote_spanned!(Span::mixed_site()=> #count(&__KHIVE_PERF_CALLSITE, #future));
    }
    let count = measured.paths.private("count_alloc_future_with");
    quote_spanned!(Span::mixed_site()=> #count(&__KHIVE_PERF_CALLSITE, #future, __khive_perf_series))
}

/// The static description of the function.
fn callsite(measured: &Measured) -> TokenStream {
    let mixed = Span::mixed_site();
    let kind = match measured.shape {
        Shape::Call => "FUNCTION",
        Shape::AsyncFn | Shape::FlatAsyncFn | Shape::Future(_) => "FUTURE",
    };
    let name = measured.name.as_ref();
    let name = name.map(|name| quote_spanned!(mixed=> .name(#name)));
    let group = measured.group.as_ref();
    let group = group.map(|group| quote_spanned!(mixed=> .group(#group)));
    let settings = settings(measured.settings);
    let mut tokens = Tokens::new(mixed);
    static_callsite(
        &mut tokens,
        &measured.paths,
        kind,
        &quote!(#name #group #settings),
    );
    tokens.done()
}

/// The static, of which the compiler types, checks and evaluates one for each function: so it says no more than it
/// must. And a type, whose name has the path of the function.
pub(crate) fn static_callsite(tokens: &mut Tokens, paths: &Paths, kind: &str, said: &TokenStream) {
    let none = TokenStream::new;
    tokens.word("static").word(CALLSITE).mark(":");
    tokens.private(paths, "Callsite").mark("=");
    if said.is_empty() {
        tokens.private(paths, kind);
    } else {
        let spec = paths.private("Spec");
        let kind = Ident::new(kind, Span::mixed_site());
        let spec = quote_spanned!(Span::mixed_site()=> (&const { #spec::#kind #said }));
        tokens
            .private(paths, "Callsite")
            .mark("::")
            .word("new")
            .stream(spec);
    }
    tokens.mark(";");
    tokens
        .word("enum")
        .word(FUNCTION)
        .group(Delimiter::Brace, none());
}

const CALLSITE: &str = "__KHIVE_PERF_CALLSITE";
const FUNCTION: &str = "__KhivePerfFunction";

/// The call of a method of the callsite, which says where it is called.
///
/// A method call is where its name and its arguments are: so it has the line of the function, and not that of the
/// attribute. With a place of the user's, a path would be looked up by the rules of the user's edition.
pub(crate) fn call_callsite(tokens: &mut Tokens, ident: &Ident, method: &str) {
    let mixed = Span::mixed_site();
    tokens.at(mixed).word(CALLSITE).mark(".");
    tokens.at(ident.span()).word(method);
    tokens
        .at(mixed)
        .mark("::")
        .mark("<")
        .word(FUNCTION)
        .mark(">");
    tokens
        .at(ident.span())
        .group(Delimiter::Parenthesis, TokenStream::new());
    tokens.at(mixed);
}

fn called_callsite(measured: &Measured, method: &str) -> TokenStream {
    let mut tokens = Tokens::new(Span::mixed_site());
    call_callsite(&mut tokens, &measured.function.sig.ident, method);
    tokens.done()
}

/// What is recorded beside counts and times, as methods of the callsite; nothing where nothing was said.
fn settings(settings: Settings) -> TokenStream {
    let mixed = Span::mixed_site();
    let sample = settings.sample.map(Literal::u32_unsuffixed);
    let sample = sample.map(|every| quote_spanned!(mixed=> .sample(#every)));
    let slow = settings.slow_ns.map(Literal::u64_unsuffixed);
    let slow = slow.map(|ns| quote_spanned!(mixed=> .slow_ns(#ns)));
    quote!(#sample #slow)
}

fn enter(measured: &Measured) -> TokenStream {
    let here = here(measured);
    if measured.settings.span.is_some() {
        let enter = measured.paths.private("enter_traced");
        let fields = fields(measured);
        return quote_spanned! {Span::mixed_site()=>
            #enter(#here, &__KHIVE_PERF_SPAN, #fields)
        };
    }
    if measured.fields.is_empty() {
        return called_callsite(measured, "enter");
    }
    let enter = measured.paths.private("enter_with");
    let fields = fields(measured);
    quote_spanned!(Span::mixed_site()=> #enter(#here, #fields))
}

/// The callsite, which notes where it is called.
fn here(measured: &Measured) -> TokenStream {
    called_callsite(measured, "here")
}

/// The statement that finds the series of a future, by fields that it borrows for no longer.
fn series(measured: &Measured) -> TokenStream {
    if measured.fields.is_empty() {
        return TokenStream::new();
    }
    let fields = fields(measured);
    let here = here(measured);
    if measured.settings.span.is_some() {
        let series = measured.paths.private("series_traced");
        return quote_spanned! {Span::mixed_site()=>
            let (__khive_perf_series, __khive_perf_values) =
                #series(#here, &__KHIVE_PERF_SPAN, #fields);
        };
    }
    let series = measured.paths.private("series");
    quote_spanned! {Span::mixed_site()=>
        let __khive_perf_series = #series(#here, #fields);
    }
}

/// The names and values of the fields.
fn fields(measured: &Measured) -> TokenStream {
    let list = measured.fields.iter().map(|field| {
        let Field { key, value, .. } = field;
        let value = field_value(measured, field, value);
        quote_spanned!(Span::mixed_site()=> (#key, #value))
    });
    quote_spanned!(Span::mixed_site()=> &[#(#list),*])
}

/// Takes a value by reference; what the compiler has to say about it points at the field.
fn field_value(measured: &Measured, field: &Field, value: &impl ToTokens) -> TokenStream {
    let at = Span::mixed_site().located_at(field.key.span());
    let function = match field.capture {
        Capture::Value => {
            let to_value = measured.paths.private_at("ToValue", at);
            quote_spanned!(at=> #to_value::to_value)
        }
        Capture::Display => measured.paths.private_at("display", at),
        Capture::Debug => measured.paths.private_at("debug", at),
    };
    quote_spanned!(at=> #function(&(#value)))
}

/// Whether the returned value, or the one that is `borrowed` there, counts as a success.
fn verdict(measured: &Measured, success: &Success, borrowed: bool) -> TokenStream {
    let at = match success {
        Success::ResultIsOk(at) => *at,
        Success::Predicate(predicate) => predicate.span(),
    };
    let is_ok = measured.paths.private_at("is_ok", at);
    let at = Span::mixed_site().located_at(at);
    let borrow = (!borrowed).then(|| quote_spanned!(at=> &));
    let returned = quote_spanned!(at=> #borrow __khive_perf_returned);
    match success {
        Success::ResultIsOk(_) => quote_spanned!(at=> #is_ok(#returned)),
        // `is_some_and` knows the type of the value before it looks at a closure.
        Success::Predicate(predicate) => quote_spanned! {at=>
            ::core::option::Option::is_some_and(::core::option::Option::Some(#returned), #predicate)
        },
    }
}

/// The user's block, inside another one.
fn block(body: &Body) -> Group {
    let has_semicolon = body.has_semicolon();
    if has_semicolon && body.inner_attrs.is_empty() {
        return body.group.clone();
    }
    let Body {
        group,
        items,
        statements,
        ..
    } = body;
    // Where all is one expression, the compiler would call the braces around it unnecessary.
    let more = (!has_semicolon).then(|| quote_spanned!(Span::mixed_site()=> let _ = ();));
    in_braces_of(group, quote!(#items #more #statements))
}

/// Tells type inference what an async block returns, so that returned values are coerced as in the plain function.
///
/// It stands outside the user's block, whose imports could give the type another meaning.
pub(crate) fn return_edge(tokens: &mut Tokens, paths: &Paths, output: &[TokenTree], at: Span) {
    // "Return type inferred here", the compiler may say, and then it shows the type.
    let mut back = Tokens::new(Span::mixed_site().located_at(at));
    back.word("return")
        .private(paths, "never_called")
        .mark("::");
    back.mark("<").trees(output).mark(">");
    back.group(Delimiter::Parenthesis, TokenStream::new())
        .mark(";");
    tokens
        .word("if")
        .word("false")
        .group(Delimiter::Brace, back.done());
}

/// `impl Trait` may not be written inside a body; `_` stands for it.
fn erase_impl_trait(mut output: Type) -> Type {
    struct Erase;
    impl VisitMut for Erase {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(_) = ty {
                *ty = syn::parse_quote!(_);
            } else {
                syn::visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    Erase.visit_type_mut(&mut output);
    output
}
