//! Callsite: the static place in the source that measures.

mod number;

use std::any::type_name;
use std::panic::Location;

pub(crate) use self::number::NO_ID;
use self::number::Number;
#[cfg(feature = "enabled")]
pub(crate) use self::number::OFF_ID;

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

/// What is known about a callsite when the program is compiled.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "written out by macro expansions")]
pub struct Spec {
    /// The name that replaces the path in reports; empty where none does.
    pub name: &'static str,
    /// The group in reports; empty where it is in none.
    pub group: &'static str,
    /// Type name of an item inside the callsite's static, from which the path is cut; empty where
    /// there is no function, and the name stands for the path.
    pub path: fn() -> &'static str,
    /// Source file.
    pub file: &'static str,
    /// Line in it.
    pub line: u32,
    /// What is measured.
    pub kind: Kind,
}

impl Spec {
    /// The group in reports.
    pub(crate) fn group(&self) -> Option<&'static str> {
        Some(self.group).filter(|group| !group.is_empty())
    }

    /// The name that replaces the path in reports.
    pub(crate) fn name(&self) -> Option<&'static str> {
        Some(self.name).filter(|name| !name.is_empty())
    }
}

/// The static place in the source that measures. It knows its source and a number; the registry
/// gives the number.
#[derive(Debug)]
pub struct Callsite {
    number: Number,
    spec: Spec,
    timing: Timing,
}

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

// SAFETY: all that is in it is `Sync`. The compiler would find that out by itself, but it would look at every field again
// for each measured function, because a static must be `Sync`.
unsafe impl Sync for Callsite {}

/// Each type in it is `Sync`, or else this does not compile.
const _: () = {
    const fn is_sync<T: Sync>() {}
    is_sync::<(Number, Spec, Timing)>();
};

/// Evaluated once, and copied from.
#[expect(
    clippy::declare_interior_mutable_const,
    reason = "what is made of it is what is written to"
)]
const BLANK: Callsite = Callsite {
    number: Number::none(),
    spec: Spec {
        name: "",
        group: "",
        path: || "",
        file: "",
        line: 0,
        kind: Kind::Function,
    },
    timing: Timing::PLAIN,
};

/// The same, of a future.
#[expect(
    clippy::declare_interior_mutable_const,
    reason = "what is made of it is what is written to"
)]
const BLANK_FUTURE: Callsite = {
    let mut callsite = BLANK;
    callsite.spec.kind = Kind::Future;
    callsite.timing.is_future = true;
    callsite
};

/// Makes the callsites of functions, where it stands in the source.
///
/// There is one in each measured function, and the compiler types, checks and evaluates it. So it is one call, which is
/// told by where it is and by one type, and which calls nothing that it could do without.
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

    /// A function. `Marker` is an item inside its static; file and line are those of the call.
    #[must_use]
    #[track_caller]
    pub const fn function<Marker>(self) -> Callsite {
        let mut callsite = BLANK;
        let at = Location::caller();
        callsite.spec.path = type_name::<Marker>;
        callsite.spec.file = at.file();
        callsite.spec.line = at.line();
        callsite
    }

    /// A function whose future is measured. The rest as with [`function`](Self::function).
    #[must_use]
    #[track_caller]
    pub const fn future<Marker>(self) -> Callsite {
        let mut callsite = BLANK_FUTURE;
        let at = Location::caller();
        callsite.spec.path = type_name::<Marker>;
        callsite.spec.file = at.file();
        callsite.spec.line = at.line();
        callsite
    }
}

impl Callsite {
    /// A callsite that has not been called yet.
    #[must_use]
    pub const fn new(spec: Spec) -> Self {
        Self {
            timing: Timing {
                is_future: spec.kind.is_resumed(),
                ..Timing::PLAIN
            },
            spec,
            ..BLANK
        }
    }

    /// Replaces the path in reports.
    #[must_use]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.spec.name = name;
        self
    }

    /// Puts it into a group in reports.
    #[must_use]
    pub const fn group(mut self, group: &'static str) -> Self {
        self.spec.group = group;
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

    /// The series id, or [`NO_ID`], or [`OFF_ID`].
    #[inline(always)]
    pub(crate) fn id(&self) -> u32 {
        self.number.id()
    }

    /// What the hot path knows of it.
    pub(crate) const fn number(&self) -> &Number {
        &self.number
    }

    pub(crate) fn assigned(&self) -> Option<u32> {
        self.number.assigned()
    }

    pub(crate) const fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(crate) const fn timing(&self) -> Timing {
        self.timing
    }

    /// Full path of the function: `crate::module::function`, `<crate::A as crate::Trait>::function`.
    pub(crate) fn path(&self) -> String {
        match ((self.spec.path)(), self.spec.name) {
            ("", name) => name.to_owned(),
            (marker, _) => path_from_marker(marker),
        }
    }
}

/// Cuts the path of a function from the type name of an item that its callsite contains.
///
/// The last two segments are the callsite's static and the item; closures on the way are the
/// compiler's business.
fn path_from_marker(marker: &str) -> String {
    let outer = marker.rsplitn(3, "::").nth(2).unwrap_or(marker);
    outer.replace("::{{closure}}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_keeps_the_implementing_type_and_loses_the_expansion() {
        let path = path_from_marker;
        assert_eq!(path("a::b::f::CALLSITE::here"), "a::b::f");
        assert_eq!(
            path("<a::J as a::Get>::get::CALLSITE::here"),
            "<a::J as a::Get>::get"
        );
        assert_eq!(path("a::f::{{closure}}::CALLSITE::here"), "a::f");
        assert_eq!(
            path("<a::W<_> as a::Get>::get::{{closure}}::{{closure}}::C::here"),
            "<a::W<_> as a::Get>::get"
        );
        assert_eq!(path("odd"), "odd");
    }
}
