//! Leaks of blocks, found by a detector in a process whose allocator counts; on a clock that the test moves.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use khive_perf::alloc::TrackingAllocator;
use khive_perf::leak::{Kind, LeakConfig, LeakDetector, LeakReport, Reason, Verdict};
use khive_perf::measure;
use khive_perf::testing::{Capture, ManualClock};

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

const MINUTE: Duration = Duration::from_secs(60);

/// Allocates for a while, and may keep one in ten for good.
#[measure]
fn serve(kept: &mut Vec<Arc<[u8; 100]>>, keeps: bool, request: u32) -> usize {
    let reply = vec![0_u8; 300];
    if keeps && request.is_multiple_of(10) {
        kept.push(Arc::new([0; 100]));
    }
    reply.len()
}

/// Holds the last 50.
#[measure]
fn remember(recent: &mut VecDeque<String>, request: u32) {
    if recent.len() == 50 {
        recent.pop_front();
    }
    recent.push_back(request.to_string());
}

/// One block that only grows.
#[measure]
fn log(lines: &mut Vec<u8>, request: u32) {
    lines.extend_from_slice(&request.to_le_bytes());
}

/// What a detector says after so many minutes with five requests in each.
fn watched(minutes: u32, keeps: bool, logs: bool) -> LeakReport {
    let clock = ManualClock::new();
    let (report, _) = Capture::new().clock(&clock).run(|| {
        let mut detector = LeakDetector::new(LeakConfig::default());
        let (mut kept, mut recent, mut lines) = (Vec::new(), VecDeque::new(), Vec::new());
        for minute in 0..minutes {
            for request in 0..5 {
                clock.advance(MINUTE / 5);
                serve(&mut kept, keeps, minute * 5 + request);
                remember(&mut recent, request);
                if logs {
                    log(&mut lines, request);
                }
            }
            detector.observe();
        }
        detector.report()
    });
    report
}

#[test]
fn a_function_that_keeps_some_of_what_it_allocates_is_found() {
    let report = watched(240, true, false);
    let guilty: Vec<&str> = report.leaking().map(|finding| finding.callsite()).collect();
    assert_eq!(guilty.len(), 1, "{report}");
    let found = report.callsite("serve").expect("it was called");
    assert_eq!(
        (found.verdict(), found.kind()),
        (Verdict::Leaking, Kind::Heap)
    );
    assert!(found.origin().file.ends_with("leaks.rs"));
    // One block of 116 bytes every two minutes, and the `Vec` that holds them.
    let rate = found.bytes_per_hour_interval();
    assert!(rate.contains(&3_480.0), "{report}");
    assert!(found.retained_bytes() >= 120 * 100);
    assert!(
        report
            .callsite("remember")
            .expect("it was called")
            .verdict()
            <= Verdict::Plateau,
        "{report}"
    );
}

#[test]
fn a_block_that_only_grows_is_found() {
    let report = watched(480, false, true);
    let found = report.callsite("log").expect("it was called");
    assert_eq!(
        (found.verdict(), found.reason()),
        (Verdict::Leaking, Reason::Grows),
        "{report}"
    );
    assert_eq!(report.leaking().count(), 1, "{report}");
}

#[test]
fn a_program_that_keeps_nothing_is_not_suspected() {
    let report = watched(480, false, false);
    let heap = report
        .findings()
        .iter()
        .filter(|finding| finding.kind() == Kind::Heap);
    let worst = heap.map(|finding| finding.verdict()).max();
    assert_eq!(worst, Some(Verdict::Plateau), "{report}");
}
