//! `#[measure(alloc)]` in a process whose allocator counts.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use khive_perf::alloc::{TrackingAllocator, is_installed};
use khive_perf::snapshot::AllocStats;
use khive_perf::testing::{Captured, capture};
use khive_perf::{measure, report};

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

fn of(captured: &Captured, name: &str) -> AllocStats {
    captured.callsite(name).expect("it was called").alloc()
}

#[measure(alloc)]
fn block(bytes: usize) -> Vec<u8> {
    Vec::with_capacity(bytes)
}

#[measure(alloc, err)]
fn blocks(count: usize) -> Result<usize, usize> {
    let all: usize = (0..count).map(|_| block(100).capacity()).sum();
    if all > 250 { Err(all) } else { Ok(all) }
}

#[test]
fn bytes_and_blocks_are_exact_and_include_callees() {
    assert!(is_installed());
    let (_, captured) = capture(|| (block(1_000), blocks(2), blocks(3)));
    let inner = of(&captured, "alloc::block");
    assert_eq!(
        (inner.bytes(), inner.allocations(), inner.max_bytes()),
        (1_500, 6, 1_000)
    );
    let outer = of(&captured, "blocks");
    assert_eq!(
        (outer.bytes(), outer.allocations(), outer.max_bytes()),
        (500, 5, 300)
    );
}

#[measure(alloc)]
fn descends(levels: usize) -> usize {
    let own = vec![0_u8; levels.max(10)];
    if levels == 1 {
        own.len()
    } else {
        own.len() + descends(levels - 1)
    }
}

#[test]
fn a_recursive_call_counts_once() {
    let (_, captured) = capture(|| descends(10));
    let stats = of(&captured, "descends");
    assert_eq!(
        (stats.bytes(), stats.allocations(), stats.max_bytes()),
        (100, 10, 100)
    );
}

#[measure(alloc)]
fn grows() -> usize {
    let mut bytes = Vec::<u8>::with_capacity(64);
    bytes.reserve_exact(256);
    bytes.shrink_to(128);
    bytes.capacity()
}

#[test]
fn a_block_that_grows_counts_by_what_it_grew() {
    let (_, captured) = capture(grows);
    let stats = of(&captured, "grows");
    assert_eq!((stats.bytes(), stats.allocations()), (256, 3));
}

#[measure(alloc, fields(kind))]
async fn request(kind: &str) -> usize {
    let first = Vec::<u8>::with_capacity(40);
    yields().await;
    let second = Vec::<u8>::with_capacity(2);
    first.capacity() + second.capacity()
}

async fn yields() {
    let mut yielded = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut yielded, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[test]
fn a_future_counts_what_its_polls_allocate_and_not_what_comes_between() {
    let (_, captured) = capture(|| {
        let mut future = pin!(request("a"));
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        let between = vec![0_u8; 5_000];
        assert!(future.as_mut().poll(&mut context).is_ready());
        // Dropped half-way, it has allocated all the same.
        let mut dropped = Box::pin(request("b"));
        assert!(dropped.as_mut().poll(&mut context).is_pending());
        between
    });
    let of = |kind: &str| {
        let found = captured.callsites().iter().find(|stats| {
            stats
                .attributes()
                .iter()
                .any(|(_, value)| value.to_string() == kind)
        });
        found.unwrap().alloc()
    };
    assert_eq!(
        (of("a").bytes(), of("a").allocations(), of("a").max_bytes()),
        (42, 2, 42)
    );
    assert_eq!(
        (of("b").bytes(), of("b").allocations(), of("b").max_bytes()),
        (40, 1, 0)
    );
    assert!(report::text(&captured).contains("what calls allocate"));
}

#[test]
fn what_the_recorder_allocates_is_nobodys() {
    #[measure(alloc)]
    fn meets_something_new(depth: usize) {
        #[measure]
        fn new(number: usize) -> usize {
            number
        }
        new(depth);
    }
    let (_, captured) = capture(|| (0..100).for_each(meets_something_new));
    assert_eq!(of(&captured, "meets_something_new").allocations(), 0);
}

#[measure]
fn keeps(bytes: usize, kept: &mut Vec<Vec<u8>>) {
    kept.push(Vec::with_capacity(bytes));
    drop(std::hint::black_box(Vec::<u8>::with_capacity(bytes)));
}

#[measure]
fn calls_what_keeps(kept: &mut Vec<Vec<u8>>) {
    (1..=3).for_each(|number| keeps(number * 100, kept));
}

#[test]
fn what_is_freed_is_taken_off_where_it_was_allocated_also_by_another_thread() {
    let mut kept = Vec::with_capacity(3);
    let context = capture(|| {
        calls_what_keeps(&mut kept);
        std::thread::scope(|scope| {
            let last = kept.pop().unwrap();
            scope.spawn(move || drop(last));
        });
        khive_perf::Context::current().snapshot()
    });
    let snapshot = context.0;
    let of = |name| {
        let alloc = snapshot.callsite(name).unwrap().alloc();
        let (low, high) = alloc.retained_interval().into_inner();
        assert_eq!((low, high), (alloc.retained(), alloc.retained()));
        assert_eq!(alloc.sampled_bytes() - alloc.freed(), alloc.retained());
        (
            alloc.retained(),
            alloc.own_retained(),
            alloc.freed(),
            alloc.peak(),
        )
    };
    assert_eq!(of("keeps"), (300, 300, 900, 900));
    assert_eq!(of("calls_what_keeps"), (300, 0, 900, 900));
    let alloc = snapshot.callsite("keeps").unwrap().alloc();
    assert!((alloc.retained_blocks() - 2.0).abs() < 1e-9);
    assert!((alloc.temporary_share() - 0.75).abs() < 1e-9);
    assert!(report::text(&snapshot).contains("what is alive of it"));
}
