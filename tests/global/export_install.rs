//! The process's one exporter: installed once, and again only after a shutdown.

#[path = "../it/export_server.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod export_server;

use std::time::Duration;

use khive_perf_otel::Exporter;

#[khive_perf::measure]
fn work() {}

#[test]
fn a_second_exporter_is_refused_and_the_first_keeps_running() {
    let server = export_server::http(|_| export_server::success());
    let builder = Exporter::builder().endpoint(server.url());
    let wrong = builder.clone().endpoint("ftp://localhost:4318");

    let error = wrong.install().unwrap_err();
    assert!(
        error.to_string().contains("ftp://localhost:4318"),
        "{error}"
    );
    let first = builder.clone().install().expect("an error takes no place");
    let error = builder.clone().install().unwrap_err();
    assert!(error.is_already_installed(), "{error}");

    work();
    let delivery = first.flush(Duration::from_secs(20));
    assert!(delivery.sent > 0 && delivery.is_complete(), "{delivery}");
    first.shutdown(Duration::from_secs(20));
    let second = builder.clone().install().expect("the first is gone");
    drop(second);
    drop(builder.install().expect("the second is gone"));
}
