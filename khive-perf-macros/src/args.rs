//! The arguments of `#[measure(..)]`, driven by one table; every mistake of one use is collected.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, LitStr, Path, Result, Token, parenthesized, token};

/// What one use of the attribute asks for.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) group: Option<LitStr>,
    /// Where `err` was written.
    pub(crate) err: Option<Span>,
    /// Where `ok_if` was written, and the predicate.
    pub(crate) ok_if: Option<(Span, Expr)>,
    /// Where `fields` was written, and the fields.
    pub(crate) fields: Option<(Span, Vec<Field>)>,
    pub(crate) krate: Option<Path>,
    /// Where `skip` was written.
    pub(crate) skip: Option<Span>,
}

/// One value recorded with a call.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) key: LitStr,
    pub(crate) value: Expr,
    pub(crate) capture: Capture,
}

/// How the value of a field is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capture {
    /// As the number, boolean or text it is.
    Value,
    /// By its `Display`.
    Display,
    /// By its `Debug`.
    Debug,
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
        read: |at, input, options| fields(input).map(|all| options.fields = Some((at, all))),
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
pub(crate) fn parse(tokens: TokenStream) -> (Options, Vec<Error>) {
    let mut options = Options::default();
    let mut errors = Vec::new();
    let outcome = (|input: ParseStream<'_>| {
        let mut seen = Vec::new();
        while !input.is_empty() {
            if let Err(error) = argument(input, &mut seen, &mut options) {
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
            && options.fields.is_none();
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

fn unknown(written: &str) -> String {
    let near = ARGUMENTS
        .iter()
        .map(|argument| (distance(written, argument.name), argument.name))
        .filter(|&(distance, name)| distance <= name.len().div_ceil(3))
        .min();
    let hint = near
        .map(|(_, name)| format!(" (did you mean `{name}`?)"))
        .unwrap_or_default();
    format!("unknown argument `{written}`{hint}; {}", supported())
}

/// The number of insertions, removals and replacements between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *cell;
            left = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
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
        return Err(input.error("expected a string literal: what a callsite is called must be known when it is compiled"));
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
    let start = input.span();
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
    let error = |error: Error| {
        let message = "expected the path of the crate, such as `crate = my_sdk::khive_perf`";
        Error::new(error.span(), message)
    };
    input.call(Path::parse_mod_style).map_err(error)
}

fn equals(at: Span, input: ParseStream<'_>) -> Result<()> {
    if input.peek(Token![=]) {
        return input.parse::<Token![=]>().map(drop);
    }
    let at = if input.is_empty() { at } else { input.span() };
    Err(Error::new(at, "expected `=` and a value after the name"))
}

fn fields(input: ParseStream<'_>) -> Result<Vec<Field>> {
    if !input.peek(token::Paren) {
        return Err(input.error("expected `fields(a, b = expr, c = %expr, d = ?expr)`"));
    }
    let content;
    let parens = parenthesized!(content in input);
    let fields = Punctuated::<Field, Token![,]>::parse_terminated_with(&content, field);
    if fields.is_err() {
        // What is left behind a mistake would be reported as a second one.
        content.parse::<TokenStream>()?;
    }
    let fields: Vec<Field> = fields?.into_iter().collect();
    if fields.is_empty() {
        return Err(Error::new(
            parens.span.join(),
            "names no field; leave the argument out to record none",
        ));
    }
    let mut keys = Vec::new();
    for field in &fields {
        if keys.contains(&field.key.value()) {
            return Err(Error::new(
                field.key.span(),
                format!("duplicate field `{}`", field.key.value()),
            ));
        }
        keys.push(field.key.value());
    }
    Ok(fields)
}

fn field(input: ParseStream<'_>) -> Result<Field> {
    if let capture @ (Capture::Display | Capture::Debug) = capture(input)? {
        let ident = input.call(Ident::parse_any)?;
        let key = LitStr::new(&ident.unraw().to_string(), ident.span());
        return Ok(Field {
            key,
            value: value_of(&ident),
            capture,
        });
    }
    if input.peek(LitStr) {
        let key: LitStr = input.parse()?;
        if key.value().trim().is_empty() {
            return Err(Error::new(key.span(), "a field needs a name"));
        }
        equals(key.span(), input)?;
        let capture = capture(input)?;
        return Ok(Field {
            key,
            value: input.parse()?,
            capture,
        });
    }
    let parts =
        Punctuated::<Ident, Token![.]>::parse_separated_nonempty_with(input, Ident::parse_any)?;
    let words: Vec<_> = parts.iter().map(|part| part.unraw().to_string()).collect();
    let span = parts.first().map_or_else(Span::call_site, Ident::span);
    let key = LitStr::new(&words.join("."), span);
    if input.peek(Token![=]) {
        equals(key.span(), input)?;
        let capture = capture(input)?;
        return Ok(Field {
            key,
            value: input.parse()?,
            capture,
        });
    }
    let value = syn::parse2(quote::quote!(#parts))?;
    Ok(Field {
        key,
        value,
        capture: Capture::Value,
    })
}

fn capture(input: ParseStream<'_>) -> Result<Capture> {
    if input.parse::<Option<Token![%]>>()?.is_some() {
        return Ok(Capture::Display);
    }
    let debug = input.parse::<Option<Token![?]>>()?.is_some();
    Ok(if debug {
        Capture::Debug
    } else {
        Capture::Value
    })
}

fn value_of(ident: &Ident) -> Expr {
    Expr::Path(syn::ExprPath {
        attrs: Vec::new(),
        qself: None,
        path: ident.clone().into(),
    })
}

impl Options {
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
            fields: self.fields.or_else(|| around.fields.clone()),
            krate: self.krate.or_else(|| around.krate.clone()),
            skip: self.skip,
        }
    }
}
