//! Retention: whether the process grows while what it has allocated does not.
//!
//! An allocator that keeps freed pages, fragmentation, mapped files and memory of foreign code show in the resident
//! set and in no census. The two are compared as quarters of the time that was watched: by their least values, because
//! a resident set that comes back down has not been retained.

use std::time::Duration;

/// Readings that are kept; every other one goes when there are more.
const READINGS: usize = 256;
/// Readings that a statement needs.
const READINGS_MIN: usize = 16;
/// Less growth than this is not worth a word.
const GROWTH_MIN: f64 = 16.0 * 1_048_576.0;
/// Nor is a lesser share of what was resident in the beginning.
const SHARE_MIN: f64 = 0.1;
/// Where the live heap has grown by more of the resident set's growth, the heap explains it.
const EXPLAINED: f64 = 0.5;

/// The resident set has grown, and the live heap has not.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retention {
    /// Bytes by which the resident set has grown, least against least, from the first quarter of the time to the last.
    pub resident_growth: u64,
    /// Bytes by which the live heap has grown over the same time; negative where it shrank.
    pub live_growth: i64,
    /// Whether the resident set still grew from the third quarter to the last.
    pub is_growing: bool,
}

/// What has been read of the two so far.
#[derive(Clone, Debug)]
pub(super) struct Readings {
    kept: Vec<Reading>,
    /// One in so many is kept.
    stride: u64,
    seen: u64,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Duration,
    live: f64,
    resident: f64,
}

impl Readings {
    pub(super) const fn new() -> Self {
        Self {
            kept: Vec::new(),
            stride: 1,
            seen: 0,
        }
    }

    pub(super) fn observe(&mut self, at: Duration, live: u64, resident: u64) {
        if self.seen.is_multiple_of(self.stride) {
            self.kept.push(Reading {
                at,
                live: live as f64,
                resident: resident as f64,
            });
            if self.kept.len() > READINGS {
                let mut odd = false;
                self.kept.retain(|_| {
                    odd = !odd;
                    odd
                });
                self.stride *= 2;
            }
        }
        self.seen += 1;
    }

    /// What they say, if it is worth a word.
    pub(super) fn retention(&self) -> Option<Retention> {
        let (first, last) = (self.kept.first()?, self.kept.last()?);
        if self.kept.len() < READINGS_MIN {
            return None;
        }
        let quarter = last.at.saturating_sub(first.at) / 4;
        let least = |number: u32, of: fn(&Reading) -> f64| {
            let from = first.at + quarter * number;
            let readings = self.kept.iter().filter(|reading| reading.at >= from);
            let within = readings.filter(|reading| number == 3 || reading.at < from + quarter);
            within.map(of).fold(f64::INFINITY, f64::min)
        };
        let resident = |number: u32| least(number, |reading| reading.resident);
        let live = |number: u32| least(number, |reading| reading.live);
        let growth = resident(3) - resident(0);
        let live_growth = live(3) - live(0);
        let is_worth_it = growth.is_finite()
            && live_growth.is_finite()
            && growth >= GROWTH_MIN
            && growth >= SHARE_MIN * resident(0);
        (is_worth_it && live_growth <= EXPLAINED * growth).then(|| Retention {
            resident_growth: growth as u64,
            live_growth: live_growth as i64,
            is_growing: resident(3) - resident(2) >= 0.1 * growth,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1_048_576;

    fn watched(of: impl Fn(u64) -> (u64, u64)) -> Option<Retention> {
        let mut readings = Readings::new();
        for minute in 0..600 {
            let (live, resident) = of(minute);
            readings.observe(Duration::from_secs(60 * minute), live * MIB, resident * MIB);
        }
        readings.retention()
    }

    #[test]
    fn a_resident_set_that_grows_over_a_flat_heap_is_retention() {
        let found = watched(|minute| (50, 80 + minute / 4)).expect("it grows by 150 MiB");
        assert!(found.is_growing);
        assert_eq!(found.live_growth, 0);
        assert!(
            (80 * MIB..150 * MIB).contains(&found.resident_growth),
            "{found:?}"
        );
    }

    #[test]
    fn what_stays_resident_after_a_burst_has_stopped_growing() {
        let found = watched(|minute| (50, if minute < 200 { 80 } else { 200 })).expect("it grew");
        assert!(!found.is_growing);
    }

    #[test]
    fn a_heap_that_grows_explains_the_resident_set() {
        assert_eq!(watched(|minute| (50 + minute / 4, 80 + minute / 4)), None);
    }

    #[test]
    fn a_tide_is_no_retention() {
        assert_eq!(watched(|minute| (50, 80 + minute % 100)), None);
    }
}
