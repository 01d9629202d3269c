//! Scope: what a generated function may name, move and leave at one place.

use super::random::Random;

/// What a variable is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Type {
    /// A `u32`.
    Number,
    /// A `Token`, or a place that holds one.
    Token,
    /// A `&Token`.
    Reference,
}

#[derive(Clone)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) ty: Type,
    pub(super) mutable: bool,
    pub(super) hold: Hold,
    /// Moved on some way to here.
    moved: bool,
    /// How many loops and closures were around its declaration.
    depth: usize,
}

/// What may be done with a token, so that no borrow meets a move.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Hold {
    /// It may be moved and assigned; it is borrowed for single calls only.
    Movable,
    /// It may be borrowed for long.
    Lendable,
    /// It may be neither: it is behind `self` or a reference, and was there before the function.
    Fixed,
}

/// What a function, closure or future returns.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Number,
    Unit,
    Result,
    Option,
    Token,
    Reference,
}

impl Kind {
    pub(super) fn ty(self) -> &'static str {
        match self {
            Self::Number => "u32",
            Self::Unit => "()",
            Self::Result => "Result<u32, Failed>",
            Self::Option => "Option<u32>",
            Self::Token => "Token",
            Self::Reference => "&'a Token",
        }
    }
}

/// Where a closure or future goes that takes tokens with it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Goes {
    /// Nowhere: it is run where it stands.
    Nowhere,
    /// Out of the function, on one of several ways.
    Out,
    /// Out of the function, at its end: it may have what is behind references, too.
    OutAtEnd,
}

/// What `return` means here.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Exit {
    /// Leaves with a value of this kind.
    Value(Kind),
    /// Leaves with a boxed future of this output.
    BoxedFuture(Kind),
    /// Cannot be written: the type is that of one future.
    No,
}

pub(super) struct Scope {
    pub(super) random: Random,
    pub(super) exit: Exit,
    /// Whether `.await` may be written.
    pub(super) awaits: bool,
    /// How many more constructs there may be.
    pub(super) budget: usize,
    /// Labels of blocks and loops around, and whether they are left with a value.
    pub(super) labels: Vec<(String, bool)>,
    /// A token declared before this many variables outlives the temporaries of this place.
    pub(super) outlives: usize,
    variables: Vec<Variable>,
    depth: usize,
    last: u32,
    tails: usize,
}

impl Scope {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            exit: Exit::No,
            awaits: false,
            budget: 0,
            labels: Vec::new(),
            outlives: 0,
            variables: Vec::new(),
            depth: 0,
            last: 0,
            tails: 0,
        }
    }

    /// A number that names one step of the function.
    pub(super) fn step(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// Which of so many ways a function ends in a future: in turns, so that none is missing.
    /// The two kinds of such functions take turns as well, so the numbers of ways are odd.
    pub(super) fn tail(&mut self, ways: usize) -> usize {
        self.tails += 1;
        self.tails % ways
    }

    /// Starts on a new function.
    pub(super) fn clear(&mut self) {
        self.variables.clear();
        self.labels.clear();
        self.last = 0;
        self.outlives = 0;
    }

    pub(super) fn declare(&mut self, name: &str, ty: Type, mutable: bool, hold: Hold) {
        self.variables.push(Variable {
            name: name.to_owned(),
            ty,
            mutable,
            hold,
            moved: false,
            depth: self.depth,
        });
    }

    pub(super) fn len(&self) -> usize {
        self.variables.len()
    }

    /// Ends a block: what was declared in it is gone.
    pub(super) fn truncate(&mut self, len: usize) {
        self.variables.truncate(len);
    }

    /// Positions of the variables that can be named.
    fn visible(&self) -> Vec<usize> {
        let shadowed = |at: usize, name: &str| {
            let later = self.variables.iter().skip(at + 1);
            let base = name.split('.').next();
            later
                .into_iter()
                .any(|other| Some(other.name.as_str()) == base)
        };
        let all = self.variables.iter().enumerate();
        all.filter(|(at, variable)| !variable.moved && !shadowed(*at, &variable.name))
            .map(|(at, _)| at)
            .collect()
    }

    /// One of the variables that pass the test.
    fn choose(&mut self, test: impl Fn(&Self, usize, &Variable) -> bool) -> Option<usize> {
        let mut fits = self.visible();
        fits.retain(|at| test(self, *at, &self.variables[*at]));
        (!fits.is_empty()).then(|| fits[self.random.below(fits.len())])
    }

    pub(super) fn number(&mut self) -> Option<String> {
        let at = self.choose(|_, _, variable| variable.ty == Type::Number)?;
        Some(self.variables[at].name.clone())
    }

    /// Something with `get`.
    pub(super) fn token(&mut self) -> Option<String> {
        let at = self.choose(|_, _, variable| variable.ty != Type::Number)?;
        Some(self.variables[at].name.clone())
    }

    /// A token that can be borrowed until the temporaries of this place are dropped.
    pub(super) fn lendable(&mut self) -> Option<String> {
        let at = self.choose(|scope, at, variable| {
            let lends = variable.ty == Type::Reference
                || (variable.ty == Type::Token && variable.hold == Hold::Lendable);
            lends && at < scope.outlives
        })?;
        Some(self.variables[at].name.clone())
    }

    /// The reference that a function got and may return.
    pub(super) fn argument_reference(&mut self) -> String {
        let at = self.choose(|_, _, variable| {
            variable.ty == Type::Reference && variable.hold == Hold::Fixed
        });
        at.map_or_else(String::new, |at| self.variables[at].name.clone())
    }

    /// A token that is assigned to here.
    pub(super) fn assignable(&mut self) -> Option<String> {
        let at = self.choose(|scope, _, variable| scope.can_move(variable) && variable.mutable)?;
        Some(self.variables[at].name.clone())
    }

    /// Moves a token out of its variable.
    pub(super) fn moved(&mut self) -> Option<String> {
        let at = self.choose(|scope, _, variable| scope.can_move(variable))?;
        self.variables[at].moved = true;
        Some(self.variables[at].name.clone())
    }

    fn can_move(&self, variable: &Variable) -> bool {
        variable.ty == Type::Token && variable.hold == Hold::Movable && variable.depth == self.depth
    }

    /// A name to declare: a new one, or one that is shadowed by it.
    pub(super) fn name(&mut self, prefix: &str) -> String {
        let again =
            |variable: &Variable| variable.ty != Type::Reference && !variable.name.contains('.');
        let found = self
            .random
            .one_in(4)
            .then(|| self.choose(|_, _, variable| again(variable)));
        if let Some(at) = found.flatten() {
            return self.variables[at].name.clone();
        }
        format!("{prefix}{}", self.step())
    }

    /// Runs `body` where no variable of around may be moved: in a loop or a borrowing closure.
    pub(super) fn inside<R>(&mut self, body: impl FnOnce(&mut Self) -> R) -> R {
        self.depth += 1;
        let result = body(self);
        self.depth -= 1;
        result
    }

    /// Runs `body` as a closure or future of its own, which returns `exit`.
    pub(super) fn apart<R>(
        &mut self,
        exit: Exit,
        awaits: bool,
        body: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let around = (self.exit, self.awaits, std::mem::take(&mut self.labels));
        (self.exit, self.awaits) = (exit, awaits);
        let result = body(self);
        (self.exit, self.awaits, self.labels) = around;
        result
    }

    /// Runs `body` with only those tokens in sight that it may move; afterwards they count as moved.
    pub(super) fn moving<R>(&mut self, goes: Goes, body: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.variables.clone();
        let mut taken = Vec::new();
        for at in self.visible() {
            let variable = &self.variables[at];
            let takes = match variable.ty {
                Type::Number => true,
                Type::Reference => goes == Goes::Nowhere || variable.hold == Hold::Fixed,
                Type::Token if goes == Goes::OutAtEnd => !self.random.one_in(4),
                Type::Token => self.can_move(variable) && self.random.one_in(2),
            };
            if takes {
                taken.push(at);
            }
        }
        self.depth += 1;
        self.variables = taken.iter().map(|at| before[*at].clone()).collect();
        for variable in &mut self.variables {
            variable.depth = self.depth;
        }
        let outlives = std::mem::replace(&mut self.outlives, self.variables.len());
        let result = body(self);
        self.outlives = outlives;
        self.depth -= 1;
        self.variables = before;
        for at in taken {
            let variable = &mut self.variables[at];
            variable.moved |= variable.ty == Type::Token;
        }
        result
    }
}
