//! This example shows regions of a function with rows of their own, for code that cannot be split.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::collections::BTreeMap;

#[khive_perf::measure]
fn count_words(text: &str) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    {
        let _span = khive_perf::span!("count");
        for word in text.split_whitespace() {
            *counts.entry(word.to_lowercase()).or_insert(0) += 1;
        }
    } // the span ends with its block

    let span = khive_perf::span!("rank", group = "output");
    let mut ranked: Vec<_> = counts.into_iter().collect();
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    drop(span); // or when it is dropped, like any guard

    ranked.truncate(3);
    ranked
}

fn main() {
    let text = include_str!("README.md");
    let mut best = Vec::new();
    for _ in 0..100 {
        best = count_words(text);
    }

    let snapshot = khive_perf::snapshot();
    println!("{best:?}\n\n{}", khive_perf::report::text(&snapshot));
    for function in snapshot.call_tree().roots() {
        for region in function.children() {
            let share = region.total().as_secs_f64() / function.total().as_secs_f64().max(1e-9);
            println!(
                "{:.0} % of {} is {}",
                share * 100.0,
                function.name(),
                region.name()
            );
        }
    }
}
