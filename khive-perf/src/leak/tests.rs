//! The detector on censuses that are made up: what it says, and what it must not depend on.
//!
//! Properties: the order of a census does not matter; neither do the unit of time nor that of size; a report does not
//! change what comes after it; nothing that is fed panics.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn origin(number: u64) -> OriginId {
    OriginId::new(Kind::Heap, number)
}

/// Blocks of one origin by number: one comes each tenth of a minute, and each twentieth stays for ever.
fn churn_with_leak(minute: u32, number: u64, unit: Duration) -> Vec<Live> {
    let made = (0..minute * 10).map(|block| (block, unit * block / 10));
    let alive = made.filter(|(block, born)| block % 20 == 0 || unit * minute - *born < unit * 2);
    alive
        .map(|(block, born)| Live::new(u64::from(block), origin(number), born, 100))
        .collect()
}

fn census(minute: u32, unit: Duration, live: Vec<Live>) -> Census {
    let mut census = Census::at(unit * minute);
    let numbers = live.iter().map(|live| live.origin);
    let mut origins: Vec<OriginId> = numbers.collect();
    origins.sort_unstable();
    origins.dedup();
    let named = origins.iter().map(|id| {
        (
            *id,
            Origin::named(format!("site {}", id.number())).at("src/site.rs", 7),
        )
    });
    census.origins = named.collect();
    census.live = live;
    census
}

/// A detector that has seen so many minutes of one leak.
fn watched(config: LeakConfig, minutes: u32, unit: Duration) -> LeakDetector {
    let mut detector = LeakDetector::new(config);
    for minute in 1..=minutes {
        detector.observe_census(&census(minute, unit, churn_with_leak(minute, 1, unit)));
    }
    detector
}

#[test]
fn a_leak_is_found_with_its_rate_its_age_and_its_place() {
    let report = watched(LeakConfig::default(), 120, MINUTE).report();
    let found = report.findings().first().expect("one origin");
    assert_eq!(
        (found.verdict(), found.reason()),
        (Verdict::Leaking, Reason::Survives)
    );
    assert_eq!((found.callsite(), found.origin().line), ("site 1", 7));
    // Half a block per minute, of 100 bytes.
    let rate = found.bytes_per_hour_interval();
    assert!(rate.contains(&3_000.0), "{rate:?}");
    assert!((2_500.0..3_500.0).contains(&found.bytes_per_hour()));
    assert!(found.oldest() >= MINUTE * 119);
    assert!(found.survivors() >= 40 && found.deaths() < found.deaths_expected() * 20.0);
}

#[test]
fn a_declared_capacity_is_respected_until_it_is_passed() {
    let verdict = |capacity| {
        let config = LeakConfig::default().capacity("site *", capacity);
        watched(config, 120, MINUTE).report().worst()
    };
    assert_eq!(verdict(Capacity::bytes(1 << 20)), Verdict::Plateau);
    assert_eq!(verdict(Capacity::count(1_000)), Verdict::Plateau);
    assert_eq!(verdict(Capacity::count(50)), Verdict::Leaking);
}

#[test]
fn origins_that_share_a_pattern_share_its_capacity() {
    let mut detector =
        LeakDetector::new(LeakConfig::default().capacity("site *", Capacity::count(120)));
    for minute in 1..=120 {
        let mut live = churn_with_leak(minute, 1, MINUTE);
        live.extend(churn_with_leak(minute, 2, MINUTE));
        detector.observe_census(&census(minute, MINUTE, live));
    }
    assert_eq!(detector.report().leaking().count(), 2);
}

#[test]
fn what_may_live_long_is_not_held_against_it_before_its_time() {
    let config = LeakConfig::default().lifetime("site 1", MINUTE * 600);
    let report = watched(config, 120, MINUTE).report();
    assert!(report.worst() <= Verdict::Plateau, "{report}");
    let config = LeakConfig::default().lives_at_most(MINUTE * 600);
    let report = watched(config, 120, MINUTE).report();
    assert_eq!(
        (report.worst(), report.findings()[0].reason()),
        (Verdict::Suspect, Reason::MayLiveLong)
    );
}

#[test]
fn what_was_freed_between_two_censuses_counts_as_dead() {
    let report = |counted: bool| {
        let mut detector = LeakDetector::new(LeakConfig::default());
        for minute in 1..=120 {
            let made = (0..minute).map(|n| Live::new(n.into(), origin(1), MINUTE * n, 100));
            let mut census = census(minute, MINUTE, made.collect());
            if counted {
                census.made.push((origin(1), f64::from(minute) * 50.0));
            }
            detector.observe_census(&census);
        }
        let report = detector.report();
        (report.worst(), report.findings()[0].reason())
    };
    assert_eq!(report(false), (Verdict::Suspect, Reason::MayBeFilling));
    assert_eq!(report(true), (Verdict::Leaking, Reason::Survives));
}

#[test]
fn a_leak_is_found_among_those_that_are_followed() {
    let report = watched(LeakConfig::default().live_max(60), 480, MINUTE).report();
    let found = &report.findings()[0];
    assert_eq!(found.verdict(), Verdict::Leaking);
    let rate = found.bytes_per_hour_interval();
    assert!(rate.contains(&3_000.0), "{rate:?}");
}

#[test]
fn origins_beyond_the_limit_are_counted() {
    let mut detector = LeakDetector::new(LeakConfig::default().origins_max(1));
    let live = (1..=3).map(|number| Live::new(1, origin(number), Duration::ZERO, 1));
    detector.observe_census(&census(1, MINUTE, live.collect()));
    let report = detector.report();
    assert_eq!((report.findings().len(), report.left_out()), (1, 2));
}

#[test]
fn a_census_that_is_not_later_is_left_out() {
    let mut detector = watched(LeakConfig::default(), 120, MINUTE);
    let before = detector.report();
    detector.observe_census(&census(120, MINUTE, Vec::new()));
    detector.observe_census(&census(3, MINUTE, Vec::new()));
    assert_eq!(detector.report(), before);
}

#[test]
fn text_and_json_say_who_leaks_and_how_fast() {
    let report = watched(LeakConfig::default(), 120, MINUTE).report();
    let text = report.to_string();
    assert!(text.starts_with(
        "leaks: 1 leaking, 0 suspect, 0 plateau, 0 insufficient data; 120 censuses in 119 min\n"
    ));
    assert!(
        text.contains("leaking heap: site 1  src/site.rs:7\n    some never die"),
        "{text}"
    );
    assert!(text.contains("/h to stay ("), "{text}");
    let json = report.json();
    assert!(
        json.starts_with("{\"version\":1,\"censuses\":120,\"watched_s\":7140,"),
        "{json}"
    );
    assert!(json.contains("\"verdict\":\"leaking\"") && json.contains("\"callsite\":\"site 1\""));
}

#[test]
fn a_process_that_nobody_looked_at_has_an_empty_report() {
    let report = LeakDetector::new(LeakConfig::default()).report();
    assert_eq!(
        (report.worst(), report.censuses()),
        (Verdict::InsufficientData, 0)
    );
    assert!(
        report
            .json()
            .ends_with("\"retention\":null,\"findings\":[]}")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_order_of_a_census_does_not_matter(rotated in 0..1_000_usize) {
        let mut detector = LeakDetector::new(LeakConfig::default());
        for minute in 1..=60 {
            let mut live = churn_with_leak(minute, 1, MINUTE);
            let by = rotated % live.len();
            live.rotate_left(by);
            detector.observe_census(&census(minute, MINUTE, live));
        }
        let expected = watched(LeakConfig::default(), 60, MINUTE).report();
        prop_assert_eq!(detector.report(), expected);
    }

    #[test]
    fn the_unit_of_time_does_not_matter(ms in 200_u64..10_000_000) {
        let report = watched(LeakConfig::default(), 120, Duration::from_millis(ms)).report();
        prop_assert_eq!(report.worst(), Verdict::Leaking);
    }

    #[test]
    fn reading_reports_changes_nothing(every in 1..40_u32) {
        let mut detector = LeakDetector::new(LeakConfig::default());
        for minute in 1..=60 {
            detector.observe_census(&census(minute, MINUTE, churn_with_leak(minute, 1, MINUTE)));
            if minute % every == 0 {
                let _ = detector.report();
            }
        }
        let expected = watched(LeakConfig::default(), 60, MINUTE).report();
        prop_assert_eq!(detector.report(), expected);
    }

    #[test]
    fn nothing_that_is_fed_panics_and_every_figure_is_a_number(
        censuses in prop::collection::vec(
            (0..u64::MAX, prop::collection::vec((0..6_u64, 0..3_u64, 0..u64::MAX, 0..usize::MAX), 0..20)),
            0..30,
        )
    ) {
        let mut detector = LeakDetector::new(LeakConfig::default().every_cache_declared());
        for (at, blocks) in censuses {
            let live = blocks.iter().map(|(id, place, born, size)| {
                Live::new(*id, origin(*place), Duration::from_nanos(*born), *size).standing_for(1.5)
            });
            let mut census = Census::at(Duration::from_nanos(at));
            census.live = live.collect();
            detector.observe_census(&census);
            for finding in detector.report().findings() {
                prop_assert!(finding.bytes_per_hour().is_finite());
                prop_assert!(finding.evidence().is_finite());
                prop_assert!(finding.bytes_per_hour_interval().contains(&finding.bytes_per_hour()));
            }
        }
    }
}
