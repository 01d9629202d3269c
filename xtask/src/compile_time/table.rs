//! Compares what compiling took, and prints it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::compile_time::measure::Step;
use crate::compile_time::source::VARIANTS;

/// The variants that are compared, as indexes.
const PLAIN: usize = 0;
pub(super) const OURS: usize = 1;

/// What each variant took in each step, round by round.
#[derive(Debug, Default)]
pub(super) struct Table {
    costs: BTreeMap<(Step, usize), Vec<Duration>>,
}

/// What a variant takes over the plain one, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Over {
    /// The median of what it took, over that of the plain one.
    median: f64,
    /// The same of two that were compiled one behind the other, where that was lowest and highest.
    from: f64,
    to: f64,
}

impl Table {
    pub(super) fn note(&mut self, step: Step, variant: usize, cost: Duration) {
        self.costs.entry((step, variant)).or_default().push(cost);
    }

    fn costs(&self, step: Step, variant: usize) -> &[Duration] {
        self.costs.get(&(step, variant)).map_or(&[], Vec::as_slice)
    }

    fn over(&self, step: Step, variant: usize) -> Option<Over> {
        let (plain, other) = (self.costs(step, PLAIN), self.costs(step, variant));
        let median = percent_over(median(plain)?, median(other)?);
        // Some are compiled less often than the plain one.
        let beside = plain.iter().step_by((plain.len() / other.len()).max(1));
        let rounds = beside
            .zip(other)
            .map(|(plain, other)| percent_over(*plain, *other));
        let (from, to) = rounds.fold((f64::MAX, f64::MIN), |(from, to), over| {
            (from.min(over), to.max(over))
        });
        Some(Over { median, from, to })
    }

    /// One line for each variant.
    pub(super) fn render(&self) -> String {
        let mut text = format!("{:<20}", "processor seconds");
        for step in Step::ALL {
            let _ = write!(text, "  {:>9}  {:<24}", step.name(), "over plain (rounds)");
        }
        for (variant, described) in VARIANTS.iter().enumerate() {
            let _ = write!(text.trim_end_in_place(), "\n{:<20}", described.name);
            for step in Step::ALL {
                let seconds = median(self.costs(step, variant)).map_or_else(
                    || String::from("-"),
                    |median| format!("{:.2}", median.as_secs_f64()),
                );
                let over = match self.over(step, variant).filter(|_| variant != PLAIN) {
                    Some(Over { median, from, to }) => {
                        format!("{median:+.1} % ({from:+.1} .. {to:+.1})")
                    }
                    None => String::new(),
                };
                let _ = write!(text, "  {seconds:>9}  {over:<24}");
            }
        }
        text.trim_end_in_place();
        text
    }

    /// A line for each limit that our attribute passes.
    pub(super) fn over_limit(&self) -> Vec<String> {
        let passed = |step: Step| {
            let (limit, over) = (step.limit()?, self.over(step, OURS)?);
            (over.median >= limit).then(|| {
                format!(
                    "{} takes {:.1} % more with {}; the limit is {limit} %",
                    step.name(),
                    over.median,
                    VARIANTS[OURS].attribute
                )
            })
        };
        Step::ALL.into_iter().filter_map(passed).collect()
    }
}

trait TrimEnd {
    fn trim_end_in_place(&mut self) -> &mut Self;
}

impl TrimEnd for String {
    fn trim_end_in_place(&mut self) -> &mut Self {
        self.truncate(self.trim_end().len());
        self
    }
}

/// The middle one, or the mean of the two in the middle. Not the least: on a processor whose clock is not always the same, it
/// tells who met the fast one.
fn median(costs: &[Duration]) -> Option<Duration> {
    let mut sorted = costs.to_vec();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some((lower + upper) / 2)
}

fn percent_over(plain: Duration, other: Duration) -> f64 {
    (other.as_secs_f64() / plain.as_secs_f64() - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of plain and of ours, in milliseconds.
    fn table(step: Step, plain: &[u64], ours: &[u64]) -> Table {
        let mut table = Table::default();
        for (variant, rounds) in [(PLAIN, plain), (OURS, ours)] {
            for ms in rounds {
                table.note(step, variant, Duration::from_millis(*ms));
            }
        }
        table
    }

    #[test]
    fn the_median_is_held_against_the_median_and_the_rounds_give_the_spread() {
        let table = table(Step::Check, &[1_000, 3_000, 2_000], &[1_500, 2_200, 2_500]);
        let over = table.over(Step::Check, OURS).expect("both were measured");
        assert!((over.median - 10.0).abs() < 1e-9, "{over:?}");
        assert!((over.from + 80.0 / 3.0).abs() < 1e-9, "{over:?}");
        assert!((over.to - 50.0).abs() < 1e-9, "{over:?}");
        let text = table.render();
        assert!(text.contains("+10.0 % (-26.7 .. +50.0)"), "{text}");
        assert!(text.contains("2.20"), "{text}");
        assert_eq!(text.lines().count(), 1 + VARIANTS.len());
    }

    #[test]
    fn a_limit_holds_for_less_and_not_for_as_much() {
        let passes = |step, ours| table(step, &[1_000], &[ours]).over_limit();
        assert_eq!(passes(Step::Check, 1_149), Vec::<String>::new());
        assert_eq!(passes(Step::Release, 1_249), Vec::<String>::new());
        assert_eq!(passes(Step::Recheck, 9_000), Vec::<String>::new());
        assert_eq!(
            passes(Step::Release, 1_260),
            ["release takes 26.0 % more with #[khive_perf::measure]; the limit is 25 %"]
        );
        assert_eq!(passes(Step::Check, 1_160).len(), 1);
    }

    #[test]
    fn what_is_compiled_less_often_is_held_against_the_one_beside_it() {
        let table = table(Step::Check, &[1_000, 9_000, 2_000, 9_000], &[1_100, 2_400]);
        let over = table.over(Step::Check, OURS).expect("both were measured");
        assert!((over.from - 10.0).abs() < 1e-9, "{over:?}");
        assert!((over.to - 20.0).abs() < 1e-9, "{over:?}");
    }

    #[test]
    fn of_an_even_number_the_median_is_between_two() {
        let two = [4, 1].map(Duration::from_millis);
        assert_eq!(median(&two), Some(Duration::from_micros(2_500)));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn nothing_is_compared_with_what_was_not_measured() {
        let table = table(Step::Check, &[], &[1_000]);
        assert_eq!(table.over(Step::Check, OURS), None);
        assert_eq!(table.over_limit(), Vec::<String>::new());
    }
}
