use super::token::Kind;
use super::{Fault, Parsed, Parser, Tree};
use crate::ast::{BinaryOp, Expr, NumberLiteral, Paren, Sign, Span, StringLiteral, Unary};

/// A sign binds like a product: tighter than what follows a product, looser than a power.
const OPERAND_OF_SIGN: u8 = super::binary::POWER;

impl Parser<'_> {
    /// The whole text.
    pub(super) fn whole_expression(&mut self) -> Parsed<Expr> {
        let first = self.peek()?;
        if first.kind == Kind::End {
            return Err(Fault::new(Span::default(), "no expression found in input"));
        }
        let tree = self.expression(0)?;
        let behind = self.peek()?;
        if behind.kind != Kind::End {
            return Err(self.unexpected(behind));
        }
        Ok(tree.expr)
    }

    /// An expression of operators that bind at least as tight as `floor`.
    pub(super) fn expression(&mut self, floor: u8) -> Parsed<Tree> {
        self.nested(|parser| {
            let mut lhs = parser.operand()?;
            while let Some((op, power)) = parser.operator_from(floor)? {
                lhs = parser.binary(lhs, op, power)?;
            }
            Ok(lhs)
        })
    }

    fn operand(&mut self) -> Parsed<Tree> {
        let token = self.peek()?;
        match token.kind {
            Kind::Operator(BinaryOp::Add) => self.signed(Sign::Plus),
            Kind::Operator(BinaryOp::Sub) => self.signed(Sign::Minus),
            _ => {
                let tree = self.primary()?;
                self.modifiers(tree)
            }
        }
    }

    fn signed(&mut self, sign: Sign) -> Parsed<Tree> {
        let token = self.next()?;
        let Tree { expr, depth } = self.expression(OPERAND_OF_SIGN)?;
        let span = token.span.to(expr.span());
        if let Expr::Number(mut number) = expr {
            if sign == Sign::Minus {
                number.value = -number.value;
            }
            number.span = span;
            return Ok(Tree {
                expr: Expr::Number(number),
                depth,
            });
        }
        let expr = Box::new(expr);
        self.tree_above(Expr::Unary(Unary { sign, expr, span }), [depth])
    }

    fn primary(&mut self) -> Parsed<Tree> {
        let token = self.peek()?;
        match token.kind {
            Kind::Number | Kind::Duration => self.number_literal(),
            Kind::String => self.string_literal(),
            Kind::LeftParen => self.parenthesized(),
            Kind::LeftBrace => self.vector_selector(),
            Kind::Identifier | Kind::Special
                if self.peek_second_kind()? == Some(Kind::LeftParen) =>
            {
                self.call()
            }
            Kind::Aggregator(op) if self.begins_aggregate()? => self.aggregate(op),
            kind if kind.is_metric_name() => {
                if self.peek_second_kind()? == Some(Kind::LeftParen) {
                    // Only functions and aggregations have parentheses.
                    self.next()?;
                    let parenthesis = self.peek()?;
                    return Err(self.unexpected(parenthesis));
                }
                self.vector_selector()
            }
            _ => Err(self.unexpected(token)),
        }
    }

    /// What comes behind the next token, unless the text cannot be cut there: that is reported
    /// when it is reached.
    pub(super) fn peek_second_kind(&mut self) -> Parsed<Option<Kind>> {
        self.peek()?;
        Ok(self.peek_second().ok().map(|token| token.kind))
    }

    fn number_literal(&mut self) -> Parsed<Tree> {
        let token = self.next()?;
        let literal = NumberLiteral {
            value: self.number(token)?,
            is_duration: token.kind == Kind::Duration,
            span: token.span,
        };
        self.tree_above(Expr::Number(literal), [])
    }

    fn string_literal(&mut self) -> Parsed<Tree> {
        let token = self.next()?;
        let (value, raw) = self.unquoted(token);
        let literal = StringLiteral {
            value,
            raw,
            span: token.span,
        };
        self.tree_above(Expr::String(literal), [])
    }

    fn parenthesized(&mut self) -> Parsed<Tree> {
        let open = self.next()?;
        let inner = self.expression(0)?;
        let close = self.next()?;
        if close.kind != Kind::RightParen {
            return Err(self.unexpected(close));
        }
        let paren = Paren {
            expr: Box::new(inner.expr),
            span: open.span.to(close.span),
        };
        self.tree_above(Expr::Paren(paren), [inner.depth])
    }
}
