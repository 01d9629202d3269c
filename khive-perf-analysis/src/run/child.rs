//! The program under measurement as a child process: started, signalled, waited for.

use std::process::{ExitStatus, Stdio};

use tokio::process::Command;

use crate::error::Error;
use crate::run::{Finished, Recording, Wanted};
use crate::store::Store;

/// Runs `command` once as a run called `name` and stores what it sends.
///
/// The program inherits standard input and output. SIGTERM, SIGHUP and SIGINT are passed on to it; what
/// it returned is in [`Finished::exit_code`].
///
/// # Errors
///
/// Where the program cannot be started, or the database or the receiver fail.
///
/// # Panics
///
/// Within an async runtime: use [`Recording`] there.
pub fn execute(
    store: &Store,
    name: &str,
    command: &[String],
    wanted: &Wanted,
) -> Result<Finished, Error> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::command("", "no program was given"));
    };
    let recording = Recording::start(store, name, command)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::io("starting a runtime", error))?;
    let status = runtime.block_on(async {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(recording.env_for(wanted))
            .stdin(Stdio::inherit());
        for name in Recording::ENV_REMOVED {
            command.env_remove(name);
        }
        run(command).await
    });
    match status {
        Ok(status) => recording.finish(exit_code(status)),
        Err(error) => {
            // The run must not stay open: nothing will ever arrive for it.
            recording.finish(Some(127))?;
            Err(Error::command(program, error))
        }
    }
}

/// Runs the program to its end, and passes on the signals that we get meanwhile.
#[cfg(unix)]
async fn run(mut command: Command) -> std::io::Result<ExitStatus> {
    use std::io::IsTerminal;

    use rustix::process::Signal;
    use tokio::signal::unix::{SignalKind, signal};

    // Before the program starts: what comes at once must reach it, too, and not end us alone.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut child = command.spawn()?;
    // Ctrl-C on a terminal reaches the child as well as us; sent by `kill` it reaches only us.
    let by_terminal = std::io::stdin().is_terminal();
    loop {
        let caught = tokio::select! {
            status = child.wait() => return status,
            _ = terminate.recv() => Signal::TERM,
            _ = hang_up.recv() => Signal::HUP,
            _ = interrupt.recv() => Signal::INT,
        };
        if caught == Signal::INT && by_terminal {
            continue;
        }
        // `id` is `None` once the child was waited for, so that no other process is signalled.
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
            // It fails only where the child has just ended.
            let _ = rustix::process::kill_process(id, caught);
        }
    }
}

#[cfg(not(unix))]
async fn run(mut command: Command) -> std::io::Result<ExitStatus> {
    command.spawn()?.wait().await
}

#[cfg(unix)]
fn exit_code(status: ExitStatus) -> Option<i32> {
    use std::os::unix::process::ExitStatusExt;

    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
}

#[cfg(not(unix))]
fn exit_code(status: ExitStatus) -> Option<i32> {
    status.code()
}
