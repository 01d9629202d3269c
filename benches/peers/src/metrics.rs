//! metrics: a histogram of seconds, found by its name at every call, and by a handle that is kept.

use std::any::Any;
use std::future::Future;
use std::rc::Rc;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use khive_perf_benches::clock::now;
use khive_perf_benches::{Case, Role, async_case};
use metrics::{Histogram, histogram};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::runtime::Runtime;

use crate::{CASE, Peer, one_by_one, work_within};

pub(crate) const BY_NAME: Peer = Peer {
    name: "metrics, by name",
    set_up,
    empty: empty_by_name,
    kernel: kernel_by_name,
    call: one_by_one,
    future: Some(future_by_name),
};

pub(crate) const BY_HANDLE: Peer = Peer {
    name: "metrics, by handle",
    set_up,
    empty: empty_by_handle,
    kernel: kernel_by_handle,
    call: one_by_one,
    future: Some(future_by_handle),
};

work_within!(by_name => empty_by_name, kernel_by_name);
work_within!(by_handle => empty_by_handle, kernel_by_handle);

static HANDLE: LazyLock<Histogram> = LazyLock::new(|| histogram!("seconds", "function" => "kept"));

/// Installs the Prometheus recorder, with the upkeep that it asks for.
fn set_up() -> Box<dyn Any> {
    if let Ok(handle) = PrometheusBuilder::new().install_recorder() {
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_secs(1));
                handle.run_upkeep();
            }
        });
    }
    Box::new(())
}

#[inline(always)]
fn by_name<R>(work: impl FnOnce() -> R) -> R {
    let start = now();
    let result = work();
    histogram!("seconds", "function" => "empty").record(start.elapsed());
    result
}

#[inline(always)]
fn by_handle<R>(work: impl FnOnce() -> R) -> R {
    let start = now();
    let result = work();
    HANDLE.record(start.elapsed());
    result
}

async fn yield_by_name() {
    let start = now();
    tokio::task::yield_now().await;
    histogram!("seconds", "function" => "yield").record(start.elapsed());
}

async fn yield_by_handle() {
    let start = now();
    tokio::task::yield_now().await;
    HANDLE.record(start.elapsed());
}

fn future_by_name(runtime: &Rc<Runtime>) -> Case {
    awaiting(runtime, yield_by_name)
}

fn future_by_handle(runtime: &Rc<Runtime>) -> Case {
    awaiting(runtime, yield_by_handle)
}

fn awaiting<F, M>(runtime: &Rc<Runtime>, make: M) -> Case
where
    F: Future<Output = ()> + Send + 'static,
    M: Fn() -> F + Copy + Send + 'static,
{
    async_case(runtime, 1, CASE, Role::Subject, make)
}
