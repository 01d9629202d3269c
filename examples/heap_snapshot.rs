//! This example shows whose the memory is: by function, by line, and what has come since; `heap_snapshot FILE` writes a profile.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::collections::HashMap;

use khive_perf::Config;
use khive_perf::alloc::{HeapGrouping, HeapSnapshot, TrackingAllocator};

#[global_allocator]
static ALLOCATOR: TrackingAllocator = TrackingAllocator::system();

/// Keeps what it has read; some of it twice, on another line.
#[khive_perf::measure(group = "cache")]
fn remember(cache: &mut HashMap<u32, Vec<u8>>, copies: &mut Vec<Vec<u8>>, key: u32) {
    let page = vec![1; 20_000];
    if key.is_multiple_of(4) {
        copies.push(page.clone());
    }
    cache.insert(key, page);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A service leaves it at 512 KiB; a program as small as this one has little to show then.
    khive_perf::configure(Config::default().heap_sample_bytes(64 << 10))?;
    let (mut cache, mut copies) = (HashMap::new(), Vec::new());
    (0..500).for_each(|key| remember(&mut cache, &mut copies, key));
    let before = HeapSnapshot::take();
    (500..600).for_each(|key| remember(&mut cache, &mut copies, key));
    let after = HeapSnapshot::take();

    // Functions and lines are looked up when somebody asks, with the feature `symbols`.
    let named = after.clone().named();
    for group in named.group_by(HeapGrouping::Line).iter().take(5) {
        let within = group.interval();
        println!(
            "{:>12} B  ({} to {})  {}",
            group.bytes(),
            within.start(),
            within.end(),
            group.key()
        );
    }
    for change in after.since(&before, HeapGrouping::Callsite) {
        println!("{:>+12} B  {}", change.growth(), change.key());
    }
    if let Some(file) = std::env::args().nth(1) {
        std::fs::write(&file, named.pprof())?;
        println!("`pprof -top {file}` and speedscope read it");
    }
    drop((cache, copies));
    Ok(())
}
