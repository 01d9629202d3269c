//! Captures are isolated from each other and from the process.

use std::sync::Barrier;
use std::thread;

use khive_perf::testing::{capture, capture_async};
use khive_perf::{Context, FutureExt as _, measure};

#[measure]
fn shared(times: u32) -> u32 {
    if times > 0 { shared(times - 1) + 1 } else { 0 }
}

#[measure]
async fn shared_async(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[test]
fn two_hundred_captures_of_the_same_functions_at_once_see_their_own_calls_only() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    let start = Barrier::new(100);
    let runtime = &runtime;
    let start = &start;
    thread::scope(|scope| {
        for test in 0..100_u32 {
            scope.spawn(move || {
                start.wait();
                let (_, captured) = capture(|| (0..=test).map(|_| shared(test)).sum::<u32>());
                let stats = captured.callsite("shared").unwrap();
                assert_eq!(stats.calls(), u64::from((test + 1) * (test + 1)));
                assert_eq!(captured.callsites().len(), 1);
            });
            scope.spawn(move || {
                let captured = runtime.block_on(async move {
                    let task = tokio::spawn(capture_async(async move {
                        for _ in 0..test {
                            tokio::spawn(shared_async(test).in_current_context())
                                .await
                                .unwrap();
                        }
                    }));
                    task.await.unwrap().1
                });
                let stats = captured.callsite("shared_async");
                assert_eq!(stats.map_or(0, |stats| stats.ok()), u64::from(test));
                assert_eq!(
                    stats.map_or(0, |stats| stats.polls()),
                    u64::from(test * (test + 1))
                );
            });
        }
    });
}

#[test]
fn captures_nest_and_the_inner_one_takes_what_it_sees() {
    let (inner, outer) = capture(|| {
        shared(0);
        let (_, inner) = capture(|| shared(2));
        shared(0);
        inner
    });
    assert_eq!(inner.callsite("shared").unwrap().calls(), 3);
    assert_eq!(outer.callsite("shared").unwrap().calls(), 2);
}

#[test]
fn a_thread_is_captured_if_it_is_given_the_context() {
    let ((), captured) = capture(|| {
        let context = Context::current();
        thread::scope(|scope| {
            scope.spawn(|| context.scope(|| shared(1)));
            scope.spawn(|| shared(7));
        });
    });
    assert_eq!(captured.callsite("shared").unwrap().calls(), 2);
}

#[test]
fn a_capture_that_panics_leaves_the_thread_as_it_was() {
    let (result, outer) = capture(|| {
        let result = std::panic::catch_unwind(|| capture(|| panic!("on purpose")).0);
        shared(0);
        result.is_err()
    });
    assert!(result);
    assert_eq!(outer.callsite("shared").unwrap().calls(), 1);
}

#[test]
fn what_a_capture_sees_is_not_in_the_process_snapshot() {
    #[measure]
    fn only_captured() {}
    let ((), captured) = capture(only_captured);
    assert_eq!(captured.callsite("only_captured").unwrap().calls(), 1);
    assert!(khive_perf::snapshot().callsite("only_captured").is_none());
}
