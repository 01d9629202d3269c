//! The memory section of a report: what calls allocate, and what is alive of it.

use crate::report::table::Table;
use crate::report::text::label;
use crate::snapshot::CallsiteStats;

pub(super) fn allocations(by_self: &[&CallsiteStats]) -> Table {
    let header = [
        "allocated",
        "per call",
        "largest",
        "blocks/call",
        "callsite",
    ];
    let mut table = Table::new("what calls allocate, callees included", &header);
    let mut by_bytes: Vec<_> = by_self
        .iter()
        .filter(|stats| stats.alloc().allocations() > 0)
        .collect();
    by_bytes.sort_by_key(|stats| std::cmp::Reverse(stats.alloc().bytes()));
    for stats in by_bytes {
        let alloc = stats.alloc();
        let calls = (stats.calls() + stats.in_flight()).max(1);
        table.row([
            bytes(alloc.bytes()),
            bytes(alloc.bytes() / calls),
            bytes(alloc.max_bytes()),
            format!("{:.1}", alloc.allocations() as f64 / calls as f64),
            label(stats),
        ]);
    }
    table
}

/// What is alive of what calls have allocated.
pub(super) fn retained(by_self: &[&CallsiteStats]) -> Table {
    let header = [
        "retained",
        "95 % within",
        "own",
        "blocks",
        "peak",
        "freed",
        "temporary",
        "callsite",
    ];
    let mut table = Table::new("what is alive of it, by sampled blocks", &header);
    let mut by_own: Vec<_> = by_self
        .iter()
        .filter(|stats| stats.alloc().sampled_bytes() > 0)
        .collect();
    by_own.sort_by_key(|stats| std::cmp::Reverse(stats.alloc().own_retained()));
    for stats in by_own {
        let alloc = stats.alloc();
        let (low, high) = alloc.retained_interval().into_inner();
        let mark = if low == high { "" } else { "~" };
        table.row([
            format!("{mark}{}", bytes(alloc.retained())),
            format!("{} - {}", bytes(low), bytes(high)),
            format!("{mark}{}", bytes(alloc.own_retained())),
            format!("{mark}{:.0}", alloc.retained_blocks()),
            format!("{mark}{}", bytes(alloc.peak())),
            format!("{mark}{}", bytes(alloc.freed())),
            format!("{:.0} %", alloc.temporary_share() * 100.0),
            label(stats),
        ]);
    }
    table
}

/// A number of bytes with the unit that fits.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while value >= 1_023.95
        && let Some(larger) = units.next()
    {
        value /= 1_024.0;
        unit = Some(larger);
    }
    format!("{value:.1} {}", unit.unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_fits() {
        let shown = [0, 1_023, 1_024, 1_048_575, 1_048_576, u64::MAX].map(bytes);
        let expected = [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1.0 MiB",
            "1.0 MiB",
            "16384.0 PiB",
        ];
        assert_eq!(shown, expected);
    }
}
