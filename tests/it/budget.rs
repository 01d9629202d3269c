//! The error of an estimate: how often the truth is within it, whatever calls look like.

use std::time::Duration;

use khive_perf::measure;
use khive_perf::testing::{Capture, ManualClock};

const NS: Duration = Duration::from_nanos(1);
const TRIALS: usize = 1_000;

#[measure(sample = 16)]
fn work(clock: &ManualClock, time: Duration) {
    clock.advance(time);
}

/// In how many trials of `calls` calls the total that was estimated is within its error of the truth.
fn within_error(calls: u32, time_of: impl Fn(u32, u32) -> Duration) -> usize {
    let is_within = |trial: &u32| {
        let clock = ManualClock::new();
        let times = || (0..calls).map(|call| time_of(*trial, call));
        let capture = Capture::new().clock(&clock).sampled();
        let ((), captured) = capture.run(|| times().for_each(|time| work(&clock, time)));
        let stats = captured.callsite("budget::work").unwrap();
        assert_eq!(stats.calls(), u64::from(calls));
        assert!(stats.timed() < u64::from(calls) && stats.sampled());
        let truth: Duration = times().sum();
        truth.abs_diff(stats.busy()) <= stats.total_error()
    };
    (0..).take(TRIALS).filter(is_within).count()
}

/// A number that looks random, the same for the same arguments: the finalizer of splitmix64.
fn scatter(trial: u32, call: u32) -> u64 {
    let mut word = (u64::from(trial) << 32 | u64::from(call)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[test]
fn the_total_of_calls_of_one_length_is_exact_though_few_are_timed() {
    assert_eq!(within_error(1_000, |_, _| 700 * NS), TRIALS);
}

#[test]
fn the_truth_is_within_the_error_where_calls_are_of_two_kinds() {
    let within = within_error(4_000, |trial, call| {
        if scatter(trial, call).is_multiple_of(10) {
            50_000 * NS
        } else {
            100 * NS
        }
    });
    assert!(within >= TRIALS * 95 / 100, "{within}");
}

#[test]
fn the_truth_is_within_the_error_where_calls_alternate_with_the_gap() {
    // One call in sixteen is timed, and every sixteenth is a long one.
    let within = within_error(4_000, |_, call| {
        if call.is_multiple_of(16) {
            9_000 * NS
        } else {
            300 * NS
        }
    });
    assert!(within >= TRIALS * 95 / 100, "{within}");
}

#[test]
fn the_truth_is_within_the_error_where_calls_take_any_time() {
    let within = within_error(4_000, |trial, call| {
        let uniform = (scatter(trial, call) >> 11) as f64 / (1u64 << 53) as f64;
        // Pareto with the shape 2.5: a few calls are long, and their variance is finite.
        Duration::from_secs_f64(1e-6 * (1.0 - uniform).powf(-0.4))
    });
    assert!(within >= TRIALS * 95 / 100, "{within}");
}
