//! The values that are recorded with a call: `fields(a, b = expr, c = %expr, d = ?expr)`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, LitFloat, LitInt, LitStr, Result, Token, parenthesized, token};

use crate::args::{equals, here};

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

/// Reads the parentheses and what is in them.
pub(crate) fn fields(at: Span, input: ParseStream<'_>) -> Result<Vec<Field>> {
    if !input.peek(token::Paren) {
        let expected = "expected `fields(a, b = expr, c = %expr, d = ?expr)`";
        return Err(Error::new(here(at, input), expected));
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
        let ident = name(input)?;
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
    let (key, place) = dotted(input)?;
    if input.peek(Token![=]) {
        equals(key.span(), input)?;
        let capture = capture(input)?;
        return Ok(Field {
            key,
            value: input.parse()?,
            capture,
        });
    }
    if !(input.is_empty() || input.peek(Token![,])) {
        let remedy = "expected `,`; a field of an expression needs a name: `name = expr`";
        return Err(input.error(remedy));
    }
    Ok(Field {
        key,
        value: syn::parse2(place)?,
        capture: Capture::Value,
    })
}

fn name(input: ParseStream<'_>) -> Result<Ident> {
    input.call(Ident::parse_any).map_err(|error| {
        let expected =
            "expected a field: `a`, `%a` or `?a`, or with a value `a = expr`, `a = %expr` or `a = ?expr`";
        Error::new(error.span(), expected)
    })
}

/// Reads `a.b`, or `self.0.b`: as a key, and as an expression.
fn dotted(input: ParseStream<'_>) -> Result<(LitStr, TokenStream)> {
    let first = name(input)?;
    let mut key = first.unraw().to_string();
    let mut place = first.to_token_stream();
    while input.peek(Token![.]) {
        input.parse::<Token![.]>()?.to_tokens(&mut place);
        // `0.1`, of a tuple in a tuple, comes as a number.
        let part = if input.peek(LitInt) || input.peek(LitFloat) {
            let number: TokenTree = input.parse()?;
            place.extend([number.clone()]);
            number.to_string()
        } else {
            let part = input.call(Ident::parse_any)?;
            part.to_tokens(&mut place);
            part.unraw().to_string()
        };
        key = format!("{key}.{part}");
    }
    Ok((LitStr::new(&key, first.span()), place))
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
