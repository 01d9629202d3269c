//! This example shows assertions on what code recorded: `cargo test -p khive-perf-examples --example test_capture`.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::collections::HashMap;

/// A shop that asks its supplier once per article.
#[derive(Default)]
struct Shop {
    prices: HashMap<String, u32>,
}

impl Shop {
    #[khive_perf::measure]
    fn price(&mut self, article: &str) -> u32 {
        if let Some(&price) = self.prices.get(article) {
            return price;
        }
        let price = ask_supplier(article);
        self.prices.insert(article.to_owned(), price);
        price
    }
}

#[khive_perf::measure]
fn ask_supplier(article: &str) -> u32 {
    article.bytes().map(u32::from).sum()
}

fn main() {
    let (total, captured) = khive_perf::testing::capture(|| {
        let mut shop = Shop::default();
        ["tea", "milk", "tea"]
            .map(|article| shop.price(article))
            .iter()
            .sum::<u32>()
    });
    let calls = |name| captured.callsite(name).map_or(0, |stats| stats.calls());
    println!(
        "total {total}: {} prices, {} questions to the supplier\n\n{}",
        calls("price"),
        calls("ask_supplier"),
        khive_perf::report::text(&captured),
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use khive_perf::testing::{Capture, ManualClock, capture};

    use super::*;

    /// Counts what no return value shows: that the second question was never asked.
    #[test]
    fn the_supplier_is_asked_once_per_article() {
        let ((), captured) = capture(|| {
            let mut shop = Shop::default();
            assert_eq!(shop.price("tea"), shop.price("tea"));
        });
        assert_eq!(captured.callsite("price").unwrap().calls(), 2);
        assert_eq!(captured.callsite("ask_supplier").unwrap().calls(), 1);
    }

    /// Time is what the test says it is, so that a duration can be asserted exactly.
    #[test]
    fn a_region_is_as_long_as_the_clock_was_moved_in_it() {
        let clock = ManualClock::new();
        let ((), captured) = Capture::new().clock(&clock).run(|| {
            let _span = khive_perf::span!("brew");
            clock.advance(Duration::from_secs(90));
        });
        let brew = captured.callsite("brew").unwrap();
        assert_eq!(brew.wall().max(), Duration::from_secs(90));
    }
}
