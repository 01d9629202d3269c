//! Guard: the program's hold on its exporter.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::delivery::{Delivery, Ledger};
use crate::worker::{Command, Reply};

/// How long dropping a guard may take.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the exporter of [`install`](crate::install) is running. One writer at a time wins it by
/// exchange; it guards no other memory.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Claims the place of the process's exporter; `false` if it is taken.
pub(crate) fn claim() -> bool {
    !INSTALLED.swap(true, Ordering::AcqRel)
}

/// Gives the place of the process's exporter back.
pub(crate) fn release() {
    INSTALLED.store(false, Ordering::Release);
}

/// A running exporter. Keep it as long as the program is to export.
///
/// Dropping it shuts the exporter down, for 2 s at most; call [`shutdown`](Self::shutdown) to choose the
/// time and to learn what arrived. A process that exits without either loses what was recorded since the
/// last export.
#[must_use = "dropping the guard shuts the exporter down"]
pub struct ExporterGuard {
    /// `None` where the environment asks for no exporter.
    commands: Option<mpsc::Sender<Command>>,
    ledger: Ledger,
    is_installed: bool,
    is_down: AtomicBool,
}

impl ExporterGuard {
    pub(crate) fn new(commands: mpsc::Sender<Command>, ledger: Ledger) -> Self {
        let commands = Some(commands);
        Self {
            commands,
            ledger,
            is_installed: false,
            is_down: AtomicBool::new(false),
        }
    }

    /// A guard of no exporter.
    pub(crate) fn noop() -> Self {
        let is_down = AtomicBool::new(false);
        Self {
            commands: None,
            ledger: Ledger::default(),
            is_installed: false,
            is_down,
        }
    }

    /// Makes this the process's exporter, whose place was [claimed](claim).
    pub(crate) fn installed(mut self) -> Self {
        self.is_installed = true;
        self
    }

    /// Sends what has been recorded so far, and returns when that has arrived or the time is up.
    ///
    /// What has not arrived by then is kept for the next export: it is `waiting` in the result. The
    /// calling thread is blocked, at most `within`, and no runtime is needed; in a task, prefer
    /// [`flush_async`](Self::flush_async).
    pub fn flush(&self, within: Duration) -> Delivery {
        self.ask(within, |reply| Command::Flush { within, reply })
    }

    /// [`flush`](Self::flush) without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropped early, the flush goes on; only its answer is lost.
    pub async fn flush_async(&self, within: Duration) -> Delivery {
        let (answer, answered) = oneshot::channel();
        let reply: Reply = Box::new(move |delivery| drop(answer.send(delivery)));
        if self.send(Command::Flush { within, reply })
            && let Ok(delivery) = answered.await
        {
            return delivery;
        }
        self.stats()
    }

    /// Sends what has been recorded so far, stops the exporter, and says what became of everything.
    ///
    /// What has not arrived when the time is up counts as dropped. Blocks the calling thread, at most
    /// `within`. A second call does nothing and gives the same answer.
    pub fn shutdown(&self, within: Duration) -> Delivery {
        if self.is_down.swap(true, Ordering::AcqRel) {
            return self.stats();
        }
        let delivery = self.ask(within, |reply| Command::Shutdown { within, reply });
        if self.is_installed {
            release();
        }
        delivery
    }

    /// What became of the points so far.
    #[must_use]
    pub fn stats(&self) -> Delivery {
        let mut delivery = self.ledger.read();
        if self.is_down.load(Ordering::Acquire) {
            delivery.dropped += std::mem::take(&mut delivery.waiting);
        }
        delivery
    }

    fn send(&self, command: Command) -> bool {
        self.commands
            .as_ref()
            .is_some_and(|commands| commands.try_send(command).is_ok())
    }

    fn ask(&self, within: Duration, command: impl FnOnce(Reply) -> Command) -> Delivery {
        let (answer, answered) = std_mpsc::sync_channel(1);
        let reply: Reply = Box::new(move |delivery| drop(answer.try_send(delivery)));
        if self.send(command(reply))
            && let Ok(delivery) = answered.recv_timeout(within)
        {
            return delivery;
        }
        self.stats()
    }
}

impl Drop for ExporterGuard {
    fn drop(&mut self) {
        self.shutdown(DROP_TIMEOUT);
    }
}

impl fmt::Debug for ExporterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExporterGuard")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
