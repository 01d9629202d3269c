//! What the future of a measured function is beside that of the plain one: at most 96 bytes larger for
//! each measured future in it, and as `Send`, `Sync` and `Unpin` as it.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use khive_perf::measure;

use crate::measure::{block_on, yield_now};

const BYTES_MAX: usize = 96;

type Block = [u8; 1024];

/// The same functions, plain and measured.
macro_rules! twins {
    ($($(#[$attr:meta])* async fn $name:ident($($arg:ident: $ty:ty),*) -> $out:ty $body:block)*) => {
        mod plain {
            use super::*;
            $(pub(super) async fn $name($($arg: $ty),*) -> $out $body)*
        }
        mod measured {
            use super::*;
            $(#[measure] $(#[$attr])* pub(super) async fn $name($($arg: $ty),*) -> $out $body)*
        }
    };
}

twins! {
    async fn small() -> u8 {
        yield_now().await;
        1
    }
    async fn large_argument(block: Block) -> u8 {
        yield_now().await;
        block[3]
    }
    async fn large_local(x: u8) -> u8 {
        let block = [x; 1024];
        yield_now().await;
        block[3]
    }
    async fn nested(block: Block) -> u8 {
        large_argument(block).await
    }
    async fn nested_twice(block: Block) -> u8 {
        nested(block).await + small().await
    }
    async fn several_awaits(a: Block, text: String) -> usize {
        let n = usize::from(large_argument(a).await);
        n + usize::from(large_local(1).await) + text.len()
    }
}

/// How much larger the second future is.
fn growth<A: Future, B: Future>(plain: &A, measured: &B) -> usize {
    size_of_val(measured).saturating_sub(size_of_val(plain))
}

#[test]
fn each_measured_future_is_at_most_96_bytes_larger() {
    let block = [7; 1024];
    let text = String::new;
    // With how many measured futures each of them holds at a time, itself included.
    let sizes = [
        ("small", 1, growth(&plain::small(), &measured::small())),
        (
            "large_argument",
            1,
            growth(
                &plain::large_argument(block),
                &measured::large_argument(block),
            ),
        ),
        (
            "large_local",
            1,
            growth(&plain::large_local(1), &measured::large_local(1)),
        ),
        (
            "nested",
            2,
            growth(&plain::nested(block), &measured::nested(block)),
        ),
        (
            "nested_twice",
            3,
            growth(&plain::nested_twice(block), &measured::nested_twice(block)),
        ),
        (
            "several_awaits",
            2,
            growth(
                &plain::several_awaits(block, text()),
                &measured::several_awaits(block, text()),
            ),
        ),
    ];
    for (name, futures, bytes) in sizes {
        assert!(
            bytes <= futures * BYTES_MAX,
            "{name} grew by {bytes} bytes: {sizes:?}"
        );
    }
    assert_eq!(
        block_on(plain::nested_twice(block)),
        block_on(measured::nested_twice(block))
    );
}

#[test]
fn a_measured_future_whose_output_is_looked_at_is_no_larger() {
    async fn plain(x: u8) -> Result<u8, String> {
        yield_now().await;
        Ok(x)
    }
    #[measure(err)]
    async fn with_err(x: u8) -> Result<u8, String> {
        yield_now().await;
        Ok(x)
    }
    #[measure(ok_if = |result| result.is_ok(), fields(x))]
    async fn with_ok_if(x: u8) -> Result<u8, String> {
        yield_now().await;
        Ok(x)
    }
    fn plain_box(x: u8) -> Pin<Box<dyn Future<Output = u8>>> {
        Box::pin(async move { x })
    }
    #[measure]
    fn boxed(x: u8) -> Pin<Box<dyn Future<Output = u8>>> {
        Box::pin(async move { x })
    }
    assert!(growth(&plain(1), &with_err(1)) <= BYTES_MAX);
    assert!(growth(&plain(1), &with_ok_if(1)) <= BYTES_MAX);
    // The future in the box is wrapped, and not the box.
    let sizes = [size_of_val(&*plain_box(1)), size_of_val(&*boxed(1))];
    assert!(
        sizes[1] > sizes[0] && sizes[1] - sizes[0] <= BYTES_MAX,
        "{sizes:?}"
    );
}

#[test]
fn an_argument_in_a_pattern_is_held_once() {
    async fn plain((block, x): (Block, u8)) -> u8 {
        yield_now().await;
        block[usize::from(x)]
    }
    #[measure]
    async fn measured((block, x): (Block, u8)) -> u8 {
        yield_now().await;
        block[usize::from(x)]
    }
    async fn passed_on((block, _): (Block, u8)) -> u8 {
        plain((block, 0)).await
    }
    #[measure]
    async fn passed_on_measured((block, _): (Block, u8)) -> u8 {
        plain((block, 0)).await
    }
    let argument = ([7; 1024], 1);
    assert!(growth(&plain(argument), &measured(argument)) <= BYTES_MAX);
    let bytes = growth(&passed_on(argument), &passed_on_measured(argument));
    assert!(bytes <= BYTES_MAX, "grew by {bytes} bytes");
    assert_eq!(block_on(passed_on_measured(argument)), 7);
}

/// Whether a future is `Send`, `Sync`, `Unpin`; told at compile time by autoref specialisation.
macro_rules! auto_traits {
    ($future:expr) => {{
        let probe = Probe(&$future);
        [
            (&&probe).is_send(),
            (&&probe).is_sync(),
            (&&probe).is_unpin(),
        ]
    }};
}

struct Probe<'a, T>(#[expect(dead_code, reason = "only its type is asked")] &'a T);

macro_rules! probes {
    ($($yes:ident $no:ident $method:ident $bound:ident)*) => {$(
        trait $yes {
            fn $method(&self) -> bool {
                true
            }
        }
        impl<T: $bound> $yes for &Probe<'_, T> {}
        trait $no {
            fn $method(&self) -> bool {
                false
            }
        }
        impl<T> $no for Probe<'_, T> {}
    )*};
}

probes! {
    YesSend NoSend is_send Send
    YesSync NoSync is_sync Sync
    YesUnpin NoUnpin is_unpin Unpin
}

mod futures {
    use super::*;

    macro_rules! pairs {
        ($($name:ident($($arg:ident: $ty:ty),*) -> $out:ty $body:block)*) => {$(
            pub(super) mod $name {
                use super::*;
                pub(crate) fn plain($($arg: $ty),*) -> $out $body
                #[measure]
                pub(crate) fn measured($($arg: $ty),*) -> $out $body
            }
        )*};
    }

    pairs! {
        unpin_future() -> impl Future<Output = u8> { std::future::ready(1) }
        local_future(rc: Rc<u8>) -> impl Future<Output = u8> { async move { *rc } }
        local_output() -> impl Future<Output = Rc<u8>> { async move { Rc::new(1) } }
        send_not_sync(cell: Cell<u8>) -> impl Future<Output = u8> + Send { async move { cell.get() } }
        boxed_local() -> Pin<Box<dyn Future<Output = u8>>> { Box::pin(async { 1 }) }
        boxed_send() -> Pin<Box<dyn Future<Output = u8> + Send>> { Box::pin(async { 1 }) }
    }

    pub(super) mod asynchronous {
        use super::*;
        pub(crate) async fn plain(cell: Cell<u8>) -> Rc<u8> {
            yield_now().await;
            Rc::new(cell.get())
        }
        #[measure]
        pub(crate) async fn measured(cell: Cell<u8>) -> Rc<u8> {
            yield_now().await;
            Rc::new(cell.get())
        }
        #[measure]
        #[must_use]
        pub(crate) async fn measured_as_async(cell: Cell<u8>) -> Rc<u8> {
            yield_now().await;
            Rc::new(cell.get())
        }
    }
}

#[test]
fn a_measured_future_has_the_auto_traits_of_the_plain_one() {
    use futures::{
        asynchronous, boxed_local, boxed_send, local_future, local_output, send_not_sync,
        unpin_future,
    };
    let pairs = [
        (
            "unpin",
            auto_traits!(unpin_future::plain()),
            auto_traits!(unpin_future::measured()),
        ),
        (
            "local future",
            auto_traits!(local_future::plain(Rc::new(1))),
            auto_traits!(local_future::measured(Rc::new(1))),
        ),
        (
            "local output",
            auto_traits!(local_output::plain()),
            auto_traits!(local_output::measured()),
        ),
        (
            "send, not sync",
            auto_traits!(send_not_sync::plain(Cell::new(1))),
            auto_traits!(send_not_sync::measured(Cell::new(1))),
        ),
        (
            "boxed",
            auto_traits!(boxed_local::plain()),
            auto_traits!(boxed_local::measured()),
        ),
        (
            "boxed send",
            auto_traits!(boxed_send::plain()),
            auto_traits!(boxed_send::measured()),
        ),
        (
            "async",
            auto_traits!(asynchronous::plain(Cell::new(1))),
            auto_traits!(asynchronous::measured(Cell::new(1))),
        ),
        (
            "async as such",
            auto_traits!(asynchronous::plain(Cell::new(1))),
            auto_traits!(asynchronous::measured_as_async(Cell::new(1))),
        ),
    ];
    for (name, plain, measured) in pairs {
        assert_eq!(plain, measured, "{name}: Send, Sync, Unpin");
    }
    // The probe does tell them apart.
    assert_eq!(auto_traits!(unpin_future::plain()), [true, true, true]);
    assert_eq!(
        auto_traits!(local_future::plain(Rc::new(1))),
        [false, false, false]
    );
    assert_eq!(
        auto_traits!(send_not_sync::plain(Cell::new(1))),
        [true, false, false]
    );
}
