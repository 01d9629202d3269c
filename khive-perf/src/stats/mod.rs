//! The arithmetic of measurements: no clock, no atomics, no way to fail.

pub(crate) mod buckets;
pub(crate) mod estimate;
pub(crate) mod histogram;
pub(crate) mod layout;

pub use self::histogram::Histogram;
