//! A layer for services of `tower`, axum's and tonic's among them: each request is a trace.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::context::InContext;
use crate::span::{Measured, OkIf};
use crate::trace::{SpanKind, root, set_attribute};

/// Makes each request a trace, or a part of its caller's: a [`root`](crate::trace::root) of kind
/// [`SpanKind::Server`], named by `name`.
///
/// The name should be one of few, such as the method and the route. The span has the attributes `http.request.method`,
/// `url.path` and `http.response.status_code`; an answer of 500 and above, and an error of the service, is a failure.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::MatchedPath, routing::get};
///
/// let name = |request: &axum::extract::Request| match request.extensions().get::<MatchedPath>() {
///     Some(path) if path.as_str() == "/users/{id}" => "GET /users/{id}",
///     _ => "other request",
/// };
/// let app: Router = Router::new()
///     .route("/users/{id}", get(|| async { "a user" }))
///     .route_layer(khive_perf::trace::TraceLayer::new(name));
/// # drop(app);
/// ```
///
/// # Overhead
///
/// Two allocations for each request, beside those of the trace. What the service does before it gives back its future, which
/// is little as a rule, is not part of the trace.
#[derive(Clone, Copy)]
pub struct TraceLayer<N> {
    name: N,
    #[cfg(feature = "opentelemetry")]
    is_told: bool,
}

impl<N> TraceLayer<N> {
    /// A layer that names each request so.
    #[must_use]
    pub const fn new(name: N) -> Self {
        Self {
            name,
            #[cfg(feature = "opentelemetry")]
            is_told: false,
        }
    }

    /// Has each trace go on with OpenTelemetry's library, as [`Root::with_opentelemetry`](crate::trace::Root::with_opentelemetry)
    /// does; a caller that headers name comes first.
    #[cfg(feature = "opentelemetry")]
    #[must_use]
    pub const fn with_opentelemetry(mut self) -> Self {
        self.is_told = true;
        self
    }
}

impl<N> fmt::Debug for TraceLayer<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceLayer").finish_non_exhaustive()
    }
}

impl<S, N: Clone> Layer<S> for TraceLayer<N> {
    type Service = TraceService<S, N>;

    fn layer(&self, inner: S) -> Self::Service {
        TraceService {
            inner,
            name: self.name.clone(),
            #[cfg(feature = "opentelemetry")]
            is_told: self.is_told,
        }
    }
}

/// A service whose requests are traces; from [`TraceLayer`].
#[derive(Clone, Copy)]
pub struct TraceService<S, N> {
    inner: S,
    name: N,
    #[cfg(feature = "opentelemetry")]
    is_told: bool,
}

impl<S: fmt::Debug, N> fmt::Debug for TraceService<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, N, B, R> Service<Request<B>> for TraceService<S, N>
where
    S: Service<Request<B>, Response = Response<R>>,
    N: Fn(&Request<B>) -> &'static str,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TracedResponse<S::Future, R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let root = root((self.name)(&request))
            .kind(SpanKind::Server)
            .caller(request.headers())
            .attribute("http.request.method", request.method().as_str())
            .attribute("url.path", request.uri().path());
        #[cfg(feature = "opentelemetry")]
        let root = if self.is_told {
            root.with_opentelemetry()
        } else {
            root
        };
        let answer = Answer(Box::pin(self.inner.call(request)));
        TracedResponse(Box::pin(root.attach_if(answer, succeeded)))
    }
}

/// The answer of a [`TraceService`], when it is there.
pub struct TracedResponse<F, R, E>(Pin<Box<Traced<F, R, E>>>)
where
    F: Future<Output = Result<Response<R>, E>>;

type Traced<F, R, E> = InContext<Measured<Answer<F>, OkIf<fn(&Result<Response<R>, E>) -> bool>>>;

impl<F, R, E> Future for TracedResponse<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<F, R, E> fmt::Debug for TracedResponse<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedResponse").finish_non_exhaustive()
    }
}

/// Notes the status of an answer.
struct Answer<F>(Pin<Box<F>>);

impl<F, R, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.0.as_mut().poll(context);
        if let Poll::Ready(Ok(response)) = &answer {
            set_attribute("http.response.status_code", response.status().as_u16());
        }
        answer
    }
}

pub(super) fn succeeded<R, E>(answer: &Result<Response<R>, E>) -> bool {
    answer
        .as_ref()
        .is_ok_and(|response| !response.status().is_server_error())
}
