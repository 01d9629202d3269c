//! `#[measure]` on `impl`, `trait` and `mod` blocks: every function in them, with the block's arguments.

use std::fmt;

use khive_perf::measure;
use khive_perf::snapshot::Snapshot;
use khive_perf::testing::capture;

use crate::measure::{block_on, outcomes};

struct Store(u8);

#[measure(group = "store", err)]
impl Store {
    const LIMIT: u8 = {
        const fn limit() -> u8 {
            9
        }
        limit()
    };

    const fn new(x: u8) -> Self {
        Self(x)
    }

    fn get(&self) -> Result<u8, fmt::Error> {
        if self.0 < Self::LIMIT {
            Ok(self.0)
        } else {
            Err(fmt::Error)
        }
    }

    async fn fetch(&self) -> fmt::Result {
        self.get().map(drop)
    }

    fn len(&self) -> usize {
        usize::from(self.0)
    }

    #[measure(skip)]
    fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Says more than the block does.
    #[measure(name = "put", group = "writes", ok_if = |old| *old > 0)]
    fn put(&mut self, x: u8) -> u8 {
        std::mem::replace(&mut self.0, x)
    }
}

#[measure]
impl<const N: usize> From<[u8; N]> for Store
where
    [(); N]: Sized,
{
    fn from(bytes: [u8; N]) -> Self {
        Self::new(bytes.into_iter().sum())
    }
}

#[measure]
trait Shape {
    const SIDES: u8;
    type Unit;

    fn area(&self) -> f64;

    fn is_large(&self) -> bool {
        self.area() > 1.0
    }

    #[measure(skip)]
    fn sides(&self) -> u8 {
        Self::SIDES
    }
}

struct Square(f64);

impl Shape for Square {
    const SIDES: u8 = 4;
    type Unit = ();

    fn area(&self) -> f64 {
        self.0 * self.0
    }
}

#[measure(group = "geometry")]
mod geometry {
    //! A module with all kinds of things in it.
    pub(super) static NAME: &str = "geometry";
    pub(super) struct Point {
        pub(super) x: i32,
    }
    macro_rules! make {
        ($x:expr) => {
            Point { x: $x }
        };
    }
    pub(super) fn origin() -> Point {
        make!(0)
    }
    impl Point {
        pub(super) fn shift(self, by: i32) -> Self {
            Self { x: self.x + by }
        }
    }
    pub(super) mod deep {
        pub(in super::super) fn down() {}
        #[measure(skip)]
        pub(in super::super) mod skipped {
            pub(crate) fn never() {}
        }
    }
    pub(super) trait Far {
        fn far(&self) -> bool {
            true
        }
    }
    impl Far for Point {}
}

/// Where the attribute is there under a condition, as where measuring is a feature of the user's.
struct Conditional;

#[cfg_attr(all(), measure(group = "conditional"))]
impl Conditional {
    #[cfg_attr(all(), measure(skip))]
    fn skipped() {}
    #[cfg_attr(any(), measure(skip))]
    fn not_skipped() {}
    #[cfg_attr(all(), inline, measure(err, fields(kind = 1)), must_use)]
    fn checked(x: u8) -> Result<u8, ()> {
        if x == 0 {
            return Err(());
        }
        Ok(x)
    }
    // One of them holds, and a mistake in the other one is none.
    #[cfg_attr(any(), measure(nonsense))]
    #[cfg_attr(not(any()), khive_perf::measure(name = "chosen"))]
    async fn chosen() {}
}

/// Where the crate is called otherwise, its attribute is the same.
mod renamed {
    pub(crate) use khive_perf as perf;

    pub(super) mod sdk {
        pub(crate) use khive_perf::{self, measure};
    }
}

struct Renamed;

#[renamed::perf::measure(crate = crate::measure_blocks::renamed::perf, group = "renamed")]
impl Renamed {
    #[renamed::perf::measure(skip)]
    fn skipped() {}
    #[renamed::perf::measure(name = "once")]
    fn once() {}
}

#[renamed::sdk::measure(crate = crate::measure_blocks::renamed::sdk::khive_perf)]
mod others {
    #[super::renamed::sdk::measure(skip)]
    pub(super) fn skipped() {}
    pub(super) fn measured() {}
}

fn names(snapshot: &Snapshot) -> Vec<(&str, Option<&str>)> {
    snapshot
        .callsites()
        .iter()
        .map(|stats| (stats.name(), stats.group()))
        .collect()
}

#[test]
fn every_function_of_an_impl_is_measured_but_const_and_skipped_ones() {
    let (_, captured) = capture(|| {
        let mut store = Store::from([1, 2]);
        assert_eq!(store.put(9), 3);
        assert!(store.get().is_err());
        assert!(block_on(store.fetch()).is_err());
        assert_eq!((store.len(), store.is_empty()), (9, false));
    });
    assert_eq!(
        names(&captured),
        [
            (
                "<it::measure_blocks::Store as core::convert::From<[u8; N]>>::from",
                None
            ),
            ("it::measure_blocks::Store::fetch", Some("store")),
            ("it::measure_blocks::Store::get", Some("store")),
            ("it::measure_blocks::Store::len", Some("store")),
            ("put", Some("writes")),
        ]
    );
    assert_eq!(outcomes(&captured, "Store::get"), [0, 2, 0, 0]);
    assert_eq!(outcomes(&captured, "Store::fetch"), [0, 1, 0, 0]);
    assert_eq!(outcomes(&captured, "Store::len"), [1, 0, 0, 0]);
    assert_eq!(outcomes(&captured, "put"), [1, 0, 0, 0]);
}

#[test]
fn provided_methods_of_a_trait_are_measured_and_required_ones_are_not() {
    let (_, captured) = capture(|| {
        assert!(Square(2.0).is_large());
        assert_eq!(Square(2.0).sides(), 4);
    });
    assert_eq!(
        names(&captured),
        [("it::measure_blocks::Shape::is_large", None)]
    );
}

#[test]
fn a_module_is_measured_to_its_depths() {
    use geometry::Far;
    let (_, captured) = capture(|| {
        let point = geometry::origin().shift(2);
        assert_eq!((point.x, geometry::NAME), (2, "geometry"));
        assert!(point.far());
        geometry::deep::down();
        geometry::deep::skipped::never();
    });
    let group = Some("geometry");
    assert_eq!(
        names(&captured),
        [
            ("it::measure_blocks::geometry::Far::far", group),
            ("it::measure_blocks::geometry::Point::shift", group),
            ("it::measure_blocks::geometry::deep::down", group),
            ("it::measure_blocks::geometry::origin", group),
        ]
    );
}

#[test]
fn a_member_whose_attribute_is_there_under_a_condition_is_measured_once_or_left_out() {
    let (_, captured) = capture(|| {
        Conditional::skipped();
        Conditional::not_skipped();
        assert!(Conditional::checked(0).is_err() && Conditional::checked(1).is_ok());
        block_on(Conditional::chosen());
    });
    let group = Some("conditional");
    assert_eq!(
        names(&captured),
        [
            ("chosen", group),
            ("it::measure_blocks::Conditional::checked", group),
            ("it::measure_blocks::Conditional::not_skipped", group),
        ]
    );
    assert_eq!(outcomes(&captured, "Conditional::checked"), [1, 1, 0, 0]);
    assert_eq!(outcomes(&captured, "chosen"), [1, 0, 0, 0]);
}

#[test]
fn a_member_is_told_by_the_name_that_the_crate_has_in_the_block() {
    let (_, captured) = capture(|| {
        Renamed::skipped();
        Renamed::once();
        others::skipped();
        others::measured();
    });
    assert_eq!(
        names(&captured),
        [
            ("it::measure_blocks::others::measured", None),
            ("once", Some("renamed")),
        ]
    );
}
