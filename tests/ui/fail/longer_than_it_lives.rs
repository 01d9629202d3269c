//! A boxed future that is handed on lives no longer measured than it does plain.
use std::future::Future;
use std::pin::Pin;

#[khive_perf::measure]
fn longer<'a, T>(
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
) -> Pin<Box<dyn Future<Output = T> + 'static>> {
    future
}

fn main() {
    let _ = longer(Box::pin(async {}));
}
