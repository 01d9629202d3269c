//! A comparison as a table of at most 120 columns, the worst callsite first.

use crate::detect::{Comparison, Finding, Measure, Settings};
use crate::report::words;

/// No line is longer, whatever the callsites are called.
const WIDTH_MAX: usize = 120;

/// Columns of a report, and the width that the two of text keep in any case.
const COLUMNS: usize = 8;
const GROUP_MIN: usize = 5;
const NAME_MIN: usize = 12;

/// What each column holds.
const HEADER: [&str; COLUMNS] = [
    "callsite",
    "group",
    "base",
    "candidate",
    "change",
    "interval",
    "verdict",
    "severity",
];

/// The report, with a newline at its end.
pub fn comparison(comparison: &Comparison) -> String {
    let mut text = format!(
        "Base {}, candidate {}; wall time of a typical call.\n",
        words::side(&comparison.base),
        words::side(&comparison.candidate),
    );
    text = wrap(&text);
    if let Some(borrowed) = words::borrowed_noise(comparison) {
        text.push_str(&wrap(&borrowed));
    }
    if let Some(drift) = words::drift(comparison.drift) {
        text.push_str(&wrap(&drift));
    }
    if !comparison.findings.is_empty() {
        text.push('\n');
        text.push_str(&table(&comparison.findings, &comparison.settings));
        text.push('\n');
    }
    for finding in &comparison.findings {
        for note in words::notes(finding) {
            text.push_str(&wrap(&format!("{}: {note}.", finding.key.name)));
        }
    }
    text.push_str(&wrap(&words::summary(comparison)));
    text
}

fn table(findings: &[Finding], settings: &Settings) -> String {
    let mut header = HEADER.map(str::to_owned);
    header[5] = format!("{} % interval", settings.confidence * 100.0);
    let mut rows = vec![header];
    rows.extend(findings.iter().map(row));
    let mut widths = [0usize; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // The group gives way first, then the name: numbers are never cut.
    for (column, least) in [(1, GROUP_MIN), (0, NAME_MIN)] {
        let total = widths.iter().sum::<usize>() + 2 * (COLUMNS - 1);
        let excess = total.saturating_sub(WIDTH_MAX);
        widths[column] = widths[column]
            .saturating_sub(excess)
            .max(least.min(widths[column]));
    }
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let mut line = String::new();
    for (column, (cell, &width)) in row.iter().zip(widths).enumerate() {
        let cell = shorten(cell, width);
        // Numbers are aligned at the right.
        if (2..6).contains(&column) {
            line.push_str(&format!("{cell:>width$}  "));
        } else {
            line.push_str(&format!("{cell:<width$}  "));
        }
    }
    let mut line = line.trim_end().to_owned();
    line.push('\n');
    line
}

fn row(finding: &Finding) -> [String; COLUMNS] {
    let measured = finding.measured(Measure::JUDGED);
    let time = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), words::seconds);
    let change = finding.change();
    [
        words::clean(&finding.key.name),
        words::clean(&finding.key.group),
        time(measured.and_then(|measured| measured.base)),
        time(measured.and_then(|measured| measured.candidate)),
        change.map_or_else(|| "-".to_owned(), |change| words::percent(change.factor)),
        words::interval(change),
        finding.verdict.as_str().to_owned(),
        words::severity(finding).unwrap_or_default(),
    ]
}

/// The end of a path says more than its beginning: `..inventory::reserve`.
fn shorten(cell: &str, width: usize) -> String {
    let length = cell.chars().count();
    if length <= width {
        return cell.to_owned();
    }
    let kept: String = cell.chars().skip(length + 2 - width.max(2)).collect();
    format!("..{kept}")
}

/// Breaks a sentence between words, continued lines indented; a word longer than a line is shortened.
fn wrap(sentence: &str) -> String {
    let mut text = String::new();
    let mut used = 0;
    for word in sentence.split_whitespace() {
        let word = shorten(word, WIDTH_MAX - 2);
        let length = word.chars().count();
        if used > 0 && used + 1 + length > WIDTH_MAX {
            text.push_str("\n  ");
            used = 2;
        } else if used > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(&word);
        used += length;
    }
    text.push('\n');
    text
}
