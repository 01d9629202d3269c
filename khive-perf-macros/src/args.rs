//! The arguments of `#[measure(..)]`, driven by one table; every mistake of one use is collected.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Expr, Ident, LitStr, Path, Result, Token};

use crate::conditional;
use crate::fields::{self, Field};
use crate::settings::{self, Settings};

/// The features of `khive-perf` that decide what can be asked for.
#[derive(Clone, Copy)]
pub(crate) struct Features {
    /// Whether anything is measured.
    pub(crate) enabled: bool,
    /// Whether `span` has spans to open.
    pub(crate) tracing: bool,
}

/// What one use of the attribute asks for.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) group: Option<LitStr>,
    /// Where `err` was written.
    pub(crate) err: Option<Span>,
    /// Where `ok_if` was written, and the predicate.
    pub(crate) ok_if: Option<(Span, Expr)>,
    /// Whether one of these two is said by the block around.
    pub(crate) outcome_inherited: bool,
    /// Where `fields` was written, and the fields.
    pub(crate) fields: Option<(Span, Vec<Field>)>,
    pub(crate) settings: Settings,
    pub(crate) krate: Option<Path>,
    /// Where `skip` was written.
    pub(crate) skip: Option<Span>,
}

/// One row of the table: the name of an argument and how the rest of it is read.
struct Argument {
    name: &'static str,
    read: fn(Span, ParseStream<'_>, &mut Options) -> Result<()>,
}

const ARGUMENTS: &[Argument] = &[
    Argument {
        name: "name",
        read: |at, input, options| text(at, input).map(|text| options.name = Some(text)),
    },
    Argument {
        name: "group",
        read: |at, input, options| text(at, input).map(|text| options.group = Some(text)),
    },
    Argument {
        name: "err",
        read: |at, input, options| flag(at, input).map(|at| options.err = Some(at)),
    },
    Argument {
        name: "ok_if",
        read: |at, input, options| predicate(at, input).map(|ok| options.ok_if = Some((at, ok))),
    },
    Argument {
        name: "fields",
        read: |at, input, options| {
            fields::fields(at, input).map(|all| options.fields = Some((at, all)))
        },
    },
    Argument {
        name: "sample",
        read: |at, input, options| {
            settings::sample(at, input).map(|every| options.settings.sample = Some(every))
        },
    },
    Argument {
        name: "slow",
        read: |at, input, options| {
            settings::slow(at, input).map(|ns| options.settings.slow_ns = Some(ns))
        },
    },
    Argument {
        name: "alloc",
        read: |at, input, options| flag(at, input).map(|_| options.settings.alloc = true),
    },
    Argument {
        name: "span",
        read: |at, input, options| {
            settings::span(at, input).map(|level| options.settings.span = Some(level))
        },
    },
    Argument {
        name: "crate",
        read: |at, input, options| path(at, input).map(|path| options.krate = Some(path)),
    },
    Argument {
        name: "skip",
        read: |at, input, options| flag(at, input).map(|at| options.skip = Some(at)),
    },
];

/// Reads all arguments; those that are wrong are left out of the options and told in the errors.
pub(crate) fn parse(tokens: TokenStream, features: Features) -> (Options, Vec<Error>) {
    let mut options = Options::default();
    let mut errors = Vec::new();
    if tokens.is_empty() {
        return (options, errors);
    }
    let outcome = (|input: ParseStream<'_>| {
        let mut seen = Vec::new();
        while !input.is_empty() {
            if let Err(error) = argument(input, features, &mut seen, &mut options) {
                errors.push(error);
                skip_to_comma(input)?;
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    })
    .parse2(tokens);
    errors.extend(outcome.err());
    contradictions(&options, &mut errors);
    (options, errors)
}

fn argument(
    input: ParseStream<'_>,
    features: Features,
    seen: &mut Vec<&'static str>,
    options: &mut Options,
) -> Result<()> {
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        let remedy = format!("to name the callsite, write `name = {:?}`", text.value());
        return Err(Error::new(text.span(), remedy));
    }
    let ident = input.call(Ident::parse_any).map_err(|error| {
        Error::new(
            error.span(),
            format!("expected an argument; {}", supported()),
        )
    })?;
    let written = ident.unraw().to_string();
    let Some(argument) = ARGUMENTS.iter().find(|argument| argument.name == written) else {
        return Err(Error::new(ident.span(), unknown(&written)));
    };
    if seen.contains(&argument.name) {
        return Err(Error::new(
            ident.span(),
            format!("duplicate argument `{written}`; keep one of them"),
        ));
    }
    seen.push(argument.name);
    (argument.read)(ident.span(), input, options)?;
    if !features.tracing && options.settings.span.take().is_some() {
        let remedy = "`span` needs the feature `tracing` of khive-perf: `khive-perf = { version = \"..\", features = [\"tracing\"] }`";
        return Err(Error::new(ident.span(), remedy));
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    Err(input.error(format!(
        "unexpected token after `{written}`; separate arguments with commas"
    )))
}

fn skip_to_comma(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

fn contradictions(options: &Options, errors: &mut Vec<Error>) {
    if let (Some(_), Some((at, _))) = (options.err, &options.ok_if) {
        errors.push(Error::new(
            *at,
            "`err` already means `ok_if = Result::is_ok`; keep one of them",
        ));
    }
    if let Some(at) = options.skip {
        let alone = options.name.is_none()
            && options.group.is_none()
            && options.err.is_none()
            && options.ok_if.is_none()
            && options.fields.is_none()
            && options.settings == Settings::default();
        if !alone {
            errors.push(Error::new(
                at,
                "`skip` measures nothing, so the other arguments have no meaning; remove them",
            ));
        }
    }
}

fn supported() -> String {
    let names: Vec<_> = ARGUMENTS
        .iter()
        .map(|argument| format!("`{}`", argument.name))
        .collect();
    format!("supported: {}", names.join(", "))
}

/// What other attributes call these arguments.
const OTHER_NAMES: [(&str, &[&str]); 7] = [
    ("name", &["label", "short_name"]),
    ("group", &["target", "module", "category"]),
    ("err", &["error", "errors", "result"]),
    ("ok_if", &["error_if", "err_if"]),
    ("fields", &["properties", "args", "attributes", "tags"]),
    ("sample", &["rate", "sampling"]),
    ("slow", &["threshold"]),
];

fn unknown(written: &str) -> String {
    let alias = OTHER_NAMES
        .iter()
        .find(|(_, others)| others.contains(&written));
    let hint = match alias {
        Some((name, _)) => format!(" (did you mean `{name}`?)"),
        None => near(written, ARGUMENTS.iter().map(|argument| argument.name)),
    };
    format!("unknown argument `{written}`{hint}; {}", supported())
}

/// Asks whether the one of these words was meant that is closest to the written one, if any is close.
pub(crate) fn near(written: &str, words: impl IntoIterator<Item = &'static str>) -> String {
    let near = words
        .into_iter()
        .map(|word| (distance(written, word), word))
        .filter(|&(distance, word)| distance <= (word.len() / 3).max(1) && distance < word.len())
        .min();
    near.map(|(_, word)| format!(" (did you mean `{word}`?)"))
        .unwrap_or_default()
}

/// The number of insertions, removals, replacements and swaps of neighbours between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    // `cells[i * width + j]` is the distance between the first `i` and the first `j` characters.
    let mut cells: Vec<usize> = Vec::with_capacity((a.len() + 1) * width);
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            let at = |up: usize, left: usize| cells[(i - up) * width + j - left];
            cells.push(match (i, j) {
                (0, _) | (_, 0) => i + j,
                _ => {
                    let replaced = at(1, 1) + usize::from(a[i - 1] != b[j - 1]);
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    let swapped = if swapped { at(2, 2) + 1 } else { replaced };
                    replaced.min(swapped).min(at(1, 0) + 1).min(at(0, 1) + 1)
                }
            });
        }
    }
    cells.last().copied().unwrap_or_default()
}

fn flag(at: Span, input: ParseStream<'_>) -> Result<Span> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(at);
    }
    Err(input.error("this argument is a flag and takes no value"))
}

fn text(at: Span, input: ParseStream<'_>) -> Result<LitStr> {
    equals(at, input)?;
    if !input.peek(LitStr) {
        let expected = "expected a string literal: what a callsite is called must be known when it is compiled";
        return Err(Error::new(here(at, input), expected));
    }
    let text: LitStr = input.parse()?;
    if text.value().trim().is_empty() {
        return Err(Error::new(
            text.span(),
            "must not be empty; leave the argument out to use the default",
        ));
    }
    Ok(text)
}

fn predicate(at: Span, input: ParseStream<'_>) -> Result<Expr> {
    equals(at, input)?;
    let error = "expected a path such as `Option::is_some`, or a closure over a reference to the returned value";
    let start = here(at, input);
    if input.is_empty() {
        return Err(Error::new(start, error));
    }
    match input.parse()? {
        Expr::Closure(closure) if closure.inputs.len() != 1 => Err(Error::new(
            start,
            "the closure gets one argument: a reference to the returned value",
        )),
        expr @ (Expr::Path(_) | Expr::Closure(_)) => Ok(expr),
        _ => Err(Error::new(start, error)),
    }
}

fn path(at: Span, input: ParseStream<'_>) -> Result<Path> {
    equals(at, input)?;
    let start = here(at, input);
    let is_empty = input.is_empty();
    let error = |error: Error| {
        let message = "expected the path of the crate, such as `crate = my_sdk::khive_perf`";
        Error::new(if is_empty { start } else { error.span() }, message)
    };
    input.call(Path::parse_mod_style).map_err(error)
}

/// Reads the `=` of the argument whose name stands at `at`.
pub(crate) fn equals(at: Span, input: ParseStream<'_>) -> Result<()> {
    if input.peek(Token![=]) {
        return input.parse::<Token![=]>().map(drop);
    }
    Err(Error::new(
        here(at, input),
        "expected `=` and a value after the name",
    ))
}

/// The next token; behind the last one, the name of the argument, rather than the whole attribute.
pub(crate) fn here(at: Span, input: ParseStream<'_>) -> Span {
    if input.is_empty() { at } else { input.span() }
}

impl Options {
    /// Whether an attribute inside of the one with these options is another one of ours.
    pub(crate) fn is_same(&self, attr: &Attribute) -> bool {
        conditional::is_measure(attr.path(), self.krate.as_ref())
    }

    /// What is said here, and for the rest what is said around it.
    pub(crate) fn or(self, around: &Self) -> Self {
        let decides = self.err.is_some() || self.ok_if.is_some();
        Self {
            name: self.name,
            group: self.group.or_else(|| around.group.clone()),
            err: self.err.or_else(|| around.err.filter(|_| !decides)),
            ok_if: self
                .ok_if
                .or_else(|| around.ok_if.clone().filter(|_| !decides)),
            outcome_inherited: !decides,
            fields: self.fields.or_else(|| around.fields.clone()),
            settings: self.settings.or(around.settings),
            krate: self.krate.or_else(|| around.krate.clone()),
            skip: self.skip,
        }
    }
}
