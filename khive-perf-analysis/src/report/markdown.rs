//! A comparison as Markdown, for a comment on a change: what changed first, the rest folded away.

use crate::detect::{Comparison, Finding, Measure, Verdict};
use crate::report::words;

/// Begins every comment and is not shown: by it a later one takes the place of the one before.
pub const MARKER: &str = "<!-- khive-perf: comparison -->";
/// Rows of one table, and remarks; what is more is counted.
const ROWS_MAX: usize = 100;
/// GitHub takes comments of 65,536 characters. A table ends with room to spare for what comes behind it.
const TABLE_MAX: usize = 24_000;
const NOTES_MAX: usize = 8_000;

/// The comment, with a newline at its end.
pub fn comparison(comparison: &Comparison) -> String {
    let title = match comparison.verdict() {
        Verdict::Regressed => "Performance: regressed",
        Verdict::Inconclusive(_) => "Performance: inconclusive",
        Verdict::Improved => "Performance: improved",
        _ => "Performance: no regression",
    };
    let mut text = format!(
        "{MARKER}\n### {title}\n\n{}\n\n",
        escape(&words::summary(comparison))
    );
    text.push_str(&format!(
        "Base {}, candidate {}.\n",
        escape(&words::side(&comparison.base)),
        escape(&words::side(&comparison.candidate)),
    ));
    if let Some(borrowed) = words::borrowed_noise(comparison) {
        text.push_str(&format!("\n> {borrowed}\n"));
    }
    if let Some(drift) = words::drift(comparison.drift) {
        text.push_str(&format!("\n> {}\n", escape(&drift)));
    }
    let (worth, rest): (Vec<&Finding>, Vec<&Finding>) = comparison
        .findings
        .iter()
        .partition(|finding| is_worth_showing(finding));
    if !worth.is_empty() {
        text.push('\n');
        text.push_str(&table(&worth, comparison.settings.confidence));
    }
    let notes: Vec<String> = comparison
        .findings
        .iter()
        .flat_map(|finding| {
            words::notes(finding)
                .into_iter()
                .map(move |note| (finding, note))
        })
        .map(|(finding, note)| format!("- {}: {}\n", escape(&finding.key.name), escape(&note)))
        .collect();
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&fitting(&notes, NOTES_MAX));
    }
    if !rest.is_empty() {
        text.push_str(&format!(
            "\n<details><summary>{} other callsites</summary>\n\n",
            rest.len()
        ));
        text.push_str(&table(&rest, comparison.settings.confidence));
        text.push_str("\n</details>\n");
    }
    text
}

fn is_worth_showing(finding: &Finding) -> bool {
    matches!(
        finding.verdict,
        Verdict::Regressed | Verdict::Improved | Verdict::Inconclusive(_)
    )
}

fn table(findings: &[&Finding], confidence: f64) -> String {
    let mut text = format!(
        "| callsite | group | base | candidate | change | {} % interval | verdict |\n\
         | --- | --- | ---: | ---: | ---: | ---: | --- |\n",
        confidence * 100.0
    );
    let rows: Vec<String> = findings.iter().map(|finding| row(finding)).collect();
    text.push_str(&fitting(&rows, TABLE_MAX));
    text
}

/// As many lines as fit, and how many there are beyond.
fn fitting(lines: &[String], chars_max: usize) -> String {
    let mut text = String::new();
    let mut chars = 0;
    for (number, line) in lines.iter().enumerate() {
        chars += line.chars().count();
        if number >= ROWS_MAX || chars > chars_max {
            let more = lines.len() - number;
            text.push_str(&format!("\n{more} more are in the full report.\n"));
            break;
        }
        text.push_str(line);
    }
    text
}

fn row(finding: &Finding) -> String {
    let measured = finding.measured(Measure::JUDGED);
    let time = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), words::seconds);
    let change = finding.change();
    let verdict = match words::severity(finding) {
        Some(severity) => format!("**{}**, {severity}", finding.verdict.as_str()),
        None => finding.verdict.as_str().to_owned(),
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {verdict} |\n",
        escape(&finding.key.name),
        escape(&finding.key.group),
        time(measured.and_then(|measured| measured.base)),
        time(measured.and_then(|measured| measured.candidate)),
        change.map_or_else(|| "-".to_owned(), |change| words::percent(change.factor)),
        words::interval(change),
    )
}

/// Names come from outside: they must neither end a cell nor become markup, mentions or links.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '@' => escaped.push_str("&#64;"),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_cell() {
        assert_eq!(
            escape("a|b\n<img>@all `x`"),
            "a\\|b &lt;img&gt;&#64;all \\`x\\`"
        );
    }
}
