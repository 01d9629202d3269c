//! The values that are recorded with a call: `fields(a, b = expr, c = %expr, d = ?expr)`.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, LitStr, Result, Token, parenthesized, token};

use crate::args::equals;

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
pub(crate) fn fields(input: ParseStream<'_>) -> Result<Vec<Field>> {
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
