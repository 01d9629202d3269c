//! Unknown arguments are all reported, each where it stands, and the function is still there.
#[khive_perf::measure(nmae = "x", oki_f = Result::is_ok, gruop = "g", feilds(x), level = "info")]
fn misspelt(x: u8) -> u8 {
    x
}

#[khive_perf::measure(sample = 64, slow = "1s", alloc, span)]
fn from_the_future() {}

fn main() {
    misspelt(1);
    from_the_future();
}
