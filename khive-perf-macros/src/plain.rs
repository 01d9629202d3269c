//! The functions that most are: nothing is asked of them but to be measured, and when they do their work is plain to see.
//!
//! The compiler runs macros without optimization, and what they take is added to each build. So these are told from
//! their tokens, and nothing of them is parsed; any doubt is for the parser.

use proc_macro2::{Delimiter, Group, Ident, Spacing, TokenStream, TokenTree};

use crate::input::{Body, is_one_of};
use crate::params::NUMBERS;
use crate::shape;

/// What the tokens tell.
pub(crate) enum Told {
    /// It works while it is called.
    Call(Plain),
    /// It is an `async fn` that can be written as `fn -> impl Future`.
    AsyncFn(PlainAsync),
}

/// A function of which nothing need be known.
pub(crate) struct Plain {
    /// All in front of the body.
    pub(crate) head: Vec<TokenTree>,
    pub(crate) ident: Ident,
    pub(crate) body: Body,
}

/// An `async fn` without generic parameters of its own.
pub(crate) struct PlainAsync {
    /// All in front of the arrow, without `async`.
    pub(crate) head: Vec<TokenTree>,
    pub(crate) asyncness: Ident,
    pub(crate) ident: Ident,
    /// The arguments that must be dropped with the statements.
    pub(crate) moved: Vec<Ident>,
    /// The type behind the arrow.
    pub(crate) output: Vec<TokenTree>,
    /// The `where` clause.
    pub(crate) bounds: Vec<TokenTree>,
    pub(crate) body: Body,
}

/// Where one of these is in a signature, the function may return a future.
const OF_FUTURES: [&str; 5] = ["Box", "BoxFuture", "Future", "LocalBoxFuture", "Pin"];

impl Told {
    /// The function that the tokens are, unless there is any doubt.
    pub(crate) fn read(item: TokenStream) -> Option<Self> {
        let mut trees: Vec<_> = item.into_iter().collect();
        let Some(TokenTree::Group(body)) = trees.pop() else {
            return None;
        };
        if body.delimiter() != Delimiter::Brace {
            return None;
        }
        let attributes = attributes(&trees)?;
        let rest = trees.get(attributes.len..)?;
        let keyword = rest
            .iter()
            .position(|tree| matches!(tree, TokenTree::Ident(word) if word == "fn"))?;
        let (qualifiers, rest) = rest.split_at(keyword);
        let Some(TokenTree::Ident(ident)) = rest.get(1) else {
            return None;
        };
        let ident = ident.clone();
        if let [visibility @ .., TokenTree::Ident(word)] = qualifiers
            && word == "async"
        {
            if !(attributes.are_harmless && visibility.iter().all(is_of_visibility)) {
                return None;
            }
            let signature = Signature::read(rest)?;
            let asyncness = word.clone();
            let position = attributes.len + visibility.len();
            let head = attributes.len + keyword + signature.parameters_end;
            trees.truncate(head);
            trees.remove(position);
            return Some(Self::AsyncFn(PlainAsync {
                head: trees,
                asyncness,
                ident,
                moved: signature.moved,
                output: signature.output,
                bounds: signature.bounds,
                body: Body::new(body),
            }));
        }
        // All but the arguments of most functions.
        let arrow = rest.iter().position(is_arrow_head).unwrap_or(rest.len());
        let (before, behind) = rest.split_at(arrow);
        let is_call = qualifiers.iter().all(is_harmless)
            && !before.iter().any(names_future)
            && !behind.iter().any(holds_future);
        is_call.then(|| {
            Self::Call(Plain {
                head: trees,
                ident,
                body: Body::new(body),
            })
        })
    }
}

/// An attribute that begins so may say that the function is naked, or may not be true of an expansion.
const LOOKED_INTO: [&str; 3] = ["expect", "naked", "unsafe"];

/// The attributes that an item begins with.
struct Attributes {
    /// How many tokens they are.
    len: usize,
    /// Whether none of them minds that an `async fn` is written otherwise.
    are_harmless: bool,
}

/// Nothing where one of the attributes may be ours, or is to be looked into.
fn attributes(trees: &[TokenTree]) -> Option<Attributes> {
    let mut found = Attributes {
        len: 0,
        are_harmless: true,
    };
    while let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = trees.get(found.len..)? {
        if hash.as_char() != '#' {
            break;
        }
        let words: Vec<_> = attribute.stream().into_iter().collect();
        let is_ours =
            |tree: &TokenTree| matches!(tree, TokenTree::Ident(word) if word == "measure");
        let is_looked_into =
            matches!(words.first(), Some(TokenTree::Ident(word)) if is_one_of(word, &LOOKED_INTO));
        if is_looked_into || words.iter().any(is_ours) {
            return None;
        }
        let is_alone =
            !matches!(words.get(1), Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
        found.are_harmless &= matches!(words.first(), Some(TokenTree::Ident(word)) if shape::is_harmless(word, is_alone));
        found.len += 2;
    }
    Some(found)
}

/// What is behind the `fn` of an `async fn`.
struct Signature {
    /// How many tokens there are up to the end of the parameters.
    parameters_end: usize,
    moved: Vec<Ident>,
    output: Vec<TokenTree>,
    bounds: Vec<TokenTree>,
}

impl Signature {
    /// Reads `fn name(parameters) -> Type where ..`.
    fn read(trees: &[TokenTree]) -> Option<Self> {
        let [_, _, TokenTree::Group(parameters), rest @ ..] = trees else {
            return None;
        };
        if parameters.delimiter() != Delimiter::Parenthesis {
            return None;
        }
        let clause = rest
            .iter()
            .position(|tree| matches!(tree, TokenTree::Ident(word) if word == "where"));
        let (output, bounds) = rest.split_at(clause.unwrap_or(rest.len()));
        let output = match output {
            [] => vec![Group::new(Delimiter::Parenthesis, TokenStream::new()).into()],
            [_, _, TokenTree::Punct(never), ..] if never.as_char() == '!' => return None,
            [minus, _, output @ ..] if is_arrow_head(minus) => {
                if output.is_empty() || output.iter().any(holds_impl) {
                    return None;
                }
                output.to_vec()
            }
            _ => return None,
        };
        Some(Self {
            parameters_end: 3,
            moved: moved(parameters)?,
            output,
            bounds: bounds.to_vec(),
        })
    }
}

/// The names of the arguments that are neither references nor numbers; nothing where one is more than a name.
fn moved(parameters: &Group) -> Option<Vec<Ident>> {
    let trees: Vec<_> = parameters.stream().into_iter().collect();
    let mut moved = Vec::new();
    let mut rest = trees.as_slice();
    let mut is_first = true;
    while !rest.is_empty() {
        let end = end_of_parameter(rest)?;
        let (parameter, behind) = rest.split_at(end);
        rest = behind.get(1..).unwrap_or_default();
        match parameter {
            [TokenTree::Punct(reference), ..] if is_first && reference.as_char() == '&' => {}
            [TokenTree::Ident(name), TokenTree::Punct(colon), ty @ ..]
                if colon.as_char() == ':' && colon.spacing() == Spacing::Alone =>
            {
                match ty {
                    _ if is_one_of(name, &["_", "self"]) => return None,
                    [] => return None,
                    [TokenTree::Punct(pointer), ..] if matches!(pointer.as_char(), '&' | '*') => {}
                    [TokenTree::Ident(only)] if is_one_of(only, &NUMBERS) => {}
                    [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::None => {
                        return None;
                    }
                    _ if name.to_string().starts_with('_') => return None,
                    _ => moved.push(name.clone()),
                }
            }
            _ => return None,
        }
        is_first = false;
    }
    Some(moved)
}

/// Where the comma is that ends a parameter, which is none of those between `<` and `>`.
fn end_of_parameter(trees: &[TokenTree]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut is_arrow = false;
    for (position, tree) in trees.iter().enumerate() {
        let TokenTree::Punct(punct) = tree else {
            is_arrow = false;
            continue;
        };
        match punct.as_char() {
            '<' => depth += 1,
            '>' if !is_arrow => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => return Some(position),
            _ => {}
        }
        is_arrow = punct.as_char() == '-';
    }
    (depth == 0).then_some(trees.len())
}

/// Whether nothing but `pub(in path)` can be of this.
fn is_of_visibility(qualifier: &TokenTree) -> bool {
    match qualifier {
        TokenTree::Ident(word) => word == "pub",
        TokenTree::Group(path) => path.delimiter() == Delimiter::Parenthesis,
        TokenTree::Literal(_) | TokenTree::Punct(_) => false,
    }
}

/// Whether nothing but `pub(in path)` and `unsafe extern "C"` can be of this.
fn is_harmless(qualifier: &TokenTree) -> bool {
    match qualifier {
        TokenTree::Ident(word) => is_one_of(word, &["pub", "unsafe", "extern"]),
        TokenTree::Group(path) => path.delimiter() == Delimiter::Parenthesis,
        TokenTree::Literal(_) => true,
        TokenTree::Punct(_) => false,
    }
}

fn is_arrow_head(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '-')
}

/// Whether a part of a signature is a word that stands in types of futures, or cannot be looked into.
fn names_future(tree: &TokenTree) -> bool {
    match tree {
        TokenTree::Ident(word) => is_one_of(word, &OF_FUTURES),
        TokenTree::Group(group) => group.delimiter() == Delimiter::None,
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    }
}

/// The same of all that is in it.
fn holds_future(tree: &TokenTree) -> bool {
    holds(tree, &names_future)
}

/// Whether there is an `impl Trait` in a type, or may be.
fn holds_impl(tree: &TokenTree) -> bool {
    holds(tree, &|tree| match tree {
        TokenTree::Ident(word) => word == "impl",
        TokenTree::Group(group) => group.delimiter() == Delimiter::None,
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Whether something is so of a tree, or of one that is in it.
fn holds(tree: &TokenTree, is_so: &dyn Fn(&TokenTree) -> bool) -> bool {
    is_so(tree)
        || matches!(tree, TokenTree::Group(group)
            if group.stream().into_iter().any(|tree| holds(&tree, is_so)))
}
