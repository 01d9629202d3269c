//! Counts, outcomes, inclusive and self time, recursion and the call tree, by a clock that tests move.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use khive_perf::testing::{Capture, Captured, ManualClock, capture};
use khive_perf::{Outcome, measure, span};

const MS: Duration = Duration::from_millis(1);

fn timed(f: impl FnOnce(&ManualClock)) -> Captured {
    let clock = ManualClock::new();
    Capture::new().clock(&clock).run(|| f(&clock)).1
}

#[measure]
fn leaf(clock: &ManualClock, time: Duration) {
    clock.advance(time);
}

#[measure]
fn parent(clock: &ManualClock) {
    clock.advance(MS);
    leaf(clock, 2 * MS);
    clock.advance(4 * MS);
    leaf(clock, 8 * MS);
}

#[test]
fn self_time_leaves_out_measured_callees_and_busy_time_does_not() {
    let captured = timed(parent);
    let stats = captured.callsite("accounting::parent").unwrap();
    assert_eq!(stats.self_time(), 5 * MS);
    assert_eq!(stats.busy(), 15 * MS);
    assert_eq!(stats.wall().sum(), 15 * MS);
    let stats = captured.callsite("accounting::leaf").unwrap();
    assert_eq!(
        (stats.calls(), stats.self_time(), stats.busy()),
        (2, 10 * MS, 10 * MS)
    );
    assert_eq!((stats.wall().min(), stats.wall().max()), (2 * MS, 8 * MS));
}

#[measure]
fn recurse(clock: &ManualClock, levels: u32) {
    if levels == 1 {
        leaf(clock, 10 * MS);
    } else {
        recurse(clock, levels - 1);
    }
}

#[test]
fn ten_levels_around_ten_milliseconds_are_ten_milliseconds_and_not_a_hundred() {
    let captured = timed(|clock| recurse(clock, 10));
    let function = captured.callsite("recurse").unwrap();
    assert_eq!(function.calls(), 10);
    assert_eq!(
        function.busy(),
        10 * MS,
        "inclusive time counts the outermost frame only"
    );
    assert_eq!(function.wall().count(), 1);
    assert_eq!(function.self_time(), Duration::ZERO);
    assert_eq!(captured.callsite("leaf").unwrap().self_time(), 10 * MS);
}

#[measure]
fn ping(clock: &ManualClock, levels: u32) {
    clock.advance(MS);
    if levels > 0 {
        pong(clock, levels - 1);
    }
}

#[measure]
fn pong(clock: &ManualClock, levels: u32) {
    clock.advance(MS);
    if levels > 0 {
        ping(clock, levels - 1);
    }
}

#[test]
fn mutual_recursion_makes_a_finite_tree_whose_self_times_add_up() {
    let captured = timed(|clock| ping(clock, 99));
    let tree = captured.call_tree();
    assert_eq!(tree.len(), 2);
    let [ping] = tree.roots().try_into().unwrap();
    let [pong] = ping.children().try_into().unwrap();
    assert_eq!((ping.calls(), pong.calls()), (50, 50));
    assert_eq!(ping.total(), 100 * MS);
    assert_eq!((ping.self_time(), pong.self_time()), (50 * MS, 50 * MS));
    assert_eq!(captured.callsite("ping").unwrap().busy(), 100 * MS);
    assert_eq!(captured.callsite("pong").unwrap().busy(), 99 * MS);
}

#[test]
fn a_panic_is_counted_as_one_and_goes_on_unwinding() {
    #[measure]
    fn falls(clock: &ManualClock) {
        clock.advance(3 * MS);
        panic!("on purpose");
    }
    #[measure]
    fn catches(clock: &ManualClock) -> String {
        let payload = catch_unwind(AssertUnwindSafe(|| falls(clock))).unwrap_err();
        (*payload.downcast_ref::<&str>().unwrap()).to_owned()
    }
    let clock = ManualClock::new();
    let (message, captured) = Capture::new().clock(&clock).run(|| catches(&clock));
    assert_eq!(message, "on purpose");
    let falls = captured.callsite("falls").unwrap();
    assert_eq!((falls.calls(), falls.panics(), falls.ok()), (1, 1, 0));
    assert!(
        falls.wall().is_empty(),
        "a panic is no sample of how long the function takes"
    );
    assert_eq!(falls.wall_by(Outcome::Panic).sum(), 3 * MS);
    assert_eq!(captured.callsite("catches").unwrap().ok(), 1);
}

#[test]
fn a_call_that_returns_while_the_thread_unwinds_did_not_panic() {
    struct Cleanup;
    impl Drop for Cleanup {
        fn drop(&mut self) {
            clean_up();
        }
    }
    #[measure]
    fn clean_up() {}
    #[measure]
    fn falls() {
        let _cleanup = Cleanup;
        panic!("on purpose");
    }
    let (_, captured) = capture(|| catch_unwind(falls).is_err());
    assert_eq!(captured.callsite("clean_up").unwrap().ok(), 1);
    assert_eq!(captured.callsite("falls").unwrap().panics(), 1);
}

#[test]
fn errors_are_what_err_and_ok_if_say() {
    #[measure(err)]
    fn odd(number: u32) -> Result<u32, String> {
        if number.is_multiple_of(2) {
            Err(format!("{number} is even"))?
        }
        Ok(number)
    }
    #[measure(ok_if = Option::is_some)]
    fn find(number: u32) -> Option<u32> {
        (number == 7).then_some(number)
    }
    #[measure]
    fn plain(number: u32) -> Result<u32, ()> {
        Err(()).or(if number == 7 { Ok(7) } else { Err(()) })
    }
    let (_, captured) = capture(|| {
        for number in 0..10 {
            let _ = (odd(number), find(number), plain(number));
        }
    });
    let counts = |name| {
        let stats = captured.callsite(name).unwrap();
        (stats.ok(), stats.errors())
    };
    assert_eq!(counts("odd"), (5, 5));
    assert_eq!(counts("find"), (1, 9));
    assert_eq!(
        counts("plain"),
        (10, 0),
        "an error is one only where the author says so"
    );
}

#[test]
fn regions_have_rows_and_places_in_the_tree() {
    #[measure]
    fn handler(clock: &ManualClock) {
        {
            let _span = span!("parse header", group = "http");
            clock.advance(2 * MS);
        }
        let _span = span!("reply");
        clock.advance(MS);
    }
    let captured = timed(handler);
    let header = captured.callsite("parse header").unwrap();
    assert_eq!(
        (header.calls(), header.busy(), header.group()),
        (1, 2 * MS, Some("http"))
    );
    assert!(
        header.function().ends_with("handler"),
        "{}",
        header.function()
    );
    assert_eq!(
        captured.callsite("handler").unwrap().self_time(),
        Duration::ZERO
    );
    let [handler] = captured.call_tree().roots().try_into().unwrap();
    let names: Vec<_> = handler
        .children()
        .iter()
        .map(|path| path.name().to_owned())
        .collect();
    assert_eq!(names, ["parse header", "reply"]);
}

#[test]
#[expect(clippy::mem_forget, reason = "what happens then is the question")]
fn guards_dropped_out_of_turn_or_leaked_disturb_nobody_else() {
    #[measure]
    fn careless(clock: &ManualClock) {
        let outer = span!("outer");
        let inner = span!("inner");
        clock.advance(MS);
        drop(outer);
        clock.advance(MS);
        drop(inner);
        std::mem::forget(span!("leaked"));
    }
    let captured = timed(|clock| {
        careless(clock);
        careless(clock);
        leaf(clock, MS);
    });
    assert_eq!(captured.callsite("outer").unwrap().busy(), 2 * MS);
    assert_eq!(captured.callsite("inner").unwrap().busy(), 4 * MS);
    assert_eq!(captured.callsite("careless").unwrap().calls(), 2);
    assert_eq!(captured.callsite("careless").unwrap().busy(), 4 * MS);
    assert!(
        captured
            .callsites()
            .iter()
            .all(|stats| stats.name() != "leaked")
    );
    let roots: Vec<_> = captured
        .call_tree()
        .roots()
        .iter()
        .map(|path| path.name().to_owned())
        .collect();
    assert!(
        roots.iter().any(|name| name.ends_with("leaf")),
        "the stack is whole again: {roots:?}"
    );
}

#[test]
fn a_guard_that_outlives_its_capture_is_counted_as_lost_and_harms_nothing() {
    let (guard, captured) = capture(|| span!("left behind"));
    assert_eq!(captured.callsite("left behind").unwrap().in_flight(), 1);
    let ((), other) = capture(|| drop(guard));
    assert_eq!(
        other.overflow().iter().collect::<Vec<_>>(),
        [("guard_outlived_scope", 1)]
    );
    assert!(other.callsites().is_empty());
}

trait Get {
    fn get(&self) -> u32;
}

struct I;
struct J<T>(T);

impl Get for I {
    #[measure]
    fn get(&self) -> u32 {
        1
    }
}

impl<T: Copy + Into<u32>> Get for J<T> {
    #[measure]
    fn get(&self) -> u32 {
        self.0.into()
    }
}

#[test]
fn implementations_have_rows_of_their_own_and_generic_instances_share_one() {
    let (sum, captured) = capture(|| I.get() + J(2_u8).get() + J(3_u16).get());
    assert_eq!(sum, 6);
    let rows: Vec<_> = captured
        .callsites()
        .iter()
        .map(|s| (s.name(), s.calls()))
        .collect();
    assert_eq!(
        rows,
        [
            ("<it::accounting::I as it::accounting::Get>::get", 1),
            ("<it::accounting::J<_> as it::accounting::Get>::get", 2),
        ]
    );
}
