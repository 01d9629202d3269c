//! Functions that return a future, and some that return what only looks like one.
#![deny(warnings)]

use std::future::{Future, Ready, ready};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use khive_perf::measure;

/// Where the output need not live as long as the future does.
mod outputs {
    use super::*;

    #[measure]
    pub fn boxed<'a, T, F: Future<Output = T> + 'a>(
        future: F,
    ) -> Pin<Box<dyn Future<Output = T> + 'a>> {
        Box::pin(future)
    }

    #[measure]
    pub fn returned<'a, T, F: Future<Output = T> + 'a>(future: F) -> impl Future<Output = T> + 'a {
        future
    }
}

/// A boxed future that somebody else made, of whose output no more is known than here.
mod handed_on {
    use super::*;

    type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

    pub struct Service<T, E>(pub fn() -> BoxFuture<T, E>);

    impl<T, E> Service<T, E> {
        #[measure]
        pub fn call(&mut self) -> BoxFuture<T, E> {
            (self.0)()
        }

        #[measure(err)]
        pub fn call_with_err(&mut self, early: bool) -> BoxFuture<T, E>
        where
            T: 'static,
            E: 'static,
        {
            if early {
                return (self.0)();
            }
            (self.0)()
        }
    }

    #[measure(fields(x))]
    pub fn field<'a, T>(
        x: u8,
        future: Pin<Box<dyn Future<Output = T> + Sync + Send + 'a>>,
    ) -> Pin<Box<dyn Future<Output = T> + Sync + Send + 'a>> {
        future
    }

    #[measure]
    pub fn unpin<'a, T>(
        future: Box<dyn Future<Output = T> + Unpin + UnwindSafe + 'a>,
    ) -> Box<dyn Future<Output = T> + Unpin + UnwindSafe + 'a> {
        future
    }

    /// The future is not taken for one that lives longer.
    #[measure]
    pub fn shorter<'a, 'b: 'a, T>(
        future: Pin<Box<dyn Future<Output = T> + Send + 'b>>,
    ) -> Pin<Box<dyn Future<Output = T> + 'a>> {
        future
    }
}

/// A trait of its own that a future has beside.
trait Named {
    fn name(&self) -> &'static str;
}

impl<T> Named for Ready<T> {
    fn name(&self) -> &'static str {
        "ready"
    }
}

#[measure]
fn named(x: u8) -> impl Future<Output = u8> + Named {
    ready(x)
}

#[measure]
fn cloned(x: u8) -> impl Clone + Future<Output = u8> + Send + 'static {
    ready(x)
}

#[measure]
fn everywhere(
    x: u8,
) -> impl Future<Output = u8> + Send + Sync + Unpin + UnwindSafe + RefUnwindSafe {
    ready(x)
}

/// A box is a future only where what it holds may move.
#[measure]
fn immovable(x: u8) -> Box<dyn Future<Output = u8>> {
    Box::new(ready(x))
}

#[measure]
fn movable(x: u8) -> Box<dyn Future<Output = u8> + Send + Unpin> {
    if x == 0 {
        return Box::new(ready(1));
    }
    Box::new(ready(x))
}

/// Futures as they were before the standard library had them.
mod old {
    use khive_perf::measure;

    pub trait Future {
        type Item;
        type Error;
        fn poll(&mut self) -> Result<Option<Self::Item>, Self::Error>;
    }

    struct Done(u8);

    impl Future for Done {
        type Item = u8;
        type Error = ();
        #[measure(err)]
        fn poll(&mut self) -> Result<Option<u8>, ()> {
            Ok(Some(self.0))
        }
    }

    #[measure]
    pub fn done(x: u8) -> impl Future<Item = u8, Error = ()> {
        Done(x)
    }

    #[measure]
    pub fn boxed(x: u8) -> Box<dyn Future<Item = u8, Error = ()> + Send> {
        Box::new(Done(x))
    }
}

/// What is only called so: the call is timed.
mod namesakes {
    use khive_perf::measure;

    use super::old;

    type BoxFuture<T, E> = Box<dyn old::Future<Item = T, Error = E> + Send>;
    pub struct LocalBoxFuture<'a, T>(pub &'a T);

    #[measure]
    pub fn boxed(x: u8) -> BoxFuture<u8, ()> {
        old::boxed(x)
    }

    #[measure]
    pub fn borrowed<T>(x: &T) -> LocalBoxFuture<'_, T> {
        LocalBoxFuture(x)
    }
}

/// A future that is a type of its own is no wrapped one.
struct Own(u8);

impl Future for Own {
    type Output = u8;
    #[measure]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u8> {
        Poll::Ready(self.0)
    }
}

#[measure]
fn own(x: u8) -> Own {
    Own(x)
}

fn main() {
    use old::Future as _;
    assert_eq!(named(1).name(), "ready");
    let first = cloned(1);
    drop((
        first.clone(),
        first,
        everywhere(1),
        immovable(1),
        movable(0),
        own(1),
    ));
    assert_eq!(namesakes::boxed(1).poll(), Ok(Some(1)));
    assert_eq!(namesakes::borrowed(&1).0, &1);
    let mut service = handed_on::Service::<&str, ()>(|| Box::pin(ready(Ok(""))));
    drop((service.call(), service.call_with_err(true)));
    drop((
        handed_on::field(1, Box::pin(ready(""))),
        handed_on::unpin(Box::new(ready(""))),
    ));
    drop(handed_on::shorter(Box::pin(ready(""))));
    drop((outputs::boxed(ready(1)), outputs::returned(ready("a"))));
    assert_eq!(
        (old::done(1).poll(), old::boxed(2).poll()),
        (Ok(Some(1)), Ok(Some(2)))
    );
}
