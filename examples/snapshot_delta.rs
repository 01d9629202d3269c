//! This example shows what happened between two moments, and how processes or periods are added up.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

#[khive_perf::measure]
fn checksum(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(1, |sum, &byte| sum.rotate_left(5) ^ u32::from(byte))
}

fn main() {
    let data = vec![7; 64 * 1024];
    let before = khive_perf::snapshot();
    for _ in 0..10 {
        std::hint::black_box(checksum(&data));
    }
    let between = khive_perf::snapshot();
    for _ in 0..90 {
        std::hint::black_box(checksum(&data));
    }
    let after = khive_perf::snapshot();

    // Snapshots count from the start of the process and are never reset: any two can be subtracted.
    let first = between.since(&before);
    let second = after.since(&between);
    let mut whole = first.clone();
    whole.merge(&second);

    for (period, snapshot) in [("first", &first), ("second", &second), ("both", &whole)] {
        if let Some(stats) = snapshot.callsite("checksum") {
            println!(
                "{period:<7} {:>4} calls  p50 {:?}  p99 {:?}",
                stats.calls(),
                stats.wall().quantile(0.5),
                stats.wall().quantile(0.99),
            );
        }
    }
    println!("\n{}", khive_perf::report::text(&whole));
}
