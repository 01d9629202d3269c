//! Arguments that exclude each other.
#[khive_perf::measure(err, ok_if = Result::is_ok)]
fn both() -> Result<(), ()> {
    Ok(())
}

#[khive_perf::measure(skip, name = "x")]
fn skipped() {}

#[khive_perf::measure(sample = 2, slow = "1s", alloc, skip)]
fn skipped_with_settings() {}

#[khive_perf::measure(group = "a")]
#[khive_perf::measure(name = "b")]
fn measured_twice() {}

fn main() {
    let _ = both();
    skipped();
    skipped_with_settings();
    measured_twice();
}
