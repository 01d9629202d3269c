//! Comparisons in words: for people, for programs, for a review comment.

pub mod json;
pub mod markdown;
pub mod text;
mod words;
