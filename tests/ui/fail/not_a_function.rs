//! Things that cannot be measured.
#[khive_perf::measure]
struct Unit;

#[khive_perf::measure]
static LIMIT: u8 = 1;

#[khive_perf::measure]
use std::fmt;

trait Shape {
    #[khive_perf::measure]
    fn area(&self) -> f64;
}

fn main() {
    let _: (Unit, fmt::Error) = (Unit, fmt::Error);
    let _ = LIMIT;
}
