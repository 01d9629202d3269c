//! Folded: the call tree as folded stacks, for flame graphs.

use std::fmt::Write as _;

use crate::clock::saturating_ns;
use crate::snapshot::{CallPath, Snapshot};

/// The call tree as folded stacks: a line for each path with time of its own, its calls from the outermost on joined by
/// `;`, and the nanoseconds. For flame graphs: `inferno-flamegraph`, `flamegraph.pl`, speedscope.
///
/// # Examples
///
/// ```
/// use khive_perf::testing::{Capture, ManualClock};
/// use std::time::Duration;
///
/// # #[khive_perf::measure(name = "parse")]
/// # fn parse(clock: &ManualClock) { clock.advance(Duration::from_micros(2)); }
/// # #[khive_perf::measure(name = "handle")]
/// # fn handle(clock: &ManualClock) { clock.advance(Duration::from_micros(1)); parse(clock); }
/// let clock = ManualClock::new();
/// let (_, captured) = Capture::new().clock(&clock).run(|| handle(&clock));
/// assert_eq!(khive_perf::report::folded(&captured), "handle 1000\nhandle;parse 2000\n");
/// ```
#[must_use]
pub fn folded(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let mut open = vec![(String::new(), snapshot.call_tree().roots())];
    while let Some((above, mut paths)) = open.pop() {
        if paths.is_empty() {
            continue;
        }
        let path = paths.remove(0);
        let stack = stack(&above, &path);
        open.push((above, paths));
        let own = saturating_ns(path.self_time());
        if own > 0 {
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{stack} {own}");
        }
        open.push((stack, path.children()));
    }
    out
}

fn stack(above: &str, path: &CallPath<'_>) -> String {
    // These part calls, and the number from them.
    let name = path.name().replace([';', '\n', '\r'], "_");
    if above.is_empty() {
        name
    } else {
        format!("{above};{name}")
    }
}
