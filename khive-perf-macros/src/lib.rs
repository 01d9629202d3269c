//! The `#[measure]` attribute: parse ([`args`], [`input`]), check ([`model`]), expand ([`expand`]).
//!
//! This crate is an implementation detail of `khive-perf`, which re-exports and documents the attribute.
#![forbid(unsafe_code)]

mod args;
mod expand;
mod fallback;
mod input;
mod model;
mod paths;
mod shape;

use proc_macro::TokenStream;

/// Measures a function, or every function of an `impl`, `trait` or `mod` block.
///
/// See `khive_perf::measure` for the arguments, the expansion and the costs.
#[proc_macro_attribute]
pub fn measure(args: TokenStream, item: TokenStream) -> TokenStream {
    fallback::measure(args.into(), item.into(), cfg!(feature = "enabled")).into()
}
