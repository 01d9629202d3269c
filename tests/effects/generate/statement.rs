//! Statements: bindings, drops, loops, ways out, items.

use super::scope::{Hold, Scope, Type};

impl Scope {
    /// Up to so many statements.
    pub(super) fn statements(&mut self, most: usize) -> String {
        let outlives = self.outlives;
        let mut text = String::new();
        for _ in 0..self.random.below(most + 1) {
            self.outlives = self.len();
            text.push_str(&self.statement());
            text.push('\n');
        }
        self.outlives = outlives;
        text
    }

    /// One statement; its temporaries are gone at its end.
    pub(super) fn statement(&mut self) -> String {
        if self.budget == 0 {
            return format!("step({});", self.step());
        }
        self.budget -= 1;
        match self.random.below(21) {
            0..=2 => self.bind_number(),
            3..=5 => self.bind_token(),
            6 => self.bind_pattern(),
            7 => self.bind_reference(),
            8 => format!("let _ = Token::new({});", self.expression()),
            9 => format!("_ = Token::new({});", self.step()),
            10 => self.consume(),
            11 => self.assign(),
            12 => self.conditional(),
            13 => self.bounded_loop(),
            14 => self.let_else(),
            15 => self.way_out(),
            16 => self.item(),
            17 => format!("{{\n{}}}", self.nested()),
            18 => format!("({});", self.expression()),
            _ => format!("let _ = {};", self.expression()),
        }
    }

    fn nested(&mut self) -> String {
        let len = self.len();
        let text = self.statements(3);
        self.truncate(len);
        text
    }

    fn bind_number(&mut self) -> String {
        let value = self.expression();
        let name = self.name("n");
        self.declare(&name, Type::Number, false, Hold::Fixed);
        format!("let {name} = {value};")
    }

    fn hold(&mut self) -> Hold {
        if self.random.one_in(3) {
            Hold::Lendable
        } else {
            Hold::Movable
        }
    }

    fn bind_token(&mut self) -> String {
        let value = if self.random.one_in(4) {
            self.moved().unwrap_or_else(|| "Token::new(80)".to_owned())
        } else {
            format!("Token::new({})", self.expression())
        };
        let prefix = self.random.pick(&["t", "_t"]);
        let name = self.name(prefix);
        let mutable = self.random.one_in(2);
        let hold = self.hold();
        self.declare(&name, Type::Token, mutable, hold);
        format!("let {}{name} = {value};", if mutable { "mut " } else { "" })
    }

    fn bind_pattern(&mut self) -> String {
        let values =
            [self.expression(), self.expression()].map(|value| format!("Token::new({value})"));
        let [first, second] = values;
        let names = [self.name("p"), format!("q{}", self.step())];
        let hold = self.hold();
        self.declare(&names[1], Type::Token, false, hold);
        self.declare(&names[0], Type::Token, false, hold);
        let [left, right] = names;
        match self.random.below(3) {
            0 => format!("let ({right}, {left}) = ({first}, {second});"),
            1 => format!(
                "let [{right}, _, {left}] = [{first}, Token::new({}), {second}];",
                self.step()
            ),
            _ => format!(
                "let Pair {{ right: {left}, left: {right} }} = Pair {{ left: {first}, right: {second} }};"
            ),
        }
    }

    fn bind_reference(&mut self) -> String {
        let name = format!("r{}", self.step());
        let text = match (self.random.below(3), self.lendable()) {
            (0, Some(token)) => format!("let {name}: &Token = {token}.borrow();"),
            (1, _) => format!("let ref {name} = Token::new({});", self.expression()),
            _ => format!("let {name} = &Token::new({});", self.expression()),
        };
        self.declare(&name, Type::Reference, false, Hold::Lendable);
        text
    }

    fn consume(&mut self) -> String {
        match self.moved() {
            Some(token) if self.random.one_in(2) => format!("drop({token});"),
            Some(token) => format!("if no({}) {{\ndrop({token});\n}}", self.step()),
            None => format!("drop(Token::new({}));", self.expression()),
        }
    }

    fn assign(&mut self) -> String {
        let value = self.expression();
        match self.assignable() {
            Some(token) => format!("{token} = Token::new({value});"),
            None => format!("drop({value});"),
        }
    }

    fn conditional(&mut self) -> String {
        let (step, then) = (self.step(), self.nested());
        match self.random.below(3) {
            0 => format!("if yes({step}) {{\n{then}}}"),
            1 => format!("if no({step}) {{\n{then}}} else {{\n{}}}", self.nested()),
            _ => format!(
                "if let Some(_) = Token::new({}).maybe({step}).as_ref() {{\n{then}}} else {{\n{}}}",
                self.step(),
                self.nested()
            ),
        }
    }

    fn bounded_loop(&mut self) -> String {
        let label = format!("'w{}", self.step());
        let head = match self.random.below(3) {
            0 => format!("while no({})", self.step()),
            1 => format!("for _ in 0..pick({})", self.step()),
            _ => format!(
                "while let Some(_) = Token::new({}).unlikely({})",
                self.step(),
                self.step()
            ),
        };
        self.labels.push((label.clone(), false));
        let mut body = self.inside(Self::nested);
        self.labels.pop();
        if self.random.one_in(2) {
            body.push_str(&format!(
                "if no({}) {{\ncontinue {label};\n}}\nstep({});\n",
                self.step(),
                self.step()
            ));
        }
        format!("{label}: {head} {{\n{body}}}")
    }

    fn let_else(&mut self) -> String {
        let maybe = format!("Token::new({}).maybe({})", self.step(), self.step());
        let Some(leave) = self.leave() else {
            return format!("drop({maybe});");
        };
        let name = self.name("n");
        self.declare(&name, Type::Number, false, Hold::Fixed);
        format!("let Some({name}) = {maybe} else {{\n{leave};\n}};")
    }

    fn way_out(&mut self) -> String {
        let step = self.step();
        match self.leave() {
            Some(leave) if self.random.one_in(4) => format!("when!(no({step}) => {leave});"),
            Some(leave) => format!("if no({step}) {{\n{leave};\n}}"),
            None => format!("step({step});"),
        }
    }

    fn item(&mut self) -> String {
        let name = format!("helper{}", self.step());
        match self.random.below(3) {
            0 => format!(
                "fn {name}() -> u32 {{\nstep({})\n}}\n{name}();",
                self.step()
            ),
            1 => format!(
                "const {}: u32 = 3;\nstep({});",
                name.to_uppercase(),
                self.step()
            ),
            _ => format!(
                "macro_rules! {name} {{ () => {{ step({}) }} }}\n{name}!();",
                self.step()
            ),
        }
    }
}
