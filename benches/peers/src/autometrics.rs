//! autometrics, with the faster of its Prometheus backends.

use std::rc::Rc;

use autometrics::autometrics;
use khive_perf_benches::{Case, Role, async_case};
use tokio::runtime::Runtime;

use crate::{CASE, Peer, no_set_up, one_by_one, work};

pub(crate) const AUTOMETRICS: Peer = Peer {
    name: "autometrics, prometheus",
    // The default registry of the crate `prometheus` is there from the start.
    set_up: no_set_up,
    empty,
    kernel,
    call: one_by_one,
    future: Some(future),
};

work!(#[autometrics] => empty, kernel);

#[autometrics]
async fn yield_now() {
    tokio::task::yield_now().await;
}

fn future(runtime: &Rc<Runtime>) -> Case {
    async_case(runtime, 1, CASE, Role::Subject, yield_now)
}
