//! Arguments that exclude each other.
#[khive_perf::measure(err, ok_if = Result::is_ok)]
fn both() -> Result<(), ()> {
    Ok(())
}

#[khive_perf::measure(skip, name = "x")]
fn skipped() {}

#[khive_perf::measure(group = "a")]
#[khive_perf::measure(name = "b")]
fn measured_twice() {}

fn main() {
    let _ = both();
    skipped();
    measured_twice();
}
