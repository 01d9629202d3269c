//! Signatures that the parser does not take, like those of older editions: `Box<Fn(u8)>`, nameless parameters,
//! names that have become keywords. They are kept as they are written; what is to be known of them is looked up.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Result, ReturnType, Signature, Token, Type, token};

/// A signature, and how it is written if that is more than the parsed one says.
pub(crate) type Written = (Signature, Option<TokenStream>);

/// Reads a signature up to the braces or the semicolon behind it.
pub(crate) fn signature(input: ParseStream<'_>) -> Result<Written> {
    let ahead = input.fork();
    match ahead.parse::<Signature>() {
        Ok(signature) if ahead.peek(token::Brace) || ahead.peek(Token![;]) => {
            input.advance_to(&ahead);
            Ok((signature, None))
        }
        Ok(_) => Err(ahead.error("expected the body of the function in braces, or a semicolon")),
        Err(error) => older(input).ok_or(error),
    }
}

fn older(input: ParseStream<'_>) -> Option<Written> {
    let ahead = input.fork();
    let mut trees = Vec::new();
    let mut nesting = Nesting::default();
    while !(nesting.is_outside() && (ahead.peek(token::Brace) || ahead.peek(Token![;]))) {
        let tree: TokenTree = ahead.parse().ok()?;
        nesting.pass(&tree);
        trees.push(tree);
    }
    let signature = outline(&trees)?;
    input.advance_to(&ahead);
    Some((signature, Some(trees.into_iter().collect())))
}

/// The name and the output. Futures are no thing of older editions, and the parameters stay where they are.
fn outline(trees: &[TokenTree]) -> Option<Signature> {
    let word = |tree: &TokenTree, word: &str| matches!(tree, TokenTree::Ident(it) if it == word);
    let function = trees.iter().position(|tree| word(tree, "fn"))?;
    if trees
        .get(..function)?
        .iter()
        .any(|tree| word(tree, "async"))
    {
        return None;
    }
    let is_const = trees
        .get(..function)?
        .iter()
        .any(|tree| word(tree, "const"));
    let name = trees.get(function + 1)?.clone();
    let name = Ident::parse_any.parse2(name.into()).ok()?;
    let mut rest = trees.get(function + 2..)?.iter();
    let mut nesting = Nesting::default();
    rest.find(|tree| {
        nesting.pass(tree);
        let is_group =
            matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis);
        is_group && nesting.is_outside()
    })?;
    let mut signature: Signature = syn::parse_quote!(fn name());
    signature.constness = is_const.then(Default::default);
    signature.ident = name;
    signature.output = output(rest.as_slice());
    Some(signature)
}

/// What stands between the parameters and the `where`.
fn output(trees: &[TokenTree]) -> ReturnType {
    let [TokenTree::Punct(minus), TokenTree::Punct(_), output @ ..] = trees else {
        return ReturnType::Default;
    };
    if minus.as_char() != '-' {
        return ReturnType::Default;
    }
    let output = output.iter();
    let output: TokenStream = output
        .take_while(|tree| !matches!(tree, TokenTree::Ident(word) if word == "where"))
        .cloned()
        .collect();
    let ty = syn::parse2(output.clone()).unwrap_or(Type::Verbatim(output));
    ReturnType::Type(<Token![->]>::default(), Box::new(ty))
}

/// Whether a token stands between `<` and `>`.
#[derive(Default)]
pub(crate) struct Nesting {
    depth: u32,
    /// Whether the last one was the beginning of `->` or `=>`.
    arrow: bool,
}

impl Nesting {
    pub(crate) fn pass(&mut self, tree: &TokenTree) {
        let TokenTree::Punct(punct) = tree else {
            self.arrow = false;
            return;
        };
        match punct.as_char() {
            '<' => self.depth += 1,
            '>' if !self.arrow => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.arrow = matches!(punct.as_char(), '-' | '=');
    }

    pub(crate) fn is_outside(&self) -> bool {
        self.depth == 0
    }
}
