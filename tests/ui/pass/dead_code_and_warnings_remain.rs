//! Warnings about the user's own code are as they would be without the attribute.
#![deny(warnings)]
#![expect(dead_code, reason = "`unused_function` is never called")]

use khive_perf::measure;

#[measure]
fn unused_function() {}

#[measure]
#[expect(unused_variables, reason = "x has no use")]
fn unused_argument(x: u8) {}

#[measure]
#[expect(unused_variables, reason = "x has no use")]
async fn unused_argument_async(x: u8) {}

#[measure(err)]
#[expect(unused_variables, reason = "x has no use")]
fn unused_argument_with_err(x: u8) -> Result<(), ()> {
    Ok(())
}

#[measure]
#[expect(unused_mut, reason = "x does not change")]
async fn unused_mut(mut x: u8) -> u8 {
    x
}

#[measure]
#[expect(unused_variables, unreachable_code, reason = "the body has them")]
fn in_the_body() -> u8 {
    let x = 1;
    return 2;
    3
}

fn main() {
    unused_argument(1);
    drop(unused_argument_async(1));
    let _ = unused_argument_with_err(1);
    drop(unused_mut(1));
    in_the_body();
}
