//! Nothing of the prelude is taken for granted.
#![no_implicit_prelude]
#![deny(warnings)]

use ::khive_perf::measure;

#[measure]
fn sync(x: u8) -> u8 {
    x
}

#[measure(name = "n", group = "g", err, fields(x, y = 1, %z))]
fn checked(x: u8, z: &str) -> ::core::result::Result<u8, ()> {
    let _ = z;
    ::core::result::Result::Ok(x)
}

#[measure(ok_if = |n| *n > 0, fields(x, text, d = ?x))]
async fn asynchronous(x: u8, text: ::std::string::String) -> usize {
    ::std::string::String::len(&text) + x as usize
}

#[measure(ok_if = ::core::option::Option::is_some)]
fn boxed(
    x: u8,
) -> ::core::pin::Pin<
    ::std::boxed::Box<dyn ::core::future::Future<Output = ::core::option::Option<u8>>>,
> {
    if x == 0 {
        return ::std::boxed::Box::pin(async { ::core::option::Option::None });
    }
    ::std::boxed::Box::pin(async move { ::core::option::Option::Some(x) })
}

#[measure]
fn opaque(x: u8) -> impl ::core::future::Future<Output = u8> {
    async move { x }
}

fn main() {
    let _ = (sync(1), checked(1, ""));
    ::core::mem::drop(asynchronous(1, ::std::string::String::new()));
    ::core::mem::drop((boxed(1), opaque(1)));
}
