//! A `const fn` may run in the compiler.
#[khive_perf::measure]
const fn twice(x: u8) -> u8 {
    x * 2
}

const FOUR: u8 = twice(2);

fn main() {
    assert_eq!(FOUR, 4);
}
