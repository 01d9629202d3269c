//! An overview as an HTML page that loads nothing: in a file, or served among others.

use maud::{Markup, html};

use crate::pages::frame::{Stands, page};
use crate::pages::lists::{findings, leaks};
use crate::pages::words::{attribute, bytes_or_none, place, share, time, utc};
use crate::pages::{Overview, Row};
use crate::percent;
use crate::report::words::{clean, seconds};

/// The page of a run, for a file. The same run gives the same bytes.
#[must_use]
pub fn overview(of: &Overview) -> String {
    of_run(of, Stands::Alone)
}

pub(super) fn of_run(of: &Overview, stands: Stands) -> String {
    let info = &of.info;
    let title = format!("Run #{} {}", info.id, clean(&info.name));
    let body = html! {
        h1 { (title) }
        p {
            span class=(info.status.as_str()) { (info.status.as_str()) }
            ", " (utc(info.started_unix_ns)) " UTC"
            @if let Some(took) = of.seconds() { ", took " (seconds(took)) }
            @if let Some(code) = info.exit_code { ", exit code " (code) }
        }
        @if !info.command.is_empty() { p { code { (clean(&info.command.join(" "))) } } }
        @if of.rows.is_empty() {
            p class="failed" { "Nothing was measured: no callsite sent anything." }
        } @else {
            (callsites(&of.rows, stands))
        }
        @if !of.leaks.is_empty() { h2 { "Leaks" } (leaks(&of.leaks)) }
        @if !of.findings.is_empty() { h2 { "Recommendations" } (findings(&of.findings, &of.acknowledged)) }
        @if !of.logs.is_empty() {
            h2 { "Log records" }
            p { @for (severity, count) in &of.logs { (count) " " (clean(severity)) " " } }
        }
        @for resource in &info.resources {
            details {
                summary { "resource" }
                dl { @for (key, value) in resource { dt { (clean(key)) } dd { (attribute(value)) } } }
            }
        }
    };
    page(&title, stands, &body)
}

fn callsites(rows: &[Row], stands: Stands) -> Markup {
    html! {
        div class="wide" { table {
            thead { tr {
                th { "callsite" }
                @for name in ["self", "self time", "calls", "failed", "mean", "p50", "p99", "max", "bytes/call"] {
                    th class="n" { (name) }
                }
            } }
            tbody { @for row in rows { (callsite(row, stands)) } }
        } }
    }
}

fn callsite(row: &Row, stands: Stands) -> Markup {
    let [ok, failed @ ..] = row.calls;
    let failed = failed.iter().fold(0u64, |sum, &of| sum.saturating_add(of));
    let name = clean(&row.key.name);
    let bar = row
        .self_share
        .map(|share| format!("--share:{:.1}%", share * 100.0));
    html! {
        tr {
            td {
                @if stands == Stands::AmongOthers {
                    a href={ "/trend?" (query(&[("callsite", &row.key.name), ("service", &row.key.service)])) } {
                        code { (name) }
                    }
                } @else {
                    code { (name) }
                }
                @if !row.key.group.is_empty() { " " span class="dim" { (clean(&row.key.group)) } }
                @let at = place(row.place.as_ref());
                @if !at.is_empty() { div class="dim" { (at) } }
            }
            td class="n bar" style=[bar] { (share(row.self_share)) }
            td class="n" { (time(Some(row.self_s))) }
            td class="n" { (ok.saturating_add(failed)) }
            td class={ "n" @if failed > 0 { " failed" } } { (failed) }
            td class="n" { (time(row.mean_s)) }
            td class="n" { (time(row.p50_s)) }
            td class="n" { (time(row.p99_s)) }
            td class="n" { (time(row.max_s)) }
            td class="n" { (bytes_or_none(row.bytes_per_call)) }
        }
    }
}

/// Names and values as the query of an address.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    // What RFC 3986 calls unreserved.
    let is_kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let pairs = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", percent::encoded(value, is_kept)));
    pairs.collect::<Vec<String>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_nothing_in_it_that_could_end_it() {
        let text = query(&[("callsite", "a::b<é>&c=d\"'"), ("service", "x")]);
        assert_eq!(
            text,
            "callsite=a%3A%3Ab%3C%C3%A9%3E%26c%3Dd%22%27&service=x"
        );
    }
}
