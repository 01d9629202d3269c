//! The external stage.
