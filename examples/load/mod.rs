//! HTTP load on the demo service: an open loop at a fixed rate, the same requests for the same seed.
//!
//! Request `i` is due at `start + i / rate`, whether or not earlier ones have been answered, and its
//! response time counts from then: a service that stalls is charged for everyone who had to wait.
//! Beside it stands the service time, counted from when the request was really sent. The two differ by up
//! to a millisecond even at rest, because the runtime's timer goes in milliseconds.

mod client;
mod driver;
mod mix;
mod report;

pub use client::Client;
pub use driver::{Plan, drive, set_up};
pub use mix::{Mix, Planned};
pub use report::{Load, Times};
