//! What is assigned to `self` for its `Drop` to read is no assignment that nobody reads.
#![deny(warnings)]

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use khive_perf::measure;

thread_local! {
    static ROLLED_BACK: Cell<u8> = const { Cell::new(0) };
}

struct Transaction {
    open: bool,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        ROLLED_BACK.set(ROLLED_BACK.get() + u8::from(self.open));
    }
}

#[measure]
impl Transaction {
    async fn commit(mut self) -> Result<(), ()> {
        std::future::ready(()).await;
        self.open = false;
        Ok(())
    }

    #[measure(err)]
    fn commit_now(mut self, fails: bool) -> Result<(), ()> {
        if fails {
            return Err(());
        }
        self.open = false;
        Ok(())
    }

    async fn commit_boxed(mut self: Box<Self>) -> impl Sized {
        self.open = false;
    }

    async fn commit_other(self, mut other: Self) {
        other.open = self.open;
        drop(self);
        other.open = false;
    }

    fn future(mut self, early: bool) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
        self.open = false;
        if early {
            return Box::pin(std::future::ready(()));
        }
        Box::pin(std::future::ready(()))
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing is waited for"),
    }
}

fn main() {
    let open = || Transaction { open: true };
    assert_eq!(now(open().commit()), Ok(()));
    assert_eq!(open().commit_now(false), Ok(()));
    now(Box::new(open()).commit_boxed());
    now(open().future(true));
    assert_eq!(ROLLED_BACK.get(), 0);
    assert_eq!(open().commit_now(true), Err(()));
    now(open().commit_other(open()));
    assert_eq!(ROLLED_BACK.get(), 2);
}
