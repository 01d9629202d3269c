//! Things around functions on which the attribute has no meaning.
use khive_perf::measure;

#[measure]
enum Choice {
    One,
}

#[measure]
macro_rules! nothing {
    () => {};
}

unsafe extern "C" {
    #[measure]
    fn abs(x: i32) -> i32;
}

#[measure]
unsafe extern "C" {
    fn labs(x: i64) -> i64;
}

#[measure]
type Byte = u8;

#[measure]
const LIMIT: u8 = 1;

fn main() {
    nothing!();
    let _: Byte = LIMIT;
    let _ = (Choice::One, unsafe { (abs(1), labs(1)) });
}
