//! The annotated item; bodies and everything that is not a function are kept as tokens, so they need not parse.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{
    Attribute, Error, Ident, LitStr, Result, ReturnType, Signature, Token, Type, Visibility,
    braced, token,
};

use crate::older::{self, Nesting};

/// What the attribute stands on.
#[derive(Clone)]
pub(crate) enum Item {
    /// A function, method, or method of a trait.
    Function(Box<Function>),
    /// An `impl`, `trait` or `mod` block.
    Block(Block),
}

/// A function, with or without a body.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    /// Visibility and `default`.
    pub(crate) qualifiers: TokenStream,
    pub(crate) sig: Signature,
    /// The signature as it is written, where `sig` does not say all of it.
    pub(crate) written: Option<TokenStream>,
    pub(crate) body: Option<Body>,
}

/// The statements between the braces of a function.
#[derive(Clone)]
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

/// An `impl`, `trait` or `mod` block.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) attrs: Vec<Attribute>,
    /// Everything between the attributes and the braces.
    pub(crate) head: TokenStream,
    /// The braces as the user wrote them, with all that is in between.
    pub(crate) group: Group,
    pub(crate) members: Vec<Member>,
}

/// A piece of a block; the pieces together are all of it.
#[derive(Clone)]
pub(crate) enum Member {
    /// A function or a block in the block.
    Item(Item),
    /// What an associated type stands for, and how it was written.
    Type(Ident, Box<Type>, TokenStream),
    /// Anything else.
    Verbatim(TokenStream),
}

impl Item {
    /// The attributes on it.
    pub(crate) fn attrs(&mut self) -> &mut Vec<Attribute> {
        match self {
            Self::Function(function) => &mut function.attrs,
            Self::Block(block) => &mut block.attrs,
        }
    }

    /// Reads what the attribute stands on.
    ///
    /// The compiler runs macros without optimization, and parsing is most of what they do. So the body of a function,
    /// which is most of its tokens, is kept from the parser.
    pub(crate) fn read(tokens: TokenStream) -> Result<Self> {
        let mut trees: Vec<_> = tokens.into_iter().collect();
        let body = match trees.last_mut() {
            Some(TokenTree::Group(last)) if last.delimiter() == Delimiter::Brace => {
                let mut empty = Group::new(Delimiter::Brace, TokenStream::new());
                empty.set_span(last.span());
                Some(std::mem::replace(last, empty))
            }
            _ => None,
        };
        match body {
            Some(body) if is_function(&trees) => {
                let signature = |input: ParseStream<'_>| {
                    let attrs = input.call(Attribute::parse_outer)?;
                    function(attrs, input)
                };
                let mut function = signature.parse2(trees.into_iter().collect())?;
                function.body = Some(Body::new(body));
                Ok(Self::Function(Box::new(function)))
            }
            Some(block) => {
                trees.pop();
                trees.push(block.into());
                syn::parse2(trees.into_iter().collect())
            }
            None => syn::parse2(trees.into_iter().collect()),
        }
    }
}

/// Whether a word is one of these; it is made a text once, as that is what takes time.
pub(crate) fn is_one_of(word: &Ident, words: &[&str]) -> bool {
    words.contains(&word.to_string().as_str())
}

/// Whether the keyword that decides what an item is says that it is a function.
fn is_function(item: &[TokenTree]) -> bool {
    let mut words = item.iter().filter_map(|tree| match tree {
        TokenTree::Ident(word) => Some(word),
        _ => None,
    });
    let decides = |word: &&Ident| is_one_of(word, &["fn", "impl", "trait", "mod"]);
    words.find(decides).is_some_and(|word| word == "fn")
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let start = input.fork();
        let attrs = input.call(Attribute::parse_outer)?;
        match ahead(input) {
            Ahead::Function => {
                function(attrs, input).map(|function| Self::Function(Box::new(function)))
            }
            Ahead::Block => block(attrs, input).map(Self::Block),
            Ahead::Other => {
                let message = "`#[measure]` goes on a function, or on an `impl`, `trait` or inline `mod` block";
                Err(Error::new(start.span(), message))
            }
        }
    }
}

enum Ahead {
    Function,
    Block,
    Other,
}

/// Looks past the qualifiers for the keyword that decides.
fn ahead(input: ParseStream<'_>) -> Ahead {
    let input = input.fork();
    if input.parse::<Visibility>().is_err() {
        return Ahead::Other;
    }
    while let Ok(word) = input.call(Ident::parse_any) {
        match word.to_string().as_str() {
            "fn" if input.peek(Ident::peek_any) => return Ahead::Function,
            "impl" | "trait" | "mod" => {
                return if head(&input).is_ok() {
                    Ahead::Block
                } else {
                    Ahead::Other
                };
            }
            "default" | "const" | "async" | "unsafe" | "safe" | "auto" => {}
            "extern" => drop(input.parse::<Option<LitStr>>()),
            _ => break,
        }
    }
    Ahead::Other
}

fn function(attrs: Vec<Attribute>, input: ParseStream<'_>) -> Result<Function> {
    let mut qualifiers = input.parse::<Visibility>()?.into_token_stream();
    if input.peek(Token![default]) {
        input.parse::<TokenTree>()?.to_tokens(&mut qualifiers);
    }
    let (mut sig, written) = older::signature(input)?;
    // A `$output:ty` that a macro passed on.
    if let ReturnType::Type(_, output) = &mut sig.output {
        while let Type::Group(group) = &mut **output {
            *output = group.elem.clone();
        }
    }
    let body = if input.peek(token::Brace) {
        Some(Body::new(braces(input)?))
    } else {
        input.parse::<Token![;]>()?;
        None
    };
    Ok(Function {
        attrs,
        qualifiers,
        sig,
        written,
        body,
    })
}

impl Function {
    /// The tokens of the signature, or of a changed one.
    pub(crate) fn signature(&self, changed: &Signature) -> TokenStream {
        let written = self.written.clone();
        written.unwrap_or_else(|| changed.to_token_stream())
    }
}

/// A braced group; one that a macro passed on as `$body:block` comes in an invisible group of its own.
fn braces(input: ParseStream<'_>) -> Result<Group> {
    let content;
    let braces = braced!(content in input);
    let mut group = Group::new(Delimiter::Brace, content.parse()?);
    group.set_span(braces.span.join());
    Ok(group)
}

impl Body {
    pub(crate) fn new(group: Group) -> Self {
        let first = group.stream().into_iter().next();
        let (inner_attrs, items, statements) = if first.as_ref().is_some_and(may_lead) {
            split
                .parse2(group.stream())
                .unwrap_or_else(|_| (TokenStream::new(), TokenStream::new(), group.stream()))
        } else {
            (TokenStream::new(), TokenStream::new(), group.stream())
        };
        Self {
            group,
            inner_attrs,
            items,
            statements,
        }
    }

    /// Whether it is more than one expression.
    pub(crate) fn has_semicolon(&self) -> bool {
        let semicolon = |tree| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == ';');
        self.statements.clone().into_iter().any(semicolon)
    }
}

/// Whether a body that begins so may begin with an attribute of its own, or an item: all but what surely does not,
/// as that is what most bodies begin with.
fn may_lead(first: &TokenTree) -> bool {
    const STATEMENTS: [&str; 9] = [
        "for", "if", "let", "loop", "match", "return", "self", "while", "Self",
    ];
    match first {
        TokenTree::Ident(word) => !is_one_of(word, &STATEMENTS),
        TokenTree::Punct(punct) => punct.as_char() == '#',
        TokenTree::Group(group) => group.delimiter() == Delimiter::None,
        TokenTree::Literal(_) => false,
    }
}

/// Parts a body into its attributes, the items that it begins with, and the rest.
fn split(input: ParseStream<'_>) -> Result<(TokenStream, TokenStream, TokenStream)> {
    let inner_attrs = take(input, |input| Attribute::parse_inner(input).map(drop))?;
    let items = take(input, leading_items)?;
    Ok((inner_attrs, items, input.parse()?))
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

fn block(attrs: Vec<Attribute>, input: ParseStream<'_>) -> Result<Block> {
    let head = head(input)?;
    let group = braces(input)?;
    let members = members.parse2(group.stream())?;
    Ok(Block {
        attrs,
        head,
        group,
        members,
    })
}

/// Everything up to the braces of a block; braces between `<` and `>` are const generic arguments.
fn head(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut head = TokenStream::new();
    let mut nesting = Nesting::default();
    while !(nesting.is_outside() && input.peek(token::Brace)) {
        let tree: TokenTree = input.parse()?;
        if let TokenTree::Punct(punct) = &tree
            && punct.as_char() == ';'
        {
            let expected = "expected the contents of the block in braces";
            return Err(Error::new(punct.span(), expected));
        }
        nesting.pass(&tree);
        tree.to_tokens(&mut head);
    }
    Ok(head)
}

fn members(input: ParseStream<'_>) -> Result<Vec<Member>> {
    let mut members = vec![Member::Verbatim(take(input, |input| {
        Attribute::parse_inner(input).map(drop)
    })?)];
    while !input.is_empty() {
        let attrs_ahead = input.fork();
        attrs_ahead.call(Attribute::parse_outer)?;
        members.push(match ahead(&attrs_ahead) {
            Ahead::Function | Ahead::Block => Member::Item(input.parse()?),
            Ahead::Other => other(input)?,
        });
    }
    Ok(members)
}

/// One more piece of a block that cannot be the beginning of a function: up to a semicolon or closing brace.
fn other(input: ParseStream<'_>) -> Result<Member> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() {
        let tree: TokenTree = input.parse()?;
        let last = match &tree {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            _ => false,
        };
        tree.to_tokens(&mut tokens);
        if last {
            break;
        }
    }
    Ok(match syn::parse2::<syn::ImplItemType>(tokens.clone()) {
        Ok(alias) => Member::Type(alias.ident, Box::new(alias.ty), tokens),
        Err(_) => Member::Verbatim(tokens),
    })
}
