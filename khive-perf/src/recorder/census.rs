//! Census: when somebody last looked at the calls that are in flight.
//!
//! A call that began before that and has ended since is counted apart. So whoever looks next knows how many of those that
//! were in flight then are no more, and nobody has to follow calls one by one.

use crate::sync::{AtomicU64, Ordering};

/// In ticks of the process's clock; 0 as long as nobody has looked. Written by who looks, read by whoever ends a call; it
/// orders nothing, so `Relaxed` suffices.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// When somebody last looked.
#[inline(always)]
pub(crate) fn last_ticks() -> u64 {
    TICKS.load(Ordering::Relaxed)
}

/// Says that somebody has looked by now.
pub(crate) fn note(ticks: u64) {
    TICKS.fetch_max(ticks, Ordering::Relaxed);
}
