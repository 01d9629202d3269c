//! Fully qualified paths into `khive_perf::__private`: the only names an expansion depends on.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

/// Where `khive_perf::__private` is reached from the annotated code.
#[derive(Clone, Default)]
pub(crate) struct Paths {
    krate: Option<syn::Path>,
}

impl Paths {
    /// Paths below `krate`, or below `::khive_perf` where nothing was said.
    pub(crate) fn new(krate: Option<syn::Path>) -> Self {
        Self { krate }
    }

    /// The path of the crate, if it was said.
    pub(crate) fn krate(&self) -> Option<TokenStream> {
        self.krate.as_ref().map(ToTokens::to_token_stream)
    }

    /// The path of one item of the `__private` module.
    pub(crate) fn private(&self, item: &str) -> TokenStream {
        self.private_at(item, Span::mixed_site())
    }

    /// Like [`Paths::private`]; what the compiler has to say about it points at `span`.
    pub(crate) fn private_at(&self, item: &str, span: Span) -> TokenStream {
        let span = Span::mixed_site().located_at(span);
        let item = Ident::new(item, span);
        match &self.krate {
            Some(krate) => quote_spanned!(span=> #krate::__private::#item),
            None => quote_spanned!(span=> ::khive_perf::__private::#item),
        }
    }

    /// The line of a token of the user's, and not that of the attribute.
    ///
    /// It is that of the method call, which has the token's place. The path has ours: with a place of the user's,
    /// `::core::line!()` would be looked up by the rules of the user's edition, which may find another `core`.
    pub(crate) fn line_of(&self, token: Span) -> TokenStream {
        let here = self.private("Here");
        let line = quote_spanned!(token=> .line());
        quote_spanned!(Span::mixed_site()=> #here #line)
    }
}
