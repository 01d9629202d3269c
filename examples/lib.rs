//! What the example programs share: the demo service, its load driver, the tour; README.md is the index.
#![forbid(unsafe_code)]

mod clock;
pub mod demo;
pub mod load;
pub mod tour;
