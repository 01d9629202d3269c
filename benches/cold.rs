//! What a call costs whose code and data went out of the caches since the last one, beside the same call when they did not.
//!
//! Where the analysis stage has `COLD_CALL_S` from.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write as _};

use khive_perf_benches::clock;

/// Larger than the last cache of a server, so that reading it leaves nothing of anybody else's there.
const MEMORY_WORDS: usize = 16 << 20;
const WARM_CALLS: usize = 2_000;
const COLD_CALLS: usize = 100;

fn main() -> io::Result<()> {
    let mut caches = Caches(vec![1; MEMORY_WORDS]);
    let mut row = |name: &str, call: &mut dyn FnMut(usize)| {
        (0..WARM_CALLS).for_each(&mut *call);
        let warm = median((0..WARM_CALLS).map(|number| nanoseconds(call, number)));
        let cold = median((0..COLD_CALLS).map(|number| {
            caches.fill();
            nanoseconds(call, number)
        }));
        let more = cold.saturating_sub(warm);
        writeln!(
            io::stdout(),
            "{name:<32} {warm:>8} ns warm {cold:>8} ns cold {more:>8} ns more"
        )
    };

    let texts: HashMap<String, String> = (0..1_000)
        .map(|number| (format!("key {number}"), format!("what is kept of {number}")))
        .collect();
    row("look up, and clone", &mut |number| {
        black_box(texts.get(&format!("key {}", number % 1_000)).cloned());
    })?;
    let numbers: BTreeMap<usize, usize> = (0..100_000).map(|number| (3 * number, number)).collect();
    row("ten from a tree of 100,000", &mut |number| {
        for place in 0..10 {
            black_box(numbers.get(&((7_919 * number + 104_729 * place) % 300_000)));
        }
    })?;
    for entries in [1, 4, 16] {
        let entry = r#"{"author":"ada","text":"some text","of":[1,2,3]}"#;
        let text = format!("[{}]", vec![entry; entries].join(","));
        row(&format!("read JSON of {} bytes", text.len()), &mut |_| {
            black_box(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        })?;
    }
    row("write 30 numbers", &mut |number| {
        let mut text = String::new();
        for place in 0..30 {
            // A `String` takes whatever there is memory for.
            let _ = write!(text, "{place}-{number:x};");
        }
        black_box(text);
    })?;
    let words: Vec<String> = (0..200)
        .map(|number| format!("word {}", 7_919 * number % 200))
        .collect();
    row("sort 200 words", &mut |_| {
        let mut words = words.clone();
        words.sort();
        black_box(words);
    })
}

/// What fills the caches.
struct Caches(Vec<u64>);

// === impl Caches ===

impl Caches {
    fn fill(&mut self) {
        for word in &mut self.0 {
            *word = word.wrapping_add(1);
        }
        black_box(&self.0);
    }
}

fn nanoseconds(call: &mut dyn FnMut(usize), number: usize) -> u128 {
    clock::passed(|| call(number)).as_nanos()
}

fn median(values: impl Iterator<Item = u128>) -> u128 {
    let mut values: Vec<u128> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}
