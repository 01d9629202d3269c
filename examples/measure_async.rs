//! This example shows what is known of an async function: busy and idle time, polls, and cancellation.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::time::Duration;

use khive_perf::{FutureExt as _, measure};
use tokio::sync::oneshot;

/// Busy while it is polled, idle while it waits for the answer.
#[measure]
async fn fetch(answer: oneshot::Receiver<&str>) -> usize {
    let answer = answer.await.unwrap_or_default(); // an answer that never comes counts as empty
    answer.split(' ').map(str::len).sum()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for text in ["one two", "three four five"] {
        let (send, receive) = oneshot::channel();
        let fetched = tokio::spawn(fetch(receive));
        // A future that is not a function has a name of its own.
        tokio::task::yield_now()
            .measured("let the fetch start")
            .await;
        let _ = send.send(text); // an error says that the fetch has ended already
        let _ = fetched.await;
    }

    // Given up: recorded as cancelled, so that it does not flatter the successful ones.
    let (_never_sent, receive) = oneshot::channel();
    let _ = tokio::time::timeout(Duration::from_millis(20), fetch(receive)).await;

    let snapshot = khive_perf::snapshot();
    println!("{}", khive_perf::report::text(&snapshot));
    if let Some(fetch) = snapshot.callsite("fetch") {
        println!(
            "fetch: {} answered in {} polls, {} cancelled, busy {:?}, idle {:?}",
            fetch.ok(),
            fetch.polls(),
            fetch.cancelled(),
            fetch.busy(),
            fetch.idle(),
        );
    }
}
