//! fastrace: where there is no parent, and with one root for every 64 calls.

use std::any::Any;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use fastrace::collector::{Config, Reporter, SpanContext, SpanRecord};
use fastrace::future::FutureExt as _;
use fastrace::{Span, trace};
use khive_perf_benches::{Case, Role, async_case, clock, timed};
use tokio::runtime::Runtime;

use crate::{CASE, Function, Peer, no_set_up, one_by_one, work};

pub(crate) const NO_PARENT: Peer = Peer {
    name: "fastrace, no parent",
    set_up: no_set_up,
    empty,
    kernel,
    call: one_by_one,
    future: Some(future),
};

pub(crate) const ROOT: Peer = Peer {
    name: "fastrace, root per 64 calls",
    set_up: with_reporter,
    empty,
    kernel,
    call: below_roots,
    future: Some(future_below_roots),
};

/// Calls that share a root.
const CALLS_PER_ROOT: u32 = 64;

work!(#[trace] => empty, kernel);

#[trace]
async fn yield_now() {
    tokio::task::yield_now().await;
}

fn future(runtime: &Rc<Runtime>) -> Case {
    async_case(runtime, 1, CASE, Role::Subject, yield_now)
}

/// Reports ten times a second, nowhere.
fn with_reporter() -> Box<dyn Any> {
    let config = Config::default().report_interval(Duration::from_millis(100));
    fastrace::set_reporter(Discard, config);
    Box::new(())
}

struct Discard;

impl Reporter for Discard {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        drop(spans);
    }
}

fn root() -> Span {
    Span::root("root", SpanContext::random())
}

fn below_roots(name: &str, f: Function) -> Case {
    timed(name, Role::Subject, move |calls| {
        clock::passed(|| {
            let mut left = calls;
            while left > 0 {
                let now = left.min(CALLS_PER_ROOT);
                let root = root();
                let _parent = root.set_local_parent();
                for _ in 0..now {
                    black_box(f(black_box(1)));
                }
                left -= now;
            }
        })
    })
}

fn future_below_roots(runtime: &Rc<Runtime>) -> Case {
    let runtime = Rc::clone(runtime);
    timed(CASE, Role::Subject, move |calls| {
        clock::passed(|| {
            let mut left = calls;
            while left > 0 {
                let now = left.min(CALLS_PER_ROOT);
                let below = async move {
                    for _ in 0..now {
                        yield_now().await;
                    }
                };
                runtime.block_on(below.in_span(root()));
                left -= now;
            }
        })
    })
}
