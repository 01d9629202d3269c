//! Comparisons in words: for people, for programs, for a review comment.

pub(crate) mod document;
pub mod github;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod text;
pub(crate) mod words;
