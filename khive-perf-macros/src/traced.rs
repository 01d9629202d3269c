//! The span of `tracing` that a function with `span` opens beside its measurement, as tokens.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;

use crate::model::Measured;
use crate::settings::Level;

/// The static that describes the span; nothing without `span`.
pub(crate) fn site(measured: &Measured) -> TokenStream {
    let Some(level) = measured.settings.span else {
        return TokenStream::new();
    };
    let [site, spec, levels, marker] =
        ["SpanSite", "SpanSpec", "Level", "MARKER"].map(|item| measured.paths.private(item));
    let ident = &measured.function.sig.ident;
    let name = match &measured.name {
        Some(name) => name.value(),
        None => ident.unraw().to_string(),
    };
    let level = match level {
        Level::Trace => quote_spanned!(Span::mixed_site()=> #levels::TRACE),
        Level::Debug => quote_spanned!(Span::mixed_site()=> #levels::DEBUG),
        Level::Info => quote_spanned!(Span::mixed_site()=> #levels::INFO),
        Level::Warn => quote_spanned!(Span::mixed_site()=> #levels::WARN),
        Level::Error => quote_spanned!(Span::mixed_site()=> #levels::ERROR),
    };
    let keys = measured.fields.iter().map(|field| &field.key);
    let line = measured.paths.line_of(ident.span());
    quote_spanned! {Span::mixed_site()=>
        static __KHIVE_PERF_SPAN: #site = #site::new(
            #spec {
                name: #name,
                target: ::core::module_path!(),
                level: #level,
                file: ::core::file!(),
                line: #line,
                fields: &[#(#keys,)* #marker],
            },
            &__KHIVE_PERF_SPAN,
        );
    }
}

/// Puts a measured future into its span; its values were kept if it has fields.
pub(crate) fn future(measured: &Measured, future: TokenStream) -> TokenStream {
    if measured.settings.span.is_none() {
        return future;
    }
    if measured.fields.is_empty() {
        let trace = measured.paths.private("trace_future");
        return quote_spanned!(Span::mixed_site()=> #trace(&__KHIVE_PERF_SPAN, #future));
    }
    let trace = measured.paths.private("trace_future_with");
    quote_spanned! {Span::mixed_site()=>
        #trace(&__KHIVE_PERF_SPAN, __khive_perf_values, #future)
    }
}
