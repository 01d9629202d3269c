//! Leaks: what lives on and on, whose it is, and how fast it grows.
//!
//! A [`LeakDetector`] takes a [`Census`] now and then: of what a [`TrackingAllocator`](crate::alloc::TrackingAllocator)
//! has sampled, of measured futures and spans in flight, of what the program declares with [`Tracked`], and of open files and threads. It follows each thing to its death, and judges each place that makes them by whether the
//! old ones still die, and whether more of those that do not keep coming. It does not look at slopes: a heap that grows
//! is a cache that fills, a service that warms up, a tide.
//!
//! ```text
//! heap samples, calls in flight, Tracked, /proc, or values of your own ─> Census ─> LeakDetector ─> LeakReport ─> text, JSON
//!                                                          now and then   what died, how old    Leaking, Suspect, Plateau, InsufficientData
//! ```
//!
//! # When to look
//!
//! A [`LeakWatch`] does so by itself. Once a minute in a service, more often where answers are wanted sooner: waits are counted in censuses. A verdict needs
//! 8; `Leaking` 60, or 300 for what only grows.
//!
//! # What it cannot know
//!
//! A cache that is not full and a life longer than was watched look like leaks until they end. They are
//! [`Suspect`](Verdict::Suspect) for those waits; declare them with [`LeakConfig::capacity`] and [`LeakConfig::lifetime`].

mod ages;
mod calls;
mod census;
mod clumps;
mod config;
mod decay;
mod detector;
mod follow;
mod growth;
mod heap;
mod judge;
mod names;
mod process;
mod report;
mod retention;
mod settle;
mod sources;
mod tempo;
mod text;
mod tracked;
mod verdict;
mod watch;

pub use self::census::{Census, Kind, Live, Origin, OriginId};
pub use self::config::{Capacity, LeakConfig};
pub use self::detector::LeakDetector;
pub use self::report::{Finding, LeakReport};
pub use self::retention::Retention;
pub use self::tracked::{Tracked, tracked_count};
pub use self::verdict::{Reason, Verdict};
pub use self::watch::{LeakReports, LeakWatch};

#[cfg(test)]
mod tests;
