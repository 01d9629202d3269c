//! Router: the pages for browsers, answered from the database as it is now.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::html;
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::detect::trend::{TrendSettings, trend};
use crate::detect::{self, Settings};
use crate::error::Error;
use crate::model::{Metric, Run};
use crate::pages::frame::{POLICY, Stands, page};
use crate::pages::series::{self, Judged};
use crate::pages::{Overview, html, index, lists, refresh};
use crate::report;
use crate::report::words::clean;
use crate::store::history::Scope;
use crate::store::{Machines, RunInfo, Status, Store};

/// Pages made at one time; further ones wait.
const WORKERS: usize = 2;

/// Callsites of the list of trends: each is looked at anew.
const TRENDS_MAX: usize = 200;

/// Runs of each side of a comparison: the newest.
const SIDE_MAX: usize = 50;

#[derive(Clone)]
struct Pages {
    store: Store,
    workers: Arc<Semaphore>,
}

/// What there is no page for.
enum Missing {
    Nothing(String),
    /// What is not done without being asked for again, by this address.
    Refused {
        says: String,
        unless: String,
    },
    Failed(Error),
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    callsite: Option<String>,
    service: Option<String>,
    group: Option<String>,
    metric: Option<String>,
    base: Option<String>,
    candidate: Option<String>,
    across_machines: Option<bool>,
}

/// The pages of a database: `/`, `/runs/ID`, `/compare`, `/trend`, `/leaks` and `/recommendations`.
pub fn router(store: Store) -> Router {
    let pages = Pages {
        store,
        workers: Arc::new(Semaphore::new(WORKERS)),
    };
    Router::new()
        .route("/", get(|pages, headers| answer(pages, headers, of_index)))
        .route(
            "/runs/{id}",
            get(|Path(id): Path<i64>, pages, headers| {
                answer(pages, headers, move |store| of_run(store, id))
            }),
        )
        .route(
            "/compare",
            get(|Query(asked): Query<Asked>, pages, headers| {
                answer(pages, headers, move |store| of_comparison(store, &asked))
            }),
        )
        .route(
            "/trend",
            get(|Query(asked): Query<Asked>, pages, headers| {
                answer(pages, headers, move |store| of_trend(store, &asked))
            }),
        )
        .route(
            "/leaks",
            get(|pages, headers| answer(pages, headers, of_leaks)),
        )
        .route(
            "/recommendations",
            get(|pages, headers| answer(pages, headers, of_recommendations)),
        )
        .with_state(pages)
}

/// Makes a page on a thread that may block.
async fn answer(
    State(pages): State<Pages>,
    headers: HeaderMap,
    make: impl FnOnce(&Store) -> Result<String, Missing> + Send + 'static,
) -> Response {
    if !is_for_us(&headers) {
        let says = "this host name is not one of this machine's: open the page by its address";
        return (StatusCode::FORBIDDEN, says).into_response();
    }
    let Ok(worker) = pages.workers.acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let made = tokio::task::spawn_blocking(move || {
        let _worker = worker;
        make(&pages.store)
    });
    let (status, text) = match made.await {
        Ok(Ok(text)) => (StatusCode::OK, text),
        Ok(Err(Missing::Nothing(says))) => (StatusCode::NOT_FOUND, trouble(&says)),
        Ok(Err(Missing::Refused { says, unless })) => {
            (StatusCode::CONFLICT, refusal(&says, &unless))
        }
        Ok(Err(Missing::Failed(error))) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            trouble(&error.to_string()),
        ),
        Err(_) => {
            let says = "the page could not be made";
            (StatusCode::INTERNAL_SERVER_ERROR, trouble(says))
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, text).into_response()
}

/// A name that someone else made to point here could read the pages from a browser of ours (DNS rebinding); an address, or
/// `localhost`, is nobody else's.
fn is_for_us(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let host = String::from_utf8_lossy(host);
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(&*host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

fn trouble(says: &str) -> String {
    let body = html! { h1 { "There is no such page" } p { (clean(says)) } };
    page("Nothing", Stands::AmongOthers, &body)
}

fn refusal(says: &str, unless: &str) -> String {
    let body = html! {
        h1 { "These runs are not compared" }
        p { (says) }
        p { a href=(unless) { "Compare them all the same" } }
    };
    page("Not compared", Stands::AmongOthers, &body)
}

fn of_index(store: &Store) -> Result<String, Missing> {
    Ok(index::runs(&store.runs()?, &store.baseline()?))
}

fn of_run(store: &Store, id: i64) -> Result<String, Missing> {
    let runs = store.runs_named(&format!("#{id}"))?;
    let Some(info) = runs.iter().find(|info| info.id == id) else {
        return Err(Missing::Nothing(format!("there is no run #{id}")));
    };
    Ok(html::of_run(
        &Overview::of(store, info)?,
        Stands::AmongOthers,
    ))
}

fn of_comparison(store: &Store, asked: &Asked) -> Result<String, Missing> {
    let side = |name: &Option<String>| -> Result<(Vec<RunInfo>, Vec<Run>), Missing> {
        let name = name.clone().unwrap_or_default();
        let found = store.runs_named(&name)?;
        let complete = (found.into_iter()).filter(|info| info.status == Status::Complete);
        let mut newest: Vec<RunInfo> = complete.rev().take(SIDE_MAX).collect();
        newest.reverse();
        if newest.is_empty() {
            return Err(Missing::Nothing(format!(
                "there is no complete run called `{name}`"
            )));
        }
        let runs = newest.iter().map(|info| store.load(info.id));
        let runs = runs.collect::<Result<_, _>>()?;
        Ok((newest, runs))
    };
    let (base_infos, base) = side(&asked.base)?;
    let (candidate_infos, candidate) = side(&asked.candidate)?;
    if base
        .iter()
        .any(|run| candidate.iter().any(|of| of.id == run.id))
    {
        let says = "a run cannot stand on both sides: choose two names";
        return Err(Missing::Nothing(says.to_owned()));
    }
    let warning = of_machines(asked, &base_infos, &candidate_infos)?;
    let comparison = detect::compare(&base, &candidate, &Settings::default());
    Ok(report::html::with_warning(&comparison, warning.as_deref()))
}

/// Refuses runs of different machines unless that is asked for, and then says so on the page, as the command does.
fn of_machines(
    asked: &Asked,
    base: &[RunInfo],
    candidate: &[RunInfo],
) -> Result<Option<String>, Missing> {
    let (of_base, of_candidate) = match Machines::of(base, candidate) {
        Machines::Same => return Ok(None),
        Machines::HalfKnown => {
            let says = "one side does not say which machine it is from; if it is another, the comparison says nothing";
            return Ok(Some(says.to_owned()));
        }
        Machines::Different([of_base, of_candidate]) => (of_base, of_candidate),
    };
    let [base, candidate] =
        [&asked.base, &asked.candidate].map(|name| name.as_deref().unwrap_or_default());
    let says = format!(
        "`{}` is from {}, and `{}` from {}: another machine is no change of the program",
        clean(base),
        clean(&of_base),
        clean(candidate),
        clean(&of_candidate)
    );
    if asked.across_machines == Some(true) {
        return Ok(Some(says));
    }
    let names = [
        ("base", base),
        ("candidate", candidate),
        ("across_machines", "true"),
    ];
    Err(Missing::Refused {
        says,
        unless: format!("/compare?{}", html::query(&names)),
    })
}

fn of_trend(store: &Store, asked: &Asked) -> Result<String, Missing> {
    refresh(store)?;
    let metric = match asked.metric.as_deref() {
        None => Metric::Typical,
        Some(word) => Metric::parse(word)
            .ok_or_else(|| Missing::Nothing(format!("there is no metric `{word}`")))?,
    };
    let scope = Scope {
        service: asked.service.clone(),
        ..Scope::default()
    };
    let mut histories = store.history(metric, &scope)?;
    // By equality, and not as a glob: names may have stars and brackets in them.
    histories.retain(|history| {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|it| it == name);
        is(&asked.callsite, &history.key.name) && is(&asked.group, &history.key.group)
    });
    histories.truncate(TRENDS_MAX);
    let mut judged: Vec<Judged> = histories
        .into_iter()
        .map(|history| {
            let values: Vec<f64> = history.points.iter().map(|point| point.value).collect();
            Judged {
                found: trend(&values, &TrendSettings::default()),
                history,
            }
        })
        .collect();
    if asked.callsite.is_none() {
        return Ok(series::list(metric, &judged));
    }
    match judged.pop() {
        Some(of) => Ok(series::one(&of, &store.runs()?)),
        None => Err(Missing::Nothing(
            "no complete run has such a callsite".to_owned(),
        )),
    }
}

/// The newest run of each name.
fn newest(store: &Store) -> Result<Vec<Overview>, Error> {
    let mut names = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for info in store.runs()?.iter().rev() {
        if info.status != Status::Failed && names.insert(info.name.clone()) {
            all.push(Overview::of(store, info)?);
        }
        if all.len() == SIDE_MAX {
            break;
        }
    }
    Ok(all)
}

fn of_leaks(store: &Store) -> Result<String, Missing> {
    let runs = newest(store)?;
    let body = html! {
        h1 { "Leaks" }
        p class="dim" { "Of the newest run of each name: what a leak detector in the program says." }
        @if runs.iter().all(|of| of.leaks.is_empty()) { p { "Nothing leaks, or nothing looks for leaks." } }
        @for of in runs.iter().filter(|of| !of.leaks.is_empty()) {
            h2 { a href={ "/runs/" (of.info.id) } { "#" (of.info.id) " " (clean(&of.info.name)) } }
            (lists::leaks(&of.leaks))
        }
    };
    Ok(page("Leaks", Stands::AmongOthers, &body))
}

fn of_recommendations(store: &Store) -> Result<String, Missing> {
    let runs = newest(store)?;
    let body = html! {
        h1 { "Recommendations" }
        p class="dim" { "Of the newest run of each name, the costliest first." }
        @for of in &runs {
            h2 { a href={ "/runs/" (of.info.id) } { "#" (of.info.id) " " (clean(&of.info.name)) } }
            (lists::findings(&of.findings, &of.acknowledged))
        }
    };
    Ok(page("Recommendations", Stands::AmongOthers, &body))
}

impl From<Error> for Missing {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
