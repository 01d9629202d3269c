//! The process as a whole: switching off and on, limits on series and on the call tree.
//!
//! One test, because configuration is the process's.

use khive_perf::testing::capture;
use khive_perf::{Config, configure, measure};

#[measure]
fn switched() {}

#[measure]
fn late() {}

#[measure]
async fn late_future() {}

#[measure]
fn caller(depth: u32) {
    let _span = khive_perf::span!("below");
    if depth > 0 {
        late();
    }
}

#[test]
fn configuration_holds_for_the_whole_process() {
    let calls = |name: &str| {
        khive_perf::snapshot()
            .callsite(name)
            .map_or(0, |stats| stats.calls())
    };

    switched();
    assert_eq!(calls("switched"), 1);
    configure(Config::default().disable()).unwrap();
    switched();
    assert_eq!(calls("switched"), 1, "off is off");
    let ((), captured) = capture(switched);
    assert_eq!(
        captured.callsite("switched").unwrap().calls(),
        1,
        "a capture sees calls all the same"
    );
    let pending = khive_perf::span!("first met while off");
    drop(pending);
    configure(Config::default().enable()).unwrap();
    switched();
    assert_eq!(calls("switched"), 2);
    assert_eq!(calls("first met while off"), 0);

    configure(Config::default().switch_off("*::switched")).unwrap();
    switched();
    assert_eq!(calls("switched"), 2, "off by its path");
    let switches = Config::default().switch_off("*").switch_on("*switched");
    configure(switches).unwrap();
    switched();
    assert_eq!(calls("switched"), 3, "the last that fits decides");
    let error = configure(Config::default().switch_off("group:")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`Config::switch_off` is \"group:\"; it must be a pattern that fits something"
    );
    configure(Config::default()).unwrap();

    let error = configure(Config::default().callsites_max(0)).unwrap_err();
    assert!(error.to_string().contains("callsites_max"));

    // Two callsites are registered by now; the third is one too many.
    configure(Config::default().callsites_max(2)).unwrap();
    late();
    late();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(late_future());
    let snapshot = khive_perf::snapshot();
    assert!(snapshot.callsite("late").is_none());
    let overflow = snapshot
        .callsites()
        .iter()
        .find(|stats| stats.is_overflow())
        .unwrap();
    assert_eq!(overflow.calls(), 3, "counted, if not apart");
    assert_eq!(
        snapshot.overflow().iter().collect::<Vec<_>>(),
        [("series_max", 3)]
    );

    configure(Config::default().call_tree_nodes_max(0)).unwrap();
    let ((), captured) = capture(|| caller(1));
    assert_eq!(captured.callsite("caller").unwrap().calls(), 1);
    let [all] = captured.call_tree().roots().try_into().unwrap();
    assert!(all.is_overflow());
    assert_eq!(all.calls(), 3);
    assert_eq!(captured.overflow().iter().last(), Some(("series_max", 1)));
    assert!(
        captured
            .overflow()
            .iter()
            .any(|entry| entry == ("call_tree_nodes_max", 3))
    );
}
