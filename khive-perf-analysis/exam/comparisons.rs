//! Comparisons of sixty callsites whose truth is known, with the noise that runs of real benchmarks have.
//!
//! From run to run the logarithm of a callsite's median has a standard deviation that is 1.55 % in the middle and 7.5 % for
//! the noisiest tenth (log-normal over the callsites), with heavy tails (Student's t with four degrees of freedom); within a
//! run, calls come in thirty slices that remember each other, by 0.28 in the middle and 0.64 for the worst tenth.
//! Every third callsite fails now and then, one call in a thousand to one in twenty, by half more or less from run to run.

use std::collections::BTreeMap;

use khive_perf_analysis::detect::{Finding, Measure, Settings, Verdict, compare};
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
    for (callsite, slower) in world.iter().zip(slower) {
        let (mut slice, mut sum) = (rng.normal(), 0.0);
        for _ in 0..SLICES {
            let innovation = (1.0 - callsite.memory * callsite.memory).sqrt();
            slice = callsite.memory * slice + innovation * rng.normal();
            sum += slice;
        }
        let within = callsite.slice_sd * sum / f64::from(SLICES);
        let log = callsite.run_sd * heavy(rng) + within;
        let ok = histogram(callsite.median_s * slower * log.exp(), 2_000, 0.0);
        let recorded = CallsiteRun {
            calls: [ok.count, failed(callsite.failing, ok.count, log), 0, 0],
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
        callsites,
    }
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

fn tally(seed: u64, comparisons: usize, side: usize, effect: f64, slow: usize) -> Tally {
    let mut rng = Rng::new(seed);
    let mut tally = Tally::default();
    for _ in 0..comparisons {
        let world = world(&mut rng);
        let same = vec![1.0; CALLSITES];
        let mut slower = same.clone();
        slower[..slow].fill(1.0 + effect);
        let base: Vec<Run> = (0..side).map(|_| run(&mut rng, &world, &same)).collect();
        let candidate: Vec<Run> = (0..side).map(|_| run(&mut rng, &world, &slower)).collect();
        let found = compare(&base, &candidate, &Settings::default());
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
            let others = finding
                .measures
                .iter()
                .filter(|one| one.measure != Measure::JUDGED);
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
    let found = tally(100 + side as u64, 1_000, side, 0.0, 0);
    let share = found.with_alarms as f64 / found.comparisons as f64;
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
    ]
}

/// A tenth of the callsites slower.
pub(crate) fn slower(effect: f64) -> Vec<Check> {
    let found = tally(7, 400, 5, effect, SLOWER);
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
