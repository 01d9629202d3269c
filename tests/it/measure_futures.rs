//! `#[measure]` on what returns a future: the execution is measured, never the construction.

use std::cell::Cell;
use std::fmt::Debug;
use std::future::{Future, pending, ready};
use std::panic::{Location, catch_unwind};
use std::pin::{Pin, pin};
use std::time::Duration;

use khive_perf::testing::{Capture, ManualClock, capture};
use khive_perf::{Kind, measure};

use crate::measure::{block_on, outcomes, poll_once, yield_now};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Works for a second, waits, works for another one.
async fn work(clock: ManualClock) -> u8 {
    clock.advance(Duration::from_secs(1));
    yield_now().await;
    clock.advance(Duration::from_secs(1));
    7
}

#[measure]
async fn asynchronous(clock: ManualClock) -> u8 {
    work(clock).await
}

#[measure]
async fn asynchronous_with_pattern((clock, _): (ManualClock, u8)) -> u8 {
    work(clock).await
}

#[measure]
fn opaque(clock: ManualClock) -> impl Future<Output = u8> {
    let clock = [clock];
    async move {
        let [clock] = clock;
        work(clock).await
    }
}

#[measure]
fn opaque_early(clock: ManualClock) -> impl Future<Output = u8> {
    if size_of_val(&clock) > 0 {
        return work(clock);
    }
    work(clock)
}

#[measure]
fn boxed(clock: ManualClock) -> Pin<Box<dyn Future<Output = u8>>> {
    Box::pin(work(clock))
}

#[measure]
fn boxed_early(clock: ManualClock) -> Pin<Box<dyn Future<Output = u8> + 'static>> {
    let future = Box::pin(work(clock));
    let unfinished = Some(future);
    if let Some(future) = unfinished {
        return future;
    }
    Box::pin(ready(0))
}

#[measure]
fn box_future(clock: ManualClock) -> BoxFuture<'static, u8> {
    Box::pin(work(clock))
}

#[measure]
fn box_future_handed_on(clock: ManualClock) -> BoxFuture<'static, u8> {
    let make: fn(ManualClock) -> BoxFuture<'static, u8> = |clock| Box::pin(work(clock));
    make(clock)
}

#[measure]
fn unpin(clock: ManualClock) -> Box<dyn Future<Output = u8> + Unpin> {
    Box::new(Box::pin(work(clock)))
}

#[async_trait::async_trait]
trait Worker {
    async fn below(&self, clock: ManualClock) -> u8;
}

struct Below;
struct Above;

#[async_trait::async_trait]
impl Worker for Below {
    #[measure]
    async fn below(&self, clock: ManualClock) -> u8 {
        work(clock).await
    }
}

#[measure]
#[async_trait::async_trait]
impl Worker for Above {
    async fn below(&self, clock: ManualClock) -> u8 {
        work(clock).await
    }
}

trait Service {
    type Future: Future<Output = u8>;
    fn call(&self, clock: ManualClock) -> Self::Future;
}

#[measure]
impl Service for Above {
    type Future = Pin<Box<dyn Future<Output = u8>>>;
    fn call(&self, clock: ManualClock) -> Self::Future {
        Box::pin(work(clock))
    }
}

/// Runs one future a second busy, a minute idle, and a second busy, and checks that all of it shows.
fn check<F: Future<Output = u8>>(name: &str, start: impl FnOnce(ManualClock) -> F) {
    let clock = ManualClock::new();
    let (_, captured) = Capture::new().clock(&clock).run(|| {
        let mut future = pin!(start(clock.clone()));
        clock.advance(Duration::from_secs(3600));
        assert!(poll_once(future.as_mut()).is_pending());
        clock.advance(Duration::from_secs(60));
        assert!(poll_once(future.as_mut()).is_ready());
    });
    let stats = captured
        .callsite(name)
        .unwrap_or_else(|| panic!("{name}: {captured:?}"));
    assert_eq!(outcomes(&captured, name), [1, 0, 0, 0], "{name}");
    assert_eq!(stats.kind(), Kind::Future, "{name}");
    assert_eq!(stats.wall().max(), Duration::from_secs(62), "{name}");
    assert_eq!(stats.busy(), Duration::from_secs(2), "{name}");
    assert_eq!(stats.polls(), 2, "{name}");
}

#[test]
fn the_execution_is_measured_and_not_the_construction() {
    check("measure_futures::asynchronous", asynchronous);
    check("asynchronous_with_pattern", |clock| {
        asynchronous_with_pattern((clock, 1))
    });
    check("measure_futures::opaque", opaque);
    check("opaque_early", opaque_early);
    check("measure_futures::boxed", boxed);
    check("boxed_early", boxed_early);
    check("box_future", box_future);
    check("box_future_handed_on", box_future_handed_on);
    check("measure_futures::unpin", unpin);
    check(
        "<it::measure_futures::Below as it::measure_futures::Worker>::below",
        |clock| Below.below(clock),
    );
    check(
        "<it::measure_futures::Above as it::measure_futures::Worker>::below",
        |clock| Above.below(clock),
    );
    check(
        "<it::measure_futures::Above as it::measure_futures::Service>::call",
        |clock| Above.call(clock),
    );
}

#[measure(err)]
async fn parse(text: &str) -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
    yield_now().await;
    let number: i64 = text.parse()?;
    if number == 13 {
        return Err("unlucky".into());
    }
    Ok(number)
}

#[measure(ok_if = |found| found.is_some())]
async fn find(key: u8) -> Option<Box<dyn Debug>> {
    if key == 0 {
        return None;
    }
    Some(Box::new(key))
}

#[measure(err)]
fn boxed_result(x: i32) -> BoxFuture<'static, Result<u32, std::num::TryFromIntError>> {
    Box::pin(async move { u32::try_from(x) })
}

#[measure(err)]
fn opaque_result(x: i32) -> impl Future<Output = Result<u32, std::num::TryFromIntError>> + Send {
    ready(u32::try_from(x))
}

#[test]
fn the_output_of_a_future_tells_errors() {
    let (_, captured) = capture(|| {
        for text in ["1", "x", "13"] {
            assert_eq!(block_on(parse(text)).is_ok(), text == "1");
        }
        assert!(block_on(find(0)).is_none());
        assert_eq!(format!("{:?}", block_on(find(1))), "Some(1)");
        for x in [-1, 1] {
            assert_eq!(block_on(boxed_result(x)).is_ok(), x > 0);
            assert_eq!(block_on(opaque_result(x)).is_ok(), x > 0);
        }
    });
    assert_eq!(outcomes(&captured, "measure_futures::parse"), [1, 2, 0, 0]);
    assert_eq!(outcomes(&captured, "measure_futures::find"), [1, 1, 0, 0]);
    assert_eq!(outcomes(&captured, "boxed_result"), [1, 1, 0, 0]);
    assert_eq!(outcomes(&captured, "opaque_result"), [1, 1, 0, 0]);
}

#[measure]
async fn endless() -> ! {
    loop {
        yield_now().await;
    }
}

#[measure]
async fn panics(when: u8) {
    assert_ne!(when, 0, "at once");
    yield_now().await;
    panic!("later");
}

#[test]
fn dropped_and_panicking_futures_are_told_apart() {
    let (_, captured) = capture(|| {
        drop(endless());
        {
            let mut future = pin!(endless());
            assert!(poll_once(future.as_mut()).is_pending());
        }
        for when in [0, 1] {
            assert!(catch_unwind(|| block_on(panics(when))).is_err());
        }
    });
    assert_eq!(outcomes(&captured, "endless"), [0, 0, 0, 1]);
    assert_eq!(outcomes(&captured, "panics"), [0, 0, 2, 0]);
}

#[test]
fn statements_before_the_future_run_when_the_function_is_called() {
    let steps = Cell::new(0);
    #[measure]
    fn step<'a>(steps: &'a Cell<u32>, early: bool) -> Pin<Box<dyn Future<Output = u32> + 'a>> {
        steps.set(steps.get() + 1);
        if early {
            return Box::pin(async move { steps.get() });
        }
        steps.set(steps.get() + 10);
        Box::pin(async move {
            steps.set(steps.get() + 100);
            steps.get()
        })
    }
    let future = step(&steps, false);
    assert_eq!(steps.get(), 11);
    assert_eq!(block_on(future), 111);
    assert_eq!(block_on(step(&steps, true)), 112);
}

#[measure]
fn recursive(depth: u32) -> BoxFuture<'static, u32> {
    Box::pin(async move {
        if depth == 0 {
            0
        } else {
            1 + recursive(depth - 1).await
        }
    })
}

#[measure]
async fn recursive_async(depth: u32) -> u32 {
    if depth == 0 {
        return 1;
    }
    Box::pin(recursive_async(depth - 1)).await + 1
}

#[test]
fn futures_that_await_themselves_are_counted_each_time() {
    let (_, captured) = capture(|| {
        assert_eq!(block_on(recursive(4)), 4);
        assert_eq!(block_on(recursive_async(4)), 5);
    });
    assert_eq!(
        outcomes(&captured, "measure_futures::recursive"),
        [5, 0, 0, 0]
    );
    assert_eq!(outcomes(&captured, "recursive_async"), [5, 0, 0, 0]);
}

/// A plain function that happens to build a future says so in no return type: it is measured as it is called.
#[measure]
fn construct() -> Option<Pin<Box<dyn Future<Output = ()>>>> {
    Some(Box::pin(pending()))
}

#[test]
fn a_future_inside_another_type_is_measured_as_a_call() {
    let (_, captured) = capture(|| drop(construct()));
    assert_eq!(outcomes(&captured, "construct"), [1, 0, 0, 0]);
}

/// No `return` in it, and an end that is not a call.
#[measure]
#[track_caller]
fn located(first: bool) -> impl Future<Output = u32> {
    let here = Location::caller().line();
    match first {
        true => ready(here),
        false => ready(Location::caller().line()),
    }
}

#[measure]
#[track_caller]
fn located_in_box(first: bool) -> BoxFuture<'static, u32> {
    let here = Location::caller().line();
    if first {
        Box::pin(ready(here))
    } else {
        Box::pin(async move { here })
    }
}

#[test]
fn what_returns_a_future_still_sees_its_caller() {
    let (_, captured) = capture(|| {
        assert_eq!(block_on(located(true)), line!());
        assert_eq!(block_on(located(false)), line!());
        assert_eq!(block_on(located_in_box(true)), line!());
        assert_eq!(block_on(located_in_box(false)), line!());
    });
    assert_eq!(outcomes(&captured, "located"), [2, 0, 0, 0]);
    assert_eq!(outcomes(&captured, "located_in_box"), [2, 0, 0, 0]);
}
