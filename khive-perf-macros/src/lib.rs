//! The `#[measure]` attribute: parse (`args`, `input`, `conditional`), check (`model`, `shape`), expand (`expand`).
//!
//! This crate is an implementation detail of `khive-perf`, which re-exports and documents the attribute.
#![forbid(unsafe_code)]

mod args;
mod conditional;
mod direct;
mod duration;
mod expand;
mod expectations;
mod fallback;
mod fields;
mod input;
mod model;
mod older;
mod params;
mod paths;
mod plain;
mod settings;
mod shape;
mod tokens;
mod traced;

use proc_macro::TokenStream;

#[doc = include_str!("measure.md")]
#[proc_macro_attribute]
pub fn measure(args: TokenStream, item: TokenStream) -> TokenStream {
    let features = args::Features {
        enabled: cfg!(feature = "enabled"),
        tracing: cfg!(feature = "tracing"),
    };
    fallback::measure(args.into(), item.into(), features).into()
}
