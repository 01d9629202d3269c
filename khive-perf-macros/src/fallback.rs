//! What reaches the compiler: the measured item, or on errors the errors beside the untouched item.

use proc_macro2::TokenStream;

use crate::args::Features;
use crate::input::Item;
use crate::model::Checked;
use crate::plain::Told;
use crate::{args, direct, expand, model};

/// Runs all phases. Without the feature `enabled` everything is checked all the same, and the item stays as it was.
pub(crate) fn measure(args: TokenStream, item: TokenStream, features: Features) -> TokenStream {
    let told = (args.is_empty() && features.enabled).then(|| Told::read(item.clone()));
    match told.flatten() {
        Some(Told::Call(function)) => direct::call(function),
        Some(Told::AsyncFn(function)) => direct::flat_async_fn(function),
        None => parsed(args, item, features),
    }
}

/// The same for all that must be parsed.
pub(crate) fn parsed(args: TokenStream, item: TokenStream, features: Features) -> TokenStream {
    let (options, mut errors) = args::parse(args, features);
    let checked = match Item::read(item.clone()) {
        Ok(parsed) => model::check(&options, parsed, features, &mut errors),
        Err(error) => {
            errors.push(error);
            Checked::Verbatim(item.clone())
        }
    };
    let untouched = || match &checked {
        // Only the attributes of ours on its members go.
        Checked::Block { .. } => expand::untouched(&checked),
        _ => item.clone(),
    };
    match combine(errors) {
        None if features.enabled => expand::item(&checked),
        None => untouched(),
        Some(error) => {
            let mut tokens = error.into_compile_error();
            tokens.extend(untouched());
            tokens
        }
    }
}

fn combine(errors: Vec<syn::Error>) -> Option<syn::Error> {
    errors.into_iter().reduce(|mut all, next| {
        all.combine(next);
        all
    })
}
