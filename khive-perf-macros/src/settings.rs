//! How the calls of a function are recorded: `sample`, `slow`, `alloc` and `span`.

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Error, LitFloat, LitInt, LitStr, Result, Token};

use crate::args::{equals, here, near};
use crate::duration;

/// What is recorded beside counts and times; the same for every function of a block, unless one says otherwise.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// One call in so many is timed.
    pub(crate) sample: Option<u32>,
    /// Nanoseconds from which on a call is slow.
    pub(crate) slow_ns: Option<u64>,
    /// Whether allocations are counted.
    pub(crate) alloc: bool,
    /// The level of the `tracing` span that each call opens.
    pub(crate) span: Option<Level>,
}

impl Settings {
    /// What is said here, and for the rest what is said around it.
    pub(crate) fn or(self, around: Self) -> Self {
        Self {
            sample: self.sample.or(around.sample),
            slow_ns: self.slow_ns.or(around.slow_ns),
            alloc: self.alloc || around.alloc,
            span: self.span.or(around.span),
        }
    }
}

/// The level of a `tracing` span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    const ALL: [(&str, Self); 5] = [
        ("trace", Self::Trace),
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("warn", Self::Warn),
        ("error", Self::Error),
    ];
}

/// One call in how many is timed at the least often.
const SAMPLE_MAX: u32 = 1 << 20;

/// Reads `= 64`.
pub(crate) fn sample(at: Span, input: ParseStream<'_>) -> Result<u32> {
    equals(at, input)?;
    let start = here(at, input);
    if input.peek(Token![-]) {
        let minus: Token![-] = input.parse()?;
        let error = sample_error("must not be negative");
        return Err(match input.parse::<syn::Lit>() {
            Ok(number) => Error::new_spanned(quote::quote!(#minus #number), error),
            Err(_) => Error::new(start, error),
        });
    }
    if input.peek(LitFloat) {
        let share: f64 = input.parse::<LitFloat>()?.base10_parse().unwrap_or(0.0);
        return Err(Error::new(start, fraction(share)));
    }
    if !input.peek(LitInt) {
        return Err(Error::new(start, sample_error("expected a whole number")));
    }
    let number: LitInt = input.parse()?;
    let problem = if number.suffix().is_empty() {
        match number.base10_parse::<u32>() {
            Ok(0) => sample_error("0 would time no call"),
            Ok(every @ 1..=SAMPLE_MAX) => return Ok(every),
            _ => sample_error("too large"),
        }
    } else {
        let digits = number.base10_digits();
        format!("expected a number without a suffix; write `sample = {digits}`")
    };
    Err(Error::new(start, problem))
}

fn sample_error(problem: &str) -> String {
    format!("{problem}; `sample = 64` times one call in 64; supported: 1 to {SAMPLE_MAX}")
}

/// What to write instead of a share of the calls.
fn fraction(share: f64) -> String {
    let every = (1.0 / share).round();
    if share < 1.0 && every <= f64::from(SAMPLE_MAX) && every >= 2.0 {
        format!("expected a whole number; to time one call in {every}, write `sample = {every}`")
    } else {
        sample_error("expected a whole number")
    }
}

/// Reads `= "250ms"`, into nanoseconds.
pub(crate) fn slow(at: Span, input: ParseStream<'_>) -> Result<u64> {
    equals(at, input)?;
    let start = here(at, input);
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        return duration::parse(&text.value()).map_err(|error| Error::new(start, error));
    }
    let number = if input.peek(LitInt) || input.peek(LitFloat) {
        input.parse::<syn::Lit>().ok().map(|lit| match lit {
            syn::Lit::Int(lit) => (lit.base10_digits().to_owned(), lit.suffix().to_owned()),
            syn::Lit::Float(lit) => (lit.base10_digits().to_owned(), lit.suffix().to_owned()),
            _ => Default::default(),
        })
    } else {
        None
    };
    let example = match number {
        Some((digits, unit)) if duration::parse(&format!("{digits}{unit}")).is_ok() => {
            format!("write `slow = \"{digits}{unit}\"`")
        }
        Some((digits, _)) if duration::parse(&format!("{digits}ms")).is_ok() => {
            format!("write `slow = \"{digits}ms\"` for milliseconds")
        }
        _ => String::from("write `slow = \"250ms\"`, for example"),
    };
    let error = format!("expected a duration in quotes, with its unit; {example}");
    Err(Error::new(start, error))
}

/// Reads nothing, or `= "debug"`.
pub(crate) fn span(at: Span, input: ParseStream<'_>) -> Result<Level> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(Level::Info);
    }
    equals(at, input)?;
    let words: Vec<_> = Level::ALL
        .iter()
        .map(|(word, _)| format!("`\"{word}\"`"))
        .collect();
    let supported = format!("supported levels: {}", words.join(", "));
    if !input.peek(LitStr) {
        let expected = format!("expected a level in quotes; {supported}");
        return Err(Error::new(here(at, input), expected));
    }
    let text: LitStr = input.parse()?;
    let written = text.value();
    let found = Level::ALL.iter().find(|(word, _)| *word == written);
    found.map(|(_, level)| *level).ok_or_else(|| {
        let hint = near(&written.to_lowercase(), Level::ALL.map(|(word, _)| word));
        Error::new(
            text.span(),
            format!("unknown level `{written}`{hint}; {supported}"),
        )
    })
}
