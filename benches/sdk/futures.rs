//! What measuring a future costs: by hand, and on either runtime.

use std::rc::Rc;

use khive_perf_benches::operations as op;
use khive_perf_benches::{Bench, Role, async_case, base, case, clock, floor, ideal};
use tokio::runtime::{Builder, Runtime};

const CALLS: u32 = 10_000;

pub(crate) fn run(bench: &Bench) {
    bench.compare(
        "future, ready at once",
        CALLS,
        vec![
            base(|| op::drive(op::ready())),
            floor(|| clock::pair(|| op::drive(op::ready()))),
            ideal(|| op::drive(ideal::future(op::ready()))),
            case("measure", || op::drive(op::measured_ready())),
        ],
    );
    bench.compare(
        "future, one yield, polled by hand",
        CALLS,
        vec![
            base(|| op::drive(op::yield_once())),
            floor(|| {
                clock::pair(|| ());
                clock::pair(|| op::drive(op::yield_once()));
            }),
            ideal(|| op::drive(ideal::future(op::yield_once()))),
            case("measure", || op::drive(op::measured_yield_once())),
            case("FutureExt::measured", || {
                op::drive(op::measured_where_awaited())
            }),
        ],
    );
    on_runtimes(bench);
}

fn on_runtimes(bench: &Bench) {
    let alone = Builder::new_current_thread().build();
    let shared = Builder::new_multi_thread().worker_threads(2).build();
    for (runtime, tasks, title) in [
        (alone, 1, "future, one yield, current-thread runtime"),
        (shared, 2, "future, one yield, 2 tasks on 2 threads"),
    ] {
        match runtime {
            Ok(runtime) => one_yield(bench, &Rc::new(runtime), tasks, title),
            Err(error) => complain(title, &error),
        }
    }
}

fn one_yield(bench: &Bench, runtime: &Rc<Runtime>, tasks: usize, title: &str) {
    let ideal = || ideal::future(op::yield_now());
    bench.compare(
        title,
        CALLS,
        vec![
            async_case(runtime, tasks, "plain", Role::Base, op::yield_now),
            async_case(runtime, tasks, "ideal", Role::Ideal, ideal),
            async_case(
                runtime,
                tasks,
                "measure",
                Role::Subject,
                op::measured_yield_now,
            ),
        ],
    );
}

#[expect(clippy::print_stderr, reason = "says which row is missing, and why")]
fn complain(title: &str, error: &std::io::Error) {
    eprintln!("{title}: no runtime: {error}");
}
