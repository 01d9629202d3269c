//! An overview as Markdown, for a page of a wiki or the summary of a build.

use crate::pages::words::{bytes_or_none, leak, share, time, utc};
use crate::pages::{Overview, Row};
use crate::report::markdown::escape;

/// Callsites of the table; what is more is counted.
const ROWS_MAX: usize = 100;

/// What a run says. The same run gives the same bytes.
#[must_use]
pub fn overview(of: &Overview) -> String {
    let info = &of.info;
    let mut text = format!(
        "### Run #{} {}\n\n{}, {} UTC, {}.\n",
        info.id,
        escape(&info.name),
        info.status.as_str(),
        utc(info.started_unix_ns),
        of.seconds()
            .map_or_else(|| "not ended".to_owned(), |took| format!("{took:.1} s")),
    );
    if of.rows.is_empty() {
        text.push_str("\n**Nothing was measured.**\n");
    } else {
        text.push_str(
            "\n| callsite | group | self | self time | calls | failed | mean | p50 | p99 | bytes/call |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        of.rows
            .iter()
            .take(ROWS_MAX)
            .for_each(|row| text.push_str(&line(row)));
    }
    if of.rows.len() > ROWS_MAX {
        text.push_str(&format!("\n{} more callsites.\n", of.rows.len() - ROWS_MAX));
    }
    if !of.leaks.is_empty() {
        text.push_str("\n#### Leaks\n\n");
        for of in &of.leaks {
            text.push_str(&format!("- {}\n", escape(&leak(of))));
        }
    }
    let told = of
        .findings
        .iter()
        .filter(|finding| !of.acknowledged.contains_key(&finding.id));
    let told: Vec<String> = told
        .map(|finding| {
            let (rule, callsite) = (finding.rule, escape(&finding.callsite));
            format!("- **{rule}** at {callsite}: {}\n", escape(finding.advice))
        })
        .collect();
    if !told.is_empty() {
        text.push_str("\n#### Recommendations\n\n");
        text.push_str(&told.concat());
    }
    text
}

fn line(row: &Row) -> String {
    let [ok, failed @ ..] = row.calls;
    let failed = failed.iter().fold(0u64, |sum, &of| sum.saturating_add(of));
    format!(
        "| {} | {} | {} | {} | {} | {failed} | {} | {} | {} | {} |\n",
        escape(&row.key.name),
        escape(&row.key.group),
        share(row.self_share),
        time(Some(row.self_s)),
        ok.saturating_add(failed),
        time(row.mean_s),
        time(row.p50_s),
        time(row.p99_s),
        bytes_or_none(row.bytes_per_call),
    )
}
