//! Wording that the reports share: durations, changes, intervals, and the closing sentence.

use crate::detect::{
    Calls, Change, Comparison, Drift, Finding, Measure, Reason, Side, Unit, Verdict,
};
use crate::model::Metric;

/// Three significant digits and a unit: `1.23 ms`.
pub(crate) fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value.abs() >= 1e5 {
        return format!("{value:.2e} s");
    }
    let (scaled, unit) = match value.abs() {
        v if v >= 0.999_5 => (value, "s"),
        v if v >= 0.999_5e-3 => (value * 1e3, "ms"),
        v if v >= 0.999_5e-6 => (value * 1e6, "us"),
        _ => (value * 1e9, "ns"),
    };
    let decimals = match scaled.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$} {unit}")
}

/// A number of bytes, in units of 1024.
#[must_use]
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut scaled, mut unit) = (value, 0);
    while scaled.abs() >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let decimals = if unit == 0 || scaled.abs() >= 100.0 {
        0
    } else {
        1
    };
    format!("{scaled:.decimals$} {}", UNITS[unit])
}

/// A value of a measure with its unit, or a dash.
pub(crate) fn value(measure: Measure, value: Option<f64>) -> String {
    let Some(value) = value else {
        return "-".to_owned();
    };
    match measure.unit() {
        Unit::Seconds => seconds(value),
        Unit::PerSecond if value >= 1e6 => format!("{value:.2e}/s"),
        Unit::PerSecond => format!("{value:.1}/s"),
        Unit::Bytes => bytes(value),
    }
}

/// A factor as a signed percentage: `+12.3 %`; in multiples where percentages get long: `x14.2`.
pub(crate) fn percent(factor: f64) -> String {
    if factor >= 1e6 {
        return format!("x{factor:.0e}");
    }
    if factor >= 11.0 {
        return format!("x{factor:.1}");
    }
    let percent = (factor - 1.0) * 100.0;
    // No negative zero.
    let percent = if percent.abs() < 0.05 { 0.0 } else { percent };
    format!("{percent:+.1} %")
}

/// Both ends of a change's interval, or a dash.
pub(crate) fn interval(change: Option<Change>) -> String {
    change.and_then(|change| change.interval).map_or_else(
        || "-".to_owned(),
        |i| format!("{} .. {}", percent(i.low), percent(i.high)),
    )
}

/// `before` with its runs and calls: `main (5 runs, 120340 calls)`.
pub(crate) fn side(side: &Side) -> String {
    let runs = if side.runs == 1 { "run" } else { "runs" };
    let calls = if side.calls == 1 { "call" } else { "calls" };
    let names = side.names.join(", ");
    format!(
        "{} ({} {runs}, {} {calls})",
        if names.is_empty() { "nothing" } else { &names },
        side.runs,
        side.calls
    )
}

/// That a side of one run was judged by the other's noise, where that is so.
pub(crate) fn borrowed_noise(comparison: &Comparison) -> Option<String> {
    if comparison.known_callsites > 0 {
        return Some(format!(
            "A side is a single run: the noise of {} is that of earlier runs since their last step.",
            callsites(comparison.known_callsites)
        ));
    }
    let (one, other) = match (comparison.base.runs, comparison.candidate.runs) {
        (1, 2..) => ("base", "candidate"),
        (2.., 1) => ("candidate", "base"),
        _ => return None,
    };
    Some(format!(
        "The {one} is a single run: it is taken to be as noisy as the runs of the {other}; record more of it to know."
    ))
}

/// A name from outside, with nothing in it that could move the cursor or start a line.
pub(crate) fn clean(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// What the machine did, where that matters.
pub(crate) fn drift(drift: Drift) -> Option<String> {
    match drift {
        Drift::None => None,
        Drift::Removed { factor } => Some(format!(
            "Drift: all callsites together changed by {}; taken as the machine's, and out of every change below.",
            percent(factor)
        )),
        Drift::Kept { factor } => Some(format!(
            "Drift: most callsites changed by about {}, too much for drift: another machine or build, or everything; left in.",
            percent(factor)
        )),
    }
}

/// What the verdict of the whole is, and why.
pub(crate) fn summary(comparison: &Comparison) -> String {
    let judged = comparison.findings.iter().filter(|finding| {
        matches!(
            finding.verdict,
            Verdict::Regressed | Verdict::Improved | Verdict::Unchanged
        )
    });
    let judged = judged.count();
    match comparison.verdict() {
        Verdict::Regressed => regressed(comparison, judged),
        Verdict::Inconclusive(reason) => format!("Inconclusive: {reason}."),
        _ => {
            let improved = count(comparison, Verdict::Improved);
            let got = if improved > 0 {
                format!(", {improved} got faster")
            } else {
                String::new()
            };
            format!("No regression: {} judged{got}.", callsites(judged))
        }
    }
}

fn regressed(comparison: &Comparison, judged: usize) -> String {
    let number = count(comparison, Verdict::Regressed);
    let worst = comparison.regressed().next();
    let worst = worst.and_then(|finding| Some((finding, finding.change()?)));
    let mut text = format!("Regressed: {number} of {} got worse", callsites(judged));
    if let Some((finding, change)) = worst {
        text.push_str(&format!(
            ", worst {} by {}",
            finding.key.name,
            percent(change.factor)
        ));
    }
    let is_worst = |origin: &Finding| worst.is_some_and(|(worst, _)| worst.key == origin.key);
    match comparison.origin().filter(|_| number > 1) {
        Some(origin) if is_worst(origin) => text.push_str("; most of the added time is its own"),
        Some(origin) => {
            text.push_str(&format!(
                "; most of the added time is {}'s own",
                origin.key.name
            ));
        }
        None => {}
    }
    text.push('.');
    text
}

/// How bad a regression is, and how bad at least where that is less: `critical (at least moderate)`.
///
/// Of an improvement only the second: `at least moderate`.
pub(crate) fn severity(finding: &Finding) -> Option<String> {
    match (finding.severity, finding.severity_at_least) {
        (Some(severity), Some(least)) if least < severity => Some(format!(
            "{} (at least {})",
            severity.as_str(),
            least.as_str()
        )),
        (Some(severity), _) => Some(severity.as_str().to_owned()),
        (None, Some(least)) => Some(format!("at least {}", least.as_str())),
        (None, None) => None,
    }
}

/// What is to be said of a regression in one line.
pub(crate) fn told(finding: &Finding) -> String {
    let name = clean(&finding.key.name);
    let severity = severity(finding).unwrap_or_default();
    let measured = finding.measured(Measure::JUDGED);
    let mut text = format!("{severity} regression: {name}");
    if let Some(measured) = measured {
        text.push_str(&format!(
            " takes {}, was {}",
            value(measured.measure, measured.candidate),
            value(measured.measure, measured.base)
        ));
    }
    if let Some(change) = finding.change() {
        text.push_str(&format!(": {}", percent(change.factor)));
        if change.interval.is_some() {
            text.push_str(&format!(", within {}", interval(Some(change))));
        }
    }
    for note in notes(finding) {
        text.push_str("; ");
        text.push_str(&note);
    }
    text
}

fn callsites(number: usize) -> String {
    format!(
        "{number} {}",
        if number == 1 { "callsite" } else { "callsites" }
    )
}

fn count(comparison: &Comparison, verdict: Verdict) -> usize {
    comparison
        .findings
        .iter()
        .filter(|finding| finding.verdict == verdict)
        .count()
}

/// Remarks on one callsite that its row cannot hold.
pub(crate) fn notes(finding: &Finding) -> Vec<String> {
    let mut notes = Vec::new();
    match finding.verdict {
        // The closing sentence says it once for all.
        Verdict::Inconclusive(Reason::OneRunASide) => {}
        Verdict::Inconclusive(reason) => notes.push(reason.to_string()),
        _ => {}
    }
    if finding.verdict == Verdict::Regressed && finding.waits_more() {
        notes.push(
            "waits more: most of the added time is not spent on a thread; look at what it awaits"
                .to_owned(),
        );
    }
    for count in finding.counts.iter().filter(|count| count.rises) {
        notes.push(format!(
            "counts more {} per call: {:.1}, was {:.1} ({})",
            match count.metric {
                Metric::Allocated => "allocated bytes",
                Metric::Allocations => "allocations",
                _ => "polls",
            },
            count.candidate,
            count.base,
            percent(count.factor())
        ));
    }
    for (measure, what) in [
        (Measure::Throughput, "gets through less"),
        (Measure::Retained, "retains more"),
    ] {
        let measured = finding.measured(measure);
        let worse = measured.filter(|measured| measured.verdict == Verdict::Regressed);
        if let Some((measured, change)) = worse.and_then(|it| Some((it, it.change?))) {
            notes.push(format!(
                "{what}: {}, was {} ({})",
                value(measure, measured.candidate),
                value(measure, measured.base),
                percent(change.factor)
            ));
        }
    }
    // What was asked to decide and cannot must not pass by silence.
    let beside = finding.measures.iter().filter(|it| it.decides);
    for measured in beside.filter(|it| it.measure != Measure::JUDGED) {
        if let Verdict::Inconclusive(reason) = measured.verdict {
            notes.push(format!(
                "{} decides nothing: {reason}",
                measured.measure.as_str()
            ));
        }
    }
    if finding.fails_more() {
        let rate = |calls: &Calls| format!("{:.1} %", calls.error_rate * 100.0);
        notes.push(format!(
            "fails more: {} of its calls, was {}",
            rate(&finding.candidate_calls),
            rate(&finding.base_calls)
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        for (value, want) in [
            (0.0, "0.00 ns"),
            (1.234e-9, "1.23 ns"),
            (999.6e-9, "1.00 us"),
            (12.34e-6, "12.3 us"),
            (0.123_4, "123 ms"),
            (0.999_9, "1.00 s"),
            (12_345.0, "12345 s"),
            (1e300, "1.00e300 s"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(seconds(value), want);
        }
    }

    #[test]
    fn bytes_have_a_unit_that_fits() {
        for (value, want) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1536.0, "1.5 KiB"),
            (512.0 * 1024.0 * 1024.0, "512 MiB"),
            (1e18, "909495 TiB"),
        ] {
            assert_eq!(bytes(value), want);
        }
    }

    #[test]
    fn changes_are_percentages_until_multiples_read_better() {
        for (factor, want) in [
            (1.123, "+12.3 %"),
            (0.5, "-50.0 %"),
            (0.999_99, "+0.0 %"),
            (10.9, "+990.0 %"),
            (14.22, "x14.2"),
            (2e7, "x2e7"),
            (f64::MAX, "x2e308"),
        ] {
            assert_eq!(percent(factor), want);
        }
    }

    #[test]
    fn names_cannot_move_the_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
    }
}
