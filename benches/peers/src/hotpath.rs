//! hotpath, as its guard sets it up; its report is thrown away.

use std::any::Any;
use std::rc::Rc;

use hotpath::{Format, HotpathGuardBuilder};
use khive_perf_benches::{Case, Role, async_case};
use tokio::runtime::Runtime;

use crate::{CASE, Peer, one_by_one, work};

pub(crate) const HOTPATH: Peer = Peer {
    name: "hotpath",
    set_up,
    empty,
    kernel,
    call: one_by_one,
    future: Some(future),
};

work!(#[hotpath::measure] => empty, kernel);

#[hotpath::measure]
async fn yield_now() {
    tokio::task::yield_now().await;
}

fn future(runtime: &Rc<Runtime>) -> Case {
    async_case(runtime, 1, CASE, Role::Subject, yield_now)
}

fn set_up() -> Box<dyn Any> {
    Box::new(
        HotpathGuardBuilder::new("peers")
            .format(Format::None)
            .build(),
    )
}
