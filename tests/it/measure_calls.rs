//! `#[measure]` on functions and methods: each call is counted once, by how it ended and where.

use std::panic::{Location, catch_unwind};

use khive_perf::testing::{Captured, capture};
use khive_perf::{Kind, measure};

use crate::measure::outcomes;

#[derive(Debug, PartialEq)]
struct Refused;

#[measure]
fn plain(x: u32) -> u32 {
    const ONE: u32 = 1;
    x + ONE
}

#[measure(err)]
fn positive(x: i32) -> Result<u32, Refused> {
    if x == 0 {
        return Err(Refused);
    }
    u32::try_from(x).map_err(|_| Refused)
}

#[measure(err)]
fn first<'a>(list: &'a mut [u8], fallback: &mut u8) -> Result<&'a mut u8, Refused> {
    *fallback += 1;
    list.first_mut().ok_or(Refused)
}

#[measure(ok_if = Option::is_some)]
fn debuggable(x: u8) -> Option<Box<dyn std::fmt::Debug>> {
    if x == 0 {
        return None;
    }
    Some(Box::new(x))
}

#[measure(ok_if = |text| text.len() < limit)]
fn short(text: &str, limit: usize) -> String {
    text.to_owned()
}

#[measure]
fn fails() {
    panic!("as it should");
}

#[measure(err)]
fn fails_with_err(message: String) -> Result<(), Refused> {
    std::panic::panic_any(message)
}

#[measure]
fn forever(stop: bool) -> ! {
    assert!(!stop, "stopped");
    loop {
        std::thread::yield_now();
    }
}

#[measure]
fn generic<T: Default, const N: usize>() -> [T; N] {
    std::array::from_fn(|_| T::default())
}

#[measure]
#[track_caller]
fn caller() -> u32 {
    Location::caller().line()
}

#[measure(err)]
#[track_caller]
fn caller_with_err() -> Result<u32, Refused> {
    Ok(Location::caller().line())
}

#[measure]
fn r#match(r#type: u8) -> u8 {
    r#type
}

#[measure]
fn recursive(depth: u32) -> u32 {
    if depth == 0 {
        0
    } else {
        1 + recursive(depth - 1)
    }
}

struct Counter(u32);

impl Counter {
    #[measure]
    fn by_ref(&self) -> u32 {
        self.0
    }

    #[measure(err)]
    fn by_mut(&mut self, x: u32) -> Result<&mut u32, Refused> {
        self.0 = self.0.checked_add(x).ok_or(Refused)?;
        Ok(&mut self.0)
    }

    #[measure(ok_if = |counter| counter.0 > 0)]
    fn by_value(mut self) -> Self {
        self.0 += 1;
        self
    }

    #[expect(clippy::boxed_local, reason = "the receiver is what is tried")]
    #[measure]
    fn by_box(self: Box<Self>) -> u32 {
        self.0
    }
}

trait Named {
    fn name(&self) -> String;
}

impl Named for Counter {
    #[measure]
    fn name(&self) -> String {
        format!("counter {}", self.0)
    }
}

impl Named for u8 {
    #[measure]
    fn name(&self) -> String {
        format!("byte {self}")
    }
}

macro_rules! define {
    ($name:ident, $body:block, $($argument:ident: $ty:ty),*) => {
        #[measure]
        fn $name($($argument: $ty),*) -> u32 $body
    };
}

define!(from_macro, { 7 },);
define!(from_macro_with_arguments, { a + b }, a: u32, b: u32);

fn names(captured: &Captured) -> Vec<&str> {
    captured
        .callsites()
        .iter()
        .map(|stats| stats.name())
        .collect()
}

#[test]
fn a_call_is_counted_where_the_function_is_named() {
    let (returned, captured) = capture(|| plain(1));
    assert_eq!(returned, 2);
    let stats = captured
        .callsite("measure_calls::plain")
        .expect("it was called");
    assert_eq!((stats.calls(), stats.ok()), (1, 1));
    assert_eq!(stats.name(), "it::measure_calls::plain");
    assert_eq!(stats.kind(), Kind::Function);
    assert!(
        stats.file().ends_with("measure_calls.rs"),
        "{}",
        stats.file()
    );
    let source = include_str!("measure_calls.rs");
    let line = source.lines().nth(stats.line() as usize - 1);
    assert_eq!(line, Some("fn plain(x: u32) -> u32 {"));
}

#[test]
fn an_early_return_and_a_tail_are_told_apart_by_err() {
    let (_, captured) = capture(|| {
        assert_eq!(positive(0), Err(Refused));
        assert_eq!(positive(-1), Err(Refused));
        assert_eq!(positive(3), Ok(3));
    });
    assert_eq!(outcomes(&captured, "positive"), [1, 2, 0, 0]);
}

#[test]
fn err_may_return_what_it_borrowed() {
    let (_, captured) = capture(|| {
        let mut calls = 0;
        let mut list = vec![1];
        *first(&mut list, &mut calls).expect("not empty") = 5;
        assert_eq!(list, [5]);
        assert!(first(&mut Vec::new(), &mut calls).is_err());
        assert_eq!(calls, 2);
    });
    assert_eq!(outcomes(&captured, "first"), [1, 1, 0, 0]);
}

#[test]
fn ok_if_takes_a_path_or_a_closure_over_the_arguments() {
    let (_, captured) = capture(|| {
        assert!(debuggable(0).is_none());
        assert_eq!(format!("{:?}", debuggable(1)), "Some(1)");
        assert_eq!(short("abc", 3), "abc");
        assert_eq!(short("ab", 3), "ab");
    });
    assert_eq!(outcomes(&captured, "debuggable"), [1, 1, 0, 0]);
    assert_eq!(outcomes(&captured, "short"), [1, 1, 0, 0]);
}

#[test]
fn a_panic_is_an_outcome_of_its_own_and_goes_on() {
    let (_, captured) = capture(|| {
        assert!(catch_unwind(fails).is_err());
        let payload = catch_unwind(|| fails_with_err("why".to_owned())).expect_err("it panics");
        assert_eq!(
            payload.downcast_ref::<String>().map(String::as_str),
            Some("why")
        );
        assert!(catch_unwind(|| forever(true)).is_err());
    });
    assert_eq!(outcomes(&captured, "fails"), [0, 0, 1, 0]);
    assert_eq!(outcomes(&captured, "fails_with_err"), [0, 0, 1, 0]);
    assert_eq!(outcomes(&captured, "forever"), [0, 0, 1, 0]);
}

#[test]
fn instances_of_a_generic_function_share_a_callsite() {
    let (_, captured) = capture(|| {
        assert_eq!(generic::<u8, 2>(), [0, 0]);
        assert_eq!(generic::<String, 1>(), [""]);
    });
    assert_eq!(outcomes(&captured, "generic"), [2, 0, 0, 0]);
}

#[test]
fn track_caller_still_shows_the_caller() {
    let (_, captured) = capture(|| {
        assert_eq!((caller(), line!()), (line!(), line!()));
        assert_eq!((caller_with_err(), line!()), (Ok(line!()), line!()));
    });
    assert_eq!(outcomes(&captured, "caller"), [1, 0, 0, 0]);
    assert_eq!(outcomes(&captured, "caller_with_err"), [1, 0, 0, 0]);
}

#[test]
fn every_recursive_call_is_counted() {
    let (_, captured) = capture(|| assert_eq!(recursive(9), 9));
    assert_eq!(outcomes(&captured, "recursive"), [10, 0, 0, 0]);
}

#[test]
fn methods_are_named_by_their_type_and_trait() {
    let (_, captured) = capture(|| {
        let mut counter = Counter(1);
        assert_eq!(counter.by_ref(), 1);
        *counter.by_mut(2).expect("small") += 1;
        assert_eq!(counter.by_mut(u32::MAX), Err(Refused));
        let counter = counter.by_value();
        assert_eq!(counter.name(), "counter 5");
        assert_eq!(1.name(), "byte 1");
        assert_eq!(Box::new(counter).by_box(), 5);
    });
    assert_eq!(outcomes(&captured, "by_mut"), [1, 1, 0, 0]);
    assert_eq!(
        names(&captured),
        [
            "<it::measure_calls::Counter as it::measure_calls::Named>::name",
            "<u8 as it::measure_calls::Named>::name",
            "it::measure_calls::Counter::by_box",
            "it::measure_calls::Counter::by_mut",
            "it::measure_calls::Counter::by_ref",
            "it::measure_calls::Counter::by_value",
        ]
    );
}

#[test]
fn functions_from_macros_and_raw_names_are_measured() {
    let (_, captured) = capture(|| {
        assert_eq!(from_macro() + from_macro_with_arguments(1, 2), 10);
        assert_eq!(r#match(3), 3);
    });
    assert_eq!(outcomes(&captured, "from_macro"), [1, 0, 0, 0]);
    assert_eq!(
        outcomes(&captured, "from_macro_with_arguments"),
        [1, 0, 0, 0]
    );
    assert_eq!(outcomes(&captured, "match"), [1, 0, 0, 0]);
}

#[test]
fn locals_are_dropped_within_the_call_and_arguments_after_it() {
    struct Calls<'a>(&'a dyn Fn());
    impl Drop for Calls<'_> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    #[measure]
    fn inner() {}
    #[measure]
    fn outer(_argument: Calls<'_>) {
        let _local = Calls(&|| inner());
    }
    let (_, captured) = capture(|| outer(Calls(&|| inner())));
    let tree = captured.call_tree();
    let roots: Vec<_> = tree
        .roots()
        .iter()
        .map(|path| (path.name(), path.calls()))
        .collect();
    assert_eq!(roots.len(), 2, "{roots:?}");
    assert!(roots.iter().all(|(_, calls)| *calls == 1), "{roots:?}");
}
