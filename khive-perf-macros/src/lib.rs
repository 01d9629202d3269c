//! The `#[measure]` attribute.
