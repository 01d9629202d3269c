//! Policy: which roots took unusually long, by how long those before them took.

use std::collections::HashMap;
use std::time::Duration;

use crate::stats::Histogram;

/// Roots of one series after which it is looked anew at what is usual.
const WINDOW: u64 = 1_000;
/// Roots before which nothing is unusual: of fewer, the highest hundredth is the highest one.
const FEWEST: u64 = 100;
/// What is above this quantile is unusual.
const UNUSUAL: f64 = 0.99;

/// How long roots took, by series.
#[derive(Debug, Default)]
pub(super) struct Usual {
    roots: HashMap<u32, Root>,
}

#[derive(Debug, Default)]
struct Root {
    window: Histogram,
    len: u64,
    /// From when on a root is unusual.
    unusual_ns: Option<u64>,
}

impl Usual {
    /// Takes in a root; says whether it took unusually long.
    pub(super) fn note(&mut self, series: u32, ns: u64) -> bool {
        let root = self.roots.entry(series).or_default();
        let is_unusual = root.unusual_ns.is_some_and(|unusual| ns > unusual);
        root.window.record(Duration::from_nanos(ns));
        root.len += 1;
        let is_full = root.len >= WINDOW;
        if is_full || (root.unusual_ns.is_none() && root.len >= FEWEST) {
            let quantile = root.window.quantile(UNUSUAL);
            root.unusual_ns = u64::try_from(quantile.as_nanos()).ok();
        }
        if is_full {
            root.window = Histogram::new();
            root.len = 0;
        }
        is_unusual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_in_a_hundred_of_what_stays_the_same_is_unusual() {
        let mut usual = Usual::default();
        let unusual = (0..100_000_u64)
            // Each value as often as any other, in an order without a pattern.
            .filter(|at| usual.note(1, 1_000_000 + at * 7_919 % 10_007 * 100))
            .count();
        assert!((500..2_000).contains(&unusual), "{unusual}");
    }

    #[test]
    fn what_has_become_usual_is_not_unusual_any_more() {
        let mut usual = Usual::default();
        for _ in 0..2_000 {
            assert!(!usual.note(1, 1_000));
        }
        let unusual = (0..5_000).filter(|_| usual.note(1, 9_000)).count();
        assert_eq!(unusual, WINDOW as usize);
        assert!(!usual.note(2, u64::MAX), "nothing is known of this one");
    }
}
