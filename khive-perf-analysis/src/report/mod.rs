//! Comparisons in words: for people, for programs, for a review comment.

pub mod text;
