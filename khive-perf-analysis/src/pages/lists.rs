//! Lists: leaks and recommendations, in the page of a run or in one of their own.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::pages::words::{leak, place};
use crate::recommend::{Finding, Leak};
use crate::report::words::{bytes, clean, seconds};

pub(super) fn leaks(leaks: &[Leak]) -> Markup {
    html! {
        table {
            thead { tr {
                th { "what" } th { "verdict" } th class="n" { "an hour" } th class="n" { "alive" } th { "place" }
            } }
            tbody { @for of in leaks { tr title=(leak(of)) {
                td { code { (clean(&of.name)) } " " span class="dim" { (clean(&of.service)) } }
                td class=(clean(&of.verdict)) { (clean(&of.verdict)) }
                td class="n" { (bytes(of.bytes_per_hour)) }
                td class="n" { (bytes(of.retained_bytes)) }
                td { (place(of.place.as_ref())) }
            } } }
        }
    }
}

pub(super) fn findings(findings: &[Finding], acknowledged: &BTreeMap<String, String>) -> Markup {
    let (left, told): (Vec<&Finding>, Vec<&Finding>) = findings
        .iter()
        .partition(|finding| acknowledged.contains_key(&finding.id));
    html! {
        @if told.is_empty() { p { "Nothing to recommend." } }
        ol { @for of in told { (finding(of)) } }
        @if !left.is_empty() {
            details {
                summary { (left.len()) " left alone" }
                ul { @for of in left { li {
                    code { (of.id) } " " (of.rule) " at " code { (clean(&of.callsite)) } ": "
                    (clean(acknowledged.get(&of.id).map_or("", String::as_str)))
                } } }
            }
        }
    }
}

fn finding(of: &Finding) -> Markup {
    html! {
        li {
            b { (of.rule) } " at " code { (clean(&of.callsite)) }
            " " span class="dim" { (place(of.place.as_ref())) }
            @if let Some(share) = of.share.filter(|share| *share > 0.0) {
                ": about " (seconds(of.saving_s)) ", " (format!("{:.1}", share * 100.0)) " % of all time on threads"
            }
            div {
                @for (at, (name, value)) in of.evidence.iter().enumerate() {
                    @if at > 0 { ", " }
                    (name) " " (clean(value))
                }
            }
            div { (of.advice) }
            div class="dim" { "confidence " (of.confidence.as_str()) ", id " code { (of.id) } }
        }
    }
}
