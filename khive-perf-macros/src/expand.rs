//! Turns a checked item into tokens; nothing is parsed here.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit::Visit;
use syn::visit_mut::VisitMut;
use syn::{FnArg, Ident, Pat, Type};

use crate::args::{Capture, Field};
use crate::input::Body;
use crate::model::{Checked, Measured, Shape, Success};

/// The item with its functions measured.
pub(crate) fn item(checked: &Checked) -> TokenStream {
    match checked {
        Checked::Plain(function) => plain(function),
        Checked::Function(measured) => match measured.shape {
            Shape::Call => call(measured),
            Shape::AsyncFn => async_fn(measured),
        },
    }
}

/// The item as it was.
pub(crate) fn untouched(checked: &Checked) -> TokenStream {
    match checked {
        Checked::Plain(function) => plain(function),
        Checked::Function(measured) => measured.with_contents(measured.body.group.stream()),
    }
}

fn plain(function: &crate::input::Function) -> TokenStream {
    let crate::input::Function {
        attrs,
        qualifiers,
        sig,
        body,
    } = function;
    let body = body
        .as_ref()
        .map_or_else(|| quote!(;), |body| body.group.to_token_stream());
    quote!(#(#attrs)* #qualifiers #sig #body)
}

/// A function that works while it is called: a guard in front of the statements.
fn call(measured: &Measured) -> TokenStream {
    let callsite = callsite(measured);
    let enter = enter(measured);
    let inner_attrs = &measured.body.inner_attrs;
    let Some(success) = &measured.success else {
        // An item behind our `let` would trip `clippy::items_after_statements`.
        let Body {
            items, statements, ..
        } = &measured.body;
        return measured.with_contents(quote_spanned! {Span::mixed_site()=>
            #inner_attrs
            #callsite
            #items
            let __khive_perf_guard = #enter;
            #statements
        });
    };
    let body = block(measured);
    let output = erase_impl_trait(measured.output());
    let verdict = verdict(measured, success);
    // `unwrap_or_else` makes the closure an `FnOnce`, so that it may return what it borrowed from an argument.
    measured.with_contents(quote_spanned! {Span::mixed_site()=>
        #inner_attrs
        #callsite
        let mut __khive_perf_guard = #enter;
        let __khive_perf_returned = ::core::option::Option::unwrap_or_else(
            ::core::option::Option::None,
            move || -> #output #body,
        );
        __khive_perf_guard.outcome(#verdict);
        __khive_perf_returned
    })
}

/// An `async fn`: its statements become the future that is measured.
fn async_fn(measured: &Measured) -> TokenStream {
    let callsite = callsite(measured);
    let inner_attrs = &measured.body.inner_attrs;
    let edge = return_edge(measured);
    let body = block(measured);
    let future = quote_spanned! {Span::mixed_site()=>
        async move {
            #edge
            #body
        }
    };
    let measure = measure_future(measured, &future);
    let awaited = if measured.never_returns() {
        quote_spanned!(Span::mixed_site()=> match #measure.await {})
    } else {
        quote_spanned!(Span::mixed_site()=> #measure.await)
    };
    measured.with_contents(quote_spanned! {Span::mixed_site()=>
        #inner_attrs
        #callsite
        #awaited
    })
}

fn measure_future(measured: &Measured, future: &TokenStream) -> TokenStream {
    let with = !measured.fields.is_empty();
    let (name, predicate) = match &measured.success {
        None => (
            if with {
                "measure_future_with"
            } else {
                "measure_future"
            },
            None,
        ),
        Some(success) => {
            let predicate = match success {
                Success::ResultIsOk(at) => measured.paths.private_at("is_ok", *at),
                Success::Predicate(expr) => expr.to_token_stream(),
            };
            (
                if with {
                    "measure_future_with_if"
                } else {
                    "measure_future_if"
                },
                Some(quote!(, #predicate)),
            )
        }
    };
    let function = measured.paths.private(name);
    let Some((owned, list)) = owned_fields(measured) else {
        return quote_spanned!(Span::mixed_site()=> #function(&__KHIVE_PERF_CALLSITE, #future #predicate));
    };
    quote_spanned! {Span::mixed_site()=>
        {
            #owned
            #function(&__KHIVE_PERF_CALLSITE, #future #predicate, #list)
        }
    }
}

/// The static description of the function.
fn callsite(measured: &Measured) -> TokenStream {
    let [callsite, spec, kind, path_of] =
        ["Callsite", "Spec", "Kind", "path_of"].map(|item| measured.paths.private(item));
    let name = optional(measured.name.as_ref());
    let group = optional(measured.group.as_ref());
    let variant = match measured.shape {
        Shape::Call => quote!(Function),
        Shape::AsyncFn => quote!(Future),
    };
    // With the span of the user's token, `line!` gives the line of the name and not that of the attribute.
    let line = quote_spanned!(measured.function.sig.ident.span()=> line!());
    quote_spanned! {Span::mixed_site()=>
        static __KHIVE_PERF_CALLSITE: #callsite = #callsite::new(#spec {
            name: #name,
            group: #group,
            path: {
                fn here() {}
                || #path_of(&here)
            },
            file: ::core::file!(),
            line: ::core::#line,
            kind: #kind::#variant,
        });
    }
}

fn optional(text: Option<&syn::LitStr>) -> TokenStream {
    match text {
        Some(text) => quote_spanned!(Span::mixed_site()=> ::core::option::Option::Some(#text)),
        None => quote_spanned!(Span::mixed_site()=> ::core::option::Option::None),
    }
}

fn enter(measured: &Measured) -> TokenStream {
    if measured.fields.is_empty() {
        let enter = measured.paths.private("enter");
        return quote_spanned!(Span::mixed_site()=> #enter(&__KHIVE_PERF_CALLSITE));
    }
    let enter = measured.paths.private("enter_with");
    let list = measured.fields.iter().map(|field| {
        let Field {
            key,
            value,
            capture,
        } = field;
        let value = field_value(measured, *capture, &quote!(&(#value)));
        quote_spanned!(Span::mixed_site()=> (#key, #value))
    });
    quote_spanned!(Span::mixed_site()=> #enter(&__KHIVE_PERF_CALLSITE, &[#(#list),*]))
}

fn field_value(measured: &Measured, capture: Capture, reference: &TokenStream) -> TokenStream {
    let function = match capture {
        Capture::Value => {
            let to_value = measured.paths.private("ToValue");
            quote_spanned!(Span::mixed_site()=> #to_value::to_value)
        }
        Capture::Display => measured.paths.private("display"),
        Capture::Debug => measured.paths.private("debug"),
    };
    quote_spanned!(Span::mixed_site()=> #function(#reference))
}

/// The fields of a future, taken before its arguments move into it: `let` statements and the list.
fn owned_fields(measured: &Measured) -> Option<(TokenStream, TokenStream)> {
    if measured.fields.is_empty() {
        return None;
    }
    let mut owned = TokenStream::new();
    let mut list = TokenStream::new();
    for (
        index,
        Field {
            key,
            value,
            capture,
        },
    ) in measured.fields.iter().enumerate()
    {
        let slot = Ident::new(&format!("__khive_perf_field_{index}"), Span::mixed_site());
        let taken = match capture {
            Capture::Value => quote_spanned!(Span::mixed_site()=> (#value).to_owned()),
            Capture::Display => quote_spanned!(Span::mixed_site()=> ::std::format!("{}", #value)),
            Capture::Debug => quote_spanned!(Span::mixed_site()=> ::std::format!("{:?}", #value)),
        };
        owned.extend(quote_spanned!(Span::mixed_site()=> let #slot = #taken;));
        let value = field_value(measured, Capture::Value, &quote!(&#slot));
        list.extend(quote_spanned!(Span::mixed_site()=> (#key, #value),));
    }
    let import = quote_spanned! {Span::mixed_site()=>
        #[allow(unused_imports)]
        use ::std::borrow::ToOwned as _;
    };
    Some((
        quote!(#import #owned),
        quote_spanned!(Span::mixed_site()=> &[#list]),
    ))
}

/// Whether the returned value counts as a success.
fn verdict(measured: &Measured, success: &Success) -> TokenStream {
    match success {
        Success::ResultIsOk(at) => {
            let is_ok = measured.paths.private_at("is_ok", *at);
            quote_spanned!(Span::mixed_site()=> #is_ok(&__khive_perf_returned))
        }
        // `is_some_and` knows the type of the value before it looks at a closure.
        Success::Predicate(predicate) => quote_spanned! {Span::mixed_site()=>
            ::core::option::Option::is_some_and(::core::option::Option::Some(&__khive_perf_returned), #predicate)
        },
    }
}

/// The user's block as the body of a closure or future that owns the arguments.
fn block(measured: &Measured) -> TokenStream {
    let Body {
        group,
        items,
        statements,
        ..
    } = &measured.body;
    let keep = mention_params(measured);
    let mut block = Group::new(Delimiter::Brace, quote!(#items #keep #statements));
    block.set_span(group.span());
    block.to_token_stream()
}

/// Tells type inference what an async block returns, so that returned values are coerced as in the plain function.
///
/// It stands outside the user's block, whose imports could give the type another meaning.
fn return_edge(measured: &Measured) -> TokenStream {
    let output = match measured.output() {
        Type::ImplTrait(_) => return TokenStream::new(),
        Type::Never(_) => quote_spanned!(Span::mixed_site()=> ::core::convert::Infallible),
        output => erase_impl_trait(output).into_token_stream(),
    };
    quote_spanned! {Span::mixed_site()=>
        if let ::core::option::Option::Some(__khive_perf_returned) = ::core::option::Option::None::<#output> {
            return __khive_perf_returned;
        }
    }
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

/// Moves the arguments into the closure or future, in the order in which the plain function would drop them.
fn mention_params(measured: &Measured) -> TokenStream {
    #[derive(Default)]
    struct Bindings(Vec<Ident>);
    impl<'ast> Visit<'ast> for Bindings {
        fn visit_pat(&mut self, pat: &'ast Pat) {
            if let Pat::Ident(binding) = pat {
                self.0.push(binding.ident.clone());
            }
            syn::visit::visit_pat(self, pat);
        }
    }
    let mut bindings = Bindings::default();
    for input in &measured.function.sig.inputs {
        if let FnArg::Typed(typed) = input
            && typed.attrs.is_empty()
        {
            bindings.visit_pat(&typed.pat);
        }
    }
    let mentions = bindings.0.iter().rev();
    quote_spanned!(Span::mixed_site()=> let _ = (#(&#mentions,)*);)
}
