//! The same as `../main.rs`, where the edition is 2021.

#![expect(
    unreachable_pub,
    clippy::allow_attributes,
    reason = "generated functions, and what they use"
)]

#[path = "../check.rs"]
mod check;
#[path = "../runtime.rs"]
mod runtime;

/// What `build.rs` wrote.
mod functions {
    use crate::runtime::{Case, Pair, Token, drive, ended};

    include!(concat!(env!("OUT_DIR"), "/functions.rs"));
}
