use std::fmt;

use system_stats_model::sample::Millis;

use super::Span;

/// A length of time as a selector has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Duration {
    /// The length, below 293 years either way; ranges and steps are above zero.
    pub millis: Millis,
    /// The computation that led to it, if it was more than a literal.
    pub expr: Option<DurationExpr>,
}

/// A computation of a duration. Numbers are seconds.
#[derive(Clone, Debug, PartialEq)]
pub enum DurationExpr {
    /// A literal.
    Number {
        /// Seconds.
        value: f64,
        /// Whether it was written as a duration.
        is_duration: bool,
        /// Where it stands.
        span: Span,
    },
    /// A minus in front of something that is no literal.
    Negative {
        /// What it turns round.
        expr: Box<DurationExpr>,
        /// From the sign on.
        span: Span,
    },
    /// Two operands.
    Binary {
        /// Which operator.
        op: DurationOp,
        /// The left operand.
        lhs: Box<DurationExpr>,
        /// The right operand.
        rhs: Box<DurationExpr>,
    },
    /// Something in parentheses that is no literal.
    Paren {
        /// What is inside.
        expr: Box<DurationExpr>,
        /// Parentheses included.
        span: Span,
    },
}

/// An operator between two durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DurationOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `^`
    Pow,
}

impl Duration {
    /// A literal of so many milliseconds.
    #[must_use]
    pub fn from_millis(millis: Millis) -> Self {
        Self { millis, expr: None }
    }
}

impl DurationExpr {
    /// Where it stands in the text.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number { span, .. } | Self::Negative { span, .. } | Self::Paren { span, .. } => {
                *span
            }
            Self::Binary { lhs, rhs, .. } => lhs.span().to(rhs.span()),
        }
    }
}

impl fmt::Display for DurationOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        })
    }
}
