//! A comparison as one HTML page that loads nothing: for an artifact of a build, or a mail.

use maud::{Markup, html};

use crate::detect::{Change, Comparison, Finding, Measure, Measured, Verdict};
use crate::report::document::document;
use crate::report::words;

/// No script, nothing from elsewhere, whatever a name contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--bad:#c0392b;--good:#1e8449;--dim:#888}\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}\
h1{font-size:1.4rem}table{border-collapse:collapse;width:100%}\
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
.regressed{color:var(--bad)}.improved{color:var(--good)}.dim{color:var(--dim)}\
svg{display:block}summary{cursor:pointer;margin:1rem 0}code{overflow-wrap:anywhere}";

/// Width and height of the drawing of an interval.
const PLOT: (f64, f64) = (180.0, 18.0);
/// Factors at the ends of its logarithmic axis; what is beyond is drawn at the end.
const AXIS: (f64, f64) = (0.5, 4.0);

/// The page, with a newline at its end. The same comparison gives the same bytes.
pub fn comparison(comparison: &Comparison) -> String {
    with_warning(comparison, None)
}

/// The same with what makes it doubtful on top.
pub(crate) fn with_warning(comparison: &Comparison, warning: Option<&str>) -> String {
    let (worth, rest): (Vec<&Finding>, Vec<&Finding>) = comparison
        .findings
        .iter()
        .partition(|finding| finding.verdict != Verdict::Unchanged);
    let body = html! {
        @if let Some(warning) = warning { p class="regressed" { strong { "Warning: " (warning) } } }
        h1 class=(comparison.verdict().as_str()) { (words::summary(comparison)) }
        p { "Base " (words::side(&comparison.base)) ", candidate " (words::side(&comparison.candidate)) "." }
        @for remark in [words::borrowed_noise(comparison), words::drift(comparison.drift)].into_iter().flatten() {
            p class="dim" { (remark) }
        }
        @if !worth.is_empty() { (table(&worth, comparison)) }
        @if !rest.is_empty() {
            details {
                summary { (rest.len()) " unchanged" }
                (table(&rest, comparison))
            }
        }
        p class="dim" {
            "Intervals hold the true change in " (comparison.settings.confidence * 100.0)
            " of 100 comparisons. A change below " (comparison.settings.min_effect * 100.0)
            " % is not worth a verdict. Axis: from half to four times."
        }
    };
    let title = format!("Performance: {}", comparison.verdict().as_str());
    document(&title, POLICY, STYLE, &body)
}

fn table(findings: &[&Finding], comparison: &Comparison) -> Markup {
    html! {
        table {
            thead { tr {
                th { "callsite" }
                th { "verdict" }
                th class="n" { "base" }
                th class="n" { "candidate" }
                th class="n" { "change" }
                th { (comparison.settings.confidence * 100.0) " % interval" }
            } }
            tbody { @for finding in findings { (row(finding)) } }
        }
    }
}

fn row(finding: &Finding) -> Markup {
    let measured = finding.measured(Measure::JUDGED);
    let change = finding.change();
    let notes = words::notes(finding);
    html! {
        tr {
            td {
                code { (words::clean(&finding.key.name)) }
                @if !finding.key.group.is_empty() { " " span class="dim" { (words::clean(&finding.key.group)) } }
                @for note in notes { div class="dim" { (note) } }
                @if finding.verdict != Verdict::Unchanged { (measures(finding)) }
            }
            td class=(finding.verdict.as_str()) {
                (finding.verdict.as_str())
                @if let Some(severity) = words::severity(finding) { ", " (severity) }
            }
            td class="n" { (time(measured.and_then(|measured| measured.base))) }
            td class="n" { (time(measured.and_then(|measured| measured.candidate))) }
            td class="n" { (change.map_or_else(|| "-".to_owned(), |change| words::percent(change.factor))) }
            td {
                @if let Some(change) = change { (plot(change)) }
                span class="dim" { (words::interval(change)) }
            }
        }
    }
}

/// All measures of a callsite, folded away.
fn measures(finding: &Finding) -> Markup {
    let line = |measured: &Measured| {
        let factor = measured.change.map(|change| words::percent(change.factor));
        html! {
            tr {
                td { (measured.measure.as_str()) }
                td class="n" { (words::value(measured.measure, measured.base)) }
                td class="n" { (words::value(measured.measure, measured.candidate)) }
                td class="n" { (factor.unwrap_or_else(|| "-".to_owned())) }
            }
        }
    };
    html! {
        details {
            summary { "all measures" }
            table { @for measured in &finding.measures { (line(measured)) } }
        }
    }
}

fn time(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), words::seconds)
}

/// The interval and the estimate on a logarithmic axis, with a line where nothing changed.
fn plot(change: Change) -> Markup {
    let (width, height) = PLOT;
    let at = |factor: f64| {
        let place = (factor / AXIS.0).ln() / (AXIS.1 / AXIS.0).ln();
        format!("{:.1}", place.clamp(0.0, 1.0) * width)
    };
    let middle = format!("{:.1}", height / 2.0);
    html! {
        svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="img"
            aria-label=(words::interval(Some(change))) {
            line x1=(at(1.0)) x2=(at(1.0)) y1="0" y2=(height) stroke="currentColor" stroke-opacity="0.3" {}
            @if let Some(interval) = change.interval {
                line x1=(at(interval.low)) x2=(at(interval.high)) y1=(middle) y2=(middle)
                    stroke="currentColor" stroke-width="2" {}
            }
            circle cx=(at(change.factor)) cy=(middle) r="4" fill="currentColor" {}
        }
    }
}
