//! What holds for any runs:
//!
//! - swapping the sides turns slower into faster, by the same logarithm;
//! - another unit of time changes no verdict and no factor;
//! - the order of the runs changes nothing;
//! - no input, however absurd, makes it panic or say "not a number".

use khive_perf_analysis::detect::{Comparison, Reason, Settings, Verdict, compare};
use khive_perf_analysis::model::{CallsiteKey, CallsiteRun, ExpHistogram, Run};
use khive_perf_analysis::report;
use proptest::prelude::*;

use crate::simulate::{Rng, runs, service};

/// Two sides of a service, some of it slower.
fn sides(seed: u64, callsites: usize, counts: (usize, usize), factor: f64) -> (Vec<Run>, Vec<Run>) {
    let mut rng = Rng::new(seed);
    let world = service(&mut rng, callsites);
    let mut slower = vec![1.0; callsites];
    slower[..callsites / 3].fill(factor);
    let base = runs(&mut rng, "base", counts.0, &world, &vec![1.0; callsites]);
    let candidate = runs(&mut rng, "candidate", counts.1, &world, &slower);
    (base, candidate)
}

fn judge(base: &[Run], candidate: &[Run]) -> Comparison {
    compare(
        base,
        candidate,
        &Settings {
            min_effect_s: 0.0,
            ..Settings::default()
        },
    )
}

fn scaled(runs: &[Run], octaves: i32) -> Vec<Run> {
    let factor = f64::from(octaves).exp2();
    let mut runs = runs.to_vec();
    for callsite in runs.iter_mut().flat_map(|run| run.callsites.values_mut()) {
        let ok = &mut callsite.ok;
        ok.sum *= factor;
        ok.min = ok.min.map(|min| min * factor);
        ok.max = ok.max.map(|max| max * factor);
        ok.buckets = ok
            .buckets
            .iter()
            .map(|(&index, &n)| (index + octaves * 32, n))
            .collect();
        callsite.self_time_s *= factor;
        callsite.busy_time_s *= factor;
    }
    runs
}

/// Slower one way is never slower the other way; an improvement needs to be surer, so it may be missing.
fn are_mirrored(forth: Verdict, back: Verdict) -> bool {
    match (forth, back) {
        (Verdict::Added, other) => other == Verdict::Removed,
        (Verdict::Removed, other) => other == Verdict::Added,
        // What company takes back was a regression.
        (Verdict::Regressed | Verdict::Inconclusive(Reason::Company), other)
        | (other, Verdict::Regressed | Verdict::Inconclusive(Reason::Company)) => matches!(
            other,
            Verdict::Improved | Verdict::Unchanged | Verdict::Inconclusive(_)
        ),
        (Verdict::Improved, other) | (other, Verdict::Improved) => {
            matches!(other, Verdict::Inconclusive(_))
        }
        (forth, back) => forth == back,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn swapping_the_sides_negates(seed: u64, callsites in 1usize..15, a in 1usize..5, b in 1usize..5, factor in 0.3..3.0f64) {
        let (base, candidate) = sides(seed, callsites, (a, b), factor);
        let forth = judge(&base, &candidate);
        let back = judge(&candidate, &base);
        prop_assert_eq!(forth.findings.len(), back.findings.len());
        for finding in &forth.findings {
            let other = back.findings.iter().find(|other| other.key == finding.key).unwrap();
            prop_assert!(are_mirrored(finding.verdict, other.verdict), "{:?} {:?}", finding.verdict, other.verdict);
            let (x, y) = (finding.change().unwrap(), other.change().unwrap());
            prop_assert!((x.factor.ln() + y.factor.ln()).abs() < 1e-9);
            if let (Some(x), Some(y)) = (x.interval, y.interval) {
                prop_assert!((x.low.ln() + y.high.ln()).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn another_unit_changes_nothing(seed: u64, callsites in 1usize..12, runs in 2usize..5, octaves in 1i32..12) {
        let (base, candidate) = sides(seed, callsites, (runs, runs), 1.3);
        let seconds = judge(&base, &candidate);
        let other = judge(&scaled(&base, octaves), &scaled(&candidate, octaves));
        for (x, y) in seconds.findings.iter().zip(&other.findings) {
            prop_assert_eq!(&x.key, &y.key);
            prop_assert_eq!(x.verdict, y.verdict);
            prop_assert!((x.change().unwrap().factor / y.change().unwrap().factor - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_order_of_runs_changes_not_a_byte(seed: u64, callsites in 1usize..12, turn in 1usize..4) {
        let (base, candidate) = sides(seed, callsites, (4, 5), 1.2);
        let (mut turned_base, mut turned) = (base.clone(), candidate.clone());
        turned_base.rotate_left(turn);
        turned_base.swap(0, 1);
        turned.rotate_right(turn);
        let (one, other) = (judge(&base, &candidate), judge(&turned_base, &turned));
        prop_assert_eq!(report::json::comparison(&one), report::json::comparison(&other));
        prop_assert_eq!(report::text::comparison(&one), report::text::comparison(&other));
    }
}

/// Numbers that no healthy source sends.
fn absurd_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(-1.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
        Just(1e-3),
        any::<f64>(),
    ]
}

fn absurd_histogram() -> impl Strategy<Value = ExpHistogram> {
    let index = prop_oneof![Just(i32::MIN), Just(i32::MAX), -400..400i32];
    let count = prop_oneof![Just(0u64), Just(1), Just(50), Just(u64::MAX), any::<u64>()];
    (
        prop_oneof![Just(5), Just(i32::MIN), Just(i32::MAX), -12..22i32],
        count.clone(),
        absurd_number(),
        proptest::option::of(absurd_number()),
        proptest::option::of(absurd_number()),
        count.clone(),
        proptest::collection::btree_map(index, count, 0..4),
    )
        .prop_map(
            |(scale, count, sum, min, max, zero_count, buckets)| ExpHistogram {
                scale,
                count,
                sum,
                min,
                max,
                zero_count,
                buckets,
            },
        )
}

fn absurd_run() -> impl Strategy<Value = Run> {
    let callsite = (
        absurd_histogram(),
        any::<[u64; 4]>(),
        absurd_number(),
        absurd_number(),
        any::<Option<u64>>(),
    )
        .prop_map(
            |(ok, calls, self_time_s, busy_time_s, retained_bytes)| CallsiteRun {
                ok,
                calls,
                self_time_s,
                busy_time_s,
                retained_bytes,
                ..CallsiteRun::default()
            },
        );
    let key = ("[a|\n]{0,2}", "[ab]{0,1}").prop_map(|(name, group)| CallsiteKey {
        service: "s".into(),
        group,
        name,
    });
    let callsites = proptest::collection::btree_map(key, callsite, 0..10);
    let seconds = proptest::option::of(absurd_number());
    (callsites, seconds).prop_map(|(callsites, seconds)| Run {
        id: 0,
        name: "absurd\nname".into(),
        started_unix_ns: 0,
        seconds,
        callsites,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn absurd_runs_neither_panic_nor_give_what_is_not_a_number(
        base in proptest::collection::vec(absurd_run(), 0..4),
        candidate in proptest::collection::vec(absurd_run(), 0..4),
    ) {
        let comparison = compare(&base, &candidate, &Settings::default());
        for finding in &comparison.findings {
            prop_assert!((0.0..=1.0).contains(&finding.adjusted_p));
            for measured in &finding.measures {
                let change = measured.change;
                let ends = change.and_then(|change| change.interval).map(|i| [i.low, i.high]);
                let all = [measured.base, measured.candidate, change.map(|change| change.factor)];
                let all = all.into_iter().flatten().chain(ends.into_iter().flatten());
                prop_assert!(all.into_iter().all(f64::is_finite), "{measured:?}");
            }
        }
        let text = report::text::comparison(&comparison);
        prop_assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
        prop_assert!(!text.contains("NaN") && !text.contains("inf"));
        let json: serde_json::Value = serde_json::from_str(&report::json::comparison(&comparison)).unwrap();
        prop_assert_eq!(json["callsites"].as_array().unwrap().len(), comparison.findings.len());
        prop_assert!(!report::markdown::comparison(&comparison).contains("NaN"));
    }
}
