//! Sampled blocks: what is estimated from them is unbiased, and the truth is in the interval as often as is said.

use khive_perf::alloc::{HeapSnapshot, TrackingAllocator};
use khive_perf::testing::Capture;
use khive_perf::{Config, configure, measure};

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

const TRIALS: u32 = 1_000;
/// Bytes between two samples.
const MEAN: u64 = 4_096;

#[measure]
fn small(kept: &mut Vec<Vec<u8>>, bytes: usize) {
    kept.push(Vec::with_capacity(bytes));
}

#[measure]
fn skewed(kept: &mut Vec<Vec<u8>>, bytes: usize) {
    kept.push(Vec::with_capacity(bytes));
}

/// A program of this trial: what it keeps of either site, in bytes.
fn program(trial: u32, kept: &mut Vec<Vec<u8>>) -> [u64; 2] {
    let mut state = u64::from(trial).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = [0; 2];
    for _ in 0..400 {
        let length = 17 + next() % 50 * 2;
        small(kept, usize::try_from(length).expect("small"));
        bytes[0] += length;
        // Most are small, and a few are most of the bytes: sizes double with half the likelihood.
        let length = 16_u64 << (next() | 1 << 14).trailing_zeros();
        skewed(kept, usize::try_from(length).expect("small"));
        bytes[1] += length;
        // Half of what was kept goes again.
        if next() % 2 == 0 && kept.len() > 2 {
            let gone = kept.swap_remove(usize::try_from(next()).unwrap_or(0) % kept.len());
            // Sizes of the first site are odd.
            let is_skewed = gone.capacity().is_power_of_two();
            bytes[usize::from(is_skewed)] -= gone.capacity() as u64;
        }
    }
    bytes
}

#[test]
fn the_truth_is_within_the_interval_as_often_as_is_said() {
    configure(Config::default().heap_sample_bytes(MEAN)).expect("it is a rate");
    // A thread that has not drawn at another rate.
    let trials = std::thread::spawn(|| {
        let (mut within, mut ratios) = ([0_u32; 2], [0.0; 2]);
        for trial in 0..TRIALS {
            let mut kept = Vec::with_capacity(1_000);
            let ((truth, heap), _) = Capture::new().sampled().run(|| {
                let truth = program(trial, &mut kept);
                (truth, HeapSnapshot::take())
            });
            for (site, name) in ["small", "skewed"].into_iter().enumerate() {
                let found = heap
                    .sites()
                    .iter()
                    .find(|found| found.name().ends_with(name));
                let (bytes, interval) =
                    found.map_or((0, 0..=4 * MEAN), |found| (found.bytes(), found.interval()));
                within[site] += u32::from(interval.contains(&truth[site]));
                ratios[site] += bytes as f64 / truth[site] as f64 / f64::from(TRIALS);
            }
        }
        (within, ratios)
    });
    let (within, ratios) = trials.join().expect("the trials end");
    for site in 0..2 {
        // 95 of 100, less three standard deviations.
        assert!(within[site] >= 929, "{within:?}");
        assert!((ratios[site] - 1.0).abs() < 0.06, "{ratios:?}");
    }
}
