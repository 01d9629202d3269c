//! When a function does its work: told from its signature, and from its body where that saves an allocation.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::Visit;
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Ident, PathArguments, PathSegment, Signature, Stmt,
    Token, Type, TypeParamBound,
};

use crate::input::{self, Body, Function};
use crate::params;

/// When the function does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// When it is called.
    Call,
    /// When the future of the `async fn` is polled.
    AsyncFn,
    /// The same, written as `fn -> impl Future`: the future then holds the arguments once and not twice.
    FlatAsyncFn,
    /// When the returned future is polled.
    Future(Holder),
}

/// What a function returns its future in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// `impl Future`
    None,
    /// `Box<dyn Future + Unpin>`
    Box,
    /// `Pin<Box<dyn Future>>`
    PinBox,
    /// `BoxFuture`, which should be the same.
    Alias,
}

/// Decides for a function whose return type stands for `output`.
pub(crate) fn of(function: &Function, output: Option<&Type>, plain_surroundings: bool) -> Shape {
    if function.sig.asyncness.is_some() {
        let flat = plain_surroundings
            && function.attrs.iter().all(leaves_async_alone)
            && can_be_flat(function);
        return if flat {
            Shape::FlatAsyncFn
        } else {
            Shape::AsyncFn
        };
    }
    match output.and_then(holder) {
        Some(holder) => Shape::Future(holder),
        None => Shape::Call,
    }
}

/// The last segment of a path that is a type.
fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

fn only_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) => Some(ty),
        _ => None,
    }
}

fn holder(output: &Type) -> Option<Holder> {
    if let Type::ImplTrait(ty) = output {
        return is_future(&ty.bounds).then_some(Holder::None);
    }
    let segment = last_segment(output)?;
    match segment.ident.to_string().as_str() {
        "BoxFuture" | "LocalBoxFuture" => Some(Holder::Alias),
        // The box is a future itself only where what is in it may move.
        "Box" => boxed_future(segment)?
            .iter()
            .any(|bound| is_one_of(bound, &["Unpin"]))
            .then_some(Holder::Box),
        "Pin" => only_argument(segment)
            .and_then(last_segment)
            .and_then(boxed_future)
            .map(|_| Holder::PinBox),
        _ => None,
    }
}

type Bounds = Punctuated<TypeParamBound, Token![+]>;

/// The bounds of a `Box<dyn Future>`.
fn boxed_future(segment: &PathSegment) -> Option<&Bounds> {
    fn dyn_bounds(ty: &Type) -> Option<&Bounds> {
        match ty {
            Type::TraitObject(ty) => Some(&ty.bounds),
            Type::Group(group) => dyn_bounds(&group.elem),
            Type::Paren(paren) => dyn_bounds(&paren.elem),
            _ => None,
        }
    }
    let is_box = segment.ident == "Box";
    let bounds = is_box.then(|| only_argument(segment).and_then(dyn_bounds))??;
    is_future(bounds).then_some(bounds)
}

/// Whether the bounds ask for a `Future`, and for nothing that the measured future is not, too.
fn is_future(bounds: &Bounds) -> bool {
    const AUTO: [&str; 5] = ["Send", "Sync", "Unpin", "UnwindSafe", "RefUnwindSafe"];
    let mut is_future = false;
    for bound in bounds {
        match bound {
            TypeParamBound::Trait(it) if is_one_of(bound, &["Future"]) => {
                is_future = it.path.segments.last().is_some_and(has_output);
            }
            TypeParamBound::Trait(_) if !is_one_of(bound, &AUTO) => return false,
            _ => {}
        }
    }
    is_future
}

fn is_one_of(bound: &TypeParamBound, names: &[&str]) -> bool {
    let TypeParamBound::Trait(bound) = bound else {
        return false;
    };
    let last = bound.path.segments.last();
    last.is_some_and(|last| names.iter().any(|name| last.ident == name))
}

/// Whether it is the `Future<Output = ..>` of the standard library, and not `Future<Item = .., Error = ..>`.
fn has_output(future: &PathSegment) -> bool {
    match &future.arguments {
        PathArguments::None => true,
        PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().all(|argument| match argument {
                GenericArgument::AssocType(assoc) => assoc.ident == "Output",
                GenericArgument::Constraint(constraint) => constraint.ident == "Output",
                _ => false,
            })
        }
        PathArguments::Parenthesized(_) => false,
    }
}

/// Whether the function yields a `Result`, as far as its signature tells.
pub(crate) fn yields_result(output: &Type) -> bool {
    let is_result = |ty: &Type| last_segment(ty).is_some_and(|segment| segment.ident == "Result");
    let mut found = is_result(output);
    if holder(output).is_some() {
        struct Outputs<F>(F, bool);
        impl<'ast, F: Fn(&Type) -> bool> Visit<'ast> for Outputs<F> {
            fn visit_generic_argument(&mut self, argument: &'ast GenericArgument) {
                let yielded = match argument {
                    GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(&assoc.ty),
                    // `BoxFuture<'a, T>`
                    GenericArgument::Type(ty) => Some(ty),
                    _ => None,
                };
                self.1 |= yielded.is_some_and(&self.0);
                syn::visit::visit_generic_argument(self, argument);
            }
        }
        let mut outputs = Outputs(is_result, false);
        outputs.visit_type(output);
        found |= outputs.1;
    }
    found
}

/// Attributes that neither read the signature nor are other macros, which may insist on an `async fn`.
pub(crate) fn leaves_async_alone(attr: &Attribute) -> bool {
    let first = attr.path().segments.first();
    let is_alone = attr.path().get_ident().is_some();
    first.is_some_and(|first| is_harmless(&first.ident, is_alone))
}

/// The same, told by the first word of its path, and whether it is the only one.
pub(crate) fn is_harmless(first: &Ident, is_alone: bool) -> bool {
    const KNOWN: [&str; 10] = [
        "allow",
        "cfg",
        "cold",
        "deny",
        "deprecated",
        "doc",
        "expect",
        "forbid",
        "inline",
        "warn",
    ];
    const TOOLS: [&str; 3] = ["clippy", "diagnostic", "rustfmt"];
    input::is_one_of(first, if is_alone { &KNOWN } else { &TOOLS })
}

/// Whether `fn -> impl Future` can say all that the `async fn` says, and drops its arguments at the same moment.
fn can_be_flat(function: &Function) -> bool {
    let Signature { inputs, output, .. } = &function.sig;
    let names_its_output = match output {
        syn::ReturnType::Default => true,
        syn::ReturnType::Type(_, output) => {
            !contains_impl_trait(output) && !matches!(**output, Type::Never(_))
        }
    };
    let understood = |attrs: &[Attribute]| attrs.iter().all(params::is_movable);
    names_its_output
        && inputs.iter().all(|input| match input {
            FnArg::Receiver(receiver) => receiver.attrs.is_empty(),
            FnArg::Typed(typed) => understood(&typed.attrs),
        })
}

fn contains_impl_trait(ty: &Type) -> bool {
    struct Find(bool);
    impl<'ast> Visit<'ast> for Find {
        fn visit_type_impl_trait(&mut self, _: &'ast syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut find = Find(false);
    find.visit_type(ty);
    find.0
}

/// The statements of a body, parted before the expression that they end in.
pub(crate) struct Tail {
    pub(crate) before: TokenStream,
    pub(crate) future: TokenStream,
    /// Whether `before` ends in `Box::pin`, and the future is its argument.
    pub(crate) in_box_pin: bool,
}

/// The future that a body ends in, where nothing can leave the body before.
pub(crate) fn tail(body: &Body, holder: Holder) -> Option<Tail> {
    let stmts = syn::Block::parse_within
        .parse2(body.statements.clone())
        .ok()?;
    if leaves_early(&stmts) {
        return None;
    }
    let Stmt::Expr(last, None) = stmts.last()? else {
        return None;
    };
    match (holder, last) {
        (Holder::None, Expr::Async(_) | Expr::Call(_) | Expr::MethodCall(_) | Expr::Path(_)) => {
            let future = last.to_token_stream();
            let all: Vec<_> = body.statements.clone().into_iter().collect();
            let start = all.len().checked_sub(future.clone().into_iter().count())?;
            let (before, tail) = all.split_at(start);
            let tail: TokenStream = tail.iter().cloned().collect();
            // Where the printer of the parsed expression added a token, the count is off.
            let same = tail.to_string() == future.to_string();
            same.then(|| Tail {
                before: before.iter().cloned().collect(),
                future: tail,
                in_box_pin: false,
            })
        }
        (Holder::PinBox | Holder::Alias, Expr::Call(call))
            if is_box_pin(&call.func) && call.args.len() == 1 =>
        {
            let mut before: Vec<_> = body.statements.clone().into_iter().collect();
            let Some(TokenTree::Group(arguments)) = before.pop() else {
                return None;
            };
            let mut future: Vec<_> = arguments.stream().into_iter().collect();
            if matches!(future.last(), Some(TokenTree::Punct(comma)) if comma.as_char() == ',') {
                future.pop();
            }
            Some(Tail {
                before: before.into_iter().collect(),
                future: future.into_iter().collect(),
                in_box_pin: true,
            })
        }
        _ => None,
    }
}

fn is_box_pin(function: &Expr) -> bool {
    let Expr::Path(path) = function else {
        return false;
    };
    let mut words = path
        .path
        .segments
        .iter()
        .rev()
        .map(|segment| segment.ident.to_string());
    words.next().as_deref() == Some("pin") && words.next().as_deref() == Some("Box")
}

/// Whether a `return`, a `?` or a macro (which may hide one) can leave the body before its end.
fn leaves_early(stmts: &[Stmt]) -> bool {
    struct Find(bool);
    impl<'ast> Visit<'ast> for Find {
        fn visit_expr_return(&mut self, _: &'ast syn::ExprReturn) {
            self.0 = true;
        }
        fn visit_expr_try(&mut self, _: &'ast syn::ExprTry) {
            self.0 = true;
        }
        fn visit_macro(&mut self, _: &'ast syn::Macro) {
            self.0 = true;
        }
        fn visit_expr(&mut self, expr: &'ast Expr) {
            // `return` and `?` in these leave only them.
            if !matches!(expr, Expr::Async(_) | Expr::Closure(_)) {
                syn::visit::visit_expr(self, expr);
            }
        }
        fn visit_item(&mut self, _: &'ast syn::Item) {}
    }
    let mut find = Find(false);
    stmts.iter().for_each(|stmt| find.visit_stmt(stmt));
    find.0
}

/// Whether the statements of a body always reach its end.
pub(crate) fn runs_to_its_end(body: &Body) -> bool {
    syn::Block::parse_within
        .parse2(body.statements.clone())
        .is_ok_and(|stmts| !leaves_early(&stmts))
}
