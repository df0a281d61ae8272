use super::token::{Kind, Token};
use super::{Fault, Parsed, Parser, bounded};
use crate::ast::{BinaryOp, Duration, DurationExpr, DurationOp, LONGEST_SECONDS, QueryTimes, Span};

/// How tight the operand of a sign binds.
const POWER: u8 = 3;

/// What stands where a duration cannot be.
struct Place {
    context: &'static str,
    expected: &'static str,
}

const IN_BRACKETS: Place = Place {
    context: "subquery or range selector",
    expected: "number, duration, step(), or range()",
};

const BEHIND_COLON: Place = Place {
    context: "subquery selector",
    expected: "number, duration, step(), range(), or \"]\"",
};

const BEHIND_OFFSET: Place = Place {
    context: "offset",
    expected: "number, duration, step(), or range()",
};

/// A word that is a duration together with the parentheses behind it.
#[derive(Clone, Copy)]
enum Word {
    Times(QueryTimes),
    /// The larger or the smaller of two.
    Pick {
        largest: bool,
    },
}

impl Word {
    fn named(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "step" => Self::Times(QueryTimes::Step),
            "range" => Self::Times(QueryTimes::Range),
            // The short ones are what the others were called at first.
            "max_of" | "max" => Self::Pick { largest: true },
            "min_of" | "min" => Self::Pick { largest: false },
            _ => return None,
        })
    }
}

impl Parser<'_> {
    /// The range in brackets.
    pub(super) fn range_duration(&mut self) -> Parsed<Duration> {
        let expr = self.duration_expression(0, &IN_BRACKETS)?;
        resolve(expr, true)
    }

    /// The step of a subquery.
    pub(super) fn step_duration(&mut self) -> Parsed<Duration> {
        let expr = self.duration_expression(0, &BEHIND_COLON)?;
        resolve(expr, true)
    }

    /// Behind `offset`: a literal, a word or something in parentheses with or without a sign, or a
    /// computation that begins with a parenthesis or a second sign. Without them,
    /// `a offset 5m * 2` is a product.
    pub(super) fn offset_duration(&mut self) -> Parsed<Duration> {
        let token = self.peek()?;
        let sign = sign_of(token.kind);
        let computes = match sign {
            Some(_) => self
                .peek_second_kind()?
                .is_some_and(|second| sign_of(second).is_some()),
            None => token.kind == Kind::LeftParen,
        };
        let place = &BEHIND_OFFSET;
        let expr = if computes {
            self.duration_expression(0, place)?
        } else if let Some(sign) = sign {
            self.next()?;
            let operand = self.duration_operand(place)?;
            signed(token.span, sign, operand)
        } else {
            self.duration_operand(place)?
        };
        resolve(expr, false)
    }

    fn duration_expression(&mut self, floor: u8, place: &Place) -> Parsed<DurationExpr> {
        self.nested(|parser| {
            let mut lhs = parser.duration_operand(place)?;
            let mut length = 1;
            while let Some((op, token)) = parser.duration_operator(floor)? {
                length += 1;
                bounded(length, parser.options.max_depth, token.span)?;
                parser.allow_computation(lhs.span())?;
                let power = power_of(op);
                let floor = if op == DurationOp::Pow {
                    power
                } else {
                    power + 1
                };
                let rhs = parser.duration_expression(floor, place)?;
                refuse_zero(op, token, &rhs)?;
                lhs = DurationExpr::Binary {
                    op,
                    lhs: Box::new(lhs),
                    rhs: Box::new(rhs),
                };
            }
            Ok(lhs)
        })
    }

    fn duration_operator(&mut self, floor: u8) -> Parsed<Option<(DurationOp, Token)>> {
        let token = self.peek()?;
        let op = match token.kind {
            Kind::Operator(BinaryOp::Add) => DurationOp::Add,
            Kind::Operator(BinaryOp::Sub) => DurationOp::Sub,
            Kind::Operator(BinaryOp::Mul) => DurationOp::Mul,
            Kind::Operator(BinaryOp::Div) => DurationOp::Div,
            Kind::Operator(BinaryOp::Mod) => DurationOp::Mod,
            Kind::Operator(BinaryOp::Pow) => DurationOp::Pow,
            _ => return Ok(None),
        };
        if power_of(op) < floor {
            return Ok(None);
        }
        self.next()?;
        Ok(Some((op, token)))
    }

    fn duration_operand(&mut self, place: &Place) -> Parsed<DurationExpr> {
        let token = self.peek()?;
        if sign_of(token.kind).is_some() {
            return self.signed_duration(place);
        }
        if token.kind != Kind::LeftParen {
            let is_word = token.kind.is_word();
            return match Word::named(self.value(token)).filter(|_| is_word) {
                Some(word) => self.duration_word(word, place),
                None => self.duration_literal(place),
            };
        }
        self.next()?;
        let inner = self.duration_expression(0, place)?;
        let close = self.expect_in(Kind::RightParen, place)?;
        self.allow_computation(inner.span())?;
        if matches!(inner, DurationExpr::Number { .. }) {
            return Ok(inner);
        }
        Ok(DurationExpr::Paren {
            expr: Box::new(inner),
            span: token.span.to(close.span),
        })
    }

    fn signed_duration(&mut self, place: &Place) -> Parsed<DurationExpr> {
        let token = self.next()?;
        let operand = self.duration_expression(POWER, place)?;
        let sign = sign_of(token.kind).unwrap_or(1.0);
        Ok(signed(token.span, sign, operand))
    }

    /// `step()`, `range()`, `min_of(…, …)` or `max_of(…, …)`.
    fn duration_word(&mut self, word: Word, place: &Place) -> Parsed<DurationExpr> {
        let token = self.next()?;
        self.expect_in(Kind::LeftParen, place)?;
        let expr = match word {
            Word::Times(which) => {
                let close = self.expect_in(Kind::RightParen, place)?;
                let span = token.span.to(close.span);
                DurationExpr::Times { which, span }
            }
            Word::Pick { largest } => {
                let lhs = self.duration_expression(0, place)?;
                self.expect_in(Kind::Comma, place)?;
                let rhs = self.duration_expression(0, place)?;
                let close = self.expect_in(Kind::RightParen, place)?;
                DurationExpr::Pick {
                    largest,
                    lhs: Box::new(lhs),
                    rhs: Box::new(rhs),
                    span: token.span.to(close.span),
                }
            }
        };
        self.allow_computation(expr.span())?;
        Ok(expr)
    }

    fn expect_in(&mut self, kind: Kind, place: &Place) -> Parsed<Token> {
        let token = self.next()?;
        if token.kind != kind {
            return Err(self.unexpected_in(token, place.context, place.expected));
        }
        Ok(token)
    }

    fn duration_literal(&mut self, place: &Place) -> Parsed<DurationExpr> {
        let token = self.next()?;
        if !matches!(token.kind, Kind::Number | Kind::Duration) {
            return Err(self.unexpected_in(token, place.context, place.expected));
        }
        let value = self.number(token)?;
        // NaN is none either.
        if value.is_nan() || value.abs() > LONGEST_SECONDS {
            return Err(Fault::new(token.span, "duration out of range"));
        }
        Ok(DurationExpr::Number {
            value,
            is_duration: token.kind == Kind::Duration,
            span: token.span,
        })
    }

    fn allow_computation(&self, span: Span) -> Parsed<()> {
        if self.options.duration_expressions {
            return Ok(());
        }
        let message = "experimental duration expression is not enabled";
        Err(Fault::new(span, message))
    }
}

fn signed(at: Span, sign: f64, operand: DurationExpr) -> DurationExpr {
    let span = at.to(operand.span());
    match operand {
        DurationExpr::Number {
            value, is_duration, ..
        } => DurationExpr::Number {
            value: value * sign,
            is_duration,
            span,
        },
        expr if sign < 0.0 => DurationExpr::Negative {
            expr: Box::new(expr),
            span,
        },
        expr => expr,
    }
}

fn sign_of(kind: Kind) -> Option<f64> {
    match kind {
        Kind::Operator(BinaryOp::Add) => Some(1.0),
        Kind::Operator(BinaryOp::Sub) => Some(-1.0),
        _ => None,
    }
}

fn power_of(op: DurationOp) -> u8 {
    match op {
        DurationOp::Add | DurationOp::Sub => 1,
        DurationOp::Mul | DurationOp::Div | DurationOp::Mod => 2,
        DurationOp::Pow => POWER,
    }
}

fn refuse_zero(op: DurationOp, token: Token, rhs: &DurationExpr) -> Parsed<()> {
    let is_zero = matches!(rhs, DurationExpr::Number { value, .. } if *value == 0.0);
    match op {
        DurationOp::Div if is_zero => Err(Fault::new(token.span, "division by zero")),
        DurationOp::Mod if is_zero => Err(Fault::new(token.span, "modulo by zero")),
        _ => Ok(()),
    }
}

/// The duration that a computation leads to. One that depends on the query's times is looked at
/// when these are known.
fn resolve(expr: DurationExpr, must_be_positive: bool) -> Parsed<Duration> {
    let at_one_time = |_: QueryTimes| 0.0;
    let millis = if must_be_positive {
        expr.positive_millis(&at_one_time)
    } else {
        expr.millis(&at_one_time)
    };
    let millis = match millis {
        Err(_) if expr.is_timed() => 0,
        millis => millis?,
    };
    let is_literal = matches!(expr, DurationExpr::Number { .. });
    let expr = Some(expr).filter(|_| !is_literal);
    Ok(Duration { millis, expr })
}
