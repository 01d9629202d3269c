//! Text: what a person wants to know first, in a table.

use std::fmt::Write as _;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::report::memory;
use crate::report::table::Table;
use crate::snapshot::{CallPath, CallsiteStats, Snapshot};

/// Rows of the call tree that a report shows.
const TREE_ROWS: usize = 40;
/// Paths below this share of all time are left out of the tree.
const TREE_SHARE: f64 = 0.005;
/// Widest name in a table.
const NAME_WIDTH: usize = 56;

/// A snapshot as tables for people: functions by self time, futures, calls that went wrong, the tree.
///
/// The same snapshot gives the same text.
///
/// # Examples
///
/// ```
/// # #[khive_perf::measure]
/// # fn work() {}
/// work();
/// println!("{}", khive_perf::report::text(&khive_perf::snapshot()));
/// ```
#[must_use]
pub fn text(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let seconds = snapshot
        .time_unix_ns()
        .saturating_sub(snapshot.start_unix_ns()) as f64
        / 1_000_000_000.0;
    let count = snapshot.callsites().len();
    let plural = if count == 1 { "" } else { "s" };
    // Writing to a `String` cannot fail, here and below.
    let _ = writeln!(
        out,
        "khive-perf: {count} callsite{plural} called in {seconds:.1} s"
    );
    if count == 0 {
        return out;
    }
    let mut by_self: Vec<&CallsiteStats> = snapshot.callsites().iter().collect();
    by_self.sort_by(|a, b| {
        b.self_time()
            .cmp(&a.self_time())
            .then_with(|| a.name().cmp(b.name()))
    });
    out.push_str(&functions(&by_self).to_text());
    out.push_str(&cost(snapshot, &by_self));
    out.push_str(&slow(&by_self).to_text());
    out.push_str(&memory::allocations(&by_self).to_text());
    out.push_str(&memory::retained(&by_self).to_text());
    out.push_str(&futures(&by_self).to_text());
    out.push_str(&failures(&by_self).to_text());
    out.push_str(&tree(snapshot).to_text());
    for (reason, calls) in snapshot.overflow().iter() {
        let _ = writeln!(out, "\nnot recorded in full: {calls} calls ({reason})");
    }
    out
}

fn functions(by_self: &[&CallsiteStats]) -> Table {
    let all: f64 = by_self
        .iter()
        .map(|stats| stats.self_time().as_secs_f64())
        .sum();
    let header = [
        "self %", "self", "busy", "calls", "mean", "p50", "p95", "p99", "max", "callsite",
    ];
    let mut table = Table::new("by time spent in the function itself", &header);
    for stats in by_self {
        let wall = stats.wall();
        let share = if all > 0.0 {
            stats.self_time().as_secs_f64() / all * 100.0
        } else {
            0.0
        };
        table.row([
            format!("{share:.1}"),
            about(stats, stats.self_time()),
            about(stats, stats.busy()),
            stats.calls().to_string(),
            about(stats, wall.mean()),
            about(stats, wall.quantile(0.5)),
            about(stats, wall.quantile(0.95)),
            about(stats, wall.quantile(0.99)),
            about(stats, wall.max()),
            label(stats),
        ]);
    }
    table
}

/// What measuring cost, what was sampled for that reason, and what should not be measured at all.
fn cost(snapshot: &Snapshot, by_self: &[&CallsiteStats]) -> String {
    let mut out = String::new();
    let own: Duration = by_self.iter().map(|stats| stats.self_time()).sum();
    let overhead = snapshot.overhead();
    let share = overhead.as_secs_f64() / own.as_secs_f64() * 100.0;
    let of_all = if share.is_finite() {
        format!(", {share:.1} % of the time in measured functions")
    } else {
        String::new()
    };
    // Writing to a `String` cannot fail, here and below.
    let _ = writeln!(out, "\nmeasuring took about {}{of_all}", time(overhead));
    if by_self.iter().any(|stats| stats.sampled()) {
        out.push_str(
            "~ estimated: of these not every call was timed, by `sample` or to stay in the overhead budget; calls are exact\n",
        );
    }
    let too_short: Vec<_> = by_self
        .iter()
        .filter(|stats| stats.is_too_short())
        .collect();
    if let Some(first) = too_short.first() {
        let others = match too_short.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let _ = writeln!(
            out,
            "too short to be worth measuring, as counting alone costs more than the budget: {}{others}; `#[measure(skip)]` leaves a function out",
            label(first)
        );
    }
    let mut table = Table::new(
        "sampled, with the error of the total",
        &["timed", "of calls", "busy", "±", "callsite"],
    );
    for stats in by_self.iter().filter(|stats| stats.sampled()) {
        table.row([
            stats.timed().to_string(),
            stats.calls().to_string(),
            about(stats, stats.busy()),
            time(stats.total_error()),
            label(stats),
        ]);
    }
    out.push_str(&table.to_text());
    out
}

/// A time of a callsite, marked where it is an estimate.
fn about(stats: &CallsiteStats, duration: Duration) -> String {
    let mark = if stats.sampled() { "~" } else { "" };
    format!("{mark}{}", time(duration))
}

fn slow(by_self: &[&CallsiteStats]) -> Table {
    let header = ["threshold", "slow", "of calls", "callsite"];
    let mut table = Table::new("calls at or above their threshold", &header);
    for stats in by_self {
        let Some(threshold) = stats.slow_threshold() else {
            continue;
        };
        let mark = if stats.sampled() { "~" } else { "" };
        table.row([
            time(threshold),
            format!("{mark}{}", stats.slow()),
            stats.calls().to_string(),
            label(stats),
        ]);
    }
    table
}

fn futures(by_self: &[&CallsiteStats]) -> Table {
    let header = [
        "in flight",
        "polls/call",
        "max poll",
        "busy",
        "idle",
        "callsite",
    ];
    let mut table = Table::new("futures", &header);
    for stats in by_self.iter().filter(|stats| stats.kind().is_resumed()) {
        let polls = stats.polls() as f64 / (stats.calls() + stats.in_flight()).max(1) as f64;
        table.row([
            stats.in_flight().to_string(),
            format!("{polls:.1}"),
            time(stats.max_poll()),
            time(stats.busy()),
            time(stats.idle()),
            label(stats),
        ]);
    }
    table
}

fn failures(by_self: &[&CallsiteStats]) -> Table {
    let header = [
        "errors",
        "panics",
        "cancelled",
        "of calls",
        "p99 then",
        "callsite",
    ];
    let mut table = Table::new("calls that did not end well", &header);
    for stats in by_self.iter().filter(|stats| stats.ok() < stats.calls()) {
        let worst = Outcome::ALL
            .iter()
            .skip(1)
            .map(|outcome| stats.wall_by(*outcome).quantile(0.99))
            .max()
            .unwrap_or_default();
        table.row([
            stats.errors().to_string(),
            stats.panics().to_string(),
            stats.cancelled().to_string(),
            stats.calls().to_string(),
            time(worst),
            label(stats),
        ]);
    }
    table
}

fn tree(snapshot: &Snapshot) -> Table {
    let mut table = Table::new("by path", &["total", "self", "calls", "path"]);
    let roots = snapshot.call_tree().roots();
    let all: Duration = roots.iter().map(CallPath::total).sum();
    // Depth first; a stack of what is still to be shown, the next one last.
    let mut open: Vec<(usize, CallPath<'_>)> =
        roots.into_iter().rev().map(|path| (0, path)).collect();
    while let Some((depth, path)) = open.pop() {
        if path.calls() == 0 && path.total().is_zero()
            || path.total().as_secs_f64() < all.as_secs_f64() * TREE_SHARE
        {
            continue;
        }
        if table.rows.len() == TREE_ROWS {
            table.row([
                "..".into(),
                String::new(),
                String::new(),
                "and further paths".into(),
            ]);
            break;
        }
        table.row([
            time(path.total()),
            time(path.self_time()),
            path.calls().to_string(),
            format!("{}{}", "  ".repeat(depth), shorten(path.name())),
        ]);
        open.extend(
            path.children()
                .into_iter()
                .rev()
                .map(|child| (depth + 1, child)),
        );
    }
    table
}

pub(super) fn label(stats: &CallsiteStats) -> String {
    let mut label = shorten(stats.name());
    if !stats.attributes().is_empty() {
        let fields: Vec<String> = stats
            .attributes()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let _ = write!(label, "{{{}}}", fields.join(", "));
    }
    if stats.is_overflow() {
        label.push_str(" (further attributes)");
    }
    if let Some(group) = stats.group() {
        let _ = write!(label, "  [{group}]");
    }
    label
}

/// The end of a name says more than its beginning.
fn shorten(name: &str) -> String {
    let excess = name.chars().count().saturating_sub(NAME_WIDTH);
    if excess == 0 {
        return name.to_owned();
    }
    format!("..{}", name.chars().skip(excess + 2).collect::<String>())
}

/// A duration with three digits that count and the unit that fits.
fn time(duration: Duration) -> String {
    let ns = duration.as_nanos();
    let (value, unit) = match ns {
        0 => return "0".into(),
        1..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let decimals = if value >= 99.95 {
        0
    } else {
        usize::from(value < 9.995) + 1
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_that_count() {
        let shown = |ns| time(Duration::from_nanos(ns));
        assert_eq!(shown(0), "0");
        assert_eq!(shown(999), "999 ns");
        assert_eq!(shown(1_234), "1.23 us");
        assert_eq!(shown(9_999), "10.0 us");
        assert_eq!(shown(12_345_678), "12.3 ms");
        assert_eq!(shown(123_456_789_000), "123 s");
    }

    #[test]
    fn long_names_keep_their_end() {
        let name = format!("krate::{}::function", "x".repeat(60));
        let short = shorten(&name);
        assert_eq!(short.chars().count(), NAME_WIDTH);
        assert!(short.starts_with("..") && short.ends_with("::function"));
    }
}
