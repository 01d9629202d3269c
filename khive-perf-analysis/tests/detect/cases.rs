//! Single cases with one right answer.

use khive_perf_analysis::detect::rules::{Callsites, Decider, Rules};
use khive_perf_analysis::detect::{
    Comparison, Drift, Finding, History, Measure, Reason, Settings, Severity, Verdict, compare,
    compare_knowing,
};
use khive_perf_analysis::model::{CallsiteRun, Run};
use khive_perf_analysis::report;

use crate::simulate::{Behaviour, Rng, histogram, run, runs, service};

fn judge(base: &[Run], candidate: &[Run]) -> Comparison {
    compare(base, candidate, &Settings::default())
}

/// One run whose only callsite has this median, and this many calls.
fn single(median_s: f64, calls: u64) -> Run {
    let behaviour = Behaviour {
        calls,
        ..Behaviour::new("shop::only", median_s, 0.0)
    };
    run(&mut Rng::new(0), "x", &[behaviour], &[1.0], 1.0)
}

fn singles(medians_s: &[f64]) -> Vec<Run> {
    medians_s
        .iter()
        .map(|&median_s| single(median_s, 2_000))
        .collect()
}

fn only(comparison: &Comparison) -> &Finding {
    assert_eq!(comparison.findings.len(), 1);
    &comparison.findings[0]
}

/// Edits the only callsite of every run.
fn edit(mut runs: Vec<Run>, edit: impl Fn(&mut CallsiteRun)) -> Vec<Run> {
    runs.iter_mut()
        .flat_map(|run| run.callsites.values_mut())
        .for_each(edit);
    runs
}

#[test]
fn one_run_a_side_is_inconclusive_however_large_the_change() {
    let comparison = judge(&singles(&[1e-3]), &singles(&[9e-3]));
    assert_eq!(
        only(&comparison).verdict,
        Verdict::Inconclusive(Reason::OneRunASide)
    );
    assert_eq!(
        comparison.verdict(),
        Verdict::Inconclusive(Reason::OneRunASide)
    );
    let change = only(&comparison).change().unwrap();
    assert!((change.factor / 9.0 - 1.0).abs() < 2e-3);
    assert_eq!(change.interval, None);
}

#[test]
fn one_run_is_judged_by_the_variance_of_the_other_side() {
    let base = singles(&[1.00e-3, 1.01e-3, 0.99e-3, 1.02e-3, 0.98e-3]);
    assert_eq!(
        only(&judge(&base, &singles(&[1.5e-3]))).verdict,
        Verdict::Regressed
    );
    let same = judge(&base, &singles(&[1.01e-3]));
    assert_eq!(only(&same).verdict, Verdict::Unchanged);
    // Both reports for people say what that rests on, and only where it is so.
    let remark = "The candidate is a single run";
    assert!(report::text::comparison(&same).contains(remark));
    assert!(report::markdown::comparison(&same).contains(remark));
    assert!(!report::text::comparison(&judge(&base, &base)).contains("single run"));
}

#[test]
fn runs_without_any_variance_are_judged_all_the_same() {
    let base = singles(&[1e-3; 3]);
    assert_eq!(
        only(&judge(&base, &singles(&[1e-3; 3]))).verdict,
        Verdict::Unchanged
    );
    assert_eq!(
        only(&judge(&base, &singles(&[1.04e-3; 3]))).verdict,
        Verdict::Unchanged
    );
    let comparison = judge(&base, &singles(&[1.06e-3; 3]));
    assert_eq!(only(&comparison).verdict, Verdict::Regressed);
    assert_eq!(comparison.verdict(), Verdict::Regressed);
    assert_eq!(
        judge(&base, &singles(&[0.9e-3; 3])).verdict(),
        Verdict::Improved
    );
}

#[test]
fn what_a_large_change_costs_others_by_its_company_is_no_verdict_on_them() {
    let world = [
        Behaviour::new("shop::small", 0.7e-6, 0.01),
        Behaviour::new("shop::other", 40e-6, 0.01),
        Behaviour::new("shop::large", 100e-3, 0.01),
    ];
    let base = runs(&mut Rng::new(1), "base", 5, &world, &[1.0; 3]);
    let verdicts = |slower: [f64; 3]| {
        let candidate = runs(&mut Rng::new(2), "candidate", 5, &world, &slower);
        let comparison = judge(&base, &candidate);
        ["shop::small", "shop::other", "shop::large"].map(|name| {
            let mut findings = comparison.findings.iter();
            findings
                .find(|finding| finding.key.name == name)
                .unwrap()
                .verdict
        })
    };
    let company = Verdict::Inconclusive(Reason::Company);
    let (regressed, unchanged) = (Verdict::Regressed, Verdict::Unchanged);
    // 0.2 µs beside 300 ms; the same by itself; 8 µs; 12 µs; half a microsecond that is much of it; 0.2 µs beside what is no
    // critical change.
    assert_eq!(verdicts([1.3, 1.0, 4.0]), [company, unchanged, regressed]);
    assert_eq!(verdicts([1.3, 1.0, 1.0]), [regressed, unchanged, unchanged]);
    assert_eq!(verdicts([1.0, 1.2, 4.0]), [unchanged, company, regressed]);
    assert_eq!(verdicts([1.0, 1.3, 4.0]), [unchanged, regressed, regressed]);
    assert_eq!(verdicts([1.7, 1.0, 4.0]), [regressed, unchanged, regressed]);
    assert_eq!(verdicts([1.3, 1.0, 2.0]), [regressed, unchanged, regressed]);
}

#[test]
fn severity_follows_the_estimate() {
    for (factor, want) in [
        (1.1, Severity::Minor),
        (1.49, Severity::Minor),
        (1.51, Severity::Moderate),
        (2.99, Severity::Moderate),
        (3.01, Severity::Critical),
    ] {
        let candidate = singles(&[1e-3 * factor, 1.001e-3 * factor, 0.999e-3 * factor]);
        let comparison = judge(&singles(&[1e-3, 1.001e-3, 0.999e-3]), &candidate);
        assert_eq!(only(&comparison).severity, Some(want), "x{factor}");
    }
}

#[test]
fn the_severity_that_is_sure_goes_by_the_end_of_the_interval_nearer_to_no_change() {
    // The candidate's runs lie 10 % apart, so its interval reaches far below the estimate.
    let base = singles(&[1e-3, 1.001e-3, 0.999e-3]);
    let of = |factor: f64, spread: f64| {
        let runs = [1.0, 1.0 + spread, 1.0 - spread].map(|near| 1e-3 * factor * near);
        let comparison = judge(&base, &singles(&runs));
        let finding = only(&comparison);
        let text = report::text::comparison(&comparison);
        let said = text.lines().find(|line| line.starts_with("shop::only"));
        let said = said.unwrap().to_owned();
        (finding.severity, finding.severity_at_least, said)
    };
    let (severity, least, said) = of(3.2, 0.1);
    assert_eq!(severity, Some(Severity::Critical));
    assert_eq!(least, Some(Severity::Moderate));
    assert!(said.ends_with("critical (at least moderate)"), "{said}");
    // Where both are the same, it is said once.
    let (severity, least, said) = of(3.2, 0.001);
    assert_eq!((severity, least), (Some(Severity::Critical), severity));
    assert!(said.ends_with("  critical"), "{said}");
    // An improvement is as large as the regression that would undo it.
    let (severity, least, said) = of(1.0 / 3.2, 0.1);
    assert_eq!((severity, least), (None, Some(Severity::Moderate)));
    assert!(said.ends_with("improved  at least moderate"), "{said}");
    // No verdict, no severity.
    assert_eq!(of(1.0, 0.001).1, None);
}

#[test]
fn nanoseconds_are_not_worth_a_verdict() {
    let base = singles(&[50e-9, 50.1e-9, 49.9e-9]);
    let candidate = singles(&[60e-9, 60.1e-9, 59.9e-9]);
    assert_eq!(only(&judge(&base, &candidate)).verdict, Verdict::Unchanged);
    let settings = Settings {
        min_effect_s: 1e-9,
        ..Settings::default()
    };
    assert_eq!(
        only(&compare(&base, &candidate, &settings)).verdict,
        Verdict::Regressed
    );
}

#[test]
fn noise_gives_no_verdict_and_says_how_many_runs_would() {
    let base = singles(&[1.0e-3, 1.5e-3, 0.8e-3]);
    let candidate = singles(&[1.4e-3, 1.1e-3, 2.0e-3]);
    let comparison = judge(&base, &candidate);
    let Verdict::Inconclusive(Reason::TooNoisy {
        more_runs: Some(more),
    }) = only(&comparison).verdict
    else {
        panic!("{:?}", only(&comparison).verdict);
    };
    assert!((5..200).contains(&more), "{more}");
    assert!(matches!(comparison.verdict(), Verdict::Inconclusive(_)));
}

#[test]
fn callsites_of_one_side_are_reported_and_not_judged() {
    let mut rng = Rng::new(1);
    let world = [
        Behaviour::new("a", 1e-3, 0.01),
        Behaviour::new("b", 1e-3, 0.01),
    ];
    let base = runs(&mut rng, "base", 3, &world[..1], &[1.0]);
    let candidate = runs(&mut rng, "candidate", 3, &world[1..], &[1.0]);
    let comparison = judge(&base, &candidate);
    let verdicts: Vec<Verdict> = comparison
        .findings
        .iter()
        .map(|finding| finding.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Added, Verdict::Removed]);
    assert!(
        comparison
            .findings
            .iter()
            .all(|finding| finding.change().is_none())
    );
    assert_eq!(
        comparison.verdict(),
        Verdict::Inconclusive(Reason::NothingInCommon)
    );
}

#[test]
fn a_callsite_whose_calls_all_fail_has_regressed_and_its_time_is_not_known() {
    let base = singles(&[1e-3, 1.01e-3, 0.99e-3]);
    let candidate = edit(base.clone(), |callsite| {
        callsite.calls = [0, callsite.calls[0], 0, 0];
        callsite.ok = Default::default();
    });
    let comparison = judge(&base, &candidate);
    let finding = only(&comparison);
    assert_eq!(finding.verdict, Verdict::Regressed);
    assert_eq!(finding.severity, Some(Severity::Critical));
    assert!(finding.fails_more());
    assert_eq!(
        finding.measured(Measure::JUDGED).unwrap().verdict,
        Verdict::Inconclusive(Reason::NoneEndedWell)
    );
}

/// Three runs a side of one callsite, of whose 2000 calls these fail.
fn failing(failed: [u64; 3]) -> Vec<Run> {
    let mut runs = singles(&[1e-3, 1.01e-3, 0.99e-3]);
    for (run, failed) in runs.iter_mut().zip(failed) {
        for callsite in run.callsites.values_mut() {
            callsite.calls[1] = failed;
        }
    }
    runs
}

#[test]
fn calls_that_fail_more_often_are_a_regression_where_runs_agree() {
    let verdict = |base: [u64; 3], candidate: [u64; 3]| {
        only(&judge(&failing(base), &failing(candidate)))
            .failures
            .verdict
    };
    assert_eq!(verdict([0, 0, 0], [100, 110, 95]), Verdict::Regressed);
    assert_eq!(verdict([100, 110, 95], [0, 0, 0]), Verdict::Improved);
    assert_eq!(verdict([100, 110, 95], [105, 98, 112]), Verdict::Unchanged);
    // Half a percentage point, or a tenth more of what is much already, is not worth a word.
    assert_eq!(verdict([0, 0, 0], [9, 10, 11]), Verdict::Unchanged);
    assert_eq!(
        verdict([400, 410, 390], [450, 455, 445]),
        Verdict::Unchanged
    );
    // One run with an outage is not three that fail.
    assert!(matches!(
        verdict([0, 1, 0], [0, 0, 300]),
        Verdict::Inconclusive(_)
    ));
    let found = judge(&failing([0, 0, 0]), &failing([100, 110, 95]));
    assert_eq!(only(&found).verdict, Verdict::Regressed);
    assert_eq!(found.verdict(), Verdict::Regressed);
    assert!(report::text::comparison(&found).contains("fails more: 4.8 % of its calls, was 0.0 %"));
    // From nothing it is critical by any end of the interval; where the runs differ more, by the estimate only.
    assert_eq!(only(&found).severity_at_least, Some(Severity::Critical));
    let found = judge(&failing([100, 104, 96]), &failing([330, 350, 370]));
    assert_eq!(only(&found).severity, Some(Severity::Critical));
    assert_eq!(only(&found).severity_at_least, Some(Severity::Moderate));
}

#[test]
fn every_measure_has_a_verdict_of_its_own() {
    let busy = |seconds: [f64; 3], poll_s: f64| {
        let mut runs = singles(&[1e-3, 1.01e-3, 0.99e-3]);
        for (run, seconds) in runs.iter_mut().zip(seconds) {
            for callsite in run.callsites.values_mut() {
                callsite.busy_time_s = seconds;
                callsite.self_time_s = seconds;
                callsite.polls = 2_000;
                callsite.longest_poll_s = poll_s * seconds;
            }
        }
        runs
    };
    let found = judge(
        &busy([1.0, 1.01, 0.99], 1e-3),
        &busy([1.5, 1.51, 1.49], 2e-3),
    );
    let verdict = |measure: Measure| only(&found).measured(measure).unwrap().verdict;
    assert_eq!(verdict(Measure::Typical), Verdict::Unchanged);
    assert_eq!(verdict(Measure::P99), Verdict::Unchanged);
    for measure in [Measure::SelfTime, Measure::BusyTime, Measure::LongestPoll] {
        assert_eq!(verdict(measure), Verdict::Regressed, "{measure:?}");
    }
    // They are told, and decide nothing: the call takes as long as before.
    assert_eq!(only(&found).verdict, Verdict::Unchanged);
    // What is no future has no longest poll.
    let sync = judge(&singles(&[1e-3, 1e-3]), &singles(&[1e-3, 1e-3]));
    assert_eq!(only(&sync).measured(Measure::LongestPoll), None);
}

#[test]
fn a_series_without_calls_is_no_callsite_of_that_side() {
    let base = singles(&[1e-3, 1.01e-3]);
    let never = edit(base.clone(), |callsite| *callsite = CallsiteRun::default());
    assert_eq!(only(&judge(&base, &never)).verdict, Verdict::Removed);
    assert_eq!(only(&judge(&never, &base)).verdict, Verdict::Added);
    assert!(matches!(
        judge(&never, &never).verdict(),
        Verdict::Inconclusive(_)
    ));
}

#[test]
fn nothing_on_a_side_is_inconclusive() {
    for (base, candidate) in [
        (vec![], singles(&[1e-3])),
        (singles(&[1e-3]), vec![]),
        (vec![], vec![]),
    ] {
        let comparison = judge(&base, &candidate);
        assert_eq!(comparison.verdict(), Verdict::Inconclusive(Reason::NoRuns));
    }
}

#[test]
fn a_tail_of_one_call_in_ten_is_a_regression_and_a_single_call_is_not() {
    let base = edit(
        singles(&[1e-3, 1.01e-3, 0.99e-3, 1.02e-3, 0.98e-3]),
        |callsite| {
            callsite.ok = histogram(callsite.self_time_s, 900, 0.0);
            callsite
                .ok
                .merge(&histogram(callsite.self_time_s, 100, 0.0));
        },
    );
    let tail = edit(base.clone(), |callsite| {
        callsite.ok = histogram(callsite.self_time_s, 900, 0.0);
        callsite
            .ok
            .merge(&histogram(callsite.self_time_s * 6.0, 100, 0.0));
    });
    assert_eq!(only(&judge(&base, &tail)).verdict, Verdict::Regressed);
    // The same time in one call of each run.
    let stalled = edit(base.clone(), |callsite| {
        callsite.ok = histogram(callsite.self_time_s, 999, callsite.self_time_s * 500.0);
    });
    let comparison = judge(&base, &stalled);
    assert_eq!(
        only(&comparison).verdict,
        Verdict::Inconclusive(Reason::SlowestCalls)
    );
    let mean = only(&comparison)
        .measured(Measure::Mean)
        .unwrap()
        .change
        .unwrap();
    assert!(mean.factor > 1.4, "{mean:?}");
}

#[test]
fn runs_at_different_resolutions_can_be_compared() {
    let base = singles(&[1e-3, 1.01e-3, 0.99e-3]);
    let coarse = edit(base.clone(), |callsite| callsite.ok.downscale(0));
    assert_eq!(only(&judge(&base, &coarse)).verdict, Verdict::Unchanged);
    let slower = edit(singles(&[2e-3, 2.01e-3, 1.99e-3]), |callsite| {
        callsite.ok.downscale(0)
    });
    assert_eq!(only(&judge(&base, &slower)).verdict, Verdict::Regressed);
}

#[test]
fn a_slower_machine_is_no_regression_and_a_much_slower_one_is() {
    let mut rng = Rng::new(9);
    let world = service(&mut rng, 25);
    let same = vec![1.0; world.len()];
    let base = runs(&mut rng, "base", 5, &world, &same);
    let mut on = |machine: f64| -> Comparison {
        let candidate: Vec<Run> = (0..5)
            .map(|_| run(&mut rng, "candidate", &world, &same, machine))
            .collect();
        judge(&base, &candidate)
    };
    let slower = on(1.08);
    let Drift::Removed { factor } = slower.drift else {
        panic!("{:?}", slower.drift);
    };
    assert!((factor - 1.08).abs() < 0.02, "{factor}");
    assert_eq!(slower.verdict(), Verdict::Unchanged);
    assert_eq!(on(1.0).drift, Drift::None);
    let other = on(1.5);
    assert!(
        matches!(other.drift, Drift::Kept { .. }),
        "{:?}",
        other.drift
    );
    assert_eq!(other.verdict(), Verdict::Regressed);
}

#[test]
fn half_of_the_callsites_slower_is_not_a_drift() {
    let mut rng = Rng::new(10);
    let world = service(&mut rng, 20);
    let same = vec![1.0; world.len()];
    let mut slower = same.clone();
    slower[..11].fill(1.12);
    let base = runs(&mut rng, "base", 5, &world, &same);
    let candidate = runs(&mut rng, "candidate", 5, &world, &slower);
    assert_eq!(judge(&base, &candidate).drift, Drift::None);
}

#[test]
fn absurd_settings_are_replaced() {
    let absurd = Settings {
        confidence: f64::NAN,
        false_discovery_rate: -1.0,
        min_effect: f64::INFINITY,
        min_effect_s: f64::NAN,
        remove_drift: true,
    };
    let comparison = compare(&[], &[], &absurd);
    assert_eq!(comparison.settings, Settings::default());
}

/// Four of ten callsites take twice as long; `edit` says what became of their time on a thread.
fn four_slower(edit: impl Fn(&mut CallsiteRun)) -> Comparison {
    let mut rng = Rng::new(12);
    let world: Vec<Behaviour> = (0..10)
        .map(|index| Behaviour::new(format!("shop::part{index}"), 1e-3, 0.02))
        .collect();
    let mut slower = [1.0; 10];
    slower[..4].fill(2.0);
    let base = runs(&mut rng, "base", 5, &world, &[1.0; 10]);
    let mut candidate = runs(&mut rng, "candidate", 5, &world, &slower);
    for run in &mut candidate {
        for behaviour in &world[..4] {
            edit(run.callsites.get_mut(&behaviour.key()).unwrap());
        }
    }
    let comparison = judge(&base, &candidate);
    assert_eq!(comparison.regressed().count(), 4);
    comparison
}

#[test]
fn time_spent_waiting_has_no_origin_and_is_said_to_be_waiting() {
    // A future that awaits something slower: the wall time of it and its callers doubles, their own does not.
    let comparison = four_slower(|callsite| {
        callsite.self_time_s /= 2.0;
        callsite.busy_time_s /= 2.0;
    });
    assert_eq!(comparison.origin(), None);
    let text = report::text::comparison(&comparison);
    assert!(!text.contains("own"), "{text}");
    assert_eq!(text.matches("waits more").count(), 4, "{text}");
}

#[test]
fn time_spent_in_more_calls_of_something_unchanged_has_no_origin() {
    // On a thread all the time, but in callees that are each as fast as before.
    let comparison = four_slower(|callsite| callsite.self_time_s /= 2.0);
    assert_eq!(comparison.origin(), None);
    assert!(!report::text::comparison(&comparison).contains("waits more"));
}

#[test]
fn more_calls_alone_do_not_make_an_origin() {
    let comparison = four_slower(|callsite| {
        callsite.self_time_s /= 2.0;
        // Ten times the calls, each as costly on its own as before.
        callsite.calls[0] *= 10;
        callsite.ok.count *= 10;
        callsite.ok.sum *= 10.0;
        callsite.self_time_s *= 10.0;
        callsite.busy_time_s *= 10.0;
        callsite
            .ok
            .buckets
            .values_mut()
            .for_each(|count| *count *= 10);
    });
    assert_eq!(comparison.origin(), None);
}

/// Runs of ten seconds, in which each callsite of a service is called so often, `rate` times as often as at first.
fn paced(rates: &[f64], machine: f64) -> Vec<Run> {
    let mut rng = Rng::new(3);
    let world = service(&mut rng, 12);
    let mut runs: Vec<Run> = (rates.iter())
        .map(|_| run(&mut rng, "paced", &world, &[1.0; 12], machine))
        .collect();
    for (run, rate) in runs.iter_mut().zip(rates) {
        run.seconds = Some(10.0);
        for callsite in run.callsites.values_mut() {
            #[expect(clippy::cast_possible_truncation, reason = "a few thousand")]
            #[expect(clippy::cast_sign_loss, reason = "not negative")]
            let calls = (rate * callsite.calls[0] as f64).round() as u64;
            callsite.calls[0] = calls;
        }
    }
    runs
}

/// Throughput of all callsites decides, too.
fn deciding(base: &[Run], candidate: &[Run]) -> Comparison {
    let rules = Rules {
        deciders: vec![Decider {
            of: Callsites::default(),
            measures: vec![Measure::Throughput],
        }],
        ..Rules::default()
    };
    let settings = Settings::default();
    compare_knowing(&History::new(), base, candidate, &settings, &rules)
}

fn throughputs(comparison: &Comparison) -> Vec<Verdict> {
    let findings = comparison.findings.iter();
    let measured = findings.filter_map(|finding| finding.measured(Measure::Throughput));
    measured.map(|measured| measured.verdict).collect()
}

#[test]
fn fewer_calls_a_second_are_a_regression_where_throughput_decides() {
    let base = paced(&[1.0, 1.01, 0.99, 1.005], 1.0);
    let candidate = paced(&[0.5, 0.505, 0.495, 0.51], 1.0);
    let found = judge(&base, &candidate);
    assert_eq!(throughputs(&found), [Verdict::Regressed; 12]);
    assert_eq!(found.verdict(), Verdict::Unchanged);
    let found = deciding(&base, &candidate);
    assert_eq!(found.verdict(), Verdict::Regressed);
    for finding in &found.findings {
        assert_eq!(finding.verdict, Verdict::Regressed, "{}", finding.key.name);
        assert_eq!(finding.severity, Some(Severity::Moderate));
        assert_eq!(finding.severity_at_least, Some(Severity::Moderate));
    }
    // The other way round it is an improvement of that measure, and none of the callsite.
    let found = deciding(&candidate, &base);
    assert_eq!(throughputs(&found), [Verdict::Improved; 12]);
    assert_eq!(found.verdict(), Verdict::Unchanged);
}

#[test]
fn a_number_of_calls_that_the_load_gives_says_nothing() {
    let given = |count: f64, seconds: [f64; 3]| {
        let mut runs = paced(&[count; 3], 1.0);
        for (run, seconds) in runs.iter_mut().zip(seconds) {
            run.seconds = Some(seconds);
        }
        runs
    };
    // Twice as long for the same calls, or half as many by design: neither is the callsite's pace.
    let base = given(1.0, [10.0, 10.1, 9.9]);
    for candidate in [
        given(1.0, [20.0, 20.2, 19.9]),
        given(0.5, [10.0, 10.1, 9.9]),
    ] {
        let found = deciding(&base, &candidate);
        let unknown = Verdict::Inconclusive(Reason::CallsGiven);
        assert_eq!(throughputs(&found), [unknown; 12]);
        assert_eq!(found.verdict(), Verdict::Unchanged);
        let text = report::text::comparison(&found);
        let told = "throughput decides nothing: every run makes the same number of calls";
        assert!(text.contains(told), "{text}");
    }
    // Where no run says how long it took, there is no such measure.
    let mut timeless = base;
    for run in &mut timeless {
        run.seconds = None;
    }
    assert!(throughputs(&judge(&timeless, &timeless)).is_empty());
}

#[test]
fn a_machine_that_drifts_makes_no_throughput_worse() {
    let rates = [1.0, 1.01, 0.99, 1.005, 0.995];
    let base = paced(&rates, 1.0);
    // A load that keeps its pace on a faster machine, and one that does not on a slower one.
    for (machine, pace) in [(0.9, 1.0), (1.1, 1.0 / 1.1)] {
        let candidate = paced(&rates.map(|rate| rate * pace), machine);
        let found = deciding(&base, &candidate);
        assert!(
            matches!(found.drift, Drift::Removed { .. }),
            "{:?}",
            found.drift
        );
        assert_eq!(throughputs(&found), [Verdict::Unchanged; 12], "{machine}");
        assert_eq!(found.verdict(), Verdict::Unchanged);
    }
    // What the machine does not explain is left.
    let candidate = paced(&rates.map(|rate| rate / 2.2), 1.1);
    assert_eq!(
        throughputs(&deciding(&base, &candidate)),
        [Verdict::Regressed; 12]
    );
}

#[test]
fn retained_bytes_are_judged_above_a_floor_of_their_own() {
    let retaining = |bytes: [u64; 3]| {
        let mut runs = singles(&[1e-3, 1.001e-3, 0.999e-3]);
        for (run, bytes) in runs.iter_mut().zip(bytes) {
            for callsite in run.callsites.values_mut() {
                callsite.retained_bytes = Some(bytes);
            }
        }
        runs
    };
    let verdict = |base: [u64; 3], candidate: [u64; 3]| {
        let found = judge(&retaining(base), &retaining(candidate));
        only(&found).measured(Measure::Retained).unwrap().verdict
    };
    let (little, much) = ([20_000, 20_400, 19_900], [2_000_000, 2_040_000, 1_990_000]);
    assert_eq!(verdict(little, much), Verdict::Regressed);
    assert_eq!(verdict(much, little), Verdict::Improved);
    assert_eq!(verdict(much, much), Verdict::Unchanged);
    assert_eq!(
        verdict(little, little.map(|bytes| 3 * bytes)),
        Verdict::Unchanged
    );
    // Where only one side tells, nothing can be compared.
    let found = judge(&singles(&[1e-3; 3]), &retaining(much));
    let measured = only(&found).measured(Measure::Retained).unwrap();
    assert_eq!((measured.base, measured.change), (None, None));
    let unknown = Verdict::Inconclusive(Reason::OneSideTells);
    assert_eq!(measured.verdict, unknown);
}

#[test]
fn allocations_are_judged_without_a_test_where_runs_agree() {
    let allocating = |bytes: &[u64]| {
        let mut runs = singles(&vec![1e-3; bytes.len()]);
        for (run, bytes) in runs.iter_mut().zip(bytes) {
            for callsite in run.callsites.values_mut() {
                let calls = callsite.calls[0];
                callsite.allocations = calls;
                callsite.allocated_bytes = calls * bytes;
            }
        }
        runs
    };
    let more = judge(&allocating(&[1_000, 1_000]), &allocating(&[1_600, 1_600]));
    assert_eq!(only(&more).verdict, Verdict::Regressed);
    assert_eq!(only(&more).severity, Some(Severity::Moderate));
    assert_eq!(only(&more).severity_at_least, Some(Severity::Moderate));
    assert_eq!(more.verdict(), Verdict::Regressed);
    assert!(
        report::text::comparison(&more)
            .contains("counts more allocated bytes per call: 1600.0, was 1000.0 (+60.0 %)")
    );
    // Below the floor, less than before, or not the same in all runs of a side: no regression.
    for candidate in [[1_040, 1_040], [500, 500], [1_100, 2_100]] {
        let found = judge(&allocating(&[1_000, 1_000]), &allocating(&candidate));
        assert_ne!(only(&found).verdict, Verdict::Regressed, "{candidate:?}");
    }
}
