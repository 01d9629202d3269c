//! Which calls share a row of `#[measure]`, and what the row is called: what the compiler calls the function.

use khive_perf::measure;
use khive_perf::snapshot::Snapshot;
use khive_perf::testing::capture;

use crate::measure::block_on;

/// The names of all rows that were called, with their calls.
fn rows(snapshot: &Snapshot) -> Vec<(&str, u64)> {
    let mut rows: Vec<_> = snapshot
        .callsites()
        .iter()
        .map(|stats| (stats.function(), stats.calls()))
        .collect();
    rows.sort_unstable();
    rows
}

trait Get {
    fn get(&self) -> u8;
    #[measure]
    fn twice(&self) -> u8 {
        self.get() * 2
    }
}

struct I;
struct J<T, const N: usize>([T; N]);

impl Get for I {
    #[measure]
    fn get(&self) -> u8 {
        1
    }
}

impl<T: Copy + Into<u8>, const N: usize> Get for J<T, N> {
    #[measure]
    fn get(&self) -> u8 {
        self.0[0].into()
    }
}

impl I {
    #[measure]
    fn get(&self) -> u8 {
        7
    }
}

impl Get for &dyn Fn() -> u8 {
    #[measure]
    fn get(&self) -> u8 {
        self()
    }
}

#[test]
fn methods_of_one_name_are_told_apart_by_what_implements_them() {
    let ((), captured) = capture(|| {
        assert_eq!((I.get(), Get::get(&I), I.twice()), (7, 1, 2));
        assert_eq!(
            (J([2_u8]).get(), J([3_u8, 4]).get(), J([true]).get()),
            (2, 3, 1)
        );
        let closure: &dyn Fn() -> u8 = &|| 5;
        assert_eq!((Get::get(&closure), J([1_u8]).twice()), (5, 2));
    });
    assert_eq!(
        rows(&captured),
        [
            (
                "<&dyn core::ops::function::Fn() -> u8 as it::measure_identity::Get>::get",
                1
            ),
            (
                "<it::measure_identity::I as it::measure_identity::Get>::get",
                2
            ),
            // Of all types and numbers, one row.
            (
                "<it::measure_identity::J<_, N> as it::measure_identity::Get>::get",
                4
            ),
            ("it::measure_identity::Get::twice", 2),
            ("it::measure_identity::I::get", 1),
        ]
    );
}

#[measure]
fn outer(x: u8) -> u8 {
    #[measure]
    fn inner(x: u8) -> u8 {
        x + 1
    }
    struct Local;
    impl Local {
        #[measure]
        fn method(&self) -> u8 {
            1
        }
    }
    let in_closure = || {
        #[measure]
        fn innermost(x: u8) -> u8 {
            x + 1
        }
        innermost(inner(x)) + Local.method()
    };
    in_closure()
}

#[measure]
async fn outer_async() -> u8 {
    #[measure]
    async fn inner() -> u8 {
        1
    }
    async {
        #[measure]
        fn innermost() -> u8 {
            1
        }
        innermost() + inner().await
    }
    .await
}

#[test]
fn nested_functions_are_named_by_the_functions_around_them() {
    let ((), captured) = capture(|| {
        assert_eq!((outer(1), outer(2), block_on(outer_async())), (4, 5, 2));
    });
    assert_eq!(
        rows(&captured),
        [
            ("it::measure_identity::outer", 2),
            ("it::measure_identity::outer::Local::method", 2),
            ("it::measure_identity::outer::inner", 2),
            ("it::measure_identity::outer::innermost", 2),
            ("it::measure_identity::outer_async", 1),
            ("it::measure_identity::outer_async::inner", 1),
            ("it::measure_identity::outer_async::innermost", 1),
        ]
    );
}

macro_rules! two_modules {
    ($($module:ident)*) => {$(
        mod $module {
            #[khive_perf::measure]
            pub(super) fn r#loop() {}
        }
    )*};
}

two_modules!(left right);

macro_rules! here {
    () => {{
        #[measure]
        fn made() {}
        made();
    }};
}

/// Two functions that the compiler calls the same: their rows are alike but for the line.
#[test]
fn what_a_macro_writes_twice_is_two_rows() {
    let ((), captured) = capture(|| {
        left::r#loop();
        right::r#loop();
        right::r#loop();
        here!();
        here!();
    });
    assert_eq!(
        rows(&captured),
        [
            ("it::measure_identity::left::loop", 1),
            ("it::measure_identity::right::loop", 2),
            (
                "it::measure_identity::what_a_macro_writes_twice_is_two_rows::made",
                1
            ),
            (
                "it::measure_identity::what_a_macro_writes_twice_is_two_rows::made",
                1
            ),
        ]
    );
}
