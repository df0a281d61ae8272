use system_stats_model::sample::Millis;

use super::token::{Kind, Token};
use super::{Fault, Parsed, Parser, bounded};
use crate::ast::{BinaryOp, Duration, DurationExpr, DurationOp, Span};

/// The longest duration either way, in seconds: what 63 bits of nanoseconds hold.
const LONGEST_SECONDS: f64 = 9_223_372_036.854_775;

/// How tight the operand of a sign binds.
const POWER: u8 = 3;

/// What stands where a duration cannot be.
struct Place {
    context: &'static str,
    expected: &'static str,
}

const IN_BRACKETS: Place = Place {
    context: "subquery selector",
    expected: "number or duration",
};

const BEHIND_COLON: Place = Place {
    context: "subquery selector",
    expected: "number or duration or \"]\"",
};

const BEHIND_OFFSET: Place = Place {
    context: "offset",
    expected: "number or duration",
};

impl Parser<'_> {
    /// The range in brackets.
    pub(super) fn range_duration(&mut self) -> Parsed<Duration> {
        let expr = self.duration_expression(0, &IN_BRACKETS)?;
        positive(resolve(expr)?)
    }

    /// The step of a subquery.
    pub(super) fn step_duration(&mut self) -> Parsed<Duration> {
        let expr = self.duration_expression(0, &BEHIND_COLON)?;
        positive(resolve(expr)?)
    }

    /// Behind `offset`: a literal with or without a sign, or a computation that begins with a
    /// parenthesis or a second sign. Without them, `a offset 5m * 2` is a product.
    pub(super) fn offset_duration(&mut self) -> Parsed<Duration> {
        let token = self.peek()?;
        let first = if sign_of(token.kind).is_some() {
            self.peek_second_kind()?
        } else {
            Some(token.kind)
        };
        let computes = |kind| kind == Kind::LeftParen || sign_of(kind).is_some();
        let expr = if first.is_some_and(computes) {
            self.duration_expression(0, &BEHIND_OFFSET)?
        } else {
            self.duration_literal(&BEHIND_OFFSET)?
        };
        Ok(resolve(expr)?.0)
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
            return self.duration_literal(place);
        }
        self.next()?;
        let inner = self.duration_expression(0, place)?;
        let close = self.next()?;
        if close.kind != Kind::RightParen {
            return Err(self.unexpected_in(close, place.context, place.expected));
        }
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
        let is_minus = sign_of(token.kind) == Some(-1.0);
        let operand = self.duration_expression(POWER, place)?;
        let span = token.span.to(operand.span());
        Ok(match operand {
            DurationExpr::Number {
                value, is_duration, ..
            } => DurationExpr::Number {
                value: if is_minus { -value } else { value },
                is_duration,
                span,
            },
            expr if is_minus => DurationExpr::Negative {
                expr: Box::new(expr),
                span,
            },
            expr => expr,
        })
    }

    fn duration_literal(&mut self, place: &Place) -> Parsed<DurationExpr> {
        let mut token = self.next()?;
        let mut span = token.span;
        let sign = sign_of(token.kind);
        if sign.is_some() {
            token = self.next()?;
            span.end = token.span.end;
        }
        if !matches!(token.kind, Kind::Number | Kind::Duration) {
            return Err(self.unexpected_in(token, place.context, place.expected));
        }
        let value = self.number(token)? * sign.unwrap_or(1.0);
        if !is_in_range(value) {
            return Err(Fault::new(span, "duration out of range"));
        }
        Ok(DurationExpr::Number {
            value,
            is_duration: token.kind == Kind::Duration,
            span,
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

fn is_in_range(seconds: f64) -> bool {
    seconds.abs() <= LONGEST_SECONDS
}

fn refuse_zero(op: DurationOp, token: Token, rhs: &DurationExpr) -> Parsed<()> {
    let is_zero = matches!(rhs, DurationExpr::Number { value, .. } if *value == 0.0);
    match op {
        DurationOp::Div if is_zero => Err(Fault::new(token.span, "division by zero")),
        DurationOp::Mod if is_zero => Err(Fault::new(token.span, "modulo by zero")),
        _ => Ok(()),
    }
}

/// The duration that a computation leads to, and where it stands.
fn resolve(expr: DurationExpr) -> Parsed<(Duration, Span)> {
    let span = expr.span();
    let seconds = seconds_of(&expr)?;
    if !is_in_range(seconds) {
        return Err(Fault::new(span, "duration out of range"));
    }
    let (millis, expr) = match expr {
        // Rounding to microseconds first takes back what the fraction lost as a binary one.
        DurationExpr::Number { .. } => ((seconds * 1e6).round() / 1e3, None),
        _ => (seconds * 1000.0, Some(expr)),
    };
    let millis = whole_millis(millis);
    Ok((Duration { millis, expr }, span))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the fraction is what is cut off, and the range has been checked"
)]
fn whole_millis(millis: f64) -> Millis {
    millis as Millis
}

fn positive((duration, span): (Duration, Span)) -> Parsed<Duration> {
    if duration.millis <= 0 {
        return Err(Fault::new(span, "duration must be greater than 0"));
    }
    Ok(duration)
}

fn seconds_of(expr: &DurationExpr) -> Parsed<f64> {
    Ok(match expr {
        DurationExpr::Number { value, .. } => *value,
        DurationExpr::Negative { expr, .. } => -seconds_of(expr)?,
        DurationExpr::Paren { expr, .. } => seconds_of(expr)?,
        DurationExpr::Binary { op, lhs, rhs } => {
            let (left, right) = (seconds_of(lhs)?, seconds_of(rhs)?);
            match op {
                DurationOp::Add => left + right,
                DurationOp::Sub => left - right,
                DurationOp::Mul => left * right,
                DurationOp::Pow => left.powf(right),
                DurationOp::Div if right == 0.0 => {
                    return Err(Fault::new(expr.span(), "division by zero"));
                }
                DurationOp::Mod if right == 0.0 => {
                    return Err(Fault::new(expr.span(), "modulo by zero"));
                }
                DurationOp::Div => left / right,
                DurationOp::Mod => left % right,
            }
        }
    })
}
