//! Fields make series, within bounds.

use std::future::Future as _;

use khive_perf::testing::capture;
use khive_perf::{AttributeValue, measure};

#[measure(group = "cache", fields(shard, hit = key.len() > 3, of = %key))]
fn get(shard: u8, key: &str) -> u8 {
    shard
}

#[test]
fn each_set_of_fields_is_a_series_with_its_own_calls() {
    let ((), captured) = capture(|| {
        for _ in 0..3 {
            get(1, "long key");
        }
        get(2, "long key");
        get(2, "key");
    });
    let rows: Vec<_> = captured
        .callsites()
        .iter()
        .map(|stats| {
            let fields: Vec<_> = stats
                .attributes()
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            (fields.join(" "), stats.calls(), stats.group())
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("shard=1 hit=true of=long key".to_owned(), 3, Some("cache")),
            ("shard=2 hit=false of=key".to_owned(), 1, Some("cache")),
            ("shard=2 hit=true of=long key".to_owned(), 1, Some("cache")),
        ]
    );
    let (_, value) = &captured.callsites()[0].attributes()[0];
    assert_eq!(*value, AttributeValue::I64(1));
}

#[test]
fn attribute_sets_beyond_the_limit_share_a_series_that_says_so() {
    #[measure(fields(id))]
    fn unbounded(id: u64) -> u64 {
        id
    }
    let (_, captured) = capture(|| (0..1_000).map(unbounded).sum::<u64>());
    let (over, within): (Vec<_>, Vec<_>) = captured
        .callsites()
        .iter()
        .partition(|stats| stats.is_overflow());
    assert_eq!(within.len(), 64);
    assert!(within.iter().all(|stats| stats.calls() == 1));
    let [over] = over.try_into().unwrap();
    assert_eq!(over.calls(), 1_000 - 64);
    assert!(over.attributes().is_empty());
    assert_eq!(
        captured.overflow().iter().collect::<Vec<_>>(),
        [("series_per_callsite_max", 1_000 - 64)]
    );
}

#[tokio::test]
async fn fields_of_a_future_are_those_of_its_arguments() {
    #[measure(fields(tenant = name.as_str()), err)]
    async fn load(name: String) -> Result<usize, String> {
        tokio::task::yield_now().await;
        if name.is_empty() {
            Err(name)
        } else {
            Ok(name.len())
        }
    }
    let (_, captured) = khive_perf::testing::capture_async(async {
        let _ = load("acme".into()).await;
        let _ = load(String::new()).await;
    })
    .await;
    let rows: Vec<_> = captured
        .callsites()
        .iter()
        .map(|stats| {
            (
                stats.attributes()[0].1.to_string(),
                stats.ok(),
                stats.errors(),
            )
        })
        .collect();
    assert_eq!(rows, [(String::new(), 0, 1), ("acme".to_owned(), 1, 0)]);
}

#[measure(fields(left, width))]
async fn destructured((left, _right): (u32, u32), width: u64) -> u32 {
    left
}

#[test]
fn arguments_that_are_only_recorded_or_taken_apart_can_be_fields_of_a_future() {
    let (_, captured) = capture(|| {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(destructured((3, 4), 5))
            .poll(&mut context)
            .is_ready()
    });
    let attributes = captured.callsite("destructured").unwrap().attributes();
    let shown: Vec<String> = attributes
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(shown, ["left=3", "width=5"]);
}
