//! A name is for one function; mistakes inside a block are reported from there.
use khive_perf::measure;

struct Unit;

#[measure(name = "unit")]
impl Unit {
    fn one(&self) {}

    #[measure(nam = "two")]
    fn two(&self) {}

    #[measure(name = "three")]
    #[measure(err)]
    fn three(&self) -> Result<(), ()> {
        Ok(())
    }

    #[measure = "four"]
    fn four(&self) {}
}

fn main() {
    Unit.one();
    Unit.two();
    let _ = Unit.three();
    Unit.four();
}
