//! An overview as text, for a terminal.

use crate::pages::words::{bytes_or_none, leak, place, share, time, utc};
use crate::pages::{Overview, Row};
use crate::report::words::{clean, seconds};

/// What a run says. The same run gives the same bytes.
#[must_use]
pub fn overview(of: &Overview) -> String {
    let mut text = head(of);
    text.push('\n');
    if of.rows.is_empty() {
        text.push_str("no callsite: nothing was measured\n");
    } else {
        text.push_str(&table(&of.rows));
    }
    if !of.leaks.is_empty() {
        text.push_str("\nleaks:\n");
        for of in &of.leaks {
            text.push_str(&format!("  {} {}\n", leak(of), place(of.place.as_ref())));
        }
    }
    if !of.logs.is_empty() {
        let counts: Vec<String> = of
            .logs
            .iter()
            .map(|(severity, count)| format!("{count} {}", clean(severity)))
            .collect();
        text.push_str(&format!("\nlog records: {}\n", counts.join(", ")));
    }
    let told: Vec<_> = of
        .findings
        .iter()
        .filter(|finding| !of.acknowledged.contains_key(&finding.id))
        .collect();
    if !told.is_empty() {
        text.push_str(
            "\nrecommendations, the costliest first (khive-perf recommend tells more):\n",
        );
        for finding in told {
            let saving = match finding.share.filter(|share| *share > 0.0) {
                Some(share) => format!(", about {:.1} % of all time", share * 100.0),
                None => String::new(),
            };
            let (rule, callsite) = (finding.rule, clean(&finding.callsite));
            text.push_str(&format!(
                "  {rule} at {callsite}{saving} [{}]\n",
                finding.id
            ));
        }
    }
    text
}

fn head(of: &Overview) -> String {
    let info = &of.info;
    let took = of.seconds().map_or_else(
        || "not ended".to_owned(),
        |took| format!("took {}", seconds(took)),
    );
    let exit = match info.exit_code {
        Some(code) if code != 0 => format!(", exit code {code}"),
        _ => String::new(),
    };
    let command = match info.command.is_empty() {
        true => String::new(),
        false => format!("  {}\n", clean(&info.command.join(" "))),
    };
    format!(
        "run #{} `{}`: {}, {} UTC, {took}{exit}\n{command}",
        info.id,
        clean(&info.name),
        info.status.as_str(),
        utc(info.started_unix_ns),
    )
}

fn table(rows: &[Row]) -> String {
    let header = [
        "self",
        "self time",
        "calls",
        "failed",
        "mean",
        "p50",
        "p99",
        "max",
        "bytes/call",
        "callsite",
    ];
    let mut cells = vec![header.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let [ok, failed @ ..] = row.calls;
        let failed = failed.iter().fold(0u64, |sum, &of| sum.saturating_add(of));
        [
            share(row.self_share),
            time(Some(row.self_s)),
            ok.saturating_add(failed).to_string(),
            failed.to_string(),
            time(row.mean_s),
            time(row.p50_s),
            time(row.p99_s),
            time(row.max_s),
            bytes_or_none(row.bytes_per_call),
            clean(&row.key.name),
        ]
    }));
    let width = |column: usize| {
        let widths = cells.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for row in &cells {
        let (name, numbers) = row
            .split_last()
            .map_or(("", &row[..0]), |(n, rest)| (n.as_str(), rest));
        for (cell, width) in numbers.iter().zip(&widths) {
            text.push_str(&format!("{cell:>width$}  "));
        }
        text.push_str(name);
        text.push('\n');
    }
    text
}
