//! Bodies whose types, borrows and ways out are easily lost in an expansion.
#![deny(warnings)]
#![allow(dead_code)]

use std::future::{Future, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use khive_perf::measure;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

macro_rules! bail {
    ($message:expr) => {
        return Err($message.to_string())
    };
}

#[measure(err)]
fn leaves_in_a_macro(x: u8) -> Result<u8, String> {
    if x == 0 {
        bail!("zero");
    }
    let inner: Result<u8, String> = (|| bail!("only the closure"))();
    Ok(inner.unwrap_or(x))
}

#[measure]
fn future_left_in_a_macro(x: u8) -> BoxFuture<'static, Result<u8, String>> {
    macro_rules! fail {
        () => {
            return Box::pin(async { Err(String::new()) })
        };
    }
    if x == 0 {
        fail!();
    }
    Box::pin(async move { Ok(x) })
}

#[measure(err)]
fn labels() -> Result<u8, ()> {
    let x = 'block: {
        if std::hint::black_box(true) {
            break 'block 1;
        }
        2
    };
    'outer: loop {
        loop {
            break 'outer;
        }
    }
    Ok(x)
}

#[measure]
fn inferred_default() -> Result<Vec<u8>, ()> {
    let list = Default::default();
    Ok(list)
}

#[measure(err)]
fn inferred_collect() -> Result<Vec<u8>, std::num::ParseIntError> {
    "1 2".split(' ').map(str::parse).collect()
}

#[measure(err)]
async fn inferred_collect_async() -> Result<Vec<u8>, std::num::ParseIntError> {
    "1 2".split(' ').map(str::parse).collect()
}

#[measure]
async fn inferred_parse() -> Option<u64> {
    Some("1".parse().ok()?)
}

#[measure(ok_if = |result| matches!(result, Ok(list) if !list.is_empty()))]
async fn inferred_push() -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut list = Vec::new();
    list.push("1".parse()?);
    Ok(list)
}

#[measure(err)]
fn returned_dyn_fn() -> Result<Box<dyn Fn(&str) -> &str>, ()> {
    Ok(Box::new(|text| text))
}

#[measure]
async fn returned_dyn_fn_async(x: &str) -> Result<Box<dyn Fn(&str) -> bool + '_>, ()> {
    Ok(Box::new(move |y| x == y))
}

#[measure(err)]
fn temporary_in_the_tail(mutex: &Mutex<u8>) -> Result<u8, ()> {
    Ok(*mutex.lock().unwrap())
}

#[measure]
async fn temporary_in_the_tail_async(mutex: &Mutex<u8>) -> u8 {
    *mutex.lock().unwrap()
}

#[measure]
async fn not_send_between_awaits(x: u8) -> u8 {
    {
        let rc = Rc::new(x);
        drop(rc);
    }
    ready(x).await
}

#[measure(err)]
fn future_of_a_mutable_borrow<'a>(text: &'a mut String) -> LocalBoxFuture<'a, Result<&'a str, ()>> {
    let rc = Rc::new(1);
    Box::pin(async move {
        text.push('a');
        if *rc == 2 {
            return Err(());
        }
        Ok(text.as_str())
    })
}

#[measure(err)]
fn inferred_future() -> impl Future<Output = Result<u8, Box<dyn std::error::Error>>> {
    async { Ok("1".parse()?) }
}

#[measure(err)]
fn inferred_box(x: &str) -> BoxFuture<'_, Result<Vec<u8>, std::num::ParseIntError>> {
    Box::pin(async move {
        let first = x.parse()?;
        Ok([first].into_iter().collect())
    })
}

#[measure(err)]
fn inferred_early(x: bool) -> LocalBoxFuture<'static, Result<u8, Box<dyn std::error::Error>>> {
    if x {
        return Box::pin(async { Err("early".into()) });
    }
    Box::pin(async { Ok("1".parse()?) })
}

#[measure(ok_if = |found| found.is_some_and(|x| x > 1))]
async fn inferred_in_ok_if() -> Option<u8> {
    let x = "1".parse().ok()?;
    Some(x)
}

#[measure]
fn future_of_a_branch(x: bool) -> impl Future<Output = u8> {
    if x { ready(1) } else { ready(2) }
}

#[measure]
fn future_after_an_early_return(x: Option<u8>) -> impl Future<Output = u8> + Send + 'static {
    let Some(x) = x else { return ready(0) };
    ready(x)
}

#[measure]
fn arguments_under_cfg(#[cfg(all())] a: u8, #[cfg(any())] b: u8) -> u8 {
    a
}

#[measure(err)]
async fn arguments_under_cfg_async(#[cfg(all())] a: u8, #[cfg(any())] b: u8) -> Result<u8, ()> {
    Ok(a)
}

#[measure(err)]
fn arguments_under_cfg_with_err(#[cfg(all())] a: u8, #[cfg(any())] b: u8) -> Result<u8, ()> {
    Ok(a)
}

trait Lending {
    type Item<'a>
    where
        Self: 'a;
    fn lend<'a>(&'a mut self) -> Option<Self::Item<'a>>;
    fn lend_async(&mut self) -> impl Future<Output = Option<Self::Item<'_>>> + Send;
}

#[measure(ok_if = Option::is_some)]
impl Lending for Vec<u8> {
    type Item<'a> = &'a mut u8;

    fn lend<'a>(&'a mut self) -> Option<Self::Item<'a>> {
        self.first_mut()
    }

    async fn lend_async(&mut self) -> Option<Self::Item<'_>> {
        if self.is_empty() {
            return None;
        }
        self.first_mut()
    }
}

trait Service<Request> {
    type Response;
    type Error;
    type Future: Future<Output = Result<Self::Response, Self::Error>>;
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;
    fn call(&mut self, request: Request) -> Self::Future;
}

#[derive(Clone)]
struct Server(Arc<u8>);

#[measure(err, group = "server")]
impl Service<String> for Server {
    type Response = u8;
    type Error = String;
    type Future = BoxFuture<'static, Result<u8, String>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: String) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            if request.is_empty() {
                return Err(request);
            }
            Ok(*this.0)
        })
    }
}

struct Boxed(BoxFuture<'static, u8>);

impl Future for Boxed {
    type Output = u8;

    #[measure]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u8> {
        self.0.as_mut().poll(context)
    }
}

impl Drop for Boxed {
    #[measure]
    fn drop(&mut self) {}
}

fn is_send<T: Send + 'static>(_: impl Future<Output = T> + Send + 'static) {}

fn main() {
    is_send(inferred_collect_async());
    is_send(not_send_between_awaits(1));
    is_send(future_after_an_early_return(None));
    is_send(future_left_in_a_macro(0));
    is_send(Server(Arc::new(1)).call(String::new()));
    is_send(Boxed(Box::pin(ready(1))));
    assert_eq!(leaves_in_a_macro(0), Err("zero".into()));
    assert_eq!(inferred_collect(), Ok(vec![1, 2]));
    assert_eq!(temporary_in_the_tail(&Mutex::new(1)), Ok(1));
    assert!(vec![1].lend().is_some());
}
