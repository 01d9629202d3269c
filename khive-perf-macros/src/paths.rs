//! Fully qualified paths into `khive_perf::__private`: the only names an expansion depends on.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

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

    /// The path of one item of the `__private` module.
    pub(crate) fn private(&self, item: &str) -> TokenStream {
        self.private_at(item, Span::mixed_site())
    }

    /// Like [`Paths::private`]; the compiler's complaints about the item point at `span`.
    pub(crate) fn private_at(&self, item: &str, span: Span) -> TokenStream {
        let item = proc_macro2::Ident::new(item, span);
        match &self.krate {
            Some(krate) => quote!(#krate::__private::#item),
            None => quote_spanned!(Span::mixed_site()=> ::khive_perf::__private::#item),
        }
    }
}
