//! What only edition 2015 allows: trait objects without `dyn`, parameters without names, names that have become
//! keywords, and `::` for the root of the crate, which may have a `core` of its own.
#![cfg(test)]
#![deny(warnings)]
#![allow(
    anonymous_parameters,
    bare_trait_objects,
    deprecated,
    ellipsis_inclusive_range_patterns,
    elided_lifetimes_in_paths,
    keyword_idents,
    absolute_paths_not_starting_with_crate,
    reason = "what this edition is about"
)]

extern crate khive_perf;

/// Hides the one of the standard library from `::core`.
mod core {
    pub(crate) struct Line(pub(crate) u32);
}

use khive_perf::measure;
use khive_perf::testing::capture;
use std::fmt::Debug;
use std::num::ParseIntError;

#[measure]
fn boxed(f: Box<Fn(u8) -> u8 + Send + 'static>) -> Box<Debug + 'static> {
    let x = f(1);
    Box::new(x)
}

#[measure(err)]
fn boxed_with_err<F>(f: &mut FnMut(u8) -> u8, _: F) -> Result<Box<Debug>, ::std::io::Error>
where
    F: Fn(&Debug) -> u8,
{
    if f(1) == 0 {
        return Err(::std::io::Error::other("zero"));
    }
    Ok(Box::new(2))
}

#[measure(fields(x), ok_if = |x| *x > 0)]
unsafe fn returned(x: u8, f: &Fn(u8) -> u8) -> u8 {
    f(x)
}

#[measure(err)]
fn tried(text: &str) -> Result<u8, ParseIntError> {
    let x = try!(text.parse::<u8>());
    Ok(x)
}

#[measure(name = "no keyword")]
fn async(await: u8) -> u8 {
    let dyn = await + 1;
    dyn - 1
}

#[measure]
fn try<T>(dyn: T) -> ::core::Line
where
    T: Into<u32>,
{
    #[measure]
    fn async(dyn: u32) -> u32 {
        match dyn {
            0...9 => 1,
            _ => dyn,
        }
    }
    ::core::Line(async(dyn.into()))
}

trait Nameless {
    #[measure]
    fn one(&self, u8, _: &Fn()) -> u8 {
        1
    }
    fn none(&self, &Debug);
}

impl Nameless for () {
    fn none(&self, _: &Debug) {}
}

#[measure]
trait AllNameless {
    fn none(&self, u8, &Fn());
    fn one(&self, u8) -> Box<Fn(u8) -> u8> {
        Box::new(|x| x)
    }
}

impl AllNameless for u8 {
    fn none(&self, _: u8, f: &Fn()) {
        f()
    }
}

#[test]
fn functions_of_the_oldest_edition_are_measured() {
    let ((), captured) = capture(|| {
        assert_eq!(format!("{:?}", boxed(Box::new(|x| x))), "1");
        assert!(boxed_with_err(&mut |x| x, |_| 1).is_ok());
        assert!(boxed_with_err(&mut |_| 0, |_| 1).is_err());
        // SAFETY: it asks for nothing.
        assert_eq!(unsafe { returned(1, &|x| x) }, 1);
        assert!(tried("1").is_ok() && tried("").is_err());
        assert_eq!((async(1), try(12_u8).0), (1, 12));
        assert_eq!(().one(1, &|| {}), 1);
        ().none(&1);
        AllNameless::none(&1, 1, &|| {});
        assert_eq!(AllNameless::one(&1, 1)(1), 1);
    });
    let calls: Vec<_> = captured
        .callsites()
        .iter()
        .map(|stats| {
            let name = stats.name().rsplit("::").next().unwrap_or_default();
            (name, stats.line(), stats.ok(), stats.errors())
        })
        .collect();
    let expected = [
        ("one", 92, 1, 0),
        ("one", 79, 1, 0),
        ("boxed", 29, 1, 0),
        ("boxed_with_err", 35, 1, 1),
        ("returned", 46, 1, 0),
        ("tried", 51, 1, 1),
        ("try", 63, 1, 0),
        ("async", 68, 1, 0),
        ("no keyword", 57, 1, 0),
    ];
    assert_eq!(calls, expected);
}
