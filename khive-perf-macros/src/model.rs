//! What is to be measured and how: options and function, checked against each other.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Error, Expr, LitStr, ReturnType, Type};

use crate::args::{Field, Options};
use crate::input::{Body, Function, Item};
use crate::paths::Paths;

/// An item whose functions are checked.
pub(crate) enum Checked {
    /// One function.
    Function(Box<Measured>),
    /// A function that stays as it is.
    Plain(Function),
}

/// What a function gets from the measured block around it.
#[derive(Default)]
pub(crate) struct Inherited;

/// A function that is measured.
pub(crate) struct Measured {
    pub(crate) function: Function,
    pub(crate) body: Body,
    pub(crate) name: Option<LitStr>,
    pub(crate) group: Option<LitStr>,
    pub(crate) success: Option<Success>,
    pub(crate) fields: Vec<Field>,
    pub(crate) paths: Paths,
    pub(crate) shape: Shape,
}

/// How a returned value is told from an error.
pub(crate) enum Success {
    /// It is `Ok`; `err` was written here.
    ResultIsOk(Span),
    /// It satisfies this predicate.
    Predicate(Expr),
}

/// When the function does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// When it is called.
    Call,
    /// When the future of the `async fn` is polled.
    AsyncFn,
}

/// Checks an item against the options of its attribute.
pub(crate) fn check(
    options: &Options,
    item: Item,
    _inherited: &Inherited,
    errors: &mut Vec<Error>,
) -> Checked {
    match item {
        Item::Function(function) => check_function(options, function, errors),
    }
}

fn check_function(options: &Options, mut function: Function, errors: &mut Vec<Error>) -> Checked {
    if options.skip.is_some() {
        return Checked::Plain(function);
    }
    if let Some(constness) = &function.sig.constness {
        let remedy = "a `const fn` may run in the compiler, where nothing can be measured; remove `const` or `#[measure]`";
        errors.push(Error::new(constness.span, remedy));
        return Checked::Plain(function);
    }
    let Some(body) = function.body.take() else {
        let remedy =
            "this function has no body to measure; annotate the functions that implement it";
        errors.push(Error::new(function.sig.ident.span(), remedy));
        return Checked::Plain(function);
    };
    let shape = if function.sig.asyncness.is_some() {
        Shape::AsyncFn
    } else {
        Shape::Call
    };
    let success = success(options, &function, errors);
    Checked::Function(Box::new(Measured {
        body,
        name: options.name.clone(),
        group: options.group.clone(),
        success,
        fields: options
            .fields
            .iter()
            .flat_map(|(_, fields)| fields.clone())
            .collect(),
        paths: Paths::new(options.krate.clone()),
        shape,
        function,
    }))
}

fn success(options: &Options, function: &Function, errors: &mut Vec<Error>) -> Option<Success> {
    let (at, success) = match (options.err, &options.ok_if) {
        (Some(at), _) => (at, Success::ResultIsOk(at)),
        (None, Some((at, predicate))) => (*at, Success::Predicate(predicate.clone())),
        (None, None) => return None,
    };
    let reason = match &function.sig.output {
        ReturnType::Type(_, output) if matches!(**output, Type::Never(_)) => "never returns",
        ReturnType::Type(..) => return Some(success),
        ReturnType::Default => "returns nothing",
    };
    let what = if options.err.is_some() {
        "`err` needs a `Result`"
    } else {
        "`ok_if` needs a value"
    };
    errors.push(Error::new(
        at,
        format!("{what}, but `{}` {reason}", function.sig.ident),
    ));
    None
}

impl Measured {
    /// The type behind `->`, or `()`.
    pub(crate) fn output(&self) -> Type {
        match &self.function.sig.output {
            ReturnType::Type(_, output) => (**output).clone(),
            ReturnType::Default => syn::parse_quote!(()),
        }
    }

    /// Whether the function is declared never to return.
    pub(crate) fn never_returns(&self) -> bool {
        matches!(self.output(), Type::Never(_))
    }

    /// Puts the function back together around new contents of its braces.
    pub(crate) fn with_contents(
        &self,
        contents: proc_macro2::TokenStream,
    ) -> proc_macro2::TokenStream {
        let mut tokens = proc_macro2::TokenStream::new();
        let Function {
            attrs,
            qualifiers,
            sig,
            body: _,
        } = &self.function;
        tokens.extend(attrs.iter().map(ToTokens::to_token_stream));
        qualifiers.to_tokens(&mut tokens);
        sig.to_tokens(&mut tokens);
        let mut group = proc_macro2::Group::new(proc_macro2::Delimiter::Brace, contents);
        group.set_span(self.body.group.span());
        group.to_tokens(&mut tokens);
        tokens
    }
}
