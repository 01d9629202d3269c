//! Callsite: the static place in the source that measures.

mod number;

use std::any::type_name;
use std::cell::UnsafeCell;
use std::mem::transmute;
use std::panic::{Location, RefUnwindSafe};
use std::{fmt, ptr};

pub(crate) use self::number::NO_ID;
use self::number::Number;
#[cfg(feature = "enabled")]
pub(crate) use self::number::OFF_ID;
use crate::sync::{AtomicPtr, Ordering};

/// What kind of code a callsite measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A function that runs on one thread from its beginning to its end.
    Function,
    /// A future: it is polled, maybe on several threads.
    Future,
    /// A region of a function, from [`span!`](crate::span!).
    Region,
    /// A span of `tracing`, from the layer for its subscribers: entered and left as often as a future is polled, maybe on
    /// several threads.
    Span,
}

impl Kind {
    /// Whether a call is left and entered again before it ends.
    #[must_use]
    pub const fn is_resumed(self) -> bool {
        matches!(self, Self::Future | Self::Span)
    }
}

/// What is known about a callsite when the program is compiled, beside where it is: most have this in common.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    name: &'static str,
    group: &'static str,
    /// File and line; none where it is wherever it is called.
    place: Option<(&'static str, u32)>,
    /// What is measured.
    kind: Kind,
    timing: Timing,
}

impl Spec {
    /// A function, without wishes.
    pub const FUNCTION: Self = Self::of(Kind::Function);
    /// A function whose future is measured.
    pub const FUTURE: Self = Self::of(Kind::Future);
    /// A region of a function.
    pub const REGION: Self = Self::of(Kind::Region);

    /// Of this kind, without wishes.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        Self {
            name: "",
            group: "",
            place: None,
            kind,
            timing: Timing {
                is_future: kind.is_resumed(),
                ..Timing::PLAIN
            },
        }
    }

    /// The name that replaces the path in reports; empty where none does.
    #[must_use]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The group in reports; empty where it is in none.
    #[must_use]
    pub const fn group(mut self, group: &'static str) -> Self {
        self.group = group;
        self
    }

    /// Where it is, for what is not called from there; an empty file where it is nowhere.
    #[must_use]
    pub const fn place(mut self, file: &'static str, line: u32) -> Self {
        self.place = Some((file, line));
        self
    }

    /// Times one call in `every`, on average and at random; all are counted. At most 2^20; 0 is 1.
    #[must_use]
    pub const fn sample(mut self, every: u32) -> Self {
        self.timing.is_pinned = true;
        self.timing.every = match every {
            0 => 1,
            Timing::EVERY_MAX.. => Timing::EVERY_MAX,
            every => every,
        };
        self
    }

    /// Counts the calls that take this long or longer.
    #[must_use]
    pub const fn slow_ns(mut self, ns: u64) -> Self {
        self.timing.slow_ns = ns;
        self
    }
}

/// The static place in the source that measures. It knows what it measures and a number; the registry
/// gives the number.
///
/// There is one in each measured function, and the compiler types, checks and evaluates it. So it is a copy of a constant,
/// and what a call can say is not in it. The cell around all of it is for the compiler, too: it asks of each static, by
/// all fields up to the first such cell, whether anything in it may change.
pub struct Callsite(UnsafeCell<Parts>);

#[derive(Debug)]
struct Parts {
    number: Number,
    /// A [`PathOf`]; null until the first call, and where there is no function.
    path: AtomicPtr<()>,
    /// Where it was first called from; null until then.
    from: AtomicPtr<Location<'static>>,
    spec: &'static Spec,
}

/// Gives the type name of an item inside a function, from which the path of the function is cut.
type PathOf = fn() -> &'static str;

/// What a call says of its callsite: the same in all calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    path: PathOf,
    from: &'static Location<'static>,
}

impl Source {
    /// Of the caller, where `Marker` is declared.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn of<Marker>() -> Self {
        Self {
            path: type_name::<Marker>,
            from: Location::caller(),
        }
    }
}

/// A function, as its static knows it.
#[expect(
    clippy::declare_interior_mutable_const,
    reason = "what is made of it is what is written to"
)]
pub const FUNCTION: Callsite = Callsite::new(&Spec::FUNCTION);

/// A function whose future is measured, as its static knows it.
#[expect(
    clippy::declare_interior_mutable_const,
    reason = "what is made of it is what is written to"
)]
pub const FUTURE: Callsite = Callsite::new(&Spec::FUTURE);

/// How the calls of a callsite are timed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// One call in so many is timed, on average; 1 times every call.
    pub(crate) every: u32,
    /// Whether the callsite says so, and the budget does not.
    pub(crate) is_pinned: bool,
    /// Nanoseconds from which on a call is slow; `u64::MAX` where none is.
    pub(crate) slow_ns: u64,
    /// Whether the calls are futures.
    pub(crate) is_future: bool,
}

impl Timing {
    /// Of a function without wishes.
    pub(crate) const PLAIN: Self = Self {
        every: 1,
        is_pinned: false,
        slow_ns: u64::MAX,
        is_future: false,
    };

    /// Largest number of calls of which one is timed.
    pub(crate) const EVERY_MAX: u32 = 1 << 20;
}

// SAFETY: all that is in it is `Sync`, and nobody has it to change without that.
unsafe impl Sync for Callsite {}

/// There are atomics in the cell.
impl RefUnwindSafe for Callsite {}

/// Each type in it is both, or else this does not compile.
const _: () = {
    const fn is_shared<T: Sync + RefUnwindSafe>() {}
    is_shared::<Parts>();
};

/// Where a method is called.
#[expect(clippy::exhaustive_structs, reason = "macros write it")]
#[derive(Clone, Copy, Debug)]
pub struct Here;

impl Here {
    /// The line of the call.
    #[must_use]
    #[track_caller]
    pub const fn line(self) -> u32 {
        Location::caller().line()
    }
}

impl Callsite {
    /// A callsite that has not been called yet. One that is called by no function must have a name.
    #[must_use]
    pub const fn new(spec: &'static Spec) -> Self {
        Self(UnsafeCell::new(Parts {
            number: Number::none(),
            path: AtomicPtr::new(ptr::null_mut()),
            from: AtomicPtr::new(ptr::null_mut()),
            spec,
        }))
    }

    #[inline(always)]
    const fn parts(&self) -> &Parts {
        // SAFETY: it is there as long as `self`, and nobody makes another reference of the cell than this one.
        unsafe { &*self.0.get() }
    }

    /// Itself, from now on known to be called from here, by the function that declares `Marker`.
    #[inline(always)]
    #[track_caller]
    pub fn here<Marker>(&'static self) -> &'static Self {
        if self.parts().from.load(Ordering::Relaxed).is_null() {
            self.note(Source::of::<Marker>());
        }
        self
    }

    /// Notes what a call says. Threads may meet here, as they say the same, and point at what was compiled in.
    #[cold]
    pub(crate) fn note(&self, source: Source) {
        let Source { path, from } = source;
        let parts = self.parts();
        parts.path.store(path as *mut (), Ordering::Relaxed);
        parts
            .from
            .store(ptr::from_ref(from).cast_mut(), Ordering::Relaxed);
    }

    /// The series id, or [`NO_ID`], or [`OFF_ID`].
    #[inline(always)]
    pub(crate) fn id(&self) -> u32 {
        self.parts().number.id()
    }

    /// What the hot path knows of it.
    pub(crate) const fn number(&self) -> &Number {
        &self.parts().number
    }

    pub(crate) fn assigned(&self) -> Option<u32> {
        self.parts().number.assigned()
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.parts().spec.kind
    }

    pub(crate) const fn timing(&self) -> Timing {
        self.parts().spec.timing
    }

    /// Source file and line; an empty file where it is nowhere, or was not called yet.
    pub(crate) fn place(&self) -> (&'static str, u32) {
        // SAFETY: it is null, or was made of such a reference.
        let from = unsafe { self.parts().from.load(Ordering::Relaxed).as_ref() };
        let called = || from.map(|from| (from.file(), from.line()));
        self.parts().spec.place.or_else(called).unwrap_or_default()
    }

    /// The name that replaces the path in reports.
    pub(crate) fn name(&self) -> Option<&'static str> {
        Some(self.parts().spec.name).filter(|name| !name.is_empty())
    }

    /// The group in reports.
    pub(crate) fn group(&self) -> Option<&'static str> {
        Some(self.parts().spec.group).filter(|group| !group.is_empty())
    }

    /// Full path of the function: `crate::module::function`, `<crate::A as crate::Trait>::function`.
    pub(crate) fn path(&self) -> String {
        let path = self.parts().path.load(Ordering::Relaxed);
        if path.is_null() {
            return self.parts().spec.name.to_owned();
        }
        // SAFETY: it was made of one.
        let path = unsafe { transmute::<*mut (), PathOf>(path) };
        path_from_marker(path())
    }
}

impl fmt::Debug for Callsite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().fmt(f)
    }
}

/// Cuts the path of a function from the type name of an item in it.
///
/// The last segment is the item; closures on the way are the compiler's business.
fn path_from_marker(marker: &str) -> String {
    let outer = marker.rsplit_once("::").map_or(marker, |(outer, _)| outer);
    outer.replace("::{{closure}}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_keeps_the_implementing_type_and_loses_the_expansion() {
        let path = path_from_marker;
        assert_eq!(path("a::b::f::Here"), "a::b::f");
        assert_eq!(path("<a::J as a::Get>::get::Here"), "<a::J as a::Get>::get");
        assert_eq!(path("a::f::{{closure}}::Here"), "a::f");
        assert_eq!(
            path("<a::W<_> as a::Get>::get::{{closure}}::{{closure}}::Here"),
            "<a::W<_> as a::Get>::get"
        );
        assert_eq!(path("odd"), "odd");
    }
}
