//! Each argument is given once.
#[khive_perf::measure(name = "a", err, name = "b", err)]
fn twice() -> Result<(), ()> {
    Ok(())
}

#[khive_perf::measure(fields(x, y = 1, x = 2))]
fn fields(x: u8) {}

fn main() {
    let _ = twice();
    fields(1);
}
