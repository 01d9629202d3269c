//! A leak report as text for people and as JSON for programs.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use crate::leak::census::Origin;
use crate::leak::report::{Finding, LeakReport};
use crate::leak::retention::Retention;
use crate::leak::verdict::Verdict;
use crate::report::json::{list, string};

/// Findings that are described; the others are counted.
const DESCRIBED_MAX: usize = 20;
/// Frames of a stack that are shown.
const FRAMES_MAX: usize = 8;

/// What leaks or may leak, with the evidence; the rest is counted.
impl Display for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |verdict| {
            let findings = self.findings.iter();
            findings
                .filter(|finding| finding.verdict() == verdict)
                .count()
        };
        writeln!(
            f,
            "leaks: {} leaking, {} suspect, {} plateau, {} insufficient data; {} censuses in {}",
            count(Verdict::Leaking),
            count(Verdict::Suspect),
            count(Verdict::Plateau),
            count(Verdict::InsufficientData),
            self.censuses,
            span(self.watched),
        )?;
        let is_told = |finding: &&Finding| finding.verdict() >= Verdict::Suspect;
        let told = self.findings.iter().filter(is_told);
        for finding in told.clone().take(DESCRIBED_MAX) {
            describe(f, finding)?;
        }
        let more = told.count().saturating_sub(DESCRIBED_MAX);
        if more > 0 {
            writeln!(f, "  and {more} more that leak or may leak")?;
        }
        if let Some(retention) = &self.retention {
            writeln!(f, "  {}", retained(retention))?;
        }
        if self.left_out > 0 {
            let left_out = self.left_out;
            writeln!(
                f,
                "  {left_out} things of origins beyond `LeakConfig::origins_max` are left out"
            )?;
        }
        for (kind, why) in &self.unknown {
            writeln!(f, "  nothing is known of kind {kind}: {why}")?;
        }
        Ok(())
    }
}

fn describe(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    let Origin {
        file, line, path, ..
    } = finding.origin();
    let name = if finding.callsite().is_empty() {
        "(unknown)"
    } else {
        finding.callsite()
    };
    write!(f, "\n  {} {}: {name}", finding.verdict(), finding.kind())?;
    if !file.is_empty() {
        write!(f, "  {file}:{line}")?;
    }
    writeln!(f, "\n    {}", finding.reason())?;
    let rate = finding.bytes_per_hour_interval();
    writeln!(
        f,
        "    {} alive in {}; {}/h to stay ({} to {})",
        bytes(finding.retained_bytes() as f64),
        finding.live(),
        bytes(finding.bytes_per_hour()),
        bytes(*rate.start()),
        bytes(*rate.end()),
    )?;
    if finding.survivors() > 0 {
        writeln!(
            f,
            "    {} survivors older than {}, the oldest {}; beyond that age {:.0} died, and {:.0} would have if they still did",
            finding.survivors(),
            span(finding.mature_age()),
            span(finding.oldest()),
            finding.deaths(),
            finding.deaths_expected(),
        )?;
    }
    if path.len() > 1 {
        writeln!(f, "    {}", path.join(" > "))?;
    }
    if let Some((file, line)) = finding.line() {
        writeln!(f, "    made at {file}:{line}")?;
    }
    for frame in finding.origin().stack.iter().take(FRAMES_MAX) {
        writeln!(f, "      at {frame}")?;
    }
    Ok(())
}

fn retained(retention: &Retention) -> String {
    let goes_on = if retention.is_growing {
        "and still grows"
    } else {
        "and has stopped growing"
    };
    format!(
        "the resident set grew by {} {goes_on}, while the live heap changed by {}: the allocator keeps what was freed, or the memory is not the heap's",
        bytes(retention.resident_growth as f64),
        bytes(retention.live_growth as f64),
    )
}

/// A number of bytes in the largest unit of which there is one.
fn bytes(number: f64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units
        .iter()
        .find(|(power, _)| number.abs() >= f64::from(1_u32 << power));
    match unit {
        Some((power, name)) => format!("{:.1} {name}", number / f64::from(1_u32 << power)),
        None => format!("{number:.0} B"),
    }
}

/// A time in the largest unit of which there are two.
fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds >= 7_200.0 => format!("{:.1} h", seconds / 3_600.0),
        _ if seconds >= 120.0 => format!("{:.0} min", seconds / 60.0),
        _ if seconds >= 2.0 => format!("{seconds:.0} s"),
        _ => format!("{:.0} ms", seconds * 1_000.0),
    }
}

impl LeakReport {
    /// All of it as one JSON object. The same report gives the same text, byte for byte.
    ///
    /// ```text
    /// { "version": 1, "censuses", "watched_s", "left_out", "unknown": { kind: why },
    ///   "retention" or null: { "resident_growth", "live_growth", "is_growing" },
    ///   "findings": [ { "kind", "verdict", "reason", "callsite", "file", "line", "path": [..], "stack": [..],
    ///       "live", "retained_bytes", "survivors", "oldest_s", "mature_age_s", "deaths", "deaths_expected", "evidence",
    ///       "bytes_per_hour", "bytes_per_hour_low", "bytes_per_hour_high", "things_per_hour" } ] }
    /// ```
    #[must_use]
    pub fn json(&self) -> String {
        let mut out = format!(
            "{{\"version\":1,\"censuses\":{},\"watched_s\":{},\"left_out\":{},\"unknown\":{{",
            self.censuses,
            self.watched.as_secs_f64(),
            self.left_out,
        );
        list(&mut out, &self.unknown, |out, (kind, why)| {
            // Writing to a `String` cannot fail, here and below.
            let _ = write!(out, "\"{kind}\":");
            string(out, why);
        });
        out.push_str("},\"retention\":");
        match &self.retention {
            Some(retention) => {
                let _ = write!(
                    out,
                    "{{\"resident_growth\":{},\"live_growth\":{},\"is_growing\":{}}}",
                    retention.resident_growth, retention.live_growth, retention.is_growing,
                );
            }
            None => out.push_str("null"),
        }
        out.push_str(",\"findings\":[");
        list(&mut out, &self.findings, finding);
        out.push_str("]}");
        out
    }
}

fn finding(out: &mut String, finding: &Finding) {
    let origin = finding.origin();
    let _ = write!(
        out,
        "{{\"kind\":\"{}\",\"verdict\":\"{}\",\"reason\":\"{}\",\"callsite\":",
        finding.kind(),
        finding.verdict(),
        finding.reason(),
    );
    string(out, &origin.callsite);
    out.push_str(",\"file\":");
    string(out, &origin.file);
    let _ = write!(out, ",\"line\":{},\"path\":[", origin.line);
    list(out, &origin.path, |out, call| string(out, call));
    out.push_str("],\"stack\":[");
    list(out, &origin.stack, |out, frame| string(out, frame));
    let rate = finding.bytes_per_hour_interval();
    let _ = write!(
        out,
        "],\"live\":{},\"retained_bytes\":{},\"survivors\":{},\"oldest_s\":{},\"mature_age_s\":{},\
         \"deaths\":{},\"deaths_expected\":{},\"evidence\":{},\
         \"bytes_per_hour\":{},\"bytes_per_hour_low\":{},\"bytes_per_hour_high\":{},\"things_per_hour\":{}}}",
        finding.live(),
        finding.retained_bytes(),
        finding.survivors(),
        finding.oldest().as_secs_f64(),
        finding.mature_age().as_secs_f64(),
        number(finding.deaths()),
        number(finding.deaths_expected()),
        number(finding.evidence()),
        number(finding.bytes_per_hour()),
        number(*rate.start()),
        number(*rate.end()),
        number(finding.things_per_hour()),
    );
}

/// JSON has no infinity.
const fn number(number: f64) -> f64 {
    number.clamp(f64::MIN, f64::MAX)
}
