//! Snapshots: cumulative, subtracted, merged, looked up.

use std::time::Duration;

use khive_perf::testing::{Capture, ManualClock, capture};
use khive_perf::{Snapshot, measure};

#[measure]
fn step(clock: &ManualClock, ms: u64) {
    clock.advance(Duration::from_millis(ms));
}

fn steps(ms: &[u64]) -> Snapshot {
    let clock = ManualClock::new();
    let run = || ms.iter().for_each(|ms| step(&clock, *ms));
    Capture::new().clock(&clock).run(run).1.into_snapshot()
}

#[test]
fn the_process_snapshot_is_cumulative_and_since_gives_the_part_in_between() {
    #[measure]
    fn called_in_between() {}
    called_in_between();
    let first = khive_perf::snapshot();
    called_in_between();
    called_in_between();
    let second = khive_perf::snapshot();
    let calls = |snapshot: &Snapshot| snapshot.callsite("called_in_between").unwrap().calls();
    assert_eq!((calls(&first), calls(&second)), (1, 3));
    let delta = second.since(&first);
    assert_eq!(calls(&delta), 2);
    assert!(delta.is_delta());
    assert_eq!(delta.start_unix_ns(), first.time_unix_ns());
    assert!(
        khive_perf::snapshot()
            .since(&second)
            .callsite("called_in_between")
            .is_none()
    );
}

#[test]
fn merging_adds_callsites_and_trees() {
    let mut merged = steps(&[1, 2]);
    merged.merge(&steps(&[4]));
    merged.merge(&Snapshot::empty());
    let stats = merged.callsite("step").unwrap();
    assert_eq!((stats.calls(), stats.busy()), (3, Duration::from_millis(7)));
    assert_eq!(
        (stats.wall().min(), stats.wall().max()),
        (Duration::from_millis(1), Duration::from_millis(4))
    );
    let [root] = merged.call_tree().roots().try_into().unwrap();
    assert_eq!((root.calls(), root.total()), (3, Duration::from_millis(7)));
}

#[test]
fn a_merged_snapshot_less_one_part_is_the_other() {
    let (a, b) = (steps(&[1, 1, 9]), steps(&[1, 5]));
    let mut both = a.clone();
    both.merge(&b);
    let rest = both.since(&a);
    let (rest, truth) = (rest.callsite("step").unwrap(), b.callsite("step").unwrap());
    assert_eq!(rest.calls(), truth.calls());
    assert_eq!(rest.self_time(), truth.self_time());
    assert!(rest.wall().buckets().eq(truth.wall().buckets()));
}

mod area {
    #[khive_perf::measure]
    pub(super) fn lookup() {}
    #[khive_perf::measure]
    pub(super) fn lookup_again() {}
}

#[test]
fn a_callsite_is_found_by_full_name_by_last_segment_or_by_part() {
    let ((), captured) = capture(|| {
        area::lookup_again();
        area::lookup();
        area::lookup();
    });
    let calls = |name| captured.callsite(name).map(|stats| stats.calls());
    assert_eq!(calls("it::snapshots::area::lookup"), Some(2));
    assert_eq!(
        calls("lookup"),
        Some(2),
        "a whole segment comes before a part"
    );
    assert_eq!(calls("lookup_a"), Some(1));
    assert_eq!(calls("nothing of the kind"), None);
    let stats = captured.callsite("lookup").unwrap();
    assert!(stats.file().ends_with("snapshots.rs"));
    assert!(stats.line() > 0);
}

#[test]
fn a_function_is_found_by_its_name_also_where_it_has_regions() {
    #[measure]
    fn counted_with_a_region() {
        let _span = khive_perf::span!("a region");
    }
    let ((), captured) = capture(counted_with_a_region);
    let stats = captured.callsite("counted_with_a_region").unwrap();
    assert_eq!(stats.kind(), khive_perf::Kind::Function);
}

#[test]
fn every_snapshot_of_a_busy_process_is_at_least_the_one_before() {
    #[measure]
    fn busy_loop() {}
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    busy_loop();
                }
            });
        }
        let mut before = (0, Duration::ZERO, 0);
        for _ in 0..2_000 {
            let snapshot = khive_perf::snapshot();
            let Some(stats) = snapshot.callsite("busy_loop") else {
                continue;
            };
            let paths = snapshot.call_tree().roots();
            let path = paths
                .iter()
                .find(|path| path.name() == stats.name())
                .unwrap();
            let now = (stats.calls(), stats.wall().sum(), path.calls());
            assert!(
                now.0 >= before.0 && now.1 >= before.1 && now.2 >= before.2,
                "{before:?} {now:?}"
            );
            before = now;
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
