//! Before edition 2024 `-> impl Future` captures no elided lifetime, and an `async fn` does: measured, it
//! still does. Bodies of unsafe functions stay unsafe, too.
//! Compiled in editions 2018 and 2021; the examples in the documentation of the attribute are run in the latter.
#![cfg(any(test, doctest))]
#![deny(warnings)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use khive_perf::measure;
use khive_perf::testing::capture;

#[cfg(doctest)]
#[doc = include_str!("../../../khive-perf-macros/src/measure.md")]
struct Documentation;

struct Text(String);

impl Text {
    #[measure]
    async fn both(&self, other: &str) -> usize {
        std::future::ready(()).await;
        self.0.len() + other.len()
    }

    #[measure]
    async fn borrowed(&mut self, other: &str) -> &str {
        self.0.push_str(other);
        &self.0
    }

    #[measure]
    async fn opaque(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes()
    }
}

/// A function with the name of what only later editions know as a keyword, and one without a body of its own.
mod words {
    use std::pin::Pin;

    #[khive_perf::measure(name = "try", fields(r#gen))]
    pub(super) fn r#try(r#gen: u8) -> u8 {
        r#gen
    }

    #[khive_perf::measure(ok_if = |length| *length > 0)]
    pub(super) fn boxed<'a>(
        text: &'a str,
    ) -> Pin<Box<dyn std::future::Future<Output = usize> + Send + 'a>> {
        let length = move || text.len();
        Box::pin(async move { length() })
    }
}

trait Length {
    fn length(&self, other: &str) -> impl Future<Output = usize> + Send;
}

impl Length for Text {
    #[measure]
    async fn length(&self, other: &str) -> usize {
        self.0.len() + other.len()
    }
}

#[measure(ok_if = |byte| *byte > 0)]
#[expect(unsafe_op_in_unsafe_fn, reason = "these editions allow it by default")]
unsafe fn read(byte: *const u8) -> u8 {
    *byte
}

#[measure]
#[expect(unsafe_op_in_unsafe_fn, reason = "as above")]
async unsafe fn read_async(byte: &u8) -> u8 {
    read(byte)
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("none of these futures waits"),
    }
}

#[test]
fn measured_functions_of_older_editions_capture_what_async_functions_do() {
    let ((), captured) = capture(|| {
        let mut text = Text("ab".into());
        assert_eq!(now(text.both(&String::from("c"))), 3);
        assert_eq!(now(text.borrowed(&String::from("c"))), "abc");
        assert_eq!(now(text.opaque()).count(), 3);
        assert_eq!(now(text.length(&String::from("d"))), 4);
        assert_eq!((words::r#try(1), now(words::boxed("ab"))), (1, 2));
        // SAFETY: a reference may be read.
        assert_eq!(unsafe { read(&1) }, 1);
        // SAFETY: as above.
        assert_eq!(now(unsafe { read_async(&2) }), 2);
    });
    let calls: Vec<_> = captured
        .callsites()
        .iter()
        .map(|stats| stats.ok())
        .collect();
    assert_eq!(calls, [1, 1, 1, 1, 2, 1, 1, 1], "{captured:?}");
}
