//! `sample` is how many calls one timing stands for: a whole number.
use khive_perf::measure;

#[measure(sample = 0)]
fn zero() {}

#[measure(sample = -64)]
fn negative() {}

#[measure(sample = 0.01)]
fn share() {}

#[measure(sample = 2.5)]
fn half() {}

#[measure(sample = 1048577)]
fn large() {}

#[measure(sample = 99999999999999999999)]
fn larger() {}

#[measure(sample = 64u8)]
fn suffix() {}

#[measure(sample = "64", group = "kept")]
fn text() {}

#[measure(sample = EVERY)]
fn constant() {}

#[measure(sample)]
fn nothing() {}

#[measure(sample(64))]
fn parentheses() {}

#[measure(sample = 1 / 64)]
fn expression() {}

#[measure(sample = 2, sample = 3)]
fn twice() {}

#[measure(sample = 0)]
impl Store {
    #[measure(sample = -1)]
    fn get(&self) {}
}

struct Store;

// The functions are there all the same, or there would be more errors.
fn main() {
    zero();
    negative();
    share();
    half();
    large();
    larger();
    suffix();
    text();
    constant();
    nothing();
    parentheses();
    expression();
    twice();
    Store.get();
}
