//! The expansion needs no `unsafe`, and no warning is news.
#![forbid(unsafe_code)]
#![deny(warnings)]

use khive_perf::measure;

#[measure]
fn sync() {}

#[measure(err, fields(x))]
async fn asynchronous(x: u8) -> Result<u8, ()> {
    Ok(x)
}

#[measure]
fn boxed() -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async {})
}

fn main() {
    sync();
    drop(asynchronous(1));
    drop(boxed());
}
