//! Modules, types, functions and macros with the names that an expansion could use change nothing.
#![deny(warnings)]
#![allow(dead_code, unused_macros, non_camel_case_types)]

mod khive_perf {
    pub mod __private {}
}
mod core {}
mod std {}
mod alloc {}

enum Option {
    Some,
    None,
}
#[allow(unused_imports)]
use self::Option::*;
struct Result;
struct Ok;
struct Err;
struct Box;
struct str;
struct bool;
struct usize;
struct Callsite;
struct Future;
enum Infallible {}
fn enter() {}
fn here() {}
fn drop() {}
const OK: u8 = 1;
fn unwrap_or_else() {}
static CALLSITE: u8 = 1;

macro_rules! line {
    () => {
        "no line"
    };
}
macro_rules! file {
    () => {
        1
    };
}
macro_rules! format {
    () => {
        1
    };
}

trait ToOwned {
    fn to_owned(&self) -> u8 {
        1
    }
}

#[::khive_perf::measure]
fn sync(x: u8) -> u8 {
    x
}

#[::khive_perf::measure(err, fields(x, y = %x, z = ?x))]
fn checked(x: u8) -> ::core::result::Result<u8, ()> {
    ::core::result::Result::Ok(x)
}

#[::khive_perf::measure(fields(x, y = %x))]
async fn asynchronous(x: u8) -> u8 {
    x
}

#[::khive_perf::measure]
async fn endless() -> ! {
    loop {}
}

#[::khive_perf::measure]
fn boxed(
    early: ::core::primitive::bool,
) -> ::core::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = ()>>> {
    if early {
        return ::std::boxed::Box::pin(async {});
    }
    ::std::boxed::Box::pin(async {})
}

/// What a body imports does not change what the signature means.
mod glob {
    mod other {
        pub(crate) struct Answer;
        pub(crate) struct Guard;
        pub(crate) const fn enter() -> Guard {
            Guard
        }
    }

    pub(crate) struct Answer(pub(crate) u8);

    #[::khive_perf::measure(ok_if = |answer| answer.0 > 0)]
    pub(crate) fn sync() -> Answer {
        use other::*;
        let Guard = enter();
        let _ = Answer;
        super::glob::Answer(1)
    }

    #[::khive_perf::measure(ok_if = |answer| answer.0 > 0)]
    pub(crate) async fn asynchronous() -> Answer {
        use other::*;
        let Guard = enter();
        let _ = Answer;
        super::glob::Answer(1)
    }
}

fn main() {
    let _ = (
        sync(1),
        checked(1).is_ok(),
        asynchronous(1),
        endless(),
        boxed(true),
    );
    let _ = (glob::sync().0, glob::asynchronous());
}
