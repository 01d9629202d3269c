//! What the example programs share: the demo service and its load driver; README.md is the index.
#![forbid(unsafe_code)]

mod clock;
pub mod demo;
pub mod load;
