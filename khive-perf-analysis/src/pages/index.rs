//! Index: all runs, the newest first, and how two names are compared.

use maud::html;

use crate::pages::frame::{Stands, page};
use crate::pages::words::utc;
use crate::report::words::{clean, seconds};
use crate::store::RunInfo;

/// Rows of the page; older runs are counted.
const RUNS_MAX: usize = 500;

pub(super) fn runs(runs: &[RunInfo], baseline: &[i64]) -> String {
    let mut names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let body = html! {
        h1 { "Runs" }
        @if runs.is_empty() {
            p { "There are no runs yet. " code { "khive-perf run --name NAME -- COMMAND" } " records one." }
        } @else {
            form action="/compare" {
                "compare "
                @for (label, field) in [("base", "base"), (" with ", "candidate")] {
                    (label) " "
                    select name=(field) aria-label=(field) {
                        @for name in &names { option value=(name) { (clean(name)) } }
                    }
                }
                " " button { "compare" }
            }
        }
        div class="wide" { table {
            thead { tr {
                th { "run" } th { "status" } th { "started (UTC)" } th class="n" { "took" } th class="n" { "series" } th { "command" }
            } }
            tbody { @for run in runs.iter().rev().take(RUNS_MAX) { tr {
                td {
                    a href={ "/runs/" (run.id) } { "#" (run.id) " " (clean(&run.name)) }
                    @if baseline.contains(&run.id) { " " span class="dim" { "baseline" } }
                }
                td class=(run.status.as_str()) { (run.status.as_str()) }
                td { (utc(run.started_unix_ns)) }
                td class="n" {
                    @if let Some(ended) = run.ended_unix_ns {
                        (seconds(ended.saturating_sub(run.started_unix_ns) as f64 / 1e9))
                    } @else { "-" }
                }
                td class="n" { (run.series) }
                td { code { (clean(&run.command.join(" "))) } }
            } } }
        } }
        @if runs.len() > RUNS_MAX { p class="dim" { (runs.len() - RUNS_MAX) " older runs are not shown." } }
    };
    page("Runs", Stands::AmongOthers, &body)
}
