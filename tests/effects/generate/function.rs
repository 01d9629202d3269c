//! Functions: their form, their arguments, what they return, and how they are called.

use super::scope::{Exit, Goes, Hold, Kind, Scope, Type};

/// A generated function. `@` in its text stands for the attribute, in its call for the module.
pub(super) struct Function {
    pub(super) text: String,
    pub(super) call: String,
    pub(super) attribute: String,
    pub(super) is_future: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Call,
    Async,
    ImplFuture,
    PinBox,
    Unpin,
    AsyncTrait,
}

/// In turns, so that every form appears with every seed.
const FORMS: [Form; 12] = [
    Form::Call,
    Form::Async,
    Form::ImplFuture,
    Form::Call,
    Form::Async,
    Form::PinBox,
    Form::Call,
    Form::Async,
    Form::ImplFuture,
    Form::PinBox,
    Form::AsyncTrait,
    Form::Unpin,
];

#[derive(Clone, Copy, PartialEq)]
enum Receiver {
    No,
    Value,
    Reference,
    Mutable,
}

/// The parts between the parentheses.
struct Arguments {
    declared: Vec<String>,
    /// Types alone, for the declaration in a trait.
    types: Vec<&'static str>,
    given: Vec<String>,
    generic: bool,
    /// What `fields` may name.
    field: Option<&'static str>,
}

pub(super) fn function(scope: &mut Scope, index: usize) -> Function {
    scope.clear();
    scope.budget = 10 + scope.random.below(20);
    let form = FORMS[index % FORMS.len()];
    let receiver = receiver(scope, form);
    let kind = kind(scope, form);
    let arguments = arguments(scope, kind);
    scope.outlives = scope.len();
    let body = body(scope, form, kind);
    let name = format!("f{index}");
    let opaque = matches!(form, Form::Call | Form::Async)
        && matches!(kind, Kind::Number | Kind::Token)
        && scope.random.one_in(5);
    let attribute = attribute(scope, kind, opaque, &arguments);
    let others = scope.random.pick(&[
        "",
        "",
        "",
        "#[inline(never)]\n",
        "#[must_use]\n",
        "#[track_caller]\n",
    ]);
    let others = if others.contains("caller") && form != Form::Call {
        ""
    } else {
        others
    };
    let head = head(form, kind, opaque, &name, receiver, &arguments);
    let item = format!("@{others}{head} {body}");
    Function {
        text: surround(form, receiver, &name, &item, kind, &arguments),
        call: call(form, receiver, &name, &arguments),
        attribute,
        is_future: form != Form::Call,
    }
}

fn receiver(scope: &mut Scope, form: Form) -> Receiver {
    let receiver = match scope.random.below(6) {
        0 => Receiver::Value,
        1 => Receiver::Reference,
        2 => Receiver::Mutable,
        _ if form == Form::AsyncTrait => Receiver::Value,
        _ => Receiver::No,
    };
    if receiver != Receiver::No {
        scope.declare(
            "self.0",
            Type::Token,
            receiver == Receiver::Mutable,
            Hold::Fixed,
        );
        scope.declare("self.1", Type::Token, false, Hold::Fixed);
    }
    receiver
}

fn kind(scope: &mut Scope, form: Form) -> Kind {
    match scope.random.below(10) {
        0 => Kind::Unit,
        1..=3 => Kind::Result,
        4 => Kind::Option,
        5 => Kind::Token,
        6 if form != Form::AsyncTrait => Kind::Reference,
        _ => Kind::Number,
    }
}

fn arguments(scope: &mut Scope, kind: Kind) -> Arguments {
    let mut arguments = Arguments {
        declared: Vec::new(),
        types: Vec::new(),
        given: Vec::new(),
        generic: false,
        field: None,
    };
    if kind == Kind::Reference {
        arguments.add(scope, 0);
    }
    for _ in 0..scope.random.below(5) {
        let which = scope.random.below(14);
        arguments.add(scope, which);
    }
    arguments
}

impl Arguments {
    /// Adds one; `which` says what it looks like.
    fn add(&mut self, scope: &mut Scope, which: usize) {
        let n = self.declared.len();
        let hold = if scope.random.one_in(3) {
            Hold::Lendable
        } else {
            Hold::Movable
        };
        let (declared, ty, given) = match which {
            0..7 => self.add_named(scope, which, hold),
            7..10 => self.add_pattern(scope, which, hold),
            _ if self.generic && which == 13 => return,
            _ => self.add_fixed(scope, which),
        };
        let token = |k: usize| format!("Token::new({})", 900 + 10 * n + k);
        let given = given.replace("T0", &token(0)).replace("T1", &token(1));
        self.declared.push(format!("{declared}: {ty}"));
        self.types.push(ty);
        self.given.push(given);
    }

    /// A name, a type, and what is given for it, with `T0` and `T1` for tokens.
    fn add_named(&mut self, scope: &mut Scope, which: usize, hold: Hold) -> Argument {
        let n = self.declared.len();
        let (prefix, ty, given, kind, hold) = match which {
            0 => ("r", "&'a Token", "&T0", Type::Reference, Hold::Fixed),
            1 => ("_a", "Token", "T0", Type::Token, hold),
            2 => {
                self.field = Some("x");
                ("x", "u32", "77", Type::Number, Hold::Fixed)
            }
            _ => ("a", "Token", "T0", Type::Token, hold),
        };
        let name = format!("{prefix}{n}");
        let mutable = which == 3;
        scope.declare(&name, kind, mutable, hold);
        let declared = if mutable { format!("mut {name}") } else { name };
        (declared, ty, given)
    }

    fn add_pattern(&self, scope: &mut Scope, which: usize, hold: Hold) -> Argument {
        let n = self.declared.len();
        let (b, c) = (format!("b{n}"), format!("c{n}"));
        if which == 7 {
            scope.declare(&c, Type::Token, true, hold);
        }
        scope.declare(&b, Type::Token, false, hold);
        match which {
            7 => (format!("({b}, mut {c})"), "(Token, Token)", "(T0, T1)"),
            8 => (
                format!("Pair {{ left: {b}, .. }}"),
                "Pair",
                "Pair { left: T0, right: T1 }",
            ),
            _ => (format!("[_, {b}]"), "[Token; 2]", "[T0, T1]"),
        }
    }

    fn add_fixed(&mut self, scope: &mut Scope, which: usize) -> Argument {
        let n = self.declared.len();
        let (name, ty, given) = match which {
            10 => return (String::from("_"), "Token", "T0"),
            11 => (format!("m{n}"), "&'a mut Token", "&mut T0"),
            12 => (format!("g{n}"), "impl Speak + 'a", "T0"),
            _ => {
                self.generic = true;
                (format!("g{n}"), "G", "T0")
            }
        };
        scope.declare(&name, Type::Token, false, Hold::Fixed);
        (name, ty, given)
    }
}

/// How a parameter is declared, its type, and what is given for it.
type Argument = (String, &'static str, &'static str);

fn attribute(scope: &mut Scope, kind: Kind, opaque: bool, arguments: &Arguments) -> String {
    let mut options: Vec<String> = Vec::new();
    if !opaque && !scope.random.one_in(3) {
        options.extend(
            match kind {
                Kind::Result => Some("err"),
                Kind::Option => Some("ok_if = Option::is_some"),
                Kind::Number => Some("ok_if = |number| *number < 50"),
                _ => None,
            }
            .map(str::to_owned),
        );
    }
    if arguments.field.is_some() && !scope.random.one_in(3) {
        let at = arguments
            .declared
            .iter()
            .find(|declared| declared.starts_with('x'));
        let name = at
            .and_then(|declared| declared.split(':').next())
            .unwrap_or_default();
        options.push(format!("fields(x = {name} / 2, shown = %{name})"));
    }
    let settings = [
        "group = \"effects\"",
        "sample = 3",
        "slow = \"1us\"",
        "alloc",
        "span",
    ];
    for setting in settings {
        if scope.random.one_in(6) {
            options.push(setting.to_owned());
        }
    }
    if options.is_empty() {
        "#[khive_perf::measure]\n".to_owned()
    } else {
        format!("#[khive_perf::measure({})]\n", options.join(", "))
    }
}

fn head(
    form: Form,
    kind: Kind,
    opaque: bool,
    name: &str,
    receiver: Receiver,
    arguments: &Arguments,
) -> String {
    let mut declared = arguments.declared.clone();
    let receiver = match receiver {
        Receiver::No => None,
        Receiver::Value => Some("self"),
        Receiver::Reference => Some("&'a self"),
        Receiver::Mutable => Some("&'a mut self"),
    };
    if let Some(receiver) = receiver {
        declared.insert(0, receiver.to_owned());
    }
    let generics = if arguments.generic {
        "<'a, G: Speak + 'a>"
    } else {
        "<'a>"
    };
    let output = if opaque {
        "impl std::fmt::Debug + use<'a GENERIC>"
    } else {
        kind.ty()
    };
    let output = match form {
        Form::Call | Form::Async | Form::AsyncTrait => output.to_owned(),
        Form::ImplFuture => format!("impl Future<Output = {output}> + 'a"),
        Form::PinBox if name.len().is_multiple_of(2) => format!("LocalBoxFuture<'a, {output}>"),
        Form::PinBox => format!("Pin<Box<dyn Future<Output = {output}> + 'a>>"),
        Form::Unpin => format!("Box<dyn Future<Output = {output}> + Unpin + 'a>"),
    };
    let output = output.replace(" + use<'a GENERIC>", "");
    let qualifiers = match form {
        Form::Async => "pub async ",
        Form::AsyncTrait => "async ",
        _ => "pub ",
    };
    format!(
        "{qualifiers}fn {name}{generics}({}) -> {output}",
        declared.join(", ")
    )
}

fn body(scope: &mut Scope, form: Form, kind: Kind) -> String {
    let statements = 3 + scope.random.below(4);
    match form {
        Form::Call => scope.apart(Exit::Value(kind), false, |scope| {
            scope.body_of(kind, statements)
        }),
        Form::Async | Form::AsyncTrait => scope.apart(Exit::Value(kind), true, |scope| {
            scope.body_of(kind, statements)
        }),
        Form::ImplFuture => scope.returned(Exit::No, |scope| scope.future_tail(kind)),
        Form::PinBox => scope.returned(Exit::BoxedFuture(kind), |scope| scope.box_tail(kind)),
        Form::Unpin => scope.returned(Exit::No, |scope| {
            format!(
                "Box::new(Box::pin({}))",
                scope.returned_block(kind, Goes::OutAtEnd)
            )
        }),
    }
}

/// The function in what it needs around it.
fn surround(
    form: Form,
    receiver: Receiver,
    name: &str,
    item: &str,
    kind: Kind,
    arguments: &Arguments,
) -> String {
    match (form, receiver) {
        (Form::AsyncTrait, _) => {
            let mut declared: Vec<_> = arguments
                .types
                .iter()
                .enumerate()
                .map(|(n, ty)| format!("a{n}: {ty}"))
                .collect();
            declared.insert(
                0,
                match receiver {
                    Receiver::Reference => "&'a self",
                    Receiver::Mutable => "&'a mut self",
                    Receiver::Value | Receiver::No => "self",
                }
                .to_owned(),
            );
            let generics = if arguments.generic {
                "<'a, G: Speak + 'a>"
            } else {
                "<'a>"
            };
            let declaration = format!(
                "async fn {name}{generics}({}) -> {};",
                declared.join(", "),
                kind.ty()
            );
            let attribute = "#[async_trait::async_trait(?Send)]\n";
            format!(
                "{attribute}pub trait T{name} {{\n{declaration}\n}}\n{attribute}impl T{name} for Owner {{\n{item}\n}}"
            )
        }
        (_, Receiver::No) => item.to_owned(),
        _ => format!("impl Owner {{\n{item}\n}}"),
    }
}

fn call(form: Form, receiver: Receiver, name: &str, arguments: &Arguments) -> String {
    let owner = "@::Owner(Token::new(880), Token::new(881))";
    let mut given = arguments.given.clone();
    let receiver = match receiver {
        Receiver::No => None,
        Receiver::Value => Some(owner.to_owned()),
        Receiver::Reference => Some(format!("&{owner}")),
        Receiver::Mutable => Some(format!("&mut {owner}")),
    };
    let path = match (form, &receiver) {
        (Form::AsyncTrait, _) => format!("@::T{name}::{name}"),
        (_, Some(_)) => format!("@::Owner::{name}"),
        (_, None) => format!("@::{name}"),
    };
    if let Some(receiver) = receiver {
        given.insert(0, receiver);
    }
    format!("{path}({})", given.join(", "))
}
