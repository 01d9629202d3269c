//! What is to be measured and how: options and functions, checked against each other.

use std::collections::HashMap;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, Error, Expr, LitStr, Meta, ReturnType, Type};

use crate::args::{self, Features, Options};
use crate::conditional::{self, Conditional};
use crate::fields::Field;
use crate::input::{Block, Body, Function, Item, Member};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::shape::{self, Shape};

/// An item whose functions are checked.
pub(crate) enum Checked {
    /// A function that is measured.
    Measured(Box<Measured>),
    /// A function that stays as it is.
    Plain(Box<Function>),
    /// A block around such items.
    Block { block: Block, members: Vec<Self> },
    /// An item of which the compiler is still to decide how it is measured.
    Either {
        mistakes: TokenStream,
        /// It without what is under the condition.
        plain: Box<Self>,
        so: Box<Self>,
        not_so: Box<Self>,
    },
    /// Tokens that are none of our business.
    Verbatim(TokenStream),
}

/// A function that is measured.
pub(crate) struct Measured {
    pub(crate) function: Function,
    pub(crate) body: Body,
    pub(crate) name: Option<LitStr>,
    pub(crate) group: Option<LitStr>,
    pub(crate) success: Option<Success>,
    pub(crate) fields: Vec<Field>,
    pub(crate) settings: Settings,
    pub(crate) paths: Paths,
    pub(crate) shape: Shape,
}

/// How a returned value is told from an error.
pub(crate) enum Success {
    /// It is `Ok`; `err` was written here.
    ResultIsOk(Span),
    /// It satisfies this predicate.
    Predicate(Box<Expr>),
}

/// Checks the annotated item against the options of its attribute.
pub(crate) fn check(
    options: &Options,
    mut item: Item,
    features: Features,
    errors: &mut Vec<Error>,
) -> Checked {
    if let Some(again) = item.attrs().iter().find(|attr| options.is_same(attr)) {
        let message = "measured twice; put the arguments of both attributes into one";
        errors.push(Error::new_spanned(again, message));
    }
    let mut checker = Checker {
        errors,
        features,
        types: HashMap::new(),
        in_block: false,
        plain_surroundings: true,
    };
    match item {
        Item::Function(function) => checker.function(options, function),
        Item::Block(block) => checker.block(options, block),
    }
}

struct Checker<'a> {
    errors: &'a mut Vec<Error>,
    features: Features,
    /// What the associated types of the block stand for.
    types: HashMap<String, Type>,
    in_block: bool,
    /// Whether no other attribute macro waits around the function.
    plain_surroundings: bool,
}

impl Checker<'_> {
    fn block(&mut self, options: &Options, mut block: Block) -> Checked {
        let members = std::mem::take(&mut block.members);
        if options.skip.is_some() {
            return Checked::Block {
                members: vec![Checked::Verbatim(block.group.stream())],
                block,
            };
        }
        if let Some(name) = &options.name {
            let remedy = "`name` is the name of one function, and here are several; `group` is for all of them";
            self.errors.push(Error::new(name.span(), remedy));
        }
        let types = members.iter().filter_map(|member| match member {
            Member::Type(name, ty, _) => Some((name.to_string(), (**ty).clone())),
            _ => None,
        });
        let mut inner = Checker {
            types: types.collect(),
            in_block: true,
            plain_surroundings: self.plain_surroundings
                && block.attrs.iter().all(shape::leaves_async_alone),
            errors: &mut *self.errors,
            features: self.features,
        };
        let members = members
            .into_iter()
            .map(|member| inner.member(options, member))
            .collect();
        Checked::Block { block, members }
    }

    fn member(&mut self, options: &Options, member: Member) -> Checked {
        match member {
            Member::Item(item) => self.item(options, item),
            Member::Type(_, _, tokens) | Member::Verbatim(tokens) => Checked::Verbatim(tokens),
        }
    }

    fn item(&mut self, options: &Options, mut item: Item) -> Checked {
        if let Some(conditional) = conditional::find(item.attrs(), options.krate.as_ref()) {
            return self.either(options, item, conditional);
        }
        let options = self.own_options(options, item.attrs());
        match item {
            Item::Function(function) => self.function(&options, function),
            Item::Block(block) => self.block(&options, block),
        }
    }

    /// An item with the attribute under a condition: one item for each way in which it may turn out. A mistake in
    /// what is not there is none.
    fn either(&self, options: &Options, mut item: Item, conditional: Conditional) -> Checked {
        let mut way = |attrs: Vec<Attribute>| {
            let cfgs = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
            let cfgs: Vec<_> = cfgs.cloned().collect();
            item.attrs().clone_from(&attrs);
            let mut errors = Vec::new();
            let mut checker = Checker {
                errors: &mut errors,
                types: self.types.clone(),
                ..*self
            };
            let checked = checker.item(options, item.clone());
            let errors = errors.into_iter().map(Error::into_compile_error);
            let mistakes: TokenStream = errors.map(|error| quote!(#(#cfgs)* #error)).collect();
            (Box::new(checked), mistakes)
        };
        let (so, mistakes_so) = way(conditional.so);
        let (not_so, mistakes_not_so) = way(conditional.not_so);
        // What there is to say of it is said of the other two.
        let (plain, _) = way(conditional.plain);
        Checked::Either {
            mistakes: quote!(#mistakes_so #mistakes_not_so),
            plain,
            so,
            not_so,
        }
    }

    /// Takes the attribute off a member of a block; what it says goes before what the block says.
    fn own_options(&mut self, around: &Options, attrs: &mut Vec<Attribute>) -> Options {
        let mut own = Options::default();
        let mut count = 0;
        attrs.retain(|attr| {
            if !around.is_same(attr) {
                return true;
            }
            count += 1;
            if count == 2 {
                let message = "measured twice; put the arguments of both attributes into one";
                self.errors.push(Error::new_spanned(attr, message));
            }
            let tokens = match &attr.meta {
                Meta::Path(_) => TokenStream::new(),
                Meta::List(list) => list.tokens.clone(),
                Meta::NameValue(pair) => {
                    self.errors.push(Error::new_spanned(
                        pair,
                        "expected `#[measure]` or `#[measure(..)]`",
                    ));
                    TokenStream::new()
                }
            };
            let (options, errors) = args::parse(tokens, self.features);
            own = options;
            self.errors.extend(errors);
            false
        });
        own.or(around)
    }

    fn function(&mut self, options: &Options, mut function: Box<Function>) -> Checked {
        if options.skip.is_some() || (self.in_block && cannot_be_measured(&function)) {
            return Checked::Plain(function);
        }
        if let Some(constness) = &function.sig.constness {
            let remedy = "a `const fn` may run in the compiler, where nothing can be measured; remove `const` or `#[measure]`";
            self.errors.push(Error::new(constness.span, remedy));
            return Checked::Plain(function);
        }
        if let Some(naked) = function.attrs.iter().find(|attr| is_naked(attr)) {
            let remedy = "a naked function is what its assembly says, and nothing can be measured beside; remove `#[measure]`";
            self.errors.push(Error::new_spanned(naked, remedy));
            return Checked::Plain(function);
        }
        let output = self.resolve(&function.sig.output);
        let shape = shape::of(&function, output.as_ref(), self.plain_surroundings);
        let success = self.success(options, &function, output.as_ref());
        let Some(body) = function.body.take() else {
            let remedy =
                "this function has no body to measure; annotate the functions that implement it";
            self.errors
                .push(Error::new(function.sig.ident.span(), remedy));
            return Checked::Plain(function);
        };
        Checked::Measured(Box::new(Measured {
            body,
            name: options.name.clone(),
            group: options.group.clone(),
            success,
            fields: options
                .fields
                .iter()
                .flat_map(|(_, fields)| fields.clone())
                .collect(),
            settings: options.settings,
            paths: Paths::new(options.krate.clone()),
            shape,
            function: *function,
        }))
    }

    /// The return type, with `Self::Future` replaced by what the block around says it is.
    fn resolve(&self, output: &ReturnType) -> Option<Type> {
        let ReturnType::Type(_, output) = output else {
            return None;
        };
        if let Type::Path(path) = &**output {
            let words: Vec<_> = path
                .path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            if let [first, last] = words.as_slice()
                && first == "Self"
                && let Some(ty) = self.types.get(last)
            {
                return Some(ty.clone());
            }
        }
        Some((**output).clone())
    }

    fn success(
        &mut self,
        options: &Options,
        function: &Function,
        output: Option<&Type>,
    ) -> Option<Success> {
        let (at, what, success) = match (options.err, &options.ok_if) {
            (Some(at), _) => (at, "`err` needs a `Result`", Success::ResultIsOk(at)),
            (None, Some((at, predicate))) => (
                *at,
                "`ok_if` needs a value",
                Success::Predicate(Box::new(predicate.clone())),
            ),
            (None, None) => return None,
        };
        // A block may hold functions that cannot fail.
        let inherited = options.outcome_inherited;
        let reason = match output {
            Some(Type::Never(_)) => "never returns",
            None => "returns nothing",
            Some(output) if inherited && options.err.is_some() && !shape::yields_result(output) => {
                return None;
            }
            Some(_) => return Some(success),
        };
        if !inherited {
            let name = &function.sig.ident;
            self.errors
                .push(Error::new(at, format!("{what}, but `{name}` {reason}")));
        }
        None
    }
}

/// Functions that a measured block leaves out without a word.
fn cannot_be_measured(function: &Function) -> bool {
    function.sig.constness.is_some()
        || function.body.is_none()
        || function.attrs.iter().any(is_naked)
}

/// `#[unsafe(naked)]`, or as it was before it was stable, `#[naked]`.
fn is_naked(attr: &Attribute) -> bool {
    match &attr.meta {
        Meta::List(list) => {
            let inside = list.tokens.to_string();
            list.path.is_ident("unsafe") && inside == "naked"
        }
        meta => meta.path().is_ident("naked"),
    }
}

impl Measured {
    /// What is evaluated in the function and not in its body: the fields, and the test of what it returns.
    pub(crate) fn outside(&self) -> TokenStream {
        let values = self.fields.iter().map(|field| &field.value);
        let mut tokens = quote!(#(#values)*);
        if let Some(Success::Predicate(predicate)) = &self.success {
            predicate.to_tokens(&mut tokens);
        }
        tokens
    }

    /// The type behind `->`, or `()`.
    pub(crate) fn output(&self) -> Type {
        match &self.function.sig.output {
            ReturnType::Type(_, output) => (**output).clone(),
            ReturnType::Default => syn::parse_quote!(()),
        }
    }

    /// Whether nothing is recorded but counts and times.
    pub(crate) fn is_plain(&self) -> bool {
        let settings = self.settings;
        let more = settings.alloc || settings.span.is_some();
        !more && self.fields.is_empty() && self.success.is_none()
    }

    /// Whether the function is declared never to return.
    pub(crate) fn never_returns(&self) -> bool {
        matches!(self.output(), Type::Never(_))
    }

    /// Whether panics and captures of the location are to show the caller of the function.
    pub(crate) fn tracks_caller(&self) -> bool {
        self.function
            .attrs
            .iter()
            .any(|attr| attr.path().is_ident("track_caller"))
    }
}
