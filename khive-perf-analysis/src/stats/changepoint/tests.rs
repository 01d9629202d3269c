//! What holds for any series, and what is found in series whose steps are known.

use proptest::prelude::*;

use super::*;

/// Evenly distributed numbers by SplitMix64, and normal ones from sums of twelve.
struct Rng(u64);

impl Rng {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

fn noisy(seed: u64, levels: &[(usize, f64)], sigma: f64) -> Vec<f64> {
    let mut rng = Rng(seed);
    let mut values = Vec::new();
    for &(count, level) in levels {
        values.extend((0..count).map(|_| level + sigma * rng.normal()));
    }
    values
}

fn indexes(values: &[f64]) -> Vec<usize> {
    let found = segment(values, 1e-9, |_, _| true);
    found.steps.iter().map(|step| step.index).collect()
}

/// The same cost by dynamic programming over all segments, with the level of each taken from a fine grid.
fn by_brute_force(values: &[f64], limit: f64, penalty: f64) -> f64 {
    let grid: Vec<f64> = (-400..=400).map(|step| f64::from(step) * 0.02).collect();
    let mut least = vec![0.0; values.len() + 1];
    for end in 1..=values.len() {
        least[end] = (0..end)
            .map(|start| {
                let cost = |level: &f64| -> f64 {
                    let costs = values[start..end].iter();
                    costs.map(|v| (v - level).powi(2).min(limit * limit)).sum()
                };
                let segment = grid.iter().map(cost).fold(f64::INFINITY, f64::min);
                least[start] + segment + if start > 0 { penalty } else { 0.0 }
            })
            .fold(f64::INFINITY, f64::min);
    }
    least[values.len()]
}

fn cost_of(values: &[f64], places: &[usize], limit: f64, penalty: f64) -> f64 {
    let grid: Vec<f64> = (-400..=400).map(|step| f64::from(step) * 0.02).collect();
    let starts = std::iter::once(0).chain(places.iter().copied());
    let ends = places.iter().copied().chain([values.len()]);
    let segments: f64 = starts
        .zip(ends)
        .map(|(start, end)| {
            let cost = |level: &f64| -> f64 {
                let costs = values[start..end].iter();
                costs.map(|v| (v - level).powi(2).min(limit * limit)).sum()
            };
            grid.iter().map(cost).fold(f64::INFINITY, f64::min)
        })
        .sum();
    segments + penalty * places.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn pruning_finds_what_trying_everything_finds(values in proptest::collection::vec(-6.0..6.0f64, 1..18), penalty in 1.0..12.0f64) {
        let places = pruned::changes(&values, 2.0, penalty);
        let got = cost_of(&values, &places, 2.0, penalty);
        let want = by_brute_force(&values, 2.0, penalty);
        // The grid costs at most n · (0.01)² and some.
        prop_assert!((got - want).abs() < 0.02, "{got} instead of {want} with {places:?}");
    }

    #[test]
    fn another_unit_and_another_zero_change_no_place(seed: u64, step in 0.0..3.0f64, factor in 0.01..100.0f64, shift in -1e3..1e3f64) {
        let values = noisy(seed, &[(60, 0.0), (60, step)], 0.3);
        let moved: Vec<f64> = values.iter().map(|value| value * factor + shift).collect();
        prop_assert_eq!(indexes(&values), indexes(&moved));
    }

    #[test]
    fn places_are_ordered_and_apart(values in proptest::collection::vec(prop_oneof![any::<f64>(), -5.0..5.0f64], 0..80)) {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        let mut last = 0;
        for step in segment(&values, 1e-3, |_, _| true).steps {
            prop_assert!(step.index >= last + SEGMENT_MIN || last == 0 && step.index >= SEGMENT_MIN);
            prop_assert!(step.index + SEGMENT_MIN <= values.len());
            prop_assert!((0.0..=P_MAX).contains(&step.p));
            last = step.index;
        }
    }
}

#[test]
fn a_step_of_three_sigmas_is_found_where_it_is() {
    for seed in 0..20 {
        let values = noisy(seed, &[(70, 10.0), (50, 13.0)], 1.0);
        let found = indexes(&values);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].abs_diff(70) <= 2, "{found:?}");
    }
}

#[test]
fn outliers_are_no_steps() {
    for seed in 0..20 {
        let mut values = noisy(seed, &[(150, 10.0)], 1.0);
        for index in (7..150).step_by(23) {
            values[index] += 1e6;
            values[index + 1] += 40.0;
        }
        assert_eq!(indexes(&values), [0usize; 0]);
    }
}

#[test]
fn noise_that_remembers_is_no_step() {
    let mut found = 0;
    for seed in 0..50 {
        let mut rng = Rng(seed);
        let mut last = 0.0;
        let values: Vec<f64> = (0..300)
            .map(|_| {
                last = 0.7 * last + rng.normal();
                last
            })
            .collect();
        found += indexes(&values).len();
    }
    // One in five thousand points; with the errors taken for independent, dozens.
    assert!(found <= 3, "{found} steps in 50 series without any");
}

#[test]
fn a_level_that_comes_back_is_two_steps() {
    let values = noisy(3, &[(60, 1.0), (30, 1.5), (60, 1.0)], 0.05);
    let found = indexes(&values);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].abs_diff(60) <= 1 && found[1].abs_diff(90) <= 1);
}

#[test]
fn steps_too_small_to_matter_are_left_out() {
    let values = noisy(4, &[(60, 10.0), (60, 13.0)], 0.5);
    let found = segment(&values, 1e-9, |before, after| (after - before).abs() > 4.0);
    assert!(found.steps.is_empty());
}

#[test]
fn a_constant_series_and_a_short_one_have_none() {
    assert_eq!(indexes(&[5.0; 40]), [0usize; 0]);
    assert_eq!(indexes(&[1.0, 2.0, 9.0]), [0usize; 0]);
    assert_eq!(indexes(&[]), [0usize; 0]);
}

#[test]
fn a_slope_is_no_stair_and_a_stair_is_no_slope() {
    for seed in 0..20 {
        let mut values = noisy(seed, &[(200, 0.0)], 1.0);
        for (index, value) in values.iter_mut().enumerate() {
            *value += 0.05 * index as f64;
        }
        assert_eq!(indexes(&values), [0usize; 0], "seed {seed}");
        let stair = noisy(seed, &[(60, 0.0), (50, 4.0), (60, 8.0)], 1.0);
        let found = indexes(&stair);
        assert_eq!(found.len(), 2, "seed {seed}: {found:?}");
        // Most points on one value: the line is flat there, and explains nothing.
        let mut rare = vec![0.0; 150];
        rare.extend(
            noisy(seed, &[(50, 6.0)], 2.0)
                .iter()
                .map(|value| value.round().max(0.0)),
        );
        assert_eq!(indexes(&rare).len(), 1, "seed {seed}");
    }
}

#[test]
fn a_short_segment_borrows_what_the_others_know_of_the_noise() {
    let mut found = 0;
    for seed in 0..20 {
        let values = noisy(seed, &[(24, 10.0), (6, 15.0)], 1.0);
        found += usize::from(indexes(&values).iter().any(|at| at.abs_diff(24) <= 1));
    }
    // Six points alone have five degrees of freedom, which ask for t = 11 where fifteen ask for 5.
    assert!(found >= 16, "{found} of 20");
}

#[test]
fn two_outliers_at_the_end_are_not_on_their_way_to_a_step() {
    let mut taken = 0;
    for seed in 0..40 {
        let mut values = noisy(seed, &[(100, 10.0)], 1.0);
        values[98] += 12.0;
        values[99] += 9.0;
        taken += usize::from(latest(&values, 1.0, 1e-9, |_, _| true).is_some());
        values.push(20.0);
        let third = latest(&values, 1.0, 1e-9, |_, _| true);
        assert_eq!(third.map(|step| step.index), Some(98), "seed {seed}");
    }
    // Where the point before them happens to be on their side, every second time, they would be one.
    assert!(taken <= 2, "{taken} of 40");
}
