//! What reaches the compiler: the measured item, or on errors the errors beside the untouched item.

use proc_macro2::TokenStream;

use crate::input::Item;
use crate::model::Inherited;
use crate::{args, expand, model};

/// Runs all phases. With `enabled` off everything is checked all the same, and the item stays as it was.
pub(crate) fn measure(args: TokenStream, item: TokenStream, enabled: bool) -> TokenStream {
    let (options, mut errors) = args::parse(args);
    let expanded = match syn::parse2::<Item>(item.clone()) {
        Ok(parsed) => {
            let checked = model::check(&options, parsed, &Inherited::default(), &mut errors);
            if enabled {
                expand::item(&checked)
            } else {
                expand::untouched(&checked)
            }
        }
        Err(error) => {
            errors.push(error);
            item.clone()
        }
    };
    match combine(errors) {
        None => expanded,
        Some(error) => {
            let mut tokens = error.into_compile_error();
            tokens.extend(item);
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
