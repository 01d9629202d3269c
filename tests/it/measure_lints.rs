//! `#[measure]` adds no warning: the compiler and clippy, asked for nearly everything, are silent here.
//!
//! Each of these functions has tripped a lint in somebody's expansion, or could.
#![deny(warnings)]
#![warn(
    unused,
    nonstandard_style,
    let_underscore,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    trivial_casts,
    trivial_numeric_casts,
    unreachable_pub,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    clippy::pedantic,
    clippy::nursery,
    clippy::absolute_paths,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::default_numeric_fallback,
    clippy::let_underscore_must_use,
    clippy::let_underscore_untyped,
    clippy::panic_in_result_fn,
    clippy::ref_patterns,
    clippy::shadow_unrelated,
    clippy::shadow_reuse,
    clippy::shadow_same,
    clippy::single_char_lifetime_names,
    clippy::str_to_string,
    clippy::unwrap_used,
    clippy::used_underscore_items,
    clippy::wildcard_enum_match_arm
)]

use std::fmt::{self, Debug};
use std::future::Future;
use std::hint::spin_loop;
use std::panic::catch_unwind;
use std::pin::Pin;

use khive_perf::measure;
use khive_perf::testing::capture;

use crate::measure::{block_on, outcomes, yield_now};

#[measure]
#[rustfmt::skip]
fn one_expression() -> u32 { 1 }

#[measure(err)]
#[rustfmt::skip]
fn one_expression_with_err() -> Result<u32, fmt::Error> { Ok(1) }

#[measure]
#[rustfmt::skip]
async fn one_expression_async() -> u32 { yield_now().await; 1 }

#[measure]
fn nothing() {}

#[measure(sample = 100_000, slow = "20min", alloc, span)]
fn with_settings() {}

#[measure(span = "trace", err, fields(text))]
fn with_span(text: &str) -> Result<&str, fmt::Error> {
    const LIMIT: usize = 3;
    text.get(LIMIT..).ok_or(fmt::Error)
}

#[measure(sample = 100_000, slow = "20min", alloc, span, fields(x))]
async fn with_settings_async(x: u8) -> u8 {
    x
}

#[measure]
fn unit() -> Result<(), fmt::Error> {
    const LIMIT: usize = 3;
    const fn helper() -> usize {
        LIMIT
    }
    if helper() == 4 {
        return Err(fmt::Error);
    }
    Ok(())
}

#[measure(err)]
fn unit_with_err(limit: usize) -> Result<(), fmt::Error> {
    const LIMIT: usize = 3;
    if limit == LIMIT {
        return Err(fmt::Error);
    }
    Ok(())
}

#[measure(err, fields(limit, list = ?list))]
async fn unit_async(limit: usize, list: &[u8]) -> Result<(), fmt::Error> {
    const LIMIT: usize = 3;
    yield_now().await;
    if list.len() + limit == LIMIT {
        return Err(fmt::Error);
    }
    Ok(())
}

#[measure]
async fn early(stop: bool) {
    if stop {
        return;
    }
    yield_now().await;
}

#[measure]
fn never(stop: bool) -> ! {
    assert!(!stop, "stopped");
    loop {
        spin_loop();
    }
}

#[measure]
async fn never_async() -> ! {
    loop {
        yield_now().await;
    }
}

#[measure(fields(name))]
async fn mutable(mut name: String) -> String {
    name.push('!');
    yield_now().await;
    name
}

#[measure(ok_if = |changed| !changed.is_empty())]
fn mutable_argument(mut text: String, (mut left, right): (u8, u8)) -> String {
    left += right;
    text.push(char::from(left));
    text
}

#[measure]
async fn borrowed<'text>(text: &'text str, other: &str) -> Option<&'text str> {
    yield_now().await;
    text.strip_prefix(other)
}

#[measure(ok_if = Option::is_some)]
fn returned_reference<'list>(list: &'list mut [u8], _unused: &str) -> Option<&'list mut u8> {
    list.first_mut()
}

#[measure]
fn returned_future(x: u8) -> impl Future<Output = u8> + Send {
    async move {
        yield_now().await;
        x
    }
}

#[measure]
fn returned_box(early: bool) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    if early {
        return Box::pin(async { 1_u8 });
    }
    Box::pin(async {
        yield_now().await;
        2_u8
    })
}

#[measure]
fn todo_box(really: bool) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    assert!(!really, "there is nothing yet");
    unreachable!()
}

struct Machine {
    wheels: u8,
}

#[measure(group = "machine", err)]
impl Machine {
    fn count(&self) -> u8 {
        self.wheels
    }

    async fn drive(&mut self, by: u8) -> Result<u8, fmt::Error> {
        yield_now().await;
        self.wheels = self.wheels.checked_sub(by).ok_or(fmt::Error)?;
        Ok(self.wheels)
    }

    fn describe(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} wheels", self.wheels)
    }
}

impl Debug for Machine {
    #[measure(err)]
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(formatter)
    }
}

#[test]
fn functions_that_trip_no_lint_still_work() {
    let ((), captured) = capture(|| {
        assert_eq!(
            one_expression(),
            one_expression_with_err().unwrap_or_default()
        );
        assert_eq!(block_on(one_expression_async()), 1);
        nothing();
        with_settings();
        assert_eq!(with_span("abcd"), Ok("d"));
        assert_eq!(block_on(with_settings_async(5)), 5);
        assert_eq!((unit(), unit_with_err(3)), (Ok(()), Err(fmt::Error)));
        assert_eq!(block_on(unit_async(1, &[1, 2])), Err(fmt::Error));
        block_on(early(true));
        assert!(catch_unwind(|| never(true)).is_err());
        drop(never_async());
        assert_eq!(block_on(mutable("a".into())), "a!");
        assert_eq!(mutable_argument(String::new(), (64, 1)), "A");
        assert_eq!(block_on(borrowed("ab", "a")), Some("b"));
        assert_eq!(returned_reference(&mut [1], ""), Some(&mut 1));
        assert_eq!(block_on(returned_future(4)), 4);
        assert_eq!(
            (block_on(returned_box(true)), block_on(returned_box(false))),
            (1, 2)
        );
        assert!(catch_unwind(|| drop(todo_box(true))).is_err());
        let mut machine = Machine { wheels: 4 };
        assert_eq!((block_on(machine.drive(1)), machine.count()), (Ok(3), 3));
        assert_eq!(format!("{machine:?}"), "3 wheels");
    });
    assert_eq!(outcomes(&captured, "unit_with_err"), [0, 1, 0, 0]);
    assert_eq!(outcomes(&captured, "Machine::describe"), [1, 0, 0, 0]);
}
