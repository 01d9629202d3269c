//! The models, by what they are about.

mod handoff;
mod heap;
mod number;
mod part;
mod turn;
mod waiting;
