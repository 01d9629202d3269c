//! Encode: a snapshot as OTLP requests. Pure, and total: every snapshot has an encoding.

mod metrics;
mod split;

pub(crate) use self::metrics::{Counting, Encoder};
pub(crate) use self::split::Batch;

#[cfg(test)]
#[path = "../encode_tests.rs"]
mod tests;
