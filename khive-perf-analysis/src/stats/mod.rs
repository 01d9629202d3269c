//! Arithmetic of the comparison: no clock, no IO, no state; every file names its method and its source.

pub mod changepoint;
pub mod discovery;
pub mod moderated;
pub mod noise;
pub mod quantile;
pub mod robust;
pub mod slope;
pub mod special;
pub mod student;
pub mod trimmed;
pub mod wilson;
