//! Comparisons of sixty callsites whose truth is known, with the noise that runs of real benchmarks have.
//!
//! From run to run the logarithm of a callsite's median has a standard deviation that is 1.55 % in the middle and 7.5 % for
//! the noisiest tenth (log-normal over the callsites), with heavy tails (Student's t with four degrees of freedom); within a
//! run, calls come in thirty slices that remember each other, by 0.28 in the middle and 0.64 for the worst tenth.
//! Every third callsite fails now and then, one call in a thousand to one in twenty, by half more or less from run to run.
//! Nothing paces the load: how many calls a run makes differs by 5 %, for all callsites alike, and by 2 % for each. What
//! every fourth callsite retains differs by 10 %.

use std::collections::BTreeMap;

use khive_perf_analysis::detect::rules::{Callsites, Decider, Rules};
use khive_perf_analysis::detect::{Finding, History, Measure, Settings, Verdict, compare_knowing};
use khive_perf_analysis::model::{CallsiteKey, CallsiteRun, Run};

use crate::Check;
use crate::simulate::{Rng, histogram};

const CALLSITES: usize = 60;
const SLOWER: usize = 6;
const SLICES: u32 = 30;

struct Callsite {
    key: CallsiteKey,
    median_s: f64,
    run_sd: f64,
    slice_sd: f64,
    memory: f64,
    failing: f64,
    retains: bool,
}

fn world(rng: &mut Rng) -> Vec<Callsite> {
    (0..CALLSITES)
        .map(|index| {
            let run_sd = (0.0155 * (1.23 * rng.normal()).exp()).min(0.25);
            Callsite {
                key: CallsiteKey {
                    service: "shop".into(),
                    group: String::new(),
                    name: format!("shop::part{index:02}::work"),
                },
                median_s: 1e-6 * 10f64.powf(1.0 + 4.0 * rng.uniform()),
                run_sd,
                // A run's own standard error is a seventh of what runs differ by.
                slice_sd: run_sd / 7.3 * f64::from(SLICES).sqrt(),
                memory: (0.28 + 0.28 * rng.normal()).clamp(0.0, 0.9),
                failing: match index % 3 {
                    0 => 1e-3 * 50f64.powf(index as f64 / CALLSITES as f64),
                    _ => 0.0,
                },
                retains: index % 4 == 0,
            }
        })
        .collect()
}

/// Four degrees of freedom, standard deviation one.
fn heavy(rng: &mut Rng) -> f64 {
    let chi: f64 = (0..4).map(|_| rng.normal().powi(2)).sum();
    rng.normal() / (chi / 4.0).sqrt() / 2f64.sqrt()
}

fn run(rng: &mut Rng, world: &[Callsite], slower: &[f64]) -> Run {
    let mut callsites = BTreeMap::new();
    let mut pace = 1.0;
    for (callsite, slower) in world.iter().zip(slower) {
        let (mut slice, mut sum) = (rng.normal(), 0.0);
        for _ in 0..SLICES {
            let innovation = (1.0 - callsite.memory * callsite.memory).sqrt();
            slice = callsite.memory * slice + innovation * rng.normal();
            sum += slice;
        }
        let within = callsite.slice_sd * sum / f64::from(SLICES);
        let log = callsite.run_sd * heavy(rng) + within;
        if callsites.is_empty() {
            pace = beside(2.0 * log, 1e6, 0.05) as f64 / 1e6;
        }
        let ok = histogram(callsite.median_s * slower * log.exp(), 2_000, 0.0);
        let calls = beside(log, 2_000.0 * pace, 0.02);
        let recorded = CallsiteRun {
            calls: [calls, failed(callsite.failing, ok.count, log), 0, 0],
            retained_bytes: callsite.retains.then(|| beside(-log, 4e6, 0.1)),
            self_time_s: ok.sum,
            busy_time_s: ok.sum,
            ok,
            ..CallsiteRun::default()
        };
        callsites.insert(callsite.key.clone(), recorded);
    }
    Run {
        id: 0,
        name: String::new(),
        started_unix_ns: 0,
        seconds: Some(10.0),
        callsites,
    }
}

/// A number around `middle`, by a standard deviation of the logarithm; `seed` is any number that no other run has, so that what
/// is drawn beside does not change the times.
fn beside(seed: f64, middle: f64, sd: f64) -> u64 {
    let mut rng = Rng::new(seed.to_bits());
    #[expect(clippy::cast_possible_truncation, reason = "some millions")]
    #[expect(clippy::cast_sign_loss, reason = "not negative")]
    let value = (middle * (sd * rng.normal()).exp()).round() as u64;
    value
}

/// How many of `calls` fail, where `rate` of them do in the middle; `seed` is any number that no other run has.
fn failed(rate: f64, calls: u64, seed: f64) -> u64 {
    let mut rng = Rng::new(seed.to_bits());
    let expected = rate * (0.4 * rng.normal()).exp() * calls as f64;
    #[expect(clippy::cast_possible_truncation, reason = "below the number of calls")]
    #[expect(clippy::cast_sign_loss, reason = "not negative")]
    let failed = (expected + expected.sqrt() * rng.normal()).round().max(0.0) as u64;
    failed
}

/// What came out of many comparisons.
#[derive(Default)]
struct Tally {
    comparisons: usize,
    with_alarms: usize,
    /// With an alarm of a measure that does not decide.
    with_measures: usize,
    seen: usize,
    alarms: usize,
    /// Sum over the comparisons of the false share of what was flagged.
    false_share: f64,
}

/// Comparisons of so many runs a side, of which the first callsites are slower.
struct Setting {
    seed: u64,
    comparisons: usize,
    side: usize,
    effect: f64,
    slow: usize,
}

fn tally(setting: &Setting, rules: &Rules) -> Tally {
    let &Setting {
        seed,
        comparisons,
        side,
        effect,
        slow,
    } = setting;
    let mut rng = Rng::new(seed);
    let mut tally = Tally::default();
    for _ in 0..comparisons {
        let world = world(&mut rng);
        let same = vec![1.0; CALLSITES];
        let mut slower = same.clone();
        slower[..slow].fill(1.0 + effect);
        let base: Vec<Run> = (0..side).map(|_| run(&mut rng, &world, &same)).collect();
        let candidate: Vec<Run> = (0..side).map(|_| run(&mut rng, &world, &slower)).collect();
        let settings = Settings::default();
        let found = compare_knowing(&History::new(), &base, &candidate, &settings, rules);
        let is_slow = |key: &CallsiteKey| world[..slow].iter().any(|one| one.key == *key);
        let (mut seen, mut alarms) = (0, 0);
        for finding in &found.findings {
            match finding.verdict {
                Verdict::Regressed if is_slow(&finding.key) => seen += 1,
                Verdict::Regressed | Verdict::Improved => alarms += 1,
                _ => {}
            }
        }
        let alarms_of = |finding: &Finding| {
            let others = finding.measures.iter().filter(|one| !one.decides);
            let mut verdicts = others.map(|one| one.verdict);
            verdicts.any(|verdict| matches!(verdict, Verdict::Regressed | Verdict::Improved))
        };
        tally.with_measures += usize::from(found.findings.iter().any(alarms_of));
        tally.comparisons += 1;
        tally.with_alarms += usize::from(alarms > 0);
        tally.seen += seen;
        tally.alarms += alarms;
        tally.false_share += alarms as f64 / ((alarms + seen) as f64).max(1.0);
    }
    tally
}

/// The same service on both sides.
pub(crate) fn same(side: usize) -> Vec<Check> {
    let setting = Setting {
        seed: 100 + side as u64,
        comparisons: 1_000,
        side,
        effect: 0.0,
        slow: 0,
    };
    let found = tally(&setting, &Rules::default());
    let share = found.with_alarms as f64 / found.comparisons as f64;
    let all = Rules {
        deciders: vec![Decider {
            of: Callsites::default(),
            measures: vec![Measure::Throughput, Measure::Retained],
        }],
        ..Rules::default()
    };
    let deciding = tally(&setting, &all);
    vec![
        Check::at_most(
            &format!("nothing changed, {side} runs a side: share with an alarm"),
            share,
            0.05,
            &format!(
                "{} of {} comparisons of {CALLSITES} callsites",
                found.with_alarms, found.comparisons
            ),
        ),
        Check::at_most(
            &format!("nothing changed, {side} runs a side: with an alarm of a measure"),
            found.with_measures as f64 / found.comparisons as f64,
            0.05,
            &format!("{} of {}", found.with_measures, found.comparisons),
        ),
        Check::at_most(
            &format!("nothing changed, {side} runs a side: all that can decide does"),
            deciding.with_alarms as f64 / deciding.comparisons as f64,
            0.05,
            &format!("{} of {}", deciding.with_alarms, deciding.comparisons),
        ),
    ]
}

/// A tenth of the callsites slower.
pub(crate) fn slower(effect: f64) -> Vec<Check> {
    let setting = Setting {
        seed: 7,
        comparisons: 400,
        side: 5,
        effect,
        slow: SLOWER,
    };
    let found = tally(&setting, &Rules::default());
    let slow = (found.comparisons * SLOWER) as f64;
    let comparisons = found.comparisons as f64;
    let percent = effect * 100.0;
    vec![
        Check::at_least(
            &format!("6 of 60 slower by {percent} %, 5 runs a side: share seen"),
            found.seen as f64 / slow,
            0.85,
            &format!("{} of {slow}", found.seen),
        ),
        Check::at_most(
            &format!("6 of 60 slower by {percent} %: false among the flagged"),
            found.false_share / comparisons,
            0.05,
            &format!("{} alarms in {comparisons} comparisons", found.alarms),
        ),
    ]
}
