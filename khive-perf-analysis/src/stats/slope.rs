//! Whether a series rises or falls between its steps, and how fast: Theil and Sen's slope with Mann and Kendall's test.
//!
//! The slope is the median of the slopes between all pairs of points, and its interval is cut from the same slopes by
//! rank. Both count pairs and never list them: the number of slopes below `b` is the number of inversions of
//! `y - b x`, which a merge sort counts, and the wanted rank is found by bisection.
//! The noise's memory widens the variance of the count as it thins out the points.
//!
//! Sources: Sen, JASA 63 (1968) 1379; Mann, Econometrica 13 (1945) 245; Kendall, Rank Correlation Methods (1975), for
//! the correction for ties; Hamed & Rao, J. Hydrology 204 (1998) 182, for the inflated variance.

use crate::stats::student;

/// Ranks that are looked up at most.
const LOOKS_MAX: u32 = 40;

/// A slope is as exact as this share of the steepest.
const EXACTNESS: f64 = 3e-11;

/// Stretches this short are sorted by insertion.
const SHORT: usize = 24;

/// How fast a series changes, per point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// Median of the slopes between all pairs of points.
    pub estimate: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Chance of so many rises over falls, or the other way round, where there is no trend.
    pub p: f64,
}

/// The slope of a series of finite numbers at even distances; `None` of fewer than four.
///
/// `inflation` is how many points are worth one independent one.
pub fn slope(values: &[f64], confidence: f64, inflation: f64) -> Option<Slope> {
    let count = values.len() as f64;
    if values.len() < 4 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let pairs = count * (count - 1.0) / 2.0;
    let falling = below(values, 0.0, Ties::Out);
    let not_rising = below(values, 0.0, Ties::In);
    let score = (pairs - not_rising) - falling;
    let variance = variance(values) * inflation.max(1.0);
    let deviation = variance.sqrt();
    // One less, because the count moves in steps of two.
    let z = if deviation > 0.0 {
        score.signum() * (score.abs() - 1.0).max(0.0) / deviation
    } else {
        0.0
    };
    let reach = student::critical(confidence, f64::INFINITY) * deviation;
    let at = |rank: f64| at_rank(values, rank);
    Some(Slope {
        estimate: at(pairs / 2.0),
        low: at((pairs - reach) / 2.0),
        high: at((pairs + reach) / 2.0),
        p: student::two_sided_p(z, f64::INFINITY),
    })
}

/// Theil and Sen's slope alone; `None` of fewer than four.
pub fn estimate(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    let is_enough = values.len() >= 4 && values.iter().all(|value| value.is_finite());
    is_enough.then(|| at_rank(values, count * (count - 1.0) / 4.0))
}

/// Variance of the count of rises less falls, with groups of equal values taken into account.
fn variance(values: &[f64]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ties: f64 = sorted
        .chunk_by(|a, b| a.total_cmp(b).is_eq())
        .map(|group| term(group.len() as f64))
        .sum();
    (term(values.len() as f64) - ties) / 18.0
}

/// The slope that `rank` of all slopes lie below.
fn at_rank(values: &[f64], rank: f64) -> f64 {
    let reach = values
        .windows(2)
        .filter_map(|pair| Some((pair.last()? - pair.first()?).abs()))
        .fold(0.0f64, f64::max);
    // No slope between any two points is steeper than the steepest between neighbours.
    let (mut low, mut high) = (-reach, reach);
    // Of noise about a level nearly all that is asked for is this close to none, so both ends are tried first.
    let near = reach * (8.0 / (values.len() as f64).powf(1.5)).min(0.5);
    for look in 0..LOOKS_MAX {
        let middle = match look {
            0 => near,
            1 => -near,
            _ => 0.5 * (low + high),
        };
        if high - low <= EXACTNESS * reach {
            break;
        }
        // The second end is already known where the first was not beyond it.
        if middle <= low || middle >= high {
            continue;
        }
        if below(values, middle, Ties::In) > rank {
            high = middle;
        } else {
            low = middle;
        }
    }
    0.5 * (low + high)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ties {
    In,
    Out,
}

/// Number of pairs whose slope is below `slope`, those equal to it with or without.
fn below(values: &[f64], slope: f64, ties: Ties) -> f64 {
    let mut tilted: Vec<f64> = values
        .iter()
        .enumerate()
        .map(|(index, value)| value - slope * index as f64)
        .collect();
    let mut room = tilted.clone();
    inversions(&mut tilted, &mut room, ties) as f64
}

/// Sorts, and counts the pairs that stood in falling order.
fn inversions(values: &mut [f64], room: &mut [f64], ties: Ties) -> u64 {
    let count = values.len();
    if count <= SHORT {
        return inserted(values, ties);
    }
    let middle = count / 2;
    let (left, right) = values.split_at_mut(middle);
    let (left_room, right_room) = room.split_at_mut(middle);
    let mut found = inversions(left, left_room, ties) + inversions(right, right_room, ties);
    let mut lefts = left.iter().copied().peekable();
    let mut rights = right.iter().copied().peekable();
    let mut waiting = middle as u64;
    for slot in room.iter_mut() {
        let takes_right = match (lefts.peek(), rights.peek()) {
            (Some(l), Some(r)) => r < l || (ties == Ties::In && r <= l),
            (None, Some(_)) => true,
            _ => false,
        };
        let taken = if takes_right {
            found += waiting;
            rights.next()
        } else {
            waiting = waiting.saturating_sub(1);
            lefts.next()
        };
        *slot = taken.unwrap_or_default();
    }
    values.copy_from_slice(room);
    found
}

/// The same for a short stretch.
fn inserted(values: &mut [f64], ties: Ties) -> u64 {
    let mut found = 0;
    for next in 1..values.len() {
        let mut at = next;
        while let Some(&[one, other]) = at.checked_sub(1).and_then(|before| values.get(before..=at))
        {
            let falls = other < one || (ties == Ties::In && other <= one);
            if !falls {
                break;
            }
            values.swap(at - 1, at);
            found += 1;
            at -= 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all_slopes(values: &[f64]) -> Vec<f64> {
        let mut slopes = Vec::new();
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate().skip(i + 1) {
                slopes.push((b - a) / (j - i) as f64);
            }
        }
        slopes.sort_by(f64::total_cmp);
        slopes
    }

    proptest! {
        #[test]
        fn it_is_the_median_of_all_slopes(values in proptest::collection::vec(-1e3..1e3f64, 4..60)) {
            let slopes = all_slopes(&values);
            let got = slope(&values, 0.95, 1.0).unwrap();
            let (low, high) = (slopes[(slopes.len() - 1) / 2], slopes[slopes.len() / 2]);
            prop_assert!(got.estimate >= low - 1e-6 && got.estimate <= high + 1e-6, "{got:?} not in {low}..{high}");
            prop_assert!(got.low <= got.estimate && got.estimate <= got.high);
        }

        #[test]
        fn a_line_added_is_added_to_the_slope(values in proptest::collection::vec(-1e3..1e3f64, 4..60), line in -10.0..10.0f64) {
            let tilted: Vec<f64> = values.iter().enumerate().map(|(i, v)| v + line * i as f64).collect();
            let (flat, tilted) = (slope(&values, 0.9, 1.5).unwrap(), slope(&tilted, 0.9, 1.5).unwrap());
            prop_assert!((tilted.estimate - flat.estimate - line).abs() < 1e-6);
            prop_assert!((tilted.low - flat.low - line).abs() < 1e-6);
        }

        #[test]
        fn any_numbers_give_an_answer(values in proptest::collection::vec(any::<f64>(), 0..30), inflation in any::<f64>()) {
            let _ = slope(&values, 0.95, inflation);
        }
    }

    #[test]
    fn the_test_of_mann_and_kendall_is_that_of_the_textbook() {
        // S = 10 - 5 = 5 of 15 pairs; Var = 6·5·17/18 = 28.33; z = 4/5.323 = 0.7515.
        let got = slope(&[1.0, 3.0, 2.0, 6.0, 4.0, 2.5], 0.95, 1.0).unwrap();
        assert!((got.p - 0.4524).abs() < 1e-3, "{got:?}");
        // Equal values are neither rises nor falls.
        let got = slope(&[1.0; 8], 0.95, 1.0).unwrap();
        assert!((got.p - 1.0).abs() < 1e-12 && got.estimate.abs() < 1e-9);
    }
}
