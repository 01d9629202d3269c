//! From rounds to what is quoted: medians of the differences and ratios within a round, with their intervals.

/// A median and the interval that holds it in 95 of 100 repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "three numbers")]
pub struct Median {
    /// The median.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The median of values that need not be sorted, with its interval by order statistics.
///
/// No distribution is assumed: in n independent rounds the number below the true median is binomial, so the
/// interval reaches from rank n/2 - 0.98 √n to rank n/2 + 0.98 √n. With five values or less that is all of them. Zeros for no
/// values.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "ranks: small, and clamped to the values there are"
)]
pub fn median(mut values: Vec<f64>) -> Median {
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let at = |rank: f64| {
        let last = count.saturating_sub(1);
        values
            .get((rank.max(0.0) as usize).min(last))
            .copied()
            .unwrap_or_default()
    };
    let half = count as f64 / 2.0;
    let reach = 0.98 * (count as f64).sqrt();
    Median {
        value: f64::midpoint(at((half - 0.5).floor()), at((half - 0.5).ceil())),
        low: at((half - reach - 0.5).floor()),
        high: at((half + reach - 0.5).ceil()),
    }
}

/// What a row says of one case, each from the rounds of the case and of the base.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "three medians")]
pub struct Figures {
    /// Nanoseconds per call.
    pub time: Median,
    /// Nanoseconds per call beyond the base's.
    pub cost: Median,
    /// The time as a multiple of the base's.
    pub ratio: Median,
}

impl Figures {
    pub(crate) fn of(times: &[f64], base: &[f64]) -> Self {
        let by_round = |f: fn(f64, f64) -> f64| {
            let rounds = times.iter().zip(base);
            median(rounds.map(|(time, base)| f(*time, *base)).collect())
        };
        Self {
            time: by_round(|time, _| time),
            cost: by_round(|time, base| time - base),
            ratio: by_round(|time, base| time / base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_lies_in_the_middle_and_its_interval_around_it() {
        let values: Vec<f64> = (0..201).rev().map(f64::from).collect();
        let found = median(values);
        assert_eq!(
            found,
            Median {
                value: 100.0,
                low: 86.0,
                high: 114.0
            }
        );
        let even = median(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(
            even,
            Median {
                value: 2.5,
                low: 1.0,
                high: 4.0
            }
        );
        assert_eq!(
            median(vec![7.0]),
            Median {
                value: 7.0,
                low: 7.0,
                high: 7.0
            }
        );
        assert_eq!(
            median(Vec::new()),
            Median {
                value: 0.0,
                low: 0.0,
                high: 0.0
            }
        );
    }

    #[test]
    fn what_drifts_in_both_cases_alike_is_no_difference() {
        let base = [10.0, 20.0, 30.0, 40.0, 50.0];
        let times = base.map(|time| time + 1.5);
        let figures = Figures::of(&times, &base);
        assert_eq!(
            figures.cost,
            Median {
                value: 1.5,
                low: 1.5,
                high: 1.5
            }
        );
        let middle = |median: Median| format!("{:.4}", median.value);
        assert_eq!(middle(figures.time), "31.5000");
        assert_eq!(middle(figures.ratio), "1.0500");
    }
}
