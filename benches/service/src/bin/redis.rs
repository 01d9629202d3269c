//! mini-redis, a service on tokio's runtime: prints its address, then for every line it is given the processor time
//! that it has used so far. Ends with its input.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::thread;

use khive_perf_service::{configure, process_time};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let _attached = configure()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    say(&listener.local_addr()?.to_string())?;
    let (end, ended) = oneshot::channel::<()>();
    thread::spawn(move || {
        for _ in io::stdin().lock().lines().map_while(Result::ok) {
            if say(&process_time().as_nanos().to_string()).is_err() {
                break;
            }
        }
        drop(end);
    });
    runtime.block_on(mini_redis::server::run(listener, ended))?;
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}
