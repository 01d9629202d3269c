//! A layer for clients of `tower`: each request is a span of the caller's trace, which it tells the callee.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::registry::series::named_future;
use crate::span::{Measured, OkIf, measure_future_if};
use crate::trace::current::{inject, set_attribute, set_kind};
use crate::trace::tower::succeeded;
use crate::tracer::SpanKind;

/// Measures each request that a client sends, as a call named by `name`; in a trace, a span of kind [`SpanKind::Client`],
/// and `traceparent`, `tracestate` and `baggage` name it to the callee.
///
/// The name should be one of few. The span has the attributes `http.request.method`, `server.address`, `url.path` and
/// `http.response.status_code`; an answer of 500 and above, and an error of the client, is a failure.
///
/// The client must be one that can be cloned, and that takes requests of `http`, as those of `hyper-util` and tonic do. That of
/// reqwest has requests of its own, which those of `http` become: give the layer a `tower::service_fn` that calls
/// `client.execute(request.try_into()?)` and makes an `http::Response` of the answer.
///
/// # Examples
///
/// ```
/// use khive_perf::trace::ClientLayer;
/// use tower_layer::Layer as _;
///
/// # #[derive(Clone)]
/// # struct Client;
/// let layer = ClientLayer::new(|request: &http::Request<()>| match request.method() {
///     &http::Method::GET => "read a user",
///     _ => "change a user",
/// });
/// let client = layer.layer(Client);
/// # drop(client);
/// ```
///
/// # Overhead
///
/// Three allocations for each request, and a lock to find its callsite.
#[derive(Clone, Copy)]
pub struct ClientLayer<N> {
    name: N,
    place: &'static Location<'static>,
}

impl<N> ClientLayer<N> {
    /// A layer that names each request so.
    #[must_use]
    #[track_caller]
    pub const fn new(name: N) -> Self {
        Self {
            name,
            place: Location::caller(),
        }
    }
}

impl<N> fmt::Debug for ClientLayer<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientLayer").finish_non_exhaustive()
    }
}

impl<S, N: Clone> Layer<S> for ClientLayer<N> {
    type Service = ClientService<S, N>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientService {
            inner,
            layer: Self {
                name: self.name.clone(),
                place: self.place,
            },
        }
    }
}

/// A client whose requests are spans; from [`ClientLayer`].
#[derive(Clone, Copy)]
pub struct ClientService<S, N> {
    inner: S,
    layer: ClientLayer<N>,
}

impl<S: fmt::Debug, N> fmt::Debug for ClientService<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, N, B, R> Service<Request<B>> for ClientService<S, N>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    N: Fn(&Request<B>) -> &'static str,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ClientResponse<S, B, R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let callsite = named_future((self.layer.name)(&request), self.layer.place);
        // The one that is ready makes the request; the other has its place, and must become ready first.
        let other = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, other);
        let asks = Asks::Not(Box::new((ready, request)));
        ClientResponse(Box::pin(measure_future_if(callsite, asks, succeeded)))
    }
}

/// The answer to a request of a [`ClientService`], when it is there.
pub struct ClientResponse<S, B, R>(Pin<Box<Sent<S, B, R>>>)
where
    S: Service<Request<B>, Response = Response<R>>;

type Sent<S, B, R> =
    Measured<Asks<S, B>, OkIf<fn(&Result<Response<R>, <S as Service<Request<B>>>::Error>) -> bool>>;

impl<S, B, R> Future for ClientResponse<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<S, B, R> fmt::Debug for ClientResponse<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientResponse").finish_non_exhaustive()
    }
}

/// A request, which is made in the first poll: only then is it known which span it is.
enum Asks<S: Service<Request<B>>, B> {
    Not(Box<(S, Request<B>)>),
    Has(Pin<Box<S::Future>>),
    /// Between the two.
    Done,
}

/// It moves what it has out, and pins what is boxed.
impl<S: Service<Request<B>>, B> Unpin for Asks<S, B> {}

impl<S, B, R> Future for Asks<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Self::Not(..) = &*self
            && let Self::Not(asks) = std::mem::replace(&mut *self, Self::Done)
        {
            let (mut client, mut request) = *asks;
            set_kind(SpanKind::Client);
            set_attribute("http.request.method", request.method().as_str());
            if let Some(host) = request.uri().host() {
                set_attribute("server.address", host);
            }
            set_attribute("url.path", request.uri().path());
            inject(request.headers_mut());
            *self = Self::Has(Box::pin(client.call(request)));
        }
        let Self::Has(answer) = &mut *self else {
            return Poll::Pending;
        };
        let answer = answer.as_mut().poll(context);
        if let Poll::Ready(Ok(response)) = &answer {
            set_attribute("http.response.status_code", response.status().as_u16());
        }
        answer
    }
}
