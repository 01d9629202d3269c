//! Signatures of every kind, sync and async.
#![deny(warnings)]

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use khive_perf::measure;

#[measure]
fn generic<'a, T: Debug + ?Sized, const N: usize>(x: &'a T, y: [u8; N]) -> (&'a T, [u8; N])
where
    T: 'a,
{
    (x, y)
}

#[measure]
async fn generic_async<'a, T: Debug + ?Sized, const N: usize>(
    x: &'a T,
    y: [u8; N],
) -> (&'a T, [u8; N])
where
    T: 'a,
{
    (x, y)
}

#[measure]
fn arguments(x: impl Display + Clone, f: impl FnOnce(u8) -> u8, g: &mut dyn FnMut()) -> String {
    g();
    format!("{x}{}", f(1))
}

#[measure]
async fn arguments_async(
    x: impl Display + Clone,
    f: impl AsyncFn(u8) -> u8,
    g: &mut dyn FnMut(),
) -> String {
    g();
    format!("{x}{}", f(1).await)
}

#[measure]
fn returned_impl(x: u8) -> impl Iterator<Item = u8> + Clone {
    (0..x).filter(|n| n % 2 == 0)
}

#[measure(err)]
fn returned_impl_in_result(x: u8) -> Result<impl Iterator<Item = u8>, String> {
    if x == 0 {
        return Err("zero".into());
    }
    Ok(0..x)
}

#[measure(err)]
async fn returned_impl_async(x: u8) -> Result<impl Iterator<Item = u8>, String> {
    if x == 0 {
        return Err("zero".into());
    }
    Ok(0..x)
}

#[measure]
fn returned_closure(x: u8) -> impl Fn(u8) -> u8 {
    move |y| x.wrapping_add(y)
}

#[measure(ok_if = |list| !list.is_empty())]
fn deferred(x: u8) -> Vec<Box<dyn Fn(u8) -> u8>> {
    let mut list = Vec::new();
    if x == 0 {
        return list;
    }
    list.push(Box::new(move |y: u8| x + y) as _);
    list
}

#[measure]
async fn coerced(x: u8) -> Result<Box<dyn Debug + Send>, Box<dyn std::error::Error + Send + Sync>> {
    if x == 0 {
        return Err("zero".into());
    } else if x == 1 {
        return Ok(Box::new("one"));
    }
    Ok(Box::new(x))
}

#[measure(err)]
fn elided(text: &str, _other: u8) -> Result<Cow<'_, str>, ()> {
    Ok(text.into())
}

#[measure]
async fn elided_async(text: &str) -> Option<Cow<'_, str>> {
    if text.is_empty() {
        return None;
    }
    Some(text.into())
}

#[measure]
async fn two_lifetimes(a: &str, b: &str, c: &mut Vec<String>) -> usize {
    c.push(a.to_owned());
    a.len() + b.len()
}

#[measure]
unsafe fn dangerous(x: *const u8) -> u8 {
    unsafe { *x }
}

#[measure(ok_if = |x| *x > 0)]
unsafe fn dangerous_with_ok_if(x: *const u8) -> u8 {
    unsafe { *x }
}

#[measure]
async unsafe fn dangerous_async(x: &u8) -> u8 {
    unsafe { dangerous(x) }
}

#[measure]
pub extern "C" fn foreign(x: u8) -> u8 {
    x
}

#[measure]
#[inline(always)]
#[must_use = "it is the point"]
#[doc(hidden)]
pub fn attributes(#[allow(unused_variables)] x: u8) -> u8 {
    #![allow(clippy::all)]
    1
}

#[measure]
async fn patterns((a, _): (u8, u8), [b, ..]: [u8; 3], mut c: u8, _: u8, S { x, .. }: S) -> u8 {
    c += 1;
    a + b + c + x
}

#[measure]
async fn borrowing_patterns(ref a: String, ref mut b: String, (c, ref mut d): (u8, u8)) -> usize {
    b.push('b');
    *d += c;
    a.len() + b.len() + usize::from(*d)
}

#[measure(ok_if = |sum| *sum > 0)]
fn borrowing_patterns_sync(ref a: String, ref mut b: String, (c, ref mut d): (u8, u8)) -> usize {
    b.push('b');
    *d += c;
    a.len() + b.len() + usize::from(*d)
}

struct S {
    x: u8,
}

impl S {
    #[measure]
    fn rc(self: Rc<Self>) -> u8 {
        self.x
    }
    #[measure(ok_if = |x| *x > 0)]
    fn pin(self: Pin<&mut Self>) -> u8 {
        self.x
    }
    #[measure]
    async fn arc(self: Arc<Self>) -> Self {
        Self { x: self.x }
    }
    #[measure]
    async fn by_mut(&mut self) -> &mut u8 {
        self.x += 1;
        &mut self.x
    }
    #[measure]
    async fn by_value(mut self, x: u8) -> Self {
        self.x = x;
        self
    }
    #[measure(ok_if = Option::is_some)]
    async fn explicit<'a, 'b: 'a>(&'a self, other: &'b u8) -> Option<&'a u8> {
        Some(if self.x == 0 { &self.x } else { other })
    }
    #[measure]
    fn future(&self) -> impl Future<Output = &u8> + use<'_> {
        async move { &self.x }
    }
}

#[measure]
fn diverges() -> Result<(), ()> {
    todo!()
}

#[measure(err)]
fn diverges_with_err() -> Result<(), ()> {
    loop {}
}

#[measure]
async fn diverges_async() -> Result<u8, ()> {
    unimplemented!()
}

#[measure]
fn r#fn(r#struct: u8) -> u8 {
    r#struct
}

#[measure(fields(r#struct))]
async fn r#async(r#struct: u8) -> u8 {
    r#struct
}

fn main() {
    let _: fn(u8) -> u8 = foreign_rust;
    let _: unsafe fn(*const u8) -> u8 = dangerous;
    let _: extern "C" fn(u8) -> u8 = foreign;
    is_send(coerced(1));
    is_send(two_lifetimes("", "", &mut Vec::new()));
    is_send(generic_async::<[u8], 1>(&[1], [1]));
    let _ = (
        generic("", [1]),
        arguments(1, |x| x, &mut || {}),
        returned_impl(1),
        returned_closure(1)(1),
    );
    let _ = (
        returned_impl_in_result(1).is_ok(),
        deferred(0).len(),
        elided("", 1),
    );
    let _ = (
        returned_impl_async(1),
        elided_async(""),
        patterns((1, 2), [1, 2, 3], 1, 1, S { x: 1 }),
    );
    drop(borrowing_patterns(String::new(), String::new(), (1, 2)));
    borrowing_patterns_sync(String::new(), String::new(), (1, 2));
    let _ = arguments_async(1, async |x| x, &mut || {});
    let _ = unsafe { (dangerous_with_ok_if(&1), dangerous_async(&1)) };
    let _ = (attributes(1), r#fn(1), r#async(1), diverges_async());
    let _: (fn() -> Result<(), ()>, fn() -> Result<(), ()>) = (diverges, diverges_with_err);
    let mut s = S { x: 1 };
    let _ = (
        Pin::new(&mut s).pin(),
        Rc::new(S { x: 1 }).rc(),
        Arc::new(S { x: 1 }).arc(),
    );
    drop(s.by_mut());
    drop(s.explicit(&1));
    drop(s.future());
    drop(s.by_value(1));
}

fn foreign_rust(x: u8) -> u8 {
    x
}

fn is_send(_: impl Send) {}
