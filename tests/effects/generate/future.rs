//! Futures that functions return: what comes before them, and the ways to end in one.

use super::scope::{Exit, Goes, Kind, Scope};

impl Scope {
    /// Statements, and a tail that makes the future.
    pub(super) fn returned(
        &mut self,
        exit: Exit,
        tail: impl FnOnce(&mut Self) -> String,
    ) -> String {
        let all = self.budget;
        let (len, outlives) = (self.len(), self.outlives);
        self.budget = all / 2;
        let before = self.apart(exit, false, |scope| scope.statements(4));
        self.budget += all - all / 2;
        self.outlives = 0;
        let tail = tail(self);
        self.truncate(len);
        self.outlives = outlives;
        format!("{{\n{before}{tail}\n}}")
    }

    /// An `async move` block that returns a value of a kind.
    pub(super) fn returned_block(&mut self, kind: Kind, goes: Goes) -> String {
        let body = self.moving(goes, |scope| {
            scope.apart(Exit::Value(kind), true, |scope| {
                let mut body = scope.body_of(kind, 4);
                if kind == Kind::Result {
                    // Nothing else says what the error is.
                    body = format!(
                        "{{\nlet result: Result<u32, Failed> = async move {body}.await;\nresult\n}}"
                    );
                }
                body
            })
        });
        format!("async move {body}")
    }

    /// A tail of type `impl Future`.
    pub(super) fn future_tail(&mut self, kind: Kind) -> String {
        let step = self.step();
        let which = self.tail(13);
        if kind == Kind::Number && which == 0 {
            return format!("pend({step})");
        }
        if which == 1 {
            let left = self.returned_block(kind, Goes::Out);
            let right = self.returned_block(kind, Goes::OutAtEnd);
            return format!(
                "if yes({step}) {{\nEither::Left(Box::pin({left}))\n}} else {{\nEither::Right(Box::pin({right}))\n}}"
            );
        }
        let future = self.returned_block(kind, Goes::OutAtEnd);
        match which {
            2 => format!("let future = {future};\nstep({step});\nfuture"),
            3 => format!("pass({future})"),
            4 => format!("Later({future}).go({step})"),
            5 => format!("return {future};"),
            6 => format!("Box::pin({future})"),
            7 => format!("{{\nstep({step});\n{future}\n}}"),
            8 => format!("same!({future})"),
            _ => future,
        }
    }

    /// A tail of type `Pin<Box<dyn Future>>`.
    pub(super) fn box_tail(&mut self, kind: Kind) -> String {
        let step = self.step();
        let which = self.tail(11);
        if which < 2 {
            let (no, left) = (self.step(), self.returned_block(kind, Goes::Out));
            let right = self.returned_block(kind, Goes::OutAtEnd);
            return match which {
                0 => format!(
                    "if yes({no}) {{\nBox::pin({left})\n}} else {{\nstep({step});\nBox::pin({right})\n}}"
                ),
                _ => format!(
                    "match pick({no}) {{\n0 => Box::pin({left}),\n_ => Box::pin({right}),\n}}"
                ),
            };
        }
        let future = self.returned_block(kind, Goes::OutAtEnd);
        match which {
            3 => format!("::std::boxed::Box::pin({future},)"),
            4 => format!("let boxed = Box::pin({future});\nstep({step});\nboxed"),
            5 => format!("into_box({future})"),
            6 => format!("return Box::pin({future});"),
            7 => format!("Box::pin({{\nstep({step});\n{future}\n}})"),
            8 => format!("let future = {future};\nBox::pin(pass(future))"),
            _ => format!("Box::pin({future})"),
        }
    }
}
