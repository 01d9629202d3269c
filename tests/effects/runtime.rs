//! What generated functions are made of: steps and tokens that leave a trace, and choices from a script.
//!
//! Every event is counted, and one of them may be told to panic.

use std::cell::RefCell;
use std::fmt::{self, Debug};
pub use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
pub use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Something that happened, and the number of the step or token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Step(u32),
    Made(u32),
    Used(u32),
    Dropped(u32),
    Asked(u32),
    Converted,
    Called,
    Polled,
    Pending,
    Ready,
    Unwound,
    FutureDropped,
}

/// What a run does where it has a choice, and where it panics.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// One bit per choice: take the unlikely way. Behind its end, the likely one.
    pub(crate) bits: Vec<bool>,
    /// The number of the event that panics.
    pub(crate) panic_at: Option<usize>,
}

struct Run {
    script: Script,
    choices: usize,
    trace: Vec<Event>,
}

thread_local! {
    static RUN: RefCell<Run> = const {
        RefCell::new(Run { script: Script { bits: Vec::new(), panic_at: None }, choices: 0, trace: Vec::new() })
    };
}

/// Runs `f` by a script; what it did, and what it returned, or that it unwound.
pub(crate) fn traced<R>(script: &Script, f: impl FnOnce() -> R) -> (Vec<Event>, Option<R>) {
    RUN.with_borrow_mut(|run| {
        *run = Run {
            script: script.clone(),
            choices: 0,
            trace: Vec::new(),
        };
    });
    let result = catch_unwind(AssertUnwindSafe(f)).ok();
    (
        RUN.with_borrow_mut(|run| std::mem::take(&mut run.trace)),
        result,
    )
}

/// Notes an event. If it is the one that panics, it does so, but never while unwinding.
fn note(event: Event) {
    let due = RUN.with_borrow_mut(|run| {
        run.trace.push(event);
        run.script.panic_at == Some(run.trace.len())
    });
    if due && !std::thread::panicking() {
        // Without the hook, which would print it.
        resume_unwind(Box::new("as the script says"));
    }
}

/// Notes an event of the test itself, which never panics.
fn mark(event: Event) {
    RUN.with_borrow_mut(|run| run.trace.push(event));
}

fn unlikely(n: u32) -> bool {
    note(Event::Asked(n));
    RUN.with_borrow_mut(|run| {
        run.choices += 1;
        run.script
            .bits
            .get(run.choices - 1)
            .copied()
            .unwrap_or_default()
    })
}

pub fn step(n: u32) -> u32 {
    note(Event::Step(n));
    n
}

pub fn yes(n: u32) -> bool {
    !unlikely(n)
}

pub fn no(n: u32) -> bool {
    unlikely(n)
}

pub fn pick(n: u32) -> u32 {
    u32::from(unlikely(n)) + u32::from(unlikely(n))
}

pub fn maybe(n: u32) -> Option<u32> {
    (!unlikely(n)).then_some(n)
}

pub fn fail(n: u32) -> Result<u32, Failed> {
    maybe(n).ok_or(Failed(n))
}

pub fn fail_otherwise(n: u32) -> Result<u32, Otherwise> {
    maybe(n).ok_or(Otherwise)
}

pub async fn fail_later(n: u32) -> Result<u32, Failed> {
    pend(n).await;
    fail(n)
}

pub fn add(a: u32, b: u32) -> u32 {
    a.wrapping_add(b) % 100
}

pub struct Failed(pub u32);

impl Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failed({})", self.0)
    }
}

pub struct Otherwise;

impl From<Otherwise> for Failed {
    fn from(Otherwise: Otherwise) -> Self {
        note(Event::Converted);
        Self(0)
    }
}

/// Tells when it is made, used and dropped.
#[derive(Debug)]
pub struct Token(u32);

impl Token {
    pub fn new(n: u32) -> Self {
        note(Event::Made(n));
        Self(n)
    }

    pub fn get(&self, n: u32) -> u32 {
        note(Event::Used(self.0));
        step(n)
    }

    pub fn borrow(&self) -> &Self {
        self
    }

    /// A borrow with a drop of its own.
    pub fn lend(&self, n: u32) -> Lent<'_> {
        note(Event::Made(n));
        Lent(self, n)
    }

    pub fn add(&self, other: u32) -> u32 {
        add(self.get(0), other)
    }

    pub fn pick(&self, n: u32) -> u32 {
        pick(n)
    }

    pub fn maybe(&self, n: u32) -> Option<u32> {
        maybe(n)
    }

    pub fn unlikely(&self, n: u32) -> Option<u32> {
        no(n).then_some(n)
    }

    pub fn fail(&self, n: u32) -> Result<u32, Failed> {
        fail(n)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        note(Event::Dropped(self.0));
    }
}

pub struct Lent<'a>(&'a Token, u32);

impl Lent<'_> {
    pub fn get(&self, n: u32) -> u32 {
        self.0.get(n)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        note(Event::Dropped(self.1));
    }
}

pub trait Speak {
    fn get(&self, n: u32) -> u32;
}

impl Speak for Token {
    fn get(&self, n: u32) -> u32 {
        self.get(n)
    }
}

pub struct Pair {
    pub left: Token,
    pub right: Token,
}

impl Pair {
    pub fn sum(&self, n: u32) -> u32 {
        add(self.left.get(n), self.right.get(n))
    }
}

pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Is pending once; its drop is seen.
pub struct Pend {
    n: u32,
    polled: bool,
}

pub fn pend(n: u32) -> Pend {
    note(Event::Made(n));
    Pend { n, polled: false }
}

impl Future for Pend {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
        note(Event::Step(self.n));
        if std::mem::replace(&mut self.polled, true) {
            Poll::Ready(self.n)
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Pend {
    fn drop(&mut self) {
        note(Event::Dropped(self.n));
    }
}

/// Calls a closure whose captures begin after its argument was found.
pub fn with<R>(given: u32, f: impl FnOnce(u32) -> R) -> R {
    f(given)
}

pub async fn pend_with(token: &Token, n: u32) -> u32 {
    add(pend(n).await, token.get(n))
}

pub async fn hold(token: Token, n: u32) -> u32 {
    add(pend(n).await, token.get(n))
}

/// The output of the future that is ready first.
pub async fn first(mut left: Pend, mut right: Pend) -> u32 {
    std::future::poll_fn(|context| match Pin::new(&mut left).poll(context) {
        Poll::Pending => Pin::new(&mut right).poll(context),
        ready => ready,
    })
    .await
}

pub fn pass<F: Future>(future: F) -> impl Future<Output = F::Output> {
    step(70);
    future
}

pub fn into_box<'a, F: Future + 'a>(future: F) -> LocalBoxFuture<'a, F::Output> {
    step(71);
    Box::pin(future)
}

pub struct Later<F>(pub F);

impl<F: Future> Later<F> {
    pub fn go(self, n: u32) -> F {
        step(n);
        self.0
    }
}

pub enum Either<L, R> {
    Left(L),
    Right(R),
}

impl<L: Future + Unpin, R: Future<Output = L::Output> + Unpin> Future for Either<L, R> {
    type Output = L::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<L::Output> {
        match self.get_mut() {
            Self::Left(future) => Pin::new(future).poll(context),
            Self::Right(future) => Pin::new(future).poll(context),
        }
    }
}

macro_rules! when {
    ($condition:expr => $then:expr) => {
        if $condition {
            $then;
        }
    };
}
macro_rules! same {
    ($same:expr) => {
        $same
    };
}
pub(crate) use {same, when};

/// One function, plain and measured, with its arguments. The runs return what the function returned.
pub(crate) struct Case {
    pub(crate) source: &'static str,
    pub(crate) is_future: bool,
    /// Takes how often to poll a future; more than it needs is all the way.
    pub(crate) plain: fn(usize) -> String,
    pub(crate) measured: fn(usize) -> String,
}

/// What a function returned, and its drop.
pub(crate) fn ended<T: Debug>(value: T) -> String {
    mark(Event::Called);
    format!("{value:?}")
}

/// Polls a future so many times at most, and drops it.
pub(crate) fn drive<F: Future>(future: F, polls: usize) -> String
where
    F::Output: Debug,
{
    mark(Event::Called);
    let mut future = Some(Box::pin(future));
    let mut context = Context::from_waker(Waker::noop());
    let mut text = String::from("dropped");
    for _ in 0..polls {
        let Some(future) = &mut future else { break };
        mark(Event::Polled);
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => mark(Event::Pending),
            Ok(Poll::Ready(output)) => {
                mark(Event::Ready);
                text = format!("{output:?}");
                break;
            }
            Err(_) => {
                mark(Event::Unwound);
                text = String::from("unwound");
                break;
            }
        }
    }
    drop(future.take());
    mark(Event::FutureDropped);
    text
}
