//! Growth: when the size of something rose to what it had never been, for blocks that grow and structures that double.
//!
//! A `Vec` that is pushed to for ever is one block. It tells nothing by survivors, but by its size: it doubles, and
//! if what it holds grows steadily, the time between doublings doubles too. A structure that has reached what it
//! needs stops. So the marks at which the size rose by half are kept, and what speaks for a leak is that they keep
//! coming as soon as steady growth makes them.

use std::time::Duration;

use crate::leak::verdict::Verdict;

/// Marks that are kept; the oldest goes first.
const MARKS: usize = 24;
/// What the size must rise by, as a factor, to make a mark.
const STEP: f64 = 1.5;
/// Marks that a verdict needs.
const MARKS_MIN: usize = 5;
/// The next mark of steady growth comes when this many times as much time has passed, at the latest.
const DUE: f64 = 2.5;
/// Growth like a lesser power of time is one that dies down.
const POWER_MIN: f64 = 0.6;
/// Over such a factor of time is the power taken.
const POWER_OVER: f64 = 8.0;

/// When something rose to what it had never been.
#[derive(Clone, Debug, Default)]
pub(super) struct Growth {
    marks: Vec<Mark>,
    last: f64,
}

/// The size rose by half or more.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    at: Duration,
    bytes: f64,
}

impl Growth {
    pub(super) fn observe(&mut self, at: Duration, bytes: f64) {
        self.last = bytes;
        let highest = self.marks.last().map_or(0.0, |mark| mark.bytes);
        if bytes > 0.0 && bytes >= highest * STEP {
            if self.marks.len() == MARKS {
                self.marks.remove(0);
            }
            self.marks.push(Mark { at, bytes });
        }
    }

    /// What the size alone says. `patience` is how long a structure may take to fill.
    pub(super) fn verdict(&self, since: Duration, now: Duration, patience: Duration) -> Verdict {
        let Some(last) = self.marks.last() else {
            return Verdict::InsufficientData;
        };
        let age = |at: Duration| at.saturating_sub(since).as_secs_f64();
        if age(now) > age(last.at) * DUE || self.last < 0.9 * last.bytes {
            return Verdict::Plateau;
        }
        if self.marks.len() < MARKS_MIN {
            return Verdict::InsufficientData;
        }
        let is_steady = self.power(since).is_some_and(|power| power >= POWER_MIN);
        if is_steady && now.saturating_sub(since) >= patience {
            Verdict::Leaking
        } else {
            Verdict::Suspect
        }
    }

    /// Bytes per second since the first mark, as of the last.
    pub(super) fn rate(&self) -> f64 {
        let (Some(first), Some(last)) = (self.marks.first(), self.marks.last()) else {
            return 0.0;
        };
        let seconds = last.at.saturating_sub(first.at).as_secs_f64();
        if seconds > 0.0 {
            (last.bytes - first.bytes) / seconds
        } else {
            0.0
        }
    }

    /// Like which power of time it has grown of late.
    fn power(&self, since: Duration) -> Option<f64> {
        let age = |mark: &Mark| mark.at.saturating_sub(since).as_secs_f64();
        let last = self.marks.last()?;
        let mut earlier = self.marks.iter().rev().filter(|mark| age(mark) > 0.0);
        let first = earlier.find(|mark| age(mark) <= age(last) / POWER_OVER)?;
        Some((last.bytes / first.bytes).ln() / (age(last) / age(first)).ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said after so many minutes, one census in each.
    fn after(minutes: u64, bytes: impl Fn(f64) -> f64) -> Verdict {
        let mut growth = Growth::default();
        let at = |minute: u64| Duration::from_secs(60 * minute);
        for minute in 1..=minutes {
            growth.observe(at(minute), bytes(minute as f64));
        }
        growth.verdict(Duration::ZERO, at(minutes), at(300))
    }

    #[test]
    fn what_doubles_for_ever_leaks_once_it_had_time_to_fill() {
        let doubling = |minute: f64| (minute * 100.0).log2().ceil().exp2();
        assert_eq!(after(120, doubling), Verdict::Suspect);
        assert_eq!(after(480, doubling), Verdict::Leaking);
    }

    #[test]
    fn what_has_not_grown_for_as_long_as_it_grew_is_a_plateau() {
        let full = |minute: f64| minute.min(100.0) * 1_000.0;
        assert_eq!(after(480, full), Verdict::Plateau);
    }

    #[test]
    fn what_grows_ever_more_slowly_is_no_leak() {
        assert!(after(480, |minute| minute.ln() + 1.0) < Verdict::Leaking);
        assert!(after(480, |minute| minute.powf(0.4)) < Verdict::Leaking);
    }

    #[test]
    fn two_sizes_say_nothing() {
        let twice = |minute: f64| if minute < 2.0 { 1.0 } else { 2.0 };
        assert_eq!(after(4, twice), Verdict::InsufficientData);
    }
}
