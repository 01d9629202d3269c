//! What tests assert of memory: exact, each for itself, and with words that help when it fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use khive_perf::alloc::TrackingAllocator;
use khive_perf::testing::{assert_allocates_at_most, assert_no_leaks, assert_peak_below};
use khive_perf::{Context, FutureExt as _, measure};

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

/// What a failed assertion says.
fn message_of<R>(assertion: impl FnOnce() -> R) -> String {
    let failed = catch_unwind(AssertUnwindSafe(assertion));
    let payload = failed.err().expect("the assertion fails");
    *payload.downcast::<String>().expect("it says why")
}

#[measure]
fn fill(kept: &mut Vec<Vec<u8>>, blocks: usize) {
    kept.extend((0..blocks).map(|_| Vec::with_capacity(1_000)));
}

#[measure]
fn handle(kept: &mut Vec<Vec<u8>>) {
    fill(kept, 2);
}

#[test]
fn what_is_left_is_named_with_its_place() {
    let mut kept = Vec::with_capacity(8);
    assert_no_leaks!(fill(&mut Vec::new(), 3));
    let message = message_of(|| assert_no_leaks!(handle(&mut kept)));
    let first = "`assert_no_leaks!`: 2.0 KiB in 2 blocks of 2.0 KiB allocated is left";
    assert!(message.starts_with(first), "{message}");
    for part in [
        "allocated in",
        "assertions::fill (",
        "assertions.rs:",
        "assertions::handle > ",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn what_was_there_before_is_nobodys_business() {
    let mut before = vec![vec![0_u8; 100]];
    assert_no_leaks!(before.clear());
    assert_no_leaks!({
        before.push(vec![1]);
        before.pop();
    });
}

#[test]
fn a_block_that_another_thread_frees_is_not_left() {
    let (send, receive) = std::sync::mpsc::channel::<Vec<u8>>();
    let freeing =
        std::thread::spawn(move || receive.iter().map(|block| block.len()).sum::<usize>());
    let watched = message_of(|| {
        let ours = Vec::<u8>::with_capacity(64);
        assert_no_leaks!(std::hint::black_box(vec![7_u8; 123].leak()));
        drop(ours);
    });
    assert!(watched.contains("123 B in 1 block"), "{watched}");
    // The channel's own blocks stay, so only what is sent is made inside.
    let sent = assert_allocates_at_most!(1 << 16, vec![7_u8; 500]);
    send.send(sent).expect("the other end is there");
    drop(send);
    assert_eq!(freeing.join().ok(), Some(500));
}

#[test]
fn bytes_are_counted_to_the_byte() {
    let grown = || {
        let mut block = Vec::<u8>::with_capacity(100);
        block.reserve_exact(300);
        block
    };
    assert_eq!(assert_allocates_at_most!(300, grown()).capacity(), 300);
    let message = message_of(|| assert_allocates_at_most!(299, grown()));
    assert!(
        message.contains("300 B were allocated, and 299 B may be"),
        "{message}"
    );

    let one_by_one = || (0..50).for_each(|_| drop(std::hint::black_box(vec![0_u8; 400])));
    assert_peak_below!(401, one_by_one());
    let message = message_of(|| assert_peak_below!(400, one_by_one()));
    assert!(message.contains("400 B were alive at once"), "{message}");
}

#[test]
fn tests_beside_each_other_do_not_see_each_other() {
    std::thread::scope(|scope| {
        for number in 1..=8_usize {
            scope.spawn(move || {
                for _ in 0..200 {
                    let bytes = number * 100;
                    let block = assert_allocates_at_most!(bytes as u64, vec![0_u8; bytes]);
                    assert_no_leaks!(vec![0_u8; bytes]);
                    drop(block);
                }
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_on_other_threads_are_followed() {
    let shared = Arc::new(5_u8);
    let spawned = async |kept: usize| {
        let context = Context::current();
        let task = tokio::spawn(context.attach(async move {
            let block = vec![0_u8; 700];
            if kept > 0 {
                std::hint::black_box(vec![0_u8; kept].leak());
            }
            block.len()
        }));
        task.await.expect("it runs")
    };
    // What the runtime makes once it keeps.
    spawned(0).await;
    assert_no_leaks!(async { spawned(0).in_current_context().await }).await;
    let length =
        assert_peak_below!(100_000, async { spawned(0).await + usize::from(*shared) }).await;
    assert_eq!(length, 705);
    let failed = tokio::spawn(async move {
        assert_no_leaks!(async move { spawned(321).await }).await;
    });
    let failure = failed.await.expect_err("something is left").into_panic();
    let message = failure.downcast::<String>().expect("it says why");
    assert!(message.contains("321 B in 1 block"), "{message}");
}
