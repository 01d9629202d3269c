//! LeakWatch: a thread that looks now and then, and keeps the latest report.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::leak::census::Census;
use crate::leak::config::LeakConfig;
use crate::leak::detector::LeakDetector;
use crate::leak::report::LeakReport;
use crate::sync::{Arc, Condvar, Mutex, lock, wait_for};

/// A thread that looks at this process now and then, and keeps the latest [`LeakReport`].
///
/// It ends when this is dropped, or [stopped](Self::stop). Clones of [`reports`](Self::reports) outlive it.
///
/// # Overhead
///
/// What [`LeakDetector::observe`] and [`LeakDetector::report`] take, once in each period, on a thread of its own. It is
/// named `khive-perf-leak`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use khive_perf::leak::{LeakConfig, LeakWatch};
///
/// let watch = LeakWatch::start(LeakConfig::default(), Duration::from_secs(60))?;
/// // ... the service runs ...
/// println!("{}", watch.report());
/// watch.stop();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LeakWatch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Hands out the latest report of a [`LeakWatch`], also to another thread.
#[derive(Clone)]
pub struct LeakReports {
    shared: Arc<Shared>,
}

struct Shared {
    /// Whether the thread is to end.
    stop: Mutex<bool>,
    woken: Condvar,
    latest: Mutex<Arc<LeakReport>>,
}

/// The shortest period; a shorter one is this.
const PERIOD_MIN: Duration = Duration::from_millis(1);

impl LeakWatch {
    /// Looks for the first time now, and then once in each period.
    ///
    /// A service does well with a minute. A period shorter than a millisecond is one millisecond.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn start(config: LeakConfig, period: Duration) -> io::Result<Self> {
        let mut detector = LeakDetector::new(config);
        Self::run(period, move || {
            detector.observe();
            detector.report()
        })
    }

    /// The same for censuses that the program takes itself.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub fn start_with(
        config: LeakConfig,
        period: Duration,
        mut census: impl FnMut() -> Census + Send + 'static,
    ) -> io::Result<Self> {
        let mut detector = LeakDetector::new(config);
        Self::run(period, move || {
            detector.observe_census(&census());
            detector.report()
        })
    }

    fn run(
        period: Duration,
        mut look: impl FnMut() -> LeakReport + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            stop: Mutex::new(false),
            woken: Condvar::new(),
            latest: Mutex::new(Arc::default()),
        });
        let seen = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name(String::from("khive-perf-leak"))
            .spawn(move || {
                // A census of the program's own may panic; the latest report stays, and nobody looks again.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    seen.look_until_stopped(period, &mut look)
                }));
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// The latest report; an empty one before the first.
    #[must_use]
    pub fn report(&self) -> Arc<LeakReport> {
        self.reports().latest()
    }

    /// What hands out the latest report for as long as anybody asks.
    #[must_use]
    pub fn reports(&self) -> LeakReports {
        LeakReports {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Ends the thread, and waits for a look that is under way. The same as dropping it.
    pub fn stop(self) {}
}

impl LeakReports {
    /// The latest report; an empty one before the first.
    #[must_use]
    pub fn latest(&self) -> Arc<LeakReport> {
        Arc::clone(&lock(&self.shared.latest))
    }
}

impl Shared {
    fn look_until_stopped(&self, period: Duration, look: &mut impl FnMut() -> LeakReport) {
        loop {
            let report = Arc::new(look());
            *lock(&self.latest) = report;
            let stop = lock(&self.stop);
            if *wait_for(&self.woken, stop, period.max(PERIOD_MIN), |stop| !*stop) {
                return;
            }
        }
    }
}

impl Drop for LeakWatch {
    fn drop(&mut self) {
        *lock(&self.shared.stop) = true;
        self.shared.woken.notify_all();
        if let Some(thread) = self.thread.take() {
            // It does not panic; see `run`.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for LeakWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakWatch").finish_non_exhaustive()
    }
}

impl fmt::Debug for LeakReports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakReports").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::leak::census::{Kind, Live, OriginId};

    /// A watch whose censuses come one second after the other, and say so when they are taken.
    fn counted(period: Duration) -> (LeakWatch, mpsc::Receiver<u64>) {
        let (sender, receiver) = mpsc::channel();
        let mut second = 0;
        let watch = LeakWatch::start_with(LeakConfig::default(), period, move || {
            second += 1;
            let mut census = Census::at(Duration::from_secs(second));
            let origin = OriginId::new(Kind::Heap, 1);
            census.live.push(Live::new(1, origin, Duration::ZERO, 1));
            let _ = sender.send(second);
            census
        });
        (watch.expect("a thread starts"), receiver)
    }

    const BOUND: Duration = Duration::from_secs(30);

    #[test]
    fn the_latest_report_is_that_of_the_last_look() {
        let (watch, looks) = counted(Duration::ZERO);
        let reports = watch.reports();
        while looks.recv_timeout(BOUND).expect("it looks") < 3 {}
        watch.stop();
        assert!(reports.latest().censuses() >= 3);
    }

    #[test]
    fn dropping_it_ends_the_thread_in_the_middle_of_a_period() {
        let (watch, looks) = counted(Duration::from_secs(100_000));
        assert_eq!(looks.recv_timeout(BOUND), Ok(1));
        drop(watch);
        // The sender went with the thread.
        assert!(looks.recv_timeout(BOUND).is_err());
    }

    #[test]
    fn a_census_that_panics_ends_the_watch_and_not_the_program() {
        let watch = LeakWatch::start_with(LeakConfig::default(), Duration::ZERO, || {
            panic!("no census")
        });
        let watch = watch.expect("a thread starts");
        let reports = watch.reports();
        watch.stop();
        assert_eq!(reports.latest().censuses(), 0);
    }
}
