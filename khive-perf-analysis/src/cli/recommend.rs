//! `khive-perf recommend`: what in a run costs time that need not be, and what a change has saved.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use khive_perf_analysis::pages;
use khive_perf_analysis::recommend::{self, Facts, Finding, Saved};
use khive_perf_analysis::store::{RunInfo, Status, Store};
use serde_json::{Value, json};

use crate::cli::{Failure, Format, Formatted, output};

#[derive(Debug, Args)]
pub(crate) struct Recommend {
    /// Name of the runs, a glob, or the id of one (`#7`); the latest complete one is looked at.
    #[arg(value_name = "NAME", required_unless_present_any = ["acknowledge", "forget"])]
    name: Option<String>,
    /// A later run: says what became of the findings of the first, and what was saved.
    #[arg(long, value_name = "NAME", requires = "name")]
    verify: Option<String>,
    /// Leave a finding alone from now on.
    #[arg(long, value_name = "ID", requires = "because", conflicts_with_all = ["name", "forget"])]
    acknowledge: Option<String>,
    /// Why it is left alone; shown with it.
    #[arg(long, value_name = "REASON", requires = "acknowledge")]
    because: Option<String>,
    /// Tell of a finding again.
    #[arg(long, value_name = "ID", conflicts_with = "name")]
    forget: Option<String>,
    #[command(flatten)]
    formatted: Formatted,
}

impl Recommend {
    pub(crate) fn execute(&self, store: &Store) -> Result<ExitCode, Failure> {
        if let (Some(finding), Some(because)) = (&self.acknowledge, &self.because) {
            check(finding)?;
            store.acknowledge(finding, because)?;
            output::say(&format!("{finding} is left alone: {because}"));
        }
        if let Some(finding) = &self.forget {
            check(finding)?;
            if !store.forget(finding)? {
                return Err(format!(
                    "{finding} is not acknowledged, so there is nothing to forget"
                )
                .into());
            }
            output::say(&format!("{finding} will be told again"));
        }
        let Some(name) = &self.name else {
            return Ok(ExitCode::SUCCESS);
        };
        let (info, facts) = facts(store, name)?;
        let acknowledged = store.acknowledged()?;
        let as_json = self.formatted.format == Format::Json;
        if let Some(later) = &self.verify {
            let (later_info, later) = self::facts(store, later)?;
            let saved = recommend::verify(&facts, &later);
            let answer = match as_json {
                true => format!("{:#}", verified_json(&info, &later_info, &saved)),
                false => verified_text(&info, &later_info, &saved),
            };
            output::answer(&answer)?;
        } else {
            let findings = recommend::findings(&facts);
            let answer = match as_json {
                true => format!("{:#}", json(&info, &findings, &acknowledged)),
                false => text(&info, &findings, &acknowledged),
            };
            output::answer(&answer)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A finding's id is 16 hexadecimal digits.
fn check(id: &str) -> Result<(), Failure> {
    if id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(format!("`{id}` is no id of a finding; `khive-perf recommend NAME` shows them").into())
}

/// The latest complete run of this name, and what it says.
fn facts(store: &Store, name: &str) -> Result<(RunInfo, Facts), Failure> {
    let runs = store.runs_named(name)?;
    let complete = runs
        .into_iter()
        .filter(|run| run.status == Status::Complete);
    let Some(info) = complete.max_by_key(|run| (run.started_unix_ns, run.id)) else {
        let path = store.path().display();
        return Err(format!(
            "no complete run called `{name}` in {path}; `khive-perf runs --db {path}` lists them"
        )
        .into());
    };
    let ended = info.ended_unix_ns.unwrap_or(info.started_unix_ns);
    let seconds = ended.saturating_sub(info.started_unix_ns) as f64 / 1e9;
    let facts = Facts::of(&store.series(info.id)?, seconds).with_spans(&store.spans(info.id)?);
    Ok((info, facts))
}

fn text(info: &RunInfo, findings: &[Finding], acknowledged: &BTreeMap<String, String>) -> String {
    let mut text = format!("run #{} `{}`\n", info.id, info.name);
    let (left, told): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|finding| acknowledged.contains_key(&finding.id));
    if told.is_empty() {
        text.push_str("\nnothing to recommend\n");
    }
    for (at, finding) in told.iter().enumerate() {
        text.push_str(&format!("\n{}. {}\n", at + 1, told_of(finding)));
    }
    if !left.is_empty() {
        text.push_str("\nleft alone:\n");
        for finding in left {
            let because = acknowledged.get(&finding.id).map_or("", String::as_str);
            let (id, rule, callsite) = (&finding.id, finding.rule, &finding.callsite);
            text.push_str(&format!("  {id} {rule} at {callsite}: {because}\n"));
        }
    }
    text
}

fn told_of(finding: &Finding) -> String {
    let place = finding.place.as_ref();
    let place = place.map_or_else(String::new, |(file, line)| format!(" ({file}:{line})"));
    let mut text = format!("{} at {}{place}\n", finding.rule, finding.callsite);
    let evidence: Vec<String> = finding
        .evidence
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    text.push_str(&format!("   {}\n", evidence.join(", ")));
    if let Some(share) = finding.share.filter(|share| *share > 0.0) {
        let (saving, share) = (finding.saving_s, share * 100.0);
        text.push_str(&format!(
            "   costs about {saving:.3} s, {share:.1} % of all time on threads\n"
        ));
    }
    text.push_str(&format!("   {}\n", finding.advice));
    let confidence = finding.confidence.as_str();
    text.push_str(&format!("   confidence {confidence}, id {}", finding.id));
    text
}

fn json(info: &RunInfo, findings: &[Finding], acknowledged: &BTreeMap<String, String>) -> Value {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let mut json = pages::json::finding(finding);
            json["acknowledged"] = json!(acknowledged.get(&finding.id));
            json
        })
        .collect();
    json!({ "run": { "id": info.id, "name": info.name }, "findings": findings })
}

fn verified_text(before: &RunInfo, after: &RunInfo, saved: &[Saved]) -> String {
    let mut text = format!(
        "run #{} `{}`, and then #{} `{}`\n\n",
        before.id, before.name, after.id, after.name
    );
    if saved.is_empty() {
        text.push_str("nothing was recommended\n");
    }
    let header = ["id", "outcome", "saved a call (s)", "rule", "callsite"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for of in saved {
        let per_call = of.saved_per_call_s;
        rows.push(vec![
            of.finding.id.clone(),
            of.outcome.as_str().to_owned(),
            per_call.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:+.3e}")),
            of.finding.rule.to_owned(),
            of.finding.callsite.clone(),
        ]);
    }
    if !saved.is_empty() {
        text.push_str(&output::table(&rows));
    }
    text
}

fn verified_json(before: &RunInfo, after: &RunInfo, saved: &[Saved]) -> Value {
    let saved: Vec<Value> = saved
        .iter()
        .map(|of| {
            let mut json = pages::json::finding(&of.finding);
            json["outcome"] = json!(of.outcome.as_str());
            json["saved_per_call_s"] = json!(of.saved_per_call_s);
            json
        })
        .collect();
    json!({
        "before": { "id": before.id, "name": before.name },
        "after": { "id": after.id, "name": after.name },
        "findings": saved,
    })
}
