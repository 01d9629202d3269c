//! `khive-perf trend`: since when a callsite is as it is, and whether it creeps.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Args;
use khive_perf_analysis::detect::settings::MIN_EFFECT_S;
use khive_perf_analysis::detect::trend::{self, State, Trend as Found, TrendSettings};
use khive_perf_analysis::model::Metric;
use khive_perf_analysis::pages;
use khive_perf_analysis::store::Store;
use khive_perf_analysis::store::history::{History, KnownStep, Scope};
use serde_json::{Value, json};

use crate::cli::{Failure, Format, Formatted, output};

/// A step is the one that is known where it lies at most this many runs from it.
const SAME_STEP: usize = 5;

#[derive(Debug, Args)]
pub(crate) struct Trend {
    /// Only callsites with this name, or that match it as a glob.
    #[arg(value_name = "CALLSITE")]
    callsite: Option<String>,
    /// What is looked at: typical, mean, p50, p99, self_time, busy_time, throughput, error_rate, allocated,
    /// allocations, polls or longest_poll.
    #[arg(long, default_value = "typical", value_parser = metric)]
    metric: Metric,
    /// Only runs with this name, or that match it as a glob.
    #[arg(long, value_name = "NAME")]
    runs: Option<String>,
    /// Only callsites of this service.
    #[arg(long)]
    service: Option<String>,
    /// Only runs of this branch, as the resource attribute vcs.ref.head.name says.
    #[arg(long)]
    branch: Option<String>,
    /// Smallest step worth a word, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = detect_default())]
    min_effect: f64,
    /// Look at the numbers in this file, not at runs: [1, 2..], {"name": [1, 2..]} or one number a line.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["callsite", "metric", "runs", "service", "branch"])]
    values: Option<PathBuf>,
    #[command(flatten)]
    formatted: Formatted,
}

fn detect_default() -> f64 {
    khive_perf_analysis::detect::settings::TREND_MIN_EFFECT * 100.0
}

fn metric(word: &str) -> Result<Metric, String> {
    Metric::parse(word).ok_or_else(|| {
        let known = Metric::ALL.map(Metric::as_str);
        format!("is none of {}", known.join(", "))
    })
}

/// A series with what was found in it.
struct Judged {
    name: String,
    /// Row ids of the runs; positions where there are none.
    runs: Vec<i64>,
    metric: Option<Metric>,
    found: Found,
    /// One for each change, where they are remembered.
    ids: Vec<String>,
}

impl Trend {
    /// With numbers of a file, no database is needed.
    pub(crate) fn needs_store(&self) -> bool {
        self.values.is_none()
    }

    pub(crate) fn execute(&self, store: Option<&Store>) -> Result<ExitCode, Failure> {
        if !(0.0..=10_000.0).contains(&self.min_effect) {
            return Err("--min-effect must be between 0 and 10000".into());
        }
        let judged = match (&self.values, store) {
            (Some(path), _) => self.of_file(path)?,
            (None, Some(store)) => self.of_store(store)?,
            (None, None) => return Err("a database is needed".into()),
        };
        match self.formatted.format {
            Format::Text if judged.is_empty() => {
                output::say("no complete run in the database has such a callsite");
            }
            Format::Text => output::answer(&text(&judged))?,
            Format::Json => {
                let series: Vec<Value> = judged.iter().map(series_json).collect();
                output::answer(&format!("{:#}", json!({ "series": series })))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn settings(&self, metric: Option<Metric>) -> TrendSettings {
        TrendSettings {
            min_effect: self.min_effect / 100.0,
            min_effect_absolute: if metric.is_some_and(Metric::is_time) {
                MIN_EFFECT_S
            } else {
                0.0
            },
            ..TrendSettings::default()
        }
    }

    fn of_store(&self, store: &Store) -> Result<Vec<Judged>, Failure> {
        pages::refresh(store)?;
        let scope = Scope {
            runs: self.runs.clone(),
            service: self.service.clone(),
            branch: self.branch.clone(),
            callsite: self.callsite.clone(),
        };
        let histories = store.history(self.metric, &scope)?;
        let values_of =
            |history: &History| history.points.iter().map(|point| point.value).collect();
        let values: Vec<Vec<f64>> = histories.iter().map(values_of).collect();
        let found = trends(&values, &self.settings(Some(self.metric)));
        let mut judged = Vec::new();
        for (history, found) in histories.into_iter().zip(found) {
            let ids = remember(store, &scope, &history, &found)?;
            judged.push(Judged {
                name: history.key.name,
                runs: history.points.iter().map(|point| point.run).collect(),
                metric: Some(self.metric),
                found,
                ids,
            });
        }
        Ok(judged)
    }

    fn of_file(&self, path: &std::path::Path) -> Result<Vec<Judged>, Failure> {
        let said = |error: String| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| said(error.to_string()))?;
        let series = numbers(&text).map_err(said)?;
        let (names, values): (Vec<String>, Vec<Vec<f64>>) = series.into_iter().unzip();
        let found = trends(&values, &self.settings(None));
        let judge = |((name, values), found): ((String, &Vec<f64>), Found)| Judged {
            name,
            runs: (0..).take(values.len()).collect(),
            metric: None,
            found,
            ids: Vec::new(),
        };
        Ok(names
            .into_iter()
            .zip(&values)
            .zip(found)
            .map(judge)
            .collect())
    }
}

/// The trend of each series, found on as many threads as there are processors.
fn trends(series: &[Vec<f64>], settings: &TrendSettings) -> Vec<Found> {
    let found: Vec<OnceLock<Found>> = series.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(values), Some(place)) = (series.get(at), found.get(at)) else {
                break;
            };
            place.get_or_init(|| trend::trend(values, settings));
        }
    };
    let others = thread::available_parallelism().map_or(0, |threads| threads.get() - 1);
    thread::scope(|scope| {
        for _ in 0..others.min(series.len().saturating_sub(1)) {
            // Where there is no thread to be had, this one does it all.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    found.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// The steps get the ids by which they are known already, or new ones; known ones that are gone are said to be.
fn remember(
    store: &Store,
    scope: &Scope,
    history: &History,
    found: &Found,
) -> Result<Vec<String>, Failure> {
    let place = |run: i64| history.points.iter().position(|point| point.run == run);
    let mut known = store.known_steps(&history.key, history.metric, scope)?;
    let before = known.clone();
    let (mut ids, mut steps) = (Vec::new(), Vec::new());
    for change in &found.changes {
        let Some(point) = history.points.get(change.index) else {
            continue;
        };
        let rises = change.after > change.before;
        let distance = |step: &KnownStep| {
            let near = place(step.run)?.abs_diff(change.index);
            (step.rises == rises && near <= SAME_STEP).then_some(near)
        };
        let nearest = (known.iter().enumerate())
            .filter_map(|(position, step)| Some((distance(step)?, position)))
            .min();
        let id = match nearest {
            Some((_, position)) => known.remove(position).id,
            None => KnownStep::new_id(&history.key, history.metric, scope, point.run, rises),
        };
        ids.push(id.clone());
        steps.push(KnownStep {
            id,
            run: point.run,
            rises,
            state: change.state.as_str().to_owned(),
        });
    }
    // What is not seen any more was noise, or is beyond what is kept.
    steps.extend(known.into_iter().map(|step| KnownStep {
        state: State::WentAway.as_str().to_owned(),
        ..step
    }));
    if steps.iter().any(|step| !before.contains(step)) {
        store.remember_steps(&history.key, history.metric, scope, &steps)?;
    }
    Ok(ids)
}

/// Named series of numbers; labels beside the numbers are passed over.
fn numbers(text: &str) -> Result<Vec<(String, Vec<f64>)>, String> {
    let Ok(json) = serde_json::from_str::<Value>(text) else {
        let lines = text.split_whitespace().enumerate();
        let values = lines
            .map(|(index, word)| match word.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(value),
                _ => Err(format!(
                    "number {} is `{word}`; neither JSON nor a number",
                    index + 1
                )),
            })
            .collect::<Result<_, _>>()?;
        return Ok(vec![("values".to_owned(), values)]);
    };
    let list = |name: &str, value: &Value| -> Result<Vec<f64>, String> {
        let all = value.as_array();
        let inner = all.and_then(|all| all.first()).and_then(Value::as_array);
        let Some(all) = inner.or(all) else {
            return Err(format!("`{name}` is no list of numbers"));
        };
        all.iter()
            .map(|value| {
                value
                    .as_f64()
                    .ok_or_else(|| format!("`{name}` has {value} among its numbers"))
            })
            .collect()
    };
    match &json {
        Value::Object(series) => series
            .iter()
            .map(|(name, value)| Ok((name.clone(), list(name, value)?)))
            .collect(),
        Value::Number(_) => Ok(vec![(
            "values".to_owned(),
            json.as_f64().into_iter().collect(),
        )]),
        _ => Ok(vec![("values".to_owned(), list("values", &json)?)]),
    }
}

fn text(judged: &[Judged]) -> String {
    let mut text = String::new();
    for series in judged {
        let found = &series.found;
        let metric = series.metric.map_or("values", Metric::as_str);
        text.push_str(&format!(
            "{}: {metric} {} over {} runs{}\n",
            output::clean(&series.name),
            number(series.metric, found.level),
            series.runs.len(),
            creep(found),
        ));
        for (position, change) in found.changes.iter().enumerate() {
            let run = series.runs.get(change.index).copied().unwrap_or_default();
            let at = if series.metric.is_some() {
                "run #"
            } else {
                "point "
            };
            let id = series.ids.get(position);
            text.push_str(&format!(
                "  {at}{run}: {} -> {} ({}), {}{}\n",
                number(series.metric, change.before),
                number(series.metric, change.after),
                percent(change.factor()),
                change.state.as_str(),
                id.map_or_else(String::new, |id| format!(" [{id}]")),
            ));
        }
    }
    text
}

/// How the values go since the last step, where that is beyond doubt.
fn creep(found: &Found) -> String {
    match found.creep {
        Some(creep) if creep.p < 0.01 && found.is_relative => format!(
            ", and {:+.3} % a run since the last step ({:+.3} .. {:+.3})",
            creep.per_point * 100.0,
            creep.low * 100.0,
            creep.high * 100.0
        ),
        Some(creep) if creep.p < 0.01 => format!(
            ", and {:+.3e} a run since the last step ({:+.3e} .. {:+.3e})",
            creep.per_point, creep.low, creep.high
        ),
        _ => String::new(),
    }
}

fn number(metric: Option<Metric>, value: f64) -> String {
    if metric.is_some_and(Metric::is_time) {
        let (scaled, unit) = match value.abs() {
            v if v >= 1.0 => (value, "s"),
            v if v >= 1e-3 => (value * 1e3, "ms"),
            v if v >= 1e-6 => (value * 1e6, "us"),
            _ => (value * 1e9, "ns"),
        };
        return format!("{scaled:.3} {unit}");
    }
    format!("{value:.4}")
}

fn percent(factor: f64) -> String {
    if factor.is_finite() {
        format!("{:+.1} %", (factor - 1.0) * 100.0)
    } else {
        "from nothing".to_owned()
    }
}

fn series_json(series: &Judged) -> Value {
    let found = &series.found;
    let run = |index: usize| series.runs.get(index).copied();
    let changes: Vec<Value> = found
        .changes
        .iter()
        .enumerate()
        .map(|(position, change)| {
            json!({
                "id": series.ids.get(position),
                "index": change.index,
                "run": run(change.index),
                "before": change.before,
                "after": change.after,
                "factor": Some(change.factor()).filter(|factor| factor.is_finite()),
                "p": change.p,
                "state": change.state.as_str(),
            })
        })
        .collect();
    json!({
        "name": series.name,
        "metric": series.metric.map(Metric::as_str),
        "points": series.runs.len(),
        "changes": changes,
        "since": run(found.segment.start),
        "segment": [found.segment.start, found.segment.end],
        "level": found.level,
        "is_relative": found.is_relative,
        "standard_deviation": found.variance.map(|variance| variance.value.sqrt()),
        "degrees_of_freedom": found.variance.map(|variance| variance.freedom),
        "creep": found.creep.map(|creep| json!({
            "per_run": creep.per_point,
            "low": creep.low,
            "high": creep.high,
            "p": creep.p,
        })),
    })
}
