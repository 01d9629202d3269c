//! Blocks that threads allocate, resize, hand to each other and free, each of them in the table: none is left in it.

use std::sync::mpsc::channel;
use std::thread;

use khive_perf::alloc::{HeapSnapshot, TrackingAllocator};
use khive_perf::{Config, configure, measure};
use khive_perf_smoke::rounds;

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

#[measure(alloc)]
fn filled(number: usize) -> Vec<u8> {
    let mut bytes = vec![1; 16 + number % 7];
    bytes.reserve_exact(32 * (number % 3));
    bytes
}

fn live(snapshot: &HeapSnapshot) -> f64 {
    let ours = |path: &[khive_perf::alloc::HeapCall]| {
        path.iter().any(|call| call.name().contains("filled"))
    };
    let sites = snapshot.sites().iter().filter(|site| ours(site.path()));
    sites.map(khive_perf::alloc::HeapSite::blocks).sum()
}

#[test]
fn blocks_that_change_threads_are_forgotten_once_they_are_freed() {
    let config = Config::default().heap_sample_bytes(1);
    configure(config).expect("each block");
    let blocks = usize::try_from(rounds(20_000, 12)).expect("a number of blocks");
    let (send, receive) = channel();
    thread::scope(|scope| {
        for _ in 0..2 {
            let send = send.clone();
            scope.spawn(move || {
                for number in 0..blocks {
                    let block = filled(number);
                    if number % 2 == 0 {
                        send.send(block).expect("it is received");
                    }
                }
            });
        }
        drop(send);
        let mut kept = Vec::new();
        for (number, block) in receive.into_iter().enumerate() {
            if number % 3 == 0 {
                kept.push(block);
            }
            if number.is_multiple_of(1_000) {
                drop(HeapSnapshot::take());
            }
        }
        let taken = HeapSnapshot::take();
        // Those that are kept, as threads see to the rate with their first block.
        let known = live(&taken);
        assert!((known - kept.len() as f64).abs() < 0.5, "{known}");
    });
    let left = live(&HeapSnapshot::take());
    assert!(left.abs() < 0.5, "{left}");
}
