//! Sampled blocks that are large stay where they are: they are known by their size, and must be found whatever becomes of it.

use khive_perf::alloc::{HeapSite, HeapSnapshot, TrackingAllocator};
use khive_perf::{Config, configure, measure};

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

const BLOCKS: usize = 400;
const LARGE: usize = 300 << 10;
/// Bytes between two samples, so that nearly each large block is one.
const MEAN: u64 = 64 << 10;

#[measure]
fn load(bytes: usize) -> Vec<Vec<u8>> {
    (0..BLOCKS).map(|_| vec![7; bytes]).collect()
}

/// Bytes of `load` that are alive, as estimated.
fn alive() -> u64 {
    let heap = HeapSnapshot::take();
    let ours = heap
        .sites()
        .iter()
        .filter(|site| site.name().ends_with("load"));
    ours.map(HeapSite::bytes).sum()
}

fn is_close(estimate: u64, truth: usize) -> bool {
    let truth = truth as f64;
    (estimate as f64 / truth - 1.0).abs() < 0.05
}

fn resize(blocks: &mut [Vec<u8>], bytes: usize) {
    for block in blocks {
        block.resize(bytes, 7);
        block.shrink_to_fit();
        assert!(block.iter().step_by(512).all(|byte| *byte == 7));
    }
}

#[test]
fn large_blocks_are_found_whatever_becomes_of_their_size() {
    let config = Config::default()
        .heap_sample_bytes(MEAN)
        .heap_stack_frames(0);
    configure(config).expect("it is a rate");
    // A thread that has not drawn at another rate.
    let checks = std::thread::spawn(|| {
        let mut blocks = load(LARGE);
        assert!(is_close(alive(), BLOCKS * LARGE), "{}", alive());
        resize(&mut blocks, 2 * LARGE);
        assert!(is_close(alive(), 2 * BLOCKS * LARGE), "{}", alive());
        resize(&mut blocks, 1_000);
        // One in 66 stays, and stands for 66.
        let few = alive();
        assert!(few < 10 * (BLOCKS * 1_000) as u64, "{few}");
        resize(&mut blocks, LARGE);
        drop(blocks);
        assert_eq!(alive(), 0, "each was found when it was freed");
    });
    checks.join().expect("the checks hold");
}
