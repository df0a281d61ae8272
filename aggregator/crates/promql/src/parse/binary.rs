use super::token::{Keyword, Kind};
use super::{Fault, Parsed, Parser, Tree};
use crate::ast::{Binary, BinaryOp, Cardinality, Expr, VectorMatching};

/// How tight the tightest operator binds.
pub(super) const POWER: u8 = 6;

/// How tight an operator binds.
fn power_of(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 2,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => 5,
        BinaryOp::Pow => POWER,
        _ => 3,
    }
}

impl Parser<'_> {
    /// Takes the next token if it is an operator that binds at least as tight as `floor`.
    pub(super) fn operator_from(&mut self, floor: u8) -> Parsed<Option<(BinaryOp, u8)>> {
        let Kind::Operator(op) = self.peek()?.kind else {
            return Ok(None);
        };
        let power = power_of(op);
        if power < floor {
            return Ok(None);
        }
        self.next()?;
        Ok(Some((op, power)))
    }

    /// What comes behind an operator and its left operand.
    pub(super) fn binary(&mut self, lhs: Tree, op: BinaryOp, power: u8) -> Parsed<Tree> {
        let return_bool = self.take(Kind::Keyword(Keyword::Bool))?.is_some();
        let matching = self.vector_matching()?;
        // Powers are computed from the right, everything else from the left.
        let floor = if op == BinaryOp::Pow {
            power
        } else {
            power + 1
        };
        let rhs = self.expression(floor)?;
        let fill = &matching.fill;
        if (fill.left.is_some() || fill.right.is_some()) && !self.options.fill_modifiers {
            let message = "binop fill modifiers are experimental and not enabled";
            return Err(Fault::new(lhs.expr.span().to(rhs.expr.span()), message));
        }
        let binary = Binary {
            op,
            lhs: Box::new(lhs.expr),
            rhs: Box::new(rhs.expr),
            matching: Some(matching),
            return_bool,
        };
        self.tree_above(Expr::Binary(binary), [lhs.depth, rhs.depth])
    }

    fn vector_matching(&mut self) -> Parsed<VectorMatching> {
        let mut matching = VectorMatching::default();
        let labelled = match self.peek()?.kind {
            Kind::Keyword(Keyword::On) => Some(true),
            Kind::Keyword(Keyword::Ignoring) => Some(false),
            _ => None,
        };
        if let Some(on) = labelled {
            self.next()?;
            matching.on = on;
            matching.labels = self.grouping_labels()?;
            let cardinality = match self.peek()?.kind {
                Kind::Keyword(Keyword::GroupLeft) => Some(Cardinality::ManyToOne),
                Kind::Keyword(Keyword::GroupRight) => Some(Cardinality::OneToMany),
                _ => None,
            };
            if let Some(cardinality) = cardinality {
                self.next()?;
                matching.cardinality = cardinality;
                let behind = self.peek()?.kind;
                if behind == Kind::LeftParen || !behind.begins_expression() {
                    matching.include = self.grouping_labels()?;
                }
            }
        }
        self.fill_modifiers(&mut matching)?;
        Ok(matching)
    }

    /// `fill(0)`, or one or both of `fill_left(0)` and `fill_right(0)`. The words are names
    /// wherever no parenthesis follows.
    fn fill_modifiers(&mut self, matching: &mut VectorMatching) -> Parsed<()> {
        while self.peek()?.kind == Kind::Identifier {
            let word = self.peek()?;
            let (is_left, is_right) = match self.value(word).to_ascii_lowercase().as_str() {
                "fill" => (true, true),
                "fill_left" => (true, false),
                "fill_right" => (false, true),
                _ => return Ok(()),
            };
            if self.peek_second_kind()? != Some(Kind::LeftParen) {
                return Ok(());
            }
            let fill = &mut matching.fill;
            if (is_left && fill.left.is_some()) || (is_right && fill.right.is_some()) {
                return Err(self.unexpected(word));
            }
            self.next()?;
            let value = self.fill_value()?;
            let fill = &mut matching.fill;
            fill.left = if is_left { Some(value) } else { fill.left };
            fill.right = if is_right { Some(value) } else { fill.right };
        }
        Ok(())
    }

    fn fill_value(&mut self) -> Parsed<f64> {
        self.next()?;
        let value = self.signed_number("fill modifier", "number")?;
        let close = self.next()?;
        if close.kind != Kind::RightParen {
            return Err(self.unexpected_in(close, "fill modifier", "\")\""));
        }
        Ok(value)
    }

    /// A number or a duration with or without a sign.
    pub(super) fn signed_number(&mut self, context: &str, expected: &str) -> Parsed<f64> {
        let mut token = self.next()?;
        let sign = match token.kind {
            Kind::Operator(BinaryOp::Add) => Some(1.0),
            Kind::Operator(BinaryOp::Sub) => Some(-1.0),
            _ => None,
        };
        if sign.is_some() {
            token = self.next()?;
        }
        if !matches!(token.kind, Kind::Number | Kind::Duration) {
            return Err(self.unexpected_in(token, context, expected));
        }
        Ok(self.number(token)? * sign.unwrap_or(1.0))
    }
}
