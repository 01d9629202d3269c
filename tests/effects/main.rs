//! A measured function does what the plain one does: the same steps, uses, drops, results and panics, in
//! the same order. Here for functions that nobody wrote: they are generated, plain and measured, in two
//! editions, and run by scripts that take their branches, panic at each of their events and drop their
//! futures after each number of polls.

#![expect(
    unreachable_pub,
    clippy::allow_attributes,
    reason = "generated functions, and what they use"
)]

#[path = "check.rs"]
mod check;
#[path = "runtime.rs"]
mod runtime;

/// What `build.rs` wrote.
mod functions {
    use crate::runtime::{Case, Pair, Token, drive, ended};

    include!(concat!(env!("OUT_DIR"), "/functions.rs"));
}
