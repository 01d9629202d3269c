//! The annotated item; the body of a function is kept as tokens, so it need not parse.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Result, Signature, Token, Visibility, token};

/// What the attribute stands on.
pub(crate) enum Item {
    /// A function, method, or method of a trait.
    Function(Function),
}

/// A function, with or without a body.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    /// Visibility and `default`.
    pub(crate) qualifiers: TokenStream,
    pub(crate) sig: Signature,
    pub(crate) body: Option<Body>,
}

/// The statements between the braces of a function.
pub(crate) struct Body {
    /// The braces as the user wrote them, with all that is in between.
    pub(crate) group: Group,
    /// `#![..]` at the top of the body.
    pub(crate) inner_attrs: TokenStream,
    /// Items before the first statement.
    pub(crate) items: TokenStream,
    /// The rest.
    pub(crate) statements: TokenStream,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        function(input).map(Item::Function)
    }
}

fn function(input: ParseStream<'_>) -> Result<Function> {
    let attrs = input.call(Attribute::parse_outer)?;
    let mut qualifiers = input.parse::<Visibility>()?.into_token_stream();
    if input.peek(Token![default]) {
        input.parse::<TokenTree>()?.to_tokens(&mut qualifiers);
    }
    let sig = input.parse()?;
    let body = if input.peek(token::Brace) {
        Some(Body::new(input.parse()?))
    } else {
        input.parse::<Token![;]>()?;
        None
    };
    Ok(Function {
        attrs,
        qualifiers,
        sig,
        body,
    })
}

impl Body {
    fn new(group: Group) -> Self {
        let split = |input: ParseStream<'_>| {
            let inner_attrs = take(input, |input| Attribute::parse_inner(input).map(drop))?;
            let items = take(input, leading_items)?;
            Ok((inner_attrs, items, input.parse()?))
        };
        let (inner_attrs, items, statements) = split
            .parse2(group.stream())
            .unwrap_or_else(|_| (TokenStream::new(), TokenStream::new(), group.stream()));
        Self {
            group,
            inner_attrs,
            items,
            statements,
        }
    }
}

/// The tokens that `read` consumes, as they were written.
fn take(input: ParseStream<'_>, read: fn(ParseStream<'_>) -> Result<()>) -> Result<TokenStream> {
    let before: TokenStream = input.fork().parse()?;
    read(input)?;
    let left: TokenStream = input.fork().parse()?;
    let taken = before.clone().into_iter().count() - left.into_iter().count();
    Ok(before.into_iter().take(taken).collect())
}

fn leading_items(input: ParseStream<'_>) -> Result<()> {
    loop {
        let ahead = input.fork();
        match ahead.parse::<syn::Item>() {
            // A macro call may expand to statements.
            Ok(syn::Item::Macro(call)) if call.ident.is_none() => return Ok(()),
            Ok(_) => input.advance_to(&ahead),
            Err(_) => return Ok(()),
        }
    }
}
