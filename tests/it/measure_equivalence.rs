//! A measured function does what the plain one does: the same steps, drops, results and panics, in the
//! same order. Properties, for random scripts and every shape of function:
//!
//! - the trace of the measured function is the trace of the plain one, whether it returns at its end or
//!   early, fails by `?` or panics, and whether its future is run to its end or dropped on the way;
//! - exactly one call is counted, with the outcome that the plain function had.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use khive_perf::measure;
use khive_perf::testing::capture;
use proptest::prelude::*;

use crate::measure::{outcomes, poll_once, yield_now};

thread_local! {
    static TRACE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(step: impl Into<String>) {
    TRACE.with_borrow_mut(|trace| trace.push(step.into()));
}

/// Tells when it is dropped.
struct Token(&'static str);

impl Drop for Token {
    fn drop(&mut self) {
        note(format!("drop {}", self.0));
    }
}

#[derive(Debug, PartialEq)]
struct Failed(u8);

impl From<u8> for Failed {
    fn from(code: u8) -> Self {
        note("convert");
        Self(code)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Note(u8),
    Local,
    TakeB,
    Yield,
    Return(u8),
    Fail(u8),
    Panic,
}

/// One step of a script inside a function that has an argument `b` and returns `Result<u8, Failed>`.
macro_rules! step {
    ($step:ident, $b:ident, $wait:expr) => {
        match $step {
            Step::Note(n) => note(format!("note {n}")),
            Step::Local => drop((note("local"), Token("local"))),
            Step::TakeB => drop($b.take()),
            Step::Yield => $wait,
            Step::Return(n) => return Ok(*n),
            Step::Fail(n) => Err(*n)?,
            // Without the hook, which would print it.
            Step::Panic => std::panic::resume_unwind(Box::new("as the script says")),
        }
    };
}

struct Owner(Token);

macro_rules! twins {
    ($module:ident, $(#[$attr:meta])*) => {
        mod $module {
            use super::*;

            $(#[$attr])*
            pub(super) fn call(a: Token, mut b: Option<Token>, _c: Token, script: &[Step]) -> Result<u8, Failed> {
                let _first = Token("first local");
                for step in script {
                    step!(step, b, note("no wait"));
                }
                drop(a);
                Ok(0)
            }

            $(#[$attr])*
            pub(super) async fn asynchronous(
                a: Token,
                mut b: Option<Token>,
                _c: Token,
                script: &[Step],
            ) -> Result<u8, Failed> {
                let _first = Token("first local");
                for step in script {
                    step!(step, b, yield_now().await);
                }
                drop(a);
                Ok(0)
            }

            $(#[$attr])*
            pub(super) async fn with_pattern(
                (a, mut b): (Token, Option<Token>),
                _c: Token,
                script: &[Step],
            ) -> Result<u8, Failed> {
                for step in script {
                    step!(step, b, yield_now().await);
                }
                note(a.0);
                Ok(0)
            }

            $(#[$attr])*
            pub(super) fn boxed<'a>(a: Token, mut b: Option<Token>, c: Token, script: &'a [Step]) -> Pin<Box<dyn Future<Output = Result<u8, Failed>> + 'a>> {
                note("before the future");
                if script.first() == Some(&Step::TakeB) {
                    return Box::pin(async move {
                        note(c.0);
                        Ok(1)
                    });
                }
                note("no early return");
                Box::pin(async move {
                    for step in script {
                        step!(step, b, yield_now().await);
                    }
                    note(a.0);
                    Ok(0)
                })
            }

            $(#[$attr])*
            pub(super) fn opaque<'a>(
                a: Token,
                mut b: Option<Token>,
                _c: Token,
                script: &'a [Step],
            ) -> impl Future<Output = Result<u8, Failed>> + 'a {
                note("before the future");
                async move {
                    for step in script {
                        step!(step, b, yield_now().await);
                    }
                    note(a.0);
                    Ok(0)
                }
            }

            impl Owner {
                $(#[$attr])*
                pub(super) async fn $module(
                    self,
                    mut b: Option<Token>,
                    script: &[Step],
                ) -> Result<u8, Failed> {
                    for step in script {
                        step!(step, b, yield_now().await);
                    }
                    note(self.0.0);
                    Ok(0)
                }
            }
        }
    };
}

twins!(plain,);
twins!(measured, #[measure(err)]);
twins!(counted, #[measure]);

/// Runs `f`; returns what it did and how it ended.
fn traced(
    f: impl FnOnce() -> Option<Result<u8, Failed>>,
) -> (Vec<String>, Option<Result<u8, Failed>>, bool) {
    TRACE.with_borrow_mut(Vec::clear);
    let ended = catch_unwind(AssertUnwindSafe(f));
    let trace = TRACE.take();
    match ended {
        Ok(result) => (trace, result, false),
        Err(_) => (trace, None, true),
    }
}

/// Polls a future at most so many times, then drops it.
fn run<F: Future<Output = Result<u8, Failed>>>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = Box::pin(future);
    note("constructed");
    (0..polls).find_map(|_| match poll_once(future.as_mut()) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => {
            note("pending");
            None
        }
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<u8>().prop_map(Step::Note),
        2 => Just(Step::Local),
        2 => Just(Step::TakeB),
        3 => Just(Step::Yield),
        1 => any::<u8>().prop_map(Step::Return),
        1 => any::<u8>().prop_map(Step::Fail),
        1 => Just(Step::Panic),
    ];
    proptest::collection::vec(step, 0..8)
}

macro_rules! arguments {
    () => {
        (Token("a"), Some(Token("b")), Token("c"))
    };
}

/// Runs one function as its three twins and compares.
macro_rules! check {
    ($name:literal, $polls:expr, |$module:ident| $run:expr) => {{
        let expected = {
            use plain as $module;
            traced(|| $run)
        };
        for err in [false, true] {
            let (actual, captured) = if err {
                use measured as $module;
                capture(|| traced(|| $run))
            } else {
                use counted as $module;
                capture(|| traced(|| $run))
            };
            prop_assert_eq!(&actual, &expected, "{} with err: {}", $name, err);
            let outcome = match &expected {
                _ if $polls == 0 => [0; 4],
                (_, Some(Err(_)), _) if err => [0, 1, 0, 0],
                (_, Some(_), _) => [1, 0, 0, 0],
                (_, None, true) => [0, 0, 1, 0],
                (_, None, false) => [0, 0, 0, 1],
            };
            prop_assert_eq!(
                outcomes(&captured, $name),
                outcome,
                "{} with err: {}",
                $name,
                err
            );
        }
    }};
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_measured_function_leaves_the_trace_of_the_plain_one(script in steps(), polls in 0_usize..6) {
        let (a_call, a_poll) = (1, polls);
        check!("::call", a_call, |module| {
            let (a, b, c) = arguments!();
            Some(module::call(a, b, c, &script))
        });
        check!("::asynchronous", a_poll, |module| {
            let (a, b, c) = arguments!();
            run(module::asynchronous(a, b, c, &script), polls)
        });
        check!("::with_pattern", a_poll, |module| {
            let (a, b, c) = arguments!();
            run(module::with_pattern((a, b), c, &script), polls)
        });
        check!("::boxed", a_poll, |module| {
            let (a, b, c) = arguments!();
            run(module::boxed(a, b, c, &script), polls)
        });
        check!("::opaque", a_poll, |module| {
            let (a, b, c) = arguments!();
            run(module::opaque(a, b, c, &script), polls)
        });
    }
}

#[test]
fn a_method_by_value_leaves_the_trace_of_the_plain_one() {
    for script in [
        &[Step::TakeB][..],
        &[Step::Yield, Step::Fail(1)],
        &[Step::Panic],
        &[],
    ] {
        for polls in 0..3 {
            let owner = || Owner(Token("self"));
            let plain = traced(|| run(owner().plain(Some(Token("b")), script), polls));
            let measured = traced(|| run(owner().measured(Some(Token("b")), script), polls));
            let counted = traced(|| run(owner().counted(Some(Token("b")), script), polls));
            assert_eq!(measured, plain, "{script:?}, {polls} polls");
            assert_eq!(counted, plain, "{script:?}, {polls} polls");
        }
    }
}
