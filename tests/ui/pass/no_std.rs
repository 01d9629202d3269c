//! A crate without `std` in sight can be measured: the SDK brings its own.
#![no_std]
#![deny(warnings)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::string::String;
use core::future::Future;
use core::pin::Pin;

use khive_perf::measure;

#[measure(err)]
fn call(x: u8) -> Result<String, ()> {
    let text = alloc::format!("{x}");
    Ok(if x == 0 { return Err(()) } else { text })
}

#[measure]
async fn asynchronous(x: &str) -> usize {
    x.len()
}

#[measure]
fn pinned(early: bool) -> Pin<Box<dyn Future<Output = u8>>> {
    if early {
        return Box::pin(async { 1 });
    }
    Box::pin(async { 2 })
}

#[measure]
fn boxed(early: bool) -> Box<dyn Future<Output = u8> + Unpin> {
    if early {
        return Box::new(core::future::ready(1));
    }
    Box::new(core::future::ready(2))
}

fn main() {
    let _ = call(1);
    drop(asynchronous(""));
    drop((pinned(true), boxed(true)));
}
