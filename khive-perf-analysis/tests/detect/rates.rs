//! How often a gate is wrong, and how often it sees: counted over seeded simulations.
//!
//! `docs/detection.md` quotes these numbers; `KHIVE_PERF_RATES=1 cargo test -p khive-perf-analysis --test detect rates
//! -- --nocapture` prints them over more trials.

use khive_perf_analysis::detect::settings::{GATE_FALSE_DISCOVERY_RATE, MIN_EFFECT};
use khive_perf_analysis::detect::{Comparison, Settings, Verdict, compare};
use khive_perf_analysis::stats::moderated::{Prior, Variance};
use khive_perf_analysis::stats::{discovery, student};

use crate::simulate::{Behaviour, Rng, runs, runs_on, service};

/// Trials of each rate: few in the suite, many where the numbers of the documentation are made.
fn trials(few: usize) -> usize {
    few * if is_for_documentation() { 20 } else { 1 }
}

/// Trials of a rate of false alarms: so rare that a thousand comparisons cannot tell 1 from 7.
fn trials_of_the_rare(few: usize) -> usize {
    few * if is_for_documentation() { 80 } else { 1 }
}

fn is_for_documentation() -> bool {
    std::env::var_os("KHIVE_PERF_RATES").is_some()
}

fn flagged(comparison: &Comparison) -> Vec<&str> {
    let mut names: Vec<&str> = comparison
        .findings
        .iter()
        .filter(|finding| matches!(finding.verdict, Verdict::Regressed | Verdict::Improved))
        .map(|finding| finding.key.name.as_str())
        .collect();
    names.sort_unstable();
    names
}

/// One in a hundred; of fewer than a hundred, one.
fn is_rare(alarms: usize, trials: usize) -> bool {
    alarms * 100 <= trials.max(100)
}

/// Comparisons of a service with itself that flag anything.
fn false_alarms(
    seed: u64,
    trials: usize,
    side: usize,
    machine_sd: f64,
    world: impl Fn(&mut Rng) -> Vec<Behaviour>,
) -> usize {
    let mut rng = Rng::new(seed);
    let mut alarms = 0;
    for _ in 0..trials {
        let world = world(&mut rng);
        let same = vec![1.0; world.len()];
        let base = runs_on(&mut rng, "base", side, &world, &same, machine_sd);
        let candidate = runs_on(&mut rng, "candidate", side, &world, &same, machine_sd);
        let comparison = compare(&base, &candidate, &Settings::gate());
        alarms += usize::from(!flagged(&comparison).is_empty());
    }
    alarms
}

#[test]
fn a_service_compared_with_itself_is_flagged_at_most_once_in_a_hundred() {
    for (side, seed) in [(2, 1), (3, 2), (5, 3), (10, 4)] {
        let trials = trials_of_the_rare(50);
        let alarms = false_alarms(seed, trials, side, 0.0, |rng| service(rng, 25));
        println!("A/A, {side} runs a side, 25 callsites: {alarms} of {trials} comparisons flag");
        assert!(
            is_rare(alarms, trials),
            "{side} runs a side: {alarms} of {trials}"
        );
    }
}

#[test]
fn a_machine_that_shifts_from_run_to_run_is_no_alarm() {
    for (machine_sd, side, seed) in [
        (0.02, 3, 21),
        (0.04, 3, 22),
        (0.02, 5, 23),
        (0.04, 5, 24),
        (0.08, 5, 25),
    ] {
        let trials = trials_of_the_rare(50);
        let alarms = false_alarms(seed, trials, side, machine_sd, |rng| service(rng, 25));
        println!(
            "A/A, {side} runs a side, machine shifts by {machine_sd}: {alarms} of {trials} flag"
        );
        assert!(
            is_rare(alarms, trials),
            "{side} runs, shift {machine_sd}: {alarms} of {trials}"
        );
    }
}

#[test]
fn stalls_are_no_alarm() {
    for (side, chance, seed) in [(3, 0.1, 11), (5, 0.1, 12), (5, 0.3, 13), (5, 0.5, 14)] {
        let trials = trials_of_the_rare(50);
        let alarms = false_alarms(seed, trials, side, 0.0, |rng| {
            let mut world = service(rng, 25);
            for behaviour in &mut world {
                // One call in the run takes as long as 0.5 to 5 times all others together.
                behaviour.calls = 20;
                behaviour.stall = Some((
                    chance,
                    behaviour.median_s * 20.0 * (0.5 + 4.5 * rng.uniform()),
                ));
            }
            world
        });
        println!(
            "A/A, {side} runs a side, stall in {chance} of the runs: {alarms} of {trials} flag"
        );
        assert!(
            is_rare(alarms, trials),
            "{side} runs, stalls {chance}: {alarms} of {trials}"
        );
    }
}

/// What the demonstration does: a leaf gets slower, and its callers with it.
struct Demo {
    exact: usize,
    missed: usize,
    extra: usize,
    origin: usize,
}

fn demo(seed: u64, trials: usize, stall: Option<f64>) -> Demo {
    let mut rng = Rng::new(seed);
    let mut result = Demo {
        exact: 0,
        missed: 0,
        extra: 0,
        origin: 0,
    };
    for _ in 0..trials {
        let mut world = service(&mut rng, 25);
        let mut slower = vec![1.0; world.len()];
        slower[0] = 1.5 + 2.5 * rng.uniform();
        let added_s = world[0].median_s * (slower[0] - 1.0);
        let ancestors = if rng.uniform() < 0.5 { 3 } else { 4 };
        for ancestor in 1..=ancestors {
            // What the leaf takes more, its callers take more: 10 to 60 % of what they took.
            let share = 0.1 + 0.5 * rng.uniform();
            slower[ancestor] = 1.0 + share;
            world[ancestor].median_s = added_s / share;
            world[ancestor].is_caller = true;
        }
        if let Some(chance) = stall {
            for behaviour in &mut world {
                behaviour.stall = Some((chance, behaviour.median_s * 2_000.0 * 0.5));
            }
        }
        let mut want: Vec<&str> = world[..=ancestors]
            .iter()
            .map(|b| b.name.as_str())
            .collect();
        want.sort_unstable();
        let same = vec![1.0; world.len()];
        let base = runs(&mut rng, "base", 5, &world, &same);
        let candidate = runs(&mut rng, "candidate", 5, &world, &slower);
        let comparison = compare(&base, &candidate, &Settings::gate());
        let got = flagged(&comparison);
        result.exact += usize::from(got == want);
        result.missed += want.iter().filter(|name| !got.contains(name)).count();
        result.extra += got.iter().filter(|name| !want.contains(name)).count();
        let origin = comparison.origin().map(|finding| finding.key.name.as_str());
        result.origin += usize::from(origin == Some(world[0].name.as_str()));
    }
    result
}

#[test]
fn a_slower_leaf_and_its_callers_are_what_is_flagged() {
    for stall in [None, Some(0.1)] {
        let trials = trials(40);
        let Demo {
            exact,
            missed,
            extra,
            origin,
        } = demo(6, trials, stall);
        println!(
            "demo, stalls {stall:?}: exact {exact}, missed {missed}, extra {extra}, origin {origin} of {trials}"
        );
        // Callsites with 10 % of noise hide some of the callers that are 10 % slower: about one in 25 of all.
        assert!(exact * 10 >= trials * 7, "{exact} of {trials} exact");
        assert!(missed * 10 <= trials * 3, "{missed} missed in {trials}");
        assert!(extra * 20 <= trials, "{extra} too many in {trials}");
        assert!(origin * 10 >= trials * 9, "{origin} of {trials} origins");
    }
}

/// A function and three that call it, all slower by 30 to 100 %, among others with noise of 1 to 5 %.
///
/// Gives the comparisons that flag exactly these four, and those that flag another.
fn four_of(seed: u64, trials: usize, callsites: usize, machine_sd: f64) -> (usize, usize) {
    let mut rng = Rng::new(seed);
    let (mut exact, mut extra) = (0, 0);
    for _ in 0..trials {
        let world: Vec<Behaviour> = (0..callsites)
            .map(|index| {
                let median_s = 1e-5 * 10f64.powf(3.0 * rng.uniform());
                let run_sd = 0.01 + 0.04 * rng.uniform();
                Behaviour::new(format!("shop::part{index:02}"), median_s, run_sd)
            })
            .collect();
        let same = vec![1.0; callsites];
        let mut slower = same.clone();
        slower[..4].fill_with(|| 1.3 + 0.7 * rng.uniform());
        let base = runs_on(&mut rng, "base", 5, &world, &same, machine_sd);
        let candidate = runs_on(&mut rng, "candidate", 5, &world, &slower, machine_sd);
        let comparison = compare(&base, &candidate, &Settings::gate());
        let got = flagged(&comparison);
        let is_slower = |name: &&&str| world[..4].iter().any(|b| b.name == **name);
        let right = got.iter().filter(is_slower).count();
        exact += usize::from(right == 4 && got.len() == 4);
        extra += usize::from(got.len() > right);
    }
    (exact, extra)
}

#[test]
fn four_slower_callsites_are_flagged_and_little_else() {
    for (callsites, machine_sd, seed) in [
        (15, 0.0, 31),
        (22, 0.0, 32),
        (30, 0.0, 33),
        (15, 0.02, 34),
        (30, 0.02, 35),
    ] {
        let trials = trials(100);
        let (exact, extra) = four_of(seed, trials, callsites, machine_sd);
        println!(
            "4 of {callsites} slower by 30 to 100 %, machine shifts by {machine_sd}: exact {exact}, with others {extra} of {trials}"
        );
        // Where four are rightly flagged, the false discovery rate lets one in fifty flag a fifth.
        assert!(exact * 100 >= trials * 94, "{exact} of {trials} exact");
        assert!(extra * 100 <= trials * 3, "{extra} of {trials} flag others");
    }
}

/// Share of `slow` of `world` callsites that are seen, and false ones among the flagged.
fn power(
    seed: u64,
    trials: usize,
    side: usize,
    slow: usize,
    factor: f64,
    machine_sd: f64,
) -> (f64, f64) {
    let mut rng = Rng::new(seed);
    let (mut seen, mut wrong) = (0usize, 0.0);
    for _ in 0..trials {
        let world = service(&mut rng, 60);
        let mut slower = vec![1.0; world.len()];
        slower[..slow].fill(factor);
        let same = vec![1.0; world.len()];
        let base = runs_on(&mut rng, "base", side, &world, &same, machine_sd);
        let candidate = runs_on(&mut rng, "candidate", side, &world, &slower, machine_sd);
        let comparison = compare(&base, &candidate, &Settings::gate());
        let got = flagged(&comparison);
        let right = world[..slow]
            .iter()
            .filter(|b| got.contains(&b.name.as_str()))
            .count();
        seen += right;
        wrong += (got.len() - right) as f64 / got.len().max(1) as f64;
    }
    (seen as f64 / (trials * slow) as f64, wrong / trials as f64)
}

#[test]
fn slower_callsites_are_seen_and_false_ones_are_rare_among_them() {
    for (side, factor, machine_sd, least) in [
        (3, 1.1, 0.0, 0.0),
        (3, 1.2, 0.0, 0.4),
        (3, 1.5, 0.0, 0.9),
        (5, 1.1, 0.0, 0.3),
        (5, 1.2, 0.0, 0.8),
        (5, 1.5, 0.0, 0.97),
        (5, 1.2, 0.02, 0.7),
        (5, 1.2, 0.04, 0.25),
        (5, 1.5, 0.04, 0.95),
    ] {
        let trials = trials(10);
        let (seen, wrong) = power(7, trials, side, 6, factor, machine_sd);
        println!(
            "{side} runs a side, machine shifts by {machine_sd}, 6 of 60 slower by x{factor}: power {seen:.3}, false share {wrong:.4}"
        );
        assert!(
            seen >= least,
            "{side} runs, x{factor}, {machine_sd}: {seen}"
        );
        assert!(
            wrong <= 0.03,
            "{side} runs, x{factor}, {machine_sd}: {wrong}"
        );
    }
}

/// Comparisons of a service with itself, two runs a side, that flag anything, by how variances are moderated.
#[test]
fn never_below_its_own_and_four_degrees_borrowed_is_what_keeps_two_runs_honest() {
    const CALLSITES: usize = 25;
    let trials = trials(200);
    let mut rng = Rng::new(8);
    let (mut smyth, mut never_below, mut ours) = (0, 0, 0);
    for _ in 0..trials {
        let sides: Vec<[f64; 4]> = service(&mut rng, CALLSITES)
            .iter()
            .map(|behaviour| [(); 4].map(|()| behaviour.run_sd * rng.normal()))
            .collect();
        let own = sides.iter().map(|[a, b, c, d]| Variance {
            value: ((a - b).powi(2) + (c - d).powi(2)) / 4.0,
            freedom: 2.0,
        });
        let own: Vec<Variance> = own.collect();
        let prior = Prior::from_variances(&own);
        let flags = |moderate: &dyn Fn(Variance) -> Variance| {
            let differences = sides.iter().map(|[a, b, c, d]| (c + d - a - b) / 2.0);
            let p: Vec<f64> = differences
                .clone()
                .zip(&own)
                .map(|(difference, &own)| {
                    let moderated = moderate(own);
                    student::two_sided_p(difference / moderated.value.sqrt(), moderated.freedom)
                })
                .collect();
            let adjusted = discovery::adjust(&p);
            usize::from(differences.zip(adjusted).any(|(difference, p)| {
                p <= GATE_FALSE_DISCOVERY_RATE && difference.abs() > MIN_EFFECT.ln_1p()
            }))
        };
        let textbook = |own: Variance| {
            let freedom = (prior.freedom + own.freedom).min(1e9);
            let weight = own.freedom / freedom;
            Variance {
                value: (1.0 - weight) * prior.value + weight * own.value,
                freedom,
            }
        };
        smyth += flags(&textbook);
        never_below += flags(&|own| {
            let moderated = textbook(own);
            Variance {
                value: moderated.value.max(own.value),
                ..moderated
            }
        });
        ours += flags(&|own| prior.moderate(own));
    }
    println!(
        "A/A, 2 runs a side: Smyth {smyth}, never below its own {never_below}, ours {ours} of {trials} flag"
    );
    assert!(
        smyth >= 4 * ours.max(1),
        "Smyth {smyth}, ours {ours} of {trials}"
    );
    assert!(ours * 100 <= trials, "ours {ours} of {trials}");
}
