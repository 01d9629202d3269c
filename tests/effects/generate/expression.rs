//! Expressions: numbers with side effects, and the values that functions return.

use super::scope::{Exit, Goes, Hold, Kind, Scope, Type};

impl Scope {
    /// An expression of type `u32`.
    pub(super) fn expression(&mut self) -> String {
        if self.budget == 0 {
            return self.leaf();
        }
        self.budget -= 1;
        match self.random.below(if self.awaits { 24 } else { 17 }) {
            0..=3 => self.leaf(),
            4 => format!("add({}, {})", self.expression(), self.expression()),
            5 => format!(
                "[{}, {}].into_iter().fold(0, add)",
                self.expression(),
                self.expression()
            ),
            6 => self.with_token(),
            7 => self.block("", 3),
            8 => self.choice(),
            9 => self.matched(),
            10 => self.labelled(),
            11 => self.looped(),
            12 => self.closure(),
            13 => self.moving_closure(),
            14 => self.tried(),
            15 => self.left(),
            16 => format!("same!({})", self.leaf()),
            17..=18 => format!("pend({}).await", self.step()),
            19 => self.awaited_with_token(),
            20 => self.awaited_block(),
            21 => self.awaited_moving_block(),
            22 => format!("first(pend({}), pend({})).await", self.step(), self.step()),
            _ => self.async_closure(),
        }
    }

    fn leaf(&mut self) -> String {
        match self.random.below(6) {
            0 => self.number().unwrap_or_else(|| "7".to_owned()),
            1 => match self.token() {
                Some(token) => format!("{token}.get({})", self.step()),
                None => "8".to_owned(),
            },
            2 => format!("Token::new({}).get({})", self.step(), self.step()),
            3 => match self.lendable() {
                Some(token) => format!("{token}.lend({}).get({})", self.step(), self.step()),
                None => "9".to_owned(),
            },
            _ => format!("step({})", self.step()),
        }
    }

    /// A temporary that lives as long as the expression, or as its statement.
    fn with_token(&mut self) -> String {
        match self.random.below(4) {
            0 => format!(
                "Token::new({}).add({})",
                self.expression(),
                self.expression()
            ),
            1 => format!(
                "add(Token::new({}).lend({}).get({}), {})",
                self.step(),
                self.step(),
                self.step(),
                self.expression()
            ),
            2 => format!("(Token::new({}), {}).1", self.step(), self.expression()),
            _ => format!(
                "Pair {{ right: Token::new({}), left: Token::new({}) }}.sum({})",
                self.expression(),
                self.expression(),
                self.step()
            ),
        }
    }

    /// A block of statements that ends in a number.
    pub(super) fn block(&mut self, label: &str, statements: usize) -> String {
        let (len, outlives) = (self.len(), self.outlives);
        let mut text = format!("{label}{{\n");
        text.push_str(&self.statements(statements));
        self.outlives = outlives.min(len);
        text.push_str(&self.expression());
        text.push_str("\n}");
        self.truncate(len);
        self.outlives = outlives;
        text
    }

    fn choice(&mut self) -> String {
        let (yes, no) = (self.step(), self.step());
        match self.random.below(4) {
            0 => format!(
                "if yes({yes}) {} else {}",
                self.block("", 2),
                self.block("", 1)
            ),
            1 => {
                let len = self.len();
                let found = format!("Token::new({no}).maybe({yes})");
                self.declare("found", Type::Number, false, Hold::Fixed);
                let then = self.block("", 1);
                self.truncate(len);
                format!(
                    "if let Some(found) = {found} {then} else {}",
                    self.block("", 1)
                )
            }
            2 => {
                let maybe = format!("matches!(Token::new({no}).maybe({yes}), Some(_))");
                format!(
                    "if {maybe} && yes({}) {} else {}",
                    self.step(),
                    self.block("", 1),
                    self.block("", 1)
                )
            }
            _ => format!(
                "if yes({yes}) && !no({no}) {} else {}",
                self.block("", 2),
                self.block("", 2)
            ),
        }
    }

    fn matched(&mut self) -> String {
        let scrutinee = match self.random.below(3) {
            0 => format!("pick({})", self.step()),
            1 => format!("Token::new({}).pick({})", self.step(), self.step()),
            _ => format!("add(pick({}), {})", self.step(), self.expression()),
        };
        let len = self.len();
        let first = self.expression();
        self.declare("matched", Type::Number, false, Hold::Fixed);
        let guard = self.step();
        let second = self.block("", 1);
        self.truncate(len);
        let last = self.block("", 2);
        format!(
            "match {scrutinee} {{\n0 => {first},\nmatched if matched < 9 && yes({guard}) => {second}\n_ => {last}\n}}"
        )
    }

    fn labelled(&mut self) -> String {
        let label = format!("'l{}", self.step());
        self.labels.push((label.clone(), true));
        let block = self.block(&format!("{label}: "), 3);
        self.labels.pop();
        block
    }

    /// A loop that is left with a value; it ends when the script does.
    fn looped(&mut self) -> String {
        let label = format!("'l{}", self.step());
        self.labels.push((label.clone(), true));
        let (len, yes) = (self.len(), self.step());
        let body = self.inside(|scope| {
            let mut body = scope.statements(2);
            body.push_str(&format!(
                "if yes({yes}) {{\nbreak ({});\n}}\n",
                scope.expression()
            ));
            body.push_str(&scope.statements(1));
            body
        });
        self.truncate(len);
        self.labels.pop();
        format!("{label}: loop {{\n{body}}}")
    }

    /// A closure that borrows, called where it stands.
    fn closure(&mut self) -> String {
        let argument = self.expression();
        let (len, outlives) = (self.len(), self.outlives);
        let kind = if self.random.one_in(2) {
            Kind::Number
        } else {
            Kind::Result
        };
        let body = self.inside(|scope| {
            scope.apart(Exit::Value(kind), false, |scope| {
                scope.declare("given", Type::Number, false, Hold::Fixed);
                scope.outlives = scope.len();
                scope.body_of(kind, 2)
            })
        });
        self.truncate(len);
        self.outlives = outlives;
        let call = format!("with({argument}, |given: u32| -> {} {body})", kind.ty());
        if kind == Kind::Number {
            call
        } else {
            format!("{call}.unwrap_or(4)")
        }
    }

    fn moving_closure(&mut self) -> String {
        let body = self.moving(Goes::Nowhere, |scope| {
            scope.apart(Exit::Value(Kind::Option), false, |scope| {
                scope.body_of(Kind::Option, 2)
            })
        });
        format!("(move || -> Option<u32> {body})().unwrap_or(5)")
    }

    /// Braces around statements and a value of a kind: the body of something that can be returned from.
    pub(super) fn body_of(&mut self, kind: Kind, statements: usize) -> String {
        let (len, outlives) = (self.len(), self.outlives);
        let mut text = format!("{{\n{}", self.statements(statements));
        self.outlives = outlives.min(len);
        text.push_str(&self.value(kind));
        text.push_str("\n}");
        self.truncate(len);
        self.outlives = outlives;
        text
    }

    fn tried(&mut self) -> String {
        match self.exit {
            Exit::Value(Kind::Result) => match self.random.below(3) {
                0 => format!("fail({})?", self.step()),
                1 => format!("fail_otherwise({})?", self.step()),
                _ => format!("Token::new({}).fail({})?", self.step(), self.step()),
            },
            Exit::Value(Kind::Option) => {
                format!("Token::new({}).maybe({})?", self.step(), self.step())
            }
            _ => self.leaf(),
        }
    }

    /// A number, or a way out of what is around.
    fn left(&mut self) -> String {
        let maybe = format!("maybe({})", self.step());
        match self.leave() {
            Some(leave) => format!("match {maybe} {{\nSome(some) => some,\nNone => {leave},\n}}"),
            None => format!("{maybe}.unwrap_or(6)"),
        }
    }

    /// `return` or `break`, with a value; `None` where there is no way out.
    pub(super) fn leave(&mut self) -> Option<String> {
        if !self.labels.is_empty() && self.random.one_in(2) {
            let at = self.random.below(self.labels.len());
            let (label, with_value) = self.labels[at].clone();
            return Some(if with_value {
                format!("break {label} ({})", self.expression())
            } else {
                format!("break {label}")
            });
        }
        match self.exit {
            Exit::Value(kind) => Some(format!("return {}", self.value(kind))),
            Exit::BoxedFuture(kind) => Some(format!(
                "return Box::pin({})",
                self.returned_block(kind, Goes::Out)
            )),
            Exit::No => None,
        }
    }

    fn awaited_with_token(&mut self) -> String {
        match (self.random.below(4), self.lendable()) {
            (0, _) => format!(
                "pend_with(&Token::new({}), {}).await",
                self.step(),
                self.step()
            ),
            (1, _) => format!(
                "hold(Token::new({}), {}).await",
                self.expression(),
                self.step()
            ),
            (2, _) => match self.exit {
                Exit::Value(Kind::Result) => format!("fail_later({}).await?", self.step()),
                _ => format!("fail_later({}).await.unwrap_or(3)", self.step()),
            },
            (_, Some(token)) => format!("pend_with({token}.borrow(), {}).await", self.step()),
            (_, None) => format!("pend({}).await", self.step()),
        }
    }

    fn awaited_block(&mut self) -> String {
        let outlives = self.outlives;
        let body = self.inside(|scope| {
            scope.apart(Exit::Value(Kind::Number), true, |scope| {
                scope.outlives = scope.outlives.min(scope.len());
                scope.body_of(Kind::Number, 2)
            })
        });
        self.outlives = outlives;
        if self.random.one_in(2) {
            format!("async {body}.await")
        } else {
            format!("Box::pin(async {body}).await")
        }
    }

    fn awaited_moving_block(&mut self) -> String {
        let body = self.moving(Goes::Nowhere, |scope| {
            scope.apart(Exit::Value(Kind::Number), true, |scope| {
                scope.body_of(Kind::Number, 2)
            })
        });
        format!("async move {body}.await")
    }

    fn async_closure(&mut self) -> String {
        let argument = self.expression();
        let (len, outlives) = (self.len(), self.outlives);
        let body = self.inside(|scope| {
            scope.apart(Exit::Value(Kind::Number), true, |scope| {
                scope.declare("given", Type::Number, false, Hold::Fixed);
                scope.body_of(Kind::Number, 1)
            })
        });
        self.truncate(len);
        self.outlives = outlives;
        format!("with({argument}, async |given: u32| -> u32 {body}).await")
    }

    /// An expression of the type that a function returns.
    pub(super) fn value(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Number => self.expression(),
            Kind::Unit => format!("drop({})", self.expression()),
            Kind::Option => match self.random.below(3) {
                0 => format!("Token::new({}).maybe({})", self.step(), self.step()),
                1 => format!("maybe({})", self.step()),
                _ => format!("Some({})", self.expression()),
            },
            Kind::Result => match self.random.below(6) {
                0 => format!("fail({})", self.step()),
                1 => format!("Token::new({}).fail({})", self.step(), self.step()),
                2 => format!("Err(Failed({}))", self.expression()),
                3 => format!(
                    "fail({}).map(|value| add(value, {}))",
                    self.step(),
                    self.step()
                ),
                4 => format!("Ok(fail_otherwise({})?)", self.step()),
                _ => format!("Ok({})", self.expression()),
            },
            Kind::Token => match self.moved() {
                Some(token) => token,
                None => format!("Token::new({})", self.expression()),
            },
            Kind::Reference => self.argument_reference(),
        }
    }
}
