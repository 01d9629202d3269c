//! Threads that come, record, panic and go while others read: counts stay exact.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use khive_perf::measure;

#[measure]
fn visit() {}

#[measure]
fn stumble() {
    panic!("on purpose");
}

#[test]
fn threads_that_come_and_go_while_readers_read_lose_no_call() {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0_u32;
            while !done.load(Ordering::Acquire) {
                let _ = khive_perf::snapshot();
                reads += 1;
            }
            reads
        });
        for _ in 0..50 {
            let threads: Vec<_> = (0..10)
                .map(|_| {
                    thread::spawn(|| {
                        for _ in 0..200 {
                            visit();
                        }
                        let _ = std::panic::catch_unwind(stumble);
                        visit();
                        stumble();
                    })
                })
                .collect();
            for thread in threads {
                assert!(thread.join().is_err());
            }
        }
        done.store(true, Ordering::Release);
        assert!(reader.join().unwrap() > 0);
    });
    let snapshot = khive_perf::snapshot();
    assert_eq!(snapshot.callsite("visit").unwrap().ok(), 50 * 10 * 201);
    assert_eq!(snapshot.callsite("stumble").unwrap().panics(), 50 * 10 * 2);
    assert_eq!(snapshot.callsite("visit").unwrap().in_flight(), 0);
}

#[test]
fn calls_from_destructors_of_a_dying_thread_are_recorded_or_counted_as_lost() {
    #[measure]
    fn last_words() {}
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            last_words();
        }
    }
    thread_local! {
        static BEFORE: Late = const { Late };
        static AFTER: Late = const { Late };
    }
    thread::spawn(|| {
        BEFORE.with(|_| ());
        last_words();
        AFTER.with(|_| ());
    })
    .join()
    .unwrap();
    let snapshot = khive_perf::snapshot();
    let recorded = snapshot.callsite("last_words").unwrap().calls();
    let lost: u64 = snapshot
        .overflow()
        .iter()
        .filter(|(reason, _)| *reason == "thread_ending")
        .map(|(_, n)| n)
        .sum();
    assert!(recorded >= 1);
    assert_eq!(recorded + lost, 3);
}
