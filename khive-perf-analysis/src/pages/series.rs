//! Series: one metric of one callsite over all runs, drawn as SVG with its steps, and the same as a table.

use maud::{Markup, html};

use crate::detect::trend::Trend;
use crate::model::Metric;
use crate::pages::frame::{Stands, page};
use crate::pages::html::query;
use crate::pages::words::utc;
use crate::report::words::{clean, percent, seconds};
use crate::store::RunInfo;
use crate::store::history::History;

/// Width and height of the drawing, and the room around it.
const PLOT: (f64, f64) = (960.0, 260.0);
const MARGIN: (f64, f64) = (80.0, 24.0);
/// Rows of the table, the newest.
const ROWS_MAX: usize = 200;

/// A history with what was found in it.
pub(super) struct Judged {
    pub(super) history: History,
    pub(super) found: Trend,
}

/// All callsites with their level and their steps.
pub(super) fn list(metric: Metric, all: &[Judged]) -> String {
    let body = html! {
        h1 { "Trends: " (metric.as_str()) }
        (chooser(metric, None))
        @if all.is_empty() { p { "No complete run has a callsite of which this can be said." } }
        @else { table {
            thead { tr { th { "callsite" } th class="n" { "level now" } th class="n" { "runs" } th { "last step" } } }
            tbody { @for of in all { tr {
                td {
                    a href={ "/trend?" (query(&link(&of.history, metric))) } { code { (clean(&of.history.key.name)) } }
                    " " span class="dim" { (clean(&of.history.key.group)) }
                }
                td class="n" { (number(metric, of.found.level)) }
                td class="n" { (of.history.points.len()) }
                td { @if let Some(change) = of.found.changes.last() {
                    @let rises = change.after > change.before;
                    span class=(if rises == metric.more_is_worse() { "regressed" } else { "improved" }) {
                        (percent(change.factor()))
                    }
                    " at run #" (of.history.points.get(change.index).map_or(0, |point| point.run))
                    ", " (change.state.as_str())
                } }
            } } }
        } }
    };
    page("Trends", Stands::AmongOthers, &body)
}

/// One callsite, drawn.
pub(super) fn one(of: &Judged, runs: &[RunInfo]) -> String {
    let history = &of.history;
    let name = clean(&history.key.name);
    let metric = history.metric;
    let from = history.points.len().saturating_sub(ROWS_MAX);
    let body = html! {
        h1 { "Trend of " code { (name) } }
        p class="dim" { (clean(&history.key.service)) " " (clean(&history.key.group)) }
        (chooser(metric, Some(history)))
        (plot(of))
        @if of.found.changes.is_empty() { p { "No step: " (number(metric, of.found.level)) " throughout." } }
        ul { @for change in &of.found.changes { li {
            "Run #" (history.points.get(change.index).map_or(0, |point| point.run)) ": "
            (number(metric, change.before)) " to " (number(metric, change.after))
            " (" (percent(change.factor())) "), " (change.state.as_str())
        } } }
        table {
            thead { tr { th { "run" } th { "started (UTC)" } th class="n" { (metric.as_str()) } } }
            tbody { @for point in history.points.iter().skip(from).rev() { tr {
                td { a href={ "/runs/" (point.run) } { "#" (point.run) } }
                td { @if let Some(run) = runs.iter().find(|run| run.id == point.run) { (utc(run.started_unix_ns)) } }
                td class="n" { (number(metric, point.value)) }
            } } }
        }
        @if from > 0 { p class="dim" { (from) " older runs are drawn, and not listed." } }
    };
    page(&format!("Trend of {name}"), Stands::AmongOthers, &body)
}

fn link(history: &History, metric: Metric) -> [(&'static str, &str); 4] {
    [
        ("callsite", &history.key.name),
        ("service", &history.key.service),
        ("group", &history.key.group),
        ("metric", metric.as_str()),
    ]
}

/// Chooses another metric.
fn chooser(metric: Metric, history: Option<&History>) -> Markup {
    html! {
        form action="/trend" {
            @if let Some(history) = history {
                @for (name, value) in link(history, metric).iter().take(3) {
                    input type="hidden" name=(name) value=(value);
                }
            }
            select name="metric" aria-label="metric" {
                @for other in Metric::ALL {
                    option value=(other.as_str()) selected[other == metric] { (other.as_str()) }
                }
            }
            " " button { "show" }
        }
    }
}

/// Points, the levels between steps, and a line at each step. The axis begins at 0.
fn plot(of: &Judged) -> Markup {
    let points = &of.history.points;
    let metric = of.history.metric;
    let (width, height) = PLOT;
    let highest = points.iter().map(|point| point.value).fold(0.0, f64::max);
    let top = if highest > 0.0 { highest * 1.1 } else { 1.0 };
    let last = points.len().saturating_sub(1).max(1) as f64;
    let x = |index: f64| MARGIN.0 + index / last * (width - MARGIN.0 - 16.0);
    let y = |value: f64| height - MARGIN.1 - value / top * (height - 2.0 * MARGIN.1);
    let fixed = |value: f64| format!("{value:.1}");
    let mut levels = Vec::new();
    let mut begin = 0;
    for change in &of.found.changes {
        levels.push((begin, change.index, change.before));
        begin = change.index;
    }
    levels.push((begin, points.len(), of.found.level));
    html! {
        svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="img"
            aria-label={ (metric.as_str()) " over " (points.len()) " runs, " (of.found.changes.len()) " steps" } {
            @for part in [0.0, 0.5, 1.0] {
                @let at = fixed(y(top * part));
                line x1=(MARGIN.0) x2=(width) y1=(at) y2=(at) stroke="currentColor" stroke-opacity="0.15" {}
                text x=(MARGIN.0 - 8.0) y=(at) font-size="12" text-anchor="end" fill="currentColor" {
                    (number(metric, top * part))
                }
            }
            @for (begin, end, level) in &levels {
                @let at = fixed(y(*level));
                line x1=(fixed(x(*begin as f64))) x2=(fixed(x(end.saturating_sub(1) as f64))) y1=(at) y2=(at)
                    stroke="#2980b9" stroke-width="2" {}
            }
            @for change in &of.found.changes {
                @let at = fixed(x(change.index as f64 - 0.5));
                @let rises = change.after > change.before;
                line x1=(at) x2=(at) y1=(MARGIN.1) y2=(height - MARGIN.1) stroke-dasharray="4 3"
                    stroke=(if rises == metric.more_is_worse() { "#c0392b" } else { "#1e8449" }) {}
                text x=(at) y="16" font-size="12" text-anchor="middle" fill="currentColor" { (percent(change.factor())) }
            }
            @for (index, point) in points.iter().enumerate() {
                circle cx=(fixed(x(index as f64))) cy=(fixed(y(point.value))) r="3" fill="currentColor" fill-opacity="0.7" {
                    title { "run #" (point.run) ": " (number(metric, point.value)) }
                }
            }
        }
    }
}

fn number(metric: Metric, value: f64) -> String {
    if metric.is_time() {
        seconds(value)
    } else {
        format!("{value:.4}")
    }
}
