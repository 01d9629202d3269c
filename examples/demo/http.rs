//! The routes of the demo service, and how requests and errors look as JSON.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{
    DefaultBodyLimit, FromRequest, MatchedPath, Path, Query, Request as HttpRequest, State,
};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use khive_perf::trace::TraceLayer;
use serde::{Deserialize, Serialize};

use crate::demo::cache::CacheStats;
use crate::demo::config::{
    BODY_BYTES_MAX, TAIL_LEN_DEFAULT, TAIL_LEN_MAX, TITLE_LEN_MAX, TRANSCRIPT_LEN_MAX,
};
use crate::demo::error::{Error, Result};
use crate::demo::inject::Inject;
use crate::demo::orchestration::{Orchestrator, Request};
use crate::demo::session::{Entry, Session};

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) inject: Inject,
}

/// A JSON body whose faults are answered as JSON.
struct Body<T>(T);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSession {
    title: String,
    #[serde(default)]
    transcript: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Tail {
    tail: Option<usize>, // 0..=TAIL_LEN_MAX
}

#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
    inject: String,
    cache: CacheStats,
    definitions_read: u64,
    sessions_retained: usize,
}

/// The routes over one application.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/sessions", post(create_session))
        .route("/sessions/{id}", get(read_session))
        .route("/orchestrations", post(create_orchestration))
        .route("/orchestrations/{id}", get(read_orchestration))
        // Those above are traces, each request one, or go on with that of the caller.
        .route_layer(TraceLayer::new(name_of))
        .route("/healthz", get(health))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(app))
}

/// The name of a request's trace: its route.
fn name_of(request: &HttpRequest) -> &'static str {
    let path = request.extensions().get::<MatchedPath>();
    match (request.method().as_str(), path.map(MatchedPath::as_str)) {
        ("POST", Some("/sessions")) => "POST /sessions",
        ("GET", Some("/sessions/{id}")) => "GET /sessions/{id}",
        ("POST", Some("/orchestrations")) => "POST /orchestrations",
        ("GET", Some("/orchestrations/{id}")) => "GET /orchestrations/{id}",
        _ => "other request",
    }
}

#[khive_perf::measure(name = "http::create_session", group = "session", err)]
async fn create_session(
    State(app): State<Arc<App>>,
    Body(new): Body<NewSession>,
) -> Result<Response> {
    let title_len = new.title.chars().count();
    if new.title.trim().is_empty() || TITLE_LEN_MAX < title_len {
        return Err(Error::invalid(format!(
            "title has {title_len} characters; it must have between 1 and {TITLE_LEN_MAX}, not all blank"
        )));
    }
    if TRANSCRIPT_LEN_MAX < new.transcript.len() {
        return Err(Error::invalid(format!(
            "transcript has {} entries; it may have {TRANSCRIPT_LEN_MAX}",
            new.transcript.len()
        )));
    }
    let sessions = &app.orchestrator.sessions;
    let id = sessions.create(new.title, new.transcript).await?;
    Ok(created("sessions", id, &serde_json::json!({ "id": id })))
}

#[khive_perf::measure(name = "http::read_session", group = "session", err)]
async fn read_session(
    State(app): State<Arc<App>>,
    id: std::result::Result<Path<i64>, PathRejection>,
    tail: std::result::Result<Query<Tail>, QueryRejection>,
) -> Result<Json<Session>> {
    let id = path_id(id)?;
    let Query(Tail { tail }) =
        tail.map_err(|rejection| Error::refused(rejection.status(), rejection.body_text()))?;
    let tail_len = tail.unwrap_or(TAIL_LEN_DEFAULT);
    if TAIL_LEN_MAX < tail_len {
        return Err(Error::invalid(format!(
            "tail is {tail_len}; it may be {TAIL_LEN_MAX} at most"
        )));
    }
    app.orchestrator.sessions.load(id, tail_len).await.map(Json)
}

#[khive_perf::measure(name = "http::create_orchestration", group = "orchestration", err)]
async fn create_orchestration(
    State(app): State<Arc<App>>,
    Body(request): Body<Request>,
) -> Result<Response> {
    let stored = app.orchestrator.orchestrate(request).await?;
    Ok(created("orchestrations", stored.id, &stored))
}

#[khive_perf::measure(name = "http::read_orchestration", group = "orchestration", err)]
async fn read_orchestration(
    State(app): State<Arc<App>>,
    id: std::result::Result<Path<i64>, PathRejection>,
) -> Result<Response> {
    let stored = app.orchestrator.results.find(path_id(id)?).await?;
    Ok(Json(stored).into_response())
}

async fn health(State(app): State<Arc<App>>) -> Response {
    let composer = &app.orchestrator.composer;
    Json(Health {
        status: "ok",
        inject: app.inject.to_string(),
        cache: composer.cache_stats(),
        definitions_read: composer.library().files_read(),
        sessions_retained: app.orchestrator.sessions.retained_len(),
    })
    .into_response()
}

async fn unknown_route(request: HttpRequest) -> Error {
    Error::not_found(format!("there is no route {}", request.uri().path()))
}

async fn wrong_method(request: HttpRequest) -> Error {
    Error::refused(
        StatusCode::METHOD_NOT_ALLOWED,
        format!(
            "{} does not take {}",
            request.uri().path(),
            request.method()
        ),
    )
}

fn created(collection: &str, id: i64, body: &impl Serialize) -> Response {
    let location = [(header::LOCATION, format!("/{collection}/{id}"))];
    (StatusCode::CREATED, location, Json(body)).into_response()
}

fn path_id(id: std::result::Result<Path<i64>, PathRejection>) -> Result<i64> {
    match id {
        Ok(Path(id)) => Ok(id),
        Err(rejection) => Err(Error::refused(rejection.status(), rejection.body_text())),
    }
}

// === impl Body ===

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    Json<T>: FromRequest<S, Rejection = JsonRejection>,
{
    type Rejection = Error;

    async fn from_request(request: HttpRequest, state: &S) -> Result<Self> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(Error::refused(rejection.status(), rejection.body_text())),
        }
    }
}
