//! The arguments of `#[measure(..)]`: names, groups, fields and the path of the crate.

use std::future::Future;

use khive_perf::snapshot::Snapshot;
use khive_perf::testing::capture;
use khive_perf::{AttributeValue, measure};

use crate::measure::{block_on, outcomes};

/// The attributes of each series of a callsite, as `key=value` texts.
fn attributes(snapshot: &Snapshot, name: &str) -> Vec<Vec<String>> {
    let series = snapshot
        .callsites()
        .iter()
        .filter(|stats| stats.name().ends_with(name));
    let texts = series.map(|stats| {
        stats
            .attributes()
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    });
    texts.collect()
}

struct User {
    id: u64,
    name: String,
}

#[measure(name = "cache::get", group = "cache")]
fn named() {}

#[measure(group = "jobs")]
async fn grouped() {}

#[measure(fields(shard, half = shard / 2, ratio = 0.5, text = "fix", big = shard > 8))]
fn values(shard: u32) {}

#[measure(fields(user.id, user.name = %user.name.to_uppercase(), "http.route" = ?route, r#type = route.len()))]
fn keys(user: &User, route: &str) {}

#[measure(fields(%number, ?list))]
fn shorthand(number: f32, list: &[u8]) {}

#[measure(err, fields(name, len = name.len(), shout = %name.to_uppercase(), debug = ?name))]
async fn moved(name: String) -> Result<String, String> {
    let owned = name;
    if owned.is_empty() {
        Err(owned)
    } else {
        Ok(owned)
    }
}

#[measure(fields(id = user.id, name = user.name, alias = user.name.as_str()))]
async fn borrowed(user: &User) -> u64 {
    user.id
}

#[measure(fields(n = *n))]
fn future_with_fields(n: &mut u64) -> impl Future<Output = u64> {
    *n += 1;
    async move { *n }
}

mod facade {
    pub(crate) mod deep {
        pub(crate) use khive_perf as sdk;
    }
}

#[measure(crate = self::facade::deep::sdk, fields(x), err)]
async fn through_facade(x: u8) -> Result<(), ()> {
    if x == 0 { Err(()) } else { Ok(()) }
}

#[test]
fn a_callsite_has_the_name_and_group_it_was_given() {
    let (_, captured) = capture(|| {
        named();
        block_on(grouped());
    });
    let stats = captured.callsite("cache::get").expect("it was called");
    assert_eq!(
        (stats.name(), stats.group(), stats.calls()),
        ("cache::get", Some("cache"), 1)
    );
    assert_eq!(stats.function(), "it::measure_arguments::named");
    let stats = captured.callsite("grouped").expect("it was called");
    assert_eq!(
        (stats.group(), stats.has_custom_name()),
        (Some("jobs"), false)
    );
}

#[test]
fn fields_are_taken_by_value_display_or_debug() {
    let (_, captured) = capture(|| {
        values(8);
        values(9);
        keys(
            &User {
                id: 7,
                name: "ada".into(),
            },
            "/x",
        );
        shorthand(1.5, &[1, 2]);
    });
    assert_eq!(
        attributes(&captured, "::values"),
        [
            ["shard=8", "half=4", "ratio=0.5", "text=fix", "big=false"],
            ["shard=9", "half=4", "ratio=0.5", "text=fix", "big=true"],
        ]
    );
    assert_eq!(
        attributes(&captured, "::keys"),
        [["user.id=7", "user.name=ADA", "http.route=\"/x\"", "type=2"]]
    );
    assert_eq!(
        attributes(&captured, "::shorthand"),
        [["number=1.5", "list=[1, 2]"]]
    );
    let stats = captured.callsite("::values").expect("it was called");
    assert_eq!(
        stats.attributes().first().map(|(_, value)| value),
        Some(&AttributeValue::I64(8))
    );
}

#[test]
fn fields_of_a_future_are_taken_before_its_arguments_move() {
    let (_, captured) = capture(|| {
        assert_eq!(block_on(moved("ab".into())), Ok("ab".into()));
        assert_eq!(block_on(moved(String::new())), Err(String::new()));
        assert_eq!(
            block_on(borrowed(&User {
                id: 7,
                name: "ada".into()
            })),
            7
        );
        assert_eq!(block_on(future_with_fields(&mut 1)), 2);
    });
    assert_eq!(
        attributes(&captured, "::moved"),
        [
            ["name=", "len=0", "shout=", "debug=\"\""],
            ["name=ab", "len=2", "shout=AB", "debug=\"ab\""]
        ]
    );
    assert_eq!(
        attributes(&captured, "::borrowed"),
        [["id=7", "name=ada", "alias=ada"]]
    );
    assert_eq!(attributes(&captured, "::future_with_fields"), [["n=1"]]);
}

#[test]
fn the_crate_may_be_reached_through_another_path() {
    let (_, captured) = capture(|| {
        block_on(through_facade(1)).expect("not zero");
        block_on(through_facade(0)).expect_err("zero");
    });
    let errors: u64 = captured
        .callsites()
        .iter()
        .map(|stats| stats.errors())
        .sum();
    assert_eq!(errors, 1);
    assert_eq!(outcomes(&captured, "through_facade")[2..], [0, 0]);
}
