//! A program that measures, exports as the environment says, and ends in the way it is told.

use std::time::Duration;

#[khive_perf::measure]
fn work() {}

fn main() {
    let way = std::env::args().nth(1).unwrap_or_default();
    let guard = khive_perf_otel::install().expect("the environment is right");
    work();
    match way.as_str() {
        "return" => {}
        "panic" => panic!("as told"),
        "shutdown" => {
            let delivery = guard.shutdown(Duration::from_millis(300));
            std::process::exit(if delivery.is_complete() { 0 } else { 3 });
        }
        "current-thread" => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            runtime.block_on(async move { drop(guard) });
        }
        other => panic!("no such way to end: {other}"),
    }
}
