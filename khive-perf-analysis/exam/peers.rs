//! What other tools do with a series, written from their sources, so that the same series can be put to all.
//!
//! A rule that judges point by point reports the first point of each stretch that it flags.

use khive_perf_analysis::detect::trend::{State, TrendSettings, trend};
use khive_perf_analysis::stats::{robust, student};

/// A way to look for steps.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) find: fn(&[f64]) -> Vec<usize>,
}

/// Ours first.
pub(crate) const ALL: [Peer; 10] = [
    Peer {
        name: "khive-perf",
        find: ours,
    },
    Peer {
        name: "Otava, p 0.001",
        find: |values| otava(values, 0.001, 0.0),
    },
    Peer {
        name: "Otava, p 0.001, 5 %",
        find: |values| otava(values, 0.001, 0.05),
    },
    Peer {
        name: "PELT, squares, 6 ln n",
        find: |values| pelt(values, Loss::Squares, 6.0),
    },
    Peer {
        name: "PELT, squares, 20 ln n",
        find: |values| pelt(values, Loss::Squares, 20.0),
    },
    Peer {
        name: "PELT, distances, 4 ln n",
        find: |values| pelt(values, Loss::Distances, 4.0),
    },
    Peer {
        name: "Perfherder, t 7",
        find: perfherder,
    },
    Peer {
        name: "Bencher, t 0.98",
        find: |values| bencher(values, 0.98),
    },
    Peer {
        name: "Bencher, t 0.9999",
        find: |values| bencher(values, 0.9999),
    },
    Peer {
        name: "rustc-perf, fence",
        find: rustc_perf,
    },
];

fn ours(values: &[f64]) -> Vec<usize> {
    let changes = trend(values, &TrendSettings::default()).changes;
    changes.iter().map(|change| change.index).collect()
}

/// The same without what is only pending.
pub(crate) fn confirmed(values: &[f64]) -> Vec<usize> {
    let changes = trend(values, &TrendSettings::default()).changes;
    let sure = changes
        .iter()
        .filter(|change| change.state != State::Pending);
    sure.map(|change| change.index).collect()
}

/// First points of stretches that are flagged.
fn events(flagged: impl Iterator<Item = bool>) -> Vec<usize> {
    let mut events = Vec::new();
    let mut before = false;
    for (index, now) in flagged.enumerate() {
        if now && !before {
            events.push(index);
        }
        before = now;
    }
    events
}

/// Mean, and variance by the number less one.
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = robust::mean(values).unwrap_or_default();
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / values.len().saturating_sub(1).max(1) as f64)
}

/// Bencher's t-test: above the prediction interval of the last 64 points.
fn bencher(values: &[f64], boundary: f64) -> Vec<usize> {
    events((0..values.len()).map(|index| {
        let known = values
            .get(index.saturating_sub(64)..index)
            .unwrap_or_default();
        if known.len() < 2 {
            return false;
        }
        let (mean, variance) = moments(known);
        let count = known.len() as f64;
        // One side of `boundary` is both sides of twice as little.
        let t = student::critical(2.0 * boundary - 1.0, count - 1.0);
        values
            .get(index)
            .is_some_and(|value| *value > mean + t * (variance * (1.0 + 1.0 / count)).sqrt())
    }))
}

/// rustc-perf: a change from one point to the next beyond the fence of the last thirty.
fn rustc_perf(values: &[f64]) -> Vec<usize> {
    let changes: Vec<f64> = values
        .windows(2)
        .map(|pair| match pair {
            [one, other] if *one != 0.0 => (other - one).abs() / one.abs(),
            _ => 0.0,
        })
        .collect();
    events((0..values.len()).map(|index| {
        let Some(now) = index.checked_sub(1).filter(|now| *now >= 8) else {
            return false;
        };
        let mut known = changes
            .get(now.saturating_sub(30)..now)
            .unwrap_or_default()
            .to_vec();
        known.sort_by(f64::total_cmp);
        let quarter = |number: usize| {
            let at = (known.len() - 1) * number / 4;
            known.get(at).copied().unwrap_or_default()
        };
        let fence = quarter(3) + 3.0 * (quarter(3) - quarter(1));
        changes
            .get(now)
            .is_some_and(|change| *change > 0.0 && *change >= fence)
    }))
}

/// Perfherder's t of the next twelve against the last 12 to 24, weighed by nearness, where it is highest and above 7.
fn perfherder(values: &[f64]) -> Vec<usize> {
    const BACK: (usize, usize) = (12, 24);
    const FORE: usize = 12;
    const T: f64 = 7.0;
    let weighed = |values: &mut dyn Iterator<Item = &f64>| -> (f64, f64, f64) {
        let all: Vec<f64> = values.copied().collect();
        let count = all.len() as f64;
        let weight = |i: usize| (count - i as f64) / count;
        let weights: f64 = (0..all.len()).map(weight).sum();
        let mean = all
            .iter()
            .enumerate()
            .map(|(i, value)| value * weight(i))
            .sum::<f64>()
            / weights;
        let squares: f64 = all.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, squares / (count - 1.0).max(1.0), count)
    };
    let mut since = 0;
    let mut t = vec![(0.0, false); values.len()];
    for index in 1..values.len() {
        let from = index.saturating_sub(BACK.1).max(since);
        let (back, fore) = (
            values.get(from..index).unwrap_or_default(),
            values
                .get(index..(index + FORE).min(values.len()))
                .unwrap_or_default(),
        );
        let (a, b) = (weighed(&mut back.iter().rev()), weighed(&mut fore.iter()));
        let difference = (b.0 - a.0).abs();
        let error = (a.1 / a.2 + b.1 / b.2).sqrt();
        let now = if difference > 0.0 && !back.is_empty() {
            difference / error
        } else {
            0.0
        };
        if now > T {
            since = index;
        }
        if let Some(slot) = t.get_mut(index) {
            *slot = (now, fore.len() >= FORE && back.len() >= BACK.0);
        }
    }
    let at = |index: usize| t.get(index).map_or(0.0, |(t, _)| *t);
    let is_peak = |index: &usize| {
        t.get(*index).is_some_and(|(now, enough)| {
            *enough && *now > T && at(index - 1) <= *now && at(index + 1) <= *now
        })
    };
    (1..values.len()).filter(is_peak).collect()
}

#[derive(Clone, Copy)]
enum Loss {
    Squares,
    Distances,
}

/// The segments that cost least by `loss`, at least two points each, where a step costs `penalty ln n`, in units of the noise.
///
/// PELT prunes what cannot be best; trying all finds the same.
fn pelt(values: &[f64], loss: Loss, penalty: f64) -> Vec<usize> {
    let differences: Vec<f64> = values
        .windows(2)
        .filter_map(|pair| Some(pair.last()? - pair.first()?))
        .collect();
    let sigma = robust::deviation(
        &differences,
        robust::median(&differences).unwrap_or_default(),
    )
    .unwrap_or_default()
        / 2f64.sqrt();
    if values.len() < 4 || sigma <= 0.0 {
        return Vec::new();
    }
    let scaled: Vec<f64> = values.iter().map(|value| value / sigma).collect();
    let penalty = penalty * (values.len() as f64).ln();
    let sums = Sums::of(&scaled);
    let mut least = vec![(f64::INFINITY, 0); values.len() + 1];
    least[0] = (-penalty, 0);
    let mut candidates = vec![0usize];
    for end in 2..=scaled.len() {
        let costs = costs(&scaled, &sums, end, &candidates, loss);
        let mut best = (f64::INFINITY, 0);
        for (&start, cost) in candidates.iter().zip(&costs) {
            let total = least[start].0 + cost + penalty;
            if total < best.0 {
                best = (total, start);
            }
        }
        least[end] = best;
        let mut kept: Vec<usize> = candidates
            .iter()
            .zip(&costs)
            .filter(|(start, cost)| least[**start].0 + *cost <= best.0)
            .map(|(start, _)| *start)
            .collect();
        kept.push(end - 1);
        kept.dedup();
        candidates = kept;
    }
    let mut steps = Vec::new();
    let mut end = scaled.len();
    while end > 0 {
        end = least[end].1;
        steps.push(end);
    }
    steps.retain(|step| *step > 0);
    steps.reverse();
    steps
}

/// Sums of the first values and of their squares.
struct Sums {
    of_values: Vec<f64>,
    of_squares: Vec<f64>,
}

impl Sums {
    fn of(values: &[f64]) -> Self {
        let up_to = |part: &dyn Fn(f64) -> f64| {
            let mut total = 0.0;
            let rest = values.iter().map(|value| {
                total += part(*value);
                total
            });
            std::iter::once(0.0).chain(rest).collect()
        };
        // Around their middle, so that large numbers lose no digits.
        let middle = robust::median(values).unwrap_or_default();
        Self {
            of_values: up_to(&|value| value - middle),
            of_squares: up_to(&|value| (value - middle).powi(2)),
        }
    }

    /// Squares around the mean of a segment.
    fn squares(&self, start: usize, end: usize) -> f64 {
        let part = |sums: &[f64]| {
            sums.get(end)
                .zip(sums.get(start))
                .map_or(0.0, |(b, a)| b - a)
        };
        let total = part(&self.of_values);
        part(&self.of_squares) - total * total / (end - start) as f64
    }
}

/// Costs of the segments from each of `starts` to `end`; infinite of those too short.
fn costs(values: &[f64], sums: &Sums, end: usize, starts: &[usize], loss: Loss) -> Vec<f64> {
    let of = |&start: &usize| -> f64 {
        let segment = values.get(start..end).unwrap_or_default();
        if segment.len() < 2 {
            return f64::INFINITY;
        }
        match loss {
            Loss::Squares => sums.squares(start, end),
            Loss::Distances => {
                let mut sorted = segment.to_vec();
                let (_, middle, _) =
                    sorted.select_nth_unstable_by(segment.len() / 2, f64::total_cmp);
                let middle = *middle;
                segment.iter().map(|value| (value - middle).abs()).sum()
            }
        }
    };
    starts.iter().map(of).collect()
}

/// Otava: e-divisive splits in windows of fifty with Student's t at ten times `p`, then the weakest taken back at `p`.
fn otava(values: &[f64], p: f64, magnitude: f64) -> Vec<usize> {
    const WINDOW: usize = 50;
    let mut places = Vec::new();
    let mut start = 0;
    while start < values.len() {
        let end = (start + WINDOW).min(values.len());
        let mut found = Vec::new();
        divide(values, start, end, 10.0 * p, &mut found);
        found.sort_unstable();
        start = found
            .last()
            .copied()
            .unwrap_or_default()
            .max(start + WINDOW / 2);
        places.extend(found);
    }
    places.sort_unstable();
    places.dedup();
    let neighbours = |places: &[usize], at: usize| {
        let from = at
            .checked_sub(1)
            .and_then(|before| places.get(before))
            .copied()
            .unwrap_or_default();
        (from, places.get(at + 1).copied().unwrap_or(values.len()))
    };
    loop {
        let asked: Vec<(f64, f64)> = (0..places.len())
            .map(|at| {
                let (from, to) = neighbours(&places, at);
                let place = places.get(at).copied().unwrap_or_default();
                (
                    t_test(values, from, place, to),
                    size(values, from, place, to),
                )
            })
            .collect();
        let worst = (0..asked.len())
            .max_by(|a, b| asked[*a].0.total_cmp(&asked[*b].0))
            .filter(|at| asked[*at].0 > p);
        let worst = worst.or_else(|| {
            (0..asked.len())
                .min_by(|a, b| asked[*a].1.total_cmp(&asked[*b].1))
                .filter(|at| asked[*at].1 < magnitude)
        });
        match worst {
            Some(at) => places.remove(at),
            None => return places,
        };
    }
}

fn size(values: &[f64], from: usize, place: usize, to: usize) -> f64 {
    let [a, b] =
        [from..place, place..to].map(|range| moments(values.get(range).unwrap_or_default()).0);
    (b / a - 1.0).abs().max((a / b - 1.0).abs())
}

fn t_test(values: &[f64], from: usize, place: usize, to: usize) -> f64 {
    let (left, right) = (
        values.get(from..place).unwrap_or_default(),
        values.get(place..to).unwrap_or_default(),
    );
    if left.is_empty() || right.is_empty() || left.len() + right.len() < 3 {
        return 1.0;
    }
    let (a, b) = (moments(left), moments(right));
    let (n, m) = (left.len() as f64, right.len() as f64);
    // With the variances by the number of points, as it is there.
    let pooled =
        (a.1 * (n - 1.0) / n * (n - 1.0) + b.1 * (m - 1.0) / m * (m - 1.0)) / (n + m - 2.0);
    let error = (pooled * (1.0 / n + 1.0 / m)).sqrt();
    if error <= 0.0 {
        return if (a.0 - b.0).abs() > 0.0 { 0.0 } else { 1.0 };
    }
    student::two_sided_p((a.0 - b.0) / error, n + m - 2.0)
}

/// Splits where the distances across are largest against those within, as long as the t-test agrees.
fn divide(values: &[f64], start: usize, end: usize, p: f64, found: &mut Vec<usize>) {
    let segment = values.get(start..end).unwrap_or_default();
    let mut best = (0.0, 0);
    for at in 1..segment.len() {
        let (left, right) = segment.split_at(at);
        let (n, m) = (left.len() as f64, right.len() as f64);
        let across: f64 = left
            .iter()
            .map(|a| right.iter().map(|b| (a - b).abs()).sum::<f64>())
            .sum();
        let within = |side: &[f64]| -> f64 {
            let pairs = side
                .iter()
                .enumerate()
                .map(|(i, a)| side.iter().skip(i + 1).map(|b| (a - b).abs()).sum::<f64>());
            let count = side.len() as f64;
            pairs.sum::<f64>() / (0.5 * count * (count - 1.0)).max(1.0)
        };
        let q = n * m / (n + m) * (2.0 * across / (n * m) - within(left) - within(right));
        if q > best.0 {
            best = (q, at);
        }
    }
    let place = start + best.1;
    if best.1 == 0 || t_test(values, start, place, end) > p {
        return;
    }
    found.push(place);
    divide(values, start, place, p, found);
    divide(values, place, end, p, found);
}
