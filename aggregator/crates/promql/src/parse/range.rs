use super::token::{Kind, Token};
use super::{Fault, Parsed, Parser, Tree};
use crate::ast::{At, Duration, Expr, MatrixSelector, Subquery};

impl Parser<'_> {
    /// `[5m]`, `[5m:]` or `[5m:1m]` behind what it applies to.
    pub(super) fn range(&mut self, tree: Tree) -> Parsed<Tree> {
        let open = self.next()?;
        let range = self.range_duration()?;
        let behind = self.next()?;
        match behind.kind {
            Kind::RightBracket => self.matrix_selector(tree, range, open, behind),
            Kind::Colon => self.subquery(tree, range),
            _ => Err(self.unexpected_in(behind, "subquery or range", "\":\" or \"]\"")),
        }
    }

    fn matrix_selector(
        &self,
        tree: Tree,
        range: Duration,
        open: Token,
        close: Token,
    ) -> Parsed<Tree> {
        let span = open.span.to(close.span);
        let Expr::Vector(selector) = tree.expr else {
            return Err(Fault::new(span, "ranges only allowed for vector selectors"));
        };
        if selector.offset.is_some() {
            let message = "no offset modifiers allowed before range";
            return Err(Fault::new(span, message));
        }
        if matches!(selector.at, Some(At::Time(_))) {
            return Err(Fault::new(span, "no @ modifiers allowed before range"));
        }
        let matrix = MatrixSelector {
            span: selector.span.to(close.span),
            selector,
            range,
        };
        self.tree_above(Expr::Matrix(matrix), [])
    }

    fn subquery(&mut self, tree: Tree, range: Duration) -> Parsed<Tree> {
        let mut close = self.peek()?;
        let mut step = None;
        if close.kind != Kind::RightBracket {
            step = Some(self.step_duration()?);
            close = self.peek()?;
            if close.kind != Kind::RightBracket {
                return Err(self.unexpected_in(close, "subquery selector", "\"]\""));
            }
        }
        self.next()?;
        let subquery = Subquery {
            span: tree.expr.span().to(close.span),
            expr: Box::new(tree.expr),
            range,
            step,
            offset: None,
            at: None,
        };
        self.tree_above(Expr::Subquery(subquery), [tree.depth])
    }
}
