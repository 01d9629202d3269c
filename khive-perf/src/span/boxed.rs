//! Boxes a measured future as the boxed future that it measures.

use std::future::Future;
use std::marker::PhantomData;
use std::mem::transmute;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;

use crate::callsite::Callsite;
use crate::span::{Measured, SpanGuard, measure_future};

/// A boxed future that another one, measured, can stand in for.
///
/// A `Pin<Box<dyn Future<Output = T> + 'a>>` is handed on where nothing is known of how long `T` lives. To box
/// another future around it, the compiler would ask for `T: 'a`, which the function that is measured need not say.
pub trait Hold<W>: Sized {
    /// Boxes the future.
    fn hold(measured: W) -> Self;
}

/// Boxes a measured future as what its function returns.
#[inline]
pub fn hold<B: Hold<W>, W>(measured: W) -> B {
    B::hold(measured)
}

/// A boxed future, or what is measured around one.
///
/// # Safety
///
/// What a value of the type holds beside the boxed future lives at least as long as `'a`, and the boxed future is
/// one that says `+ 'a`.
pub unsafe trait Around<'a> {}

// SAFETY: of the two fields that are no future, the predicate lives long enough, and the callsite for ever.
unsafe impl<'a, W: Around<'a> + Future, P: 'a> Around<'a> for Measured<W, P> {}

#[cfg(feature = "enabled")]
// SAFETY: it has no other field that borrows.
unsafe impl<'a, W: Around<'a>> Around<'a> for crate::span::CountAlloc<W> {}

#[cfg(feature = "tracing")]
// SAFETY: the values of the fields are owned.
unsafe impl<'a, W: Around<'a> + Future, const N: usize> Around<'a>
    for crate::span::traced::Traced<W, N>
{
}

macro_rules! hold {
    ($($auto:ident)*) => {
        // SAFETY: there is nothing beside it.
        unsafe impl<'a, T> Around<'a> for Pin<Box<dyn Future<Output = T> $(+ $auto)* + 'a>> {}

        impl<'a, T, W> Hold<W> for Pin<Box<dyn Future<Output = T> $(+ $auto)* + 'a>>
        where
            W: Around<'a> + Future<Output = T> $(+ $auto)*,
        {
            #[inline]
            fn hold(measured: W) -> Self {
                let boxed: Pin<Box<dyn Future<Output = T> $(+ $auto)* + '_>> = Box::pin(measured);
                // SAFETY: the types differ in a lifetime only, and `Around` says that all in the box lives as long.
                // Of `T` the box holds nothing that the boxed future did not hold, as this type says, too.
                unsafe { transmute::<Pin<Box<dyn Future<Output = T> $(+ $auto)* + '_>>, Self>(boxed) }
            }
        }
    };
    (movable: $($auto:ident)*) => {
        // SAFETY: there is nothing beside it.
        unsafe impl<'a, T> Around<'a> for Box<dyn Future<Output = T> $(+ $auto)* + 'a> {}

        impl<'a, T, W> Hold<W> for Box<dyn Future<Output = T> $(+ $auto)* + 'a>
        where
            W: Around<'a> + Future<Output = T> $(+ $auto)*,
        {
            #[inline]
            fn hold(measured: W) -> Self {
                Pin::into_inner(Hold::hold(measured))
            }
        }
    };
}

/// Each set of the traits that may stand beside `Future`, in a box that is pinned or holds what may move.
macro_rules! hold_sets {
    ($($chosen:ident)* ;) => {
        hold!($($chosen)*);
        hold!(movable: Unpin $($chosen)*);
        hold!(Unpin $($chosen)*);
    };
    ($($chosen:ident)* ; $next:ident $($rest:ident)*) => {
        hold_sets!($($chosen)* ; $($rest)*);
        hold_sets!($($chosen)* $next ; $($rest)*);
    };
}

hold_sets!(; Send Sync UnwindSafe RefUnwindSafe);

/// What a function returns whose output is called `BoxFuture`: most often a boxed future of the standard library,
/// and then the future is measured. If it is another type of this name, the call is.
///
/// The compiler takes the methods from here where the bounds hold, and else from [`ReturnedOther`].
#[derive(Debug)]
pub struct Returned<T>(ReturnedOther<T>);

/// The methods of a [`Returned`] that is no future.
#[derive(Debug)]
pub struct ReturnedOther<T>(PhantomData<fn(T) -> T>);

impl<T> Returned<T> {
    /// Nothing is returned yet.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self(ReturnedOther(PhantomData))
    }
}

impl<T> Default for Returned<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Future + Hold<Measured<T>>> Returned<T> {
    /// Measures nothing yet.
    #[inline]
    pub fn enter(&self, _: &'static Callsite) -> impl Sized + use<T> {}

    /// Measures the future.
    #[inline]
    pub fn finish(&self, callsite: &'static Callsite, future: T) -> T {
        hold(measure_future(callsite, future))
    }
}

impl<T> Deref for Returned<T> {
    type Target = ReturnedOther<T>;

    #[inline]
    fn deref(&self) -> &ReturnedOther<T> {
        &self.0
    }
}

impl<T> ReturnedOther<T> {
    /// Measures the call.
    #[inline]
    pub fn enter(&self, callsite: &'static Callsite) -> SpanGuard {
        callsite.enter_noted()
    }

    /// What was returned, as it is.
    #[inline]
    pub fn finish(&self, _: &'static Callsite, returned: T) -> T {
        returned
    }
}
