//! What a snapshot takes, and what it does to those who write meanwhile.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use khive_perf_benches::operations as op;
use khive_perf_benches::{Bench, Role, base, case, clock, timed};

use crate::callsites::callsites;

const CALLSITES: usize = 2_000;
const THREADS: usize = 16;
/// Time between two snapshots while the writer writes.
const INTERVAL: Duration = Duration::from_millis(100);
/// Calls of a turn of the writer: some tenths of a second, so that there are several snapshots in each.
const CALLS: u32 = 20_000_000;
const ROUNDS: usize = 21;
/// Of a turn of snapshots.
const SNAPSHOTS: u32 = 100;

pub(crate) fn run(bench: &Bench) {
    let titles = [
        "snapshot of 2,000 callsites on 16 threads",
        "writing while another thread reads",
    ];
    if !titles.into_iter().any(|title| bench.wants(title)) {
        return;
    }
    let writers = Writers::start();
    bench.compare_for(
        titles[0],
        ROUNDS,
        SNAPSHOTS,
        vec![
            base(|| black_box(0_u64)),
            case("snapshot()", khive_perf::snapshot),
        ],
    );
    let reading = Arc::new(AtomicBool::new(false));
    let reader = Reader::start(&reading);
    let writing = |name: &str, role, with_reader: bool| {
        let reading = Arc::clone(&reading);
        timed(name, role, move |calls| {
            reading.store(with_reader, Ordering::Relaxed);
            let time = clock::on_processor(|| {
                for _ in 0..calls {
                    black_box(op::measured(black_box(1)));
                }
            });
            reading.store(false, Ordering::Relaxed);
            time
        })
    };
    bench.compare_for(
        titles[1],
        ROUNDS,
        CALLS,
        vec![
            writing("nobody reads", Role::Base, false),
            writing("a snapshot every 100 ms", Role::Subject, true),
        ],
    );
    reader.stop();
    writers.stop();
}

/// Threads that have called every callsite, and live on.
struct Writers {
    threads: Vec<(Sender<()>, JoinHandle<()>)>,
}

impl Writers {
    fn start() -> Self {
        let all = callsites().iter().take(CALLSITES);
        let have_called = Arc::new(Barrier::new(THREADS + 1));
        let threads = (0..THREADS)
            .map(|_| {
                let (stop, stopped) = channel();
                let have_called = Arc::clone(&have_called);
                let all = all.clone();
                let thread = thread::spawn(move || {
                    for callsite in all {
                        drop(callsite.enter::<Reader>());
                    }
                    have_called.wait();
                    // Until the other end is dropped.
                    let _ = stopped.recv();
                });
                (stop, thread)
            })
            .collect();
        have_called.wait();
        Self { threads }
    }

    fn stop(self) {
        for (stop, thread) in self.threads {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// Takes snapshots at its interval, while it is told to.
struct Reader {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn start(reading: &Arc<AtomicBool>) -> Self {
        let (stop, stopped) = channel::<()>();
        let reading = Arc::clone(reading);
        let thread = thread::spawn(move || {
            use std::sync::mpsc::RecvTimeoutError::Timeout;
            while stopped.recv_timeout(INTERVAL) == Err(Timeout) {
                if reading.load(Ordering::Relaxed) {
                    black_box(khive_perf::snapshot());
                }
            }
        });
        Self { stop, thread }
    }

    fn stop(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}
