use std::fmt;

use system_stats_model::sample::Millis;

use super::Span;

/// The longest duration either way, in seconds: what 63 bits of nanoseconds hold.
pub(crate) const LONGEST_SECONDS: f64 = 9_223_372_036.854_775;

/// A length of time as a selector has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Duration {
    /// The length, below 293 years either way; ranges and steps are above zero. Where it depends
    /// on the query's times, the length in a query at one time, 0 if it has none there.
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
    /// What the query's times say.
    Times {
        /// Which of them.
        which: QueryTimes,
        /// From the word to the closing parenthesis.
        span: Span,
    },
    /// The smaller or the larger of two.
    Pick {
        /// Whether it is the larger one.
        largest: bool,
        /// The first one.
        lhs: Box<DurationExpr>,
        /// The second one.
        rhs: Box<DurationExpr>,
        /// From the word to the closing parenthesis.
        span: Span,
    },
    /// Something in parentheses that is no literal.
    Paren {
        /// What is inside.
        expr: Box<DurationExpr>,
        /// Parentheses included.
        span: Span,
    },
}

/// A length of time that a query has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryTimes {
    /// The distance of its steps, `step()`; 0 at one time.
    Step,
    /// The time from its first step to its end, `range()`; 0 at one time.
    Range,
}

/// Why a computation leads to no duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DurationFault {
    pub(crate) span: Span,
    pub(crate) message: &'static str,
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

    /// The computation, if what it leads to depends on the query's times.
    pub(crate) fn timed(&self) -> Option<&DurationExpr> {
        self.expr.as_ref().filter(|expr| expr.is_timed())
    }
}

impl DurationExpr {
    /// Where it stands in the text.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number { span, .. }
            | Self::Negative { span, .. }
            | Self::Times { span, .. }
            | Self::Pick { span, .. }
            | Self::Paren { span, .. } => *span,
            Self::Binary { lhs, rhs, .. } => lhs.span().to(rhs.span()),
        }
    }

    /// Whether it depends on the query's times.
    pub(crate) fn is_timed(&self) -> bool {
        match self {
            Self::Number { .. } => false,
            Self::Times { .. } => true,
            Self::Negative { expr, .. } | Self::Paren { expr, .. } => expr.is_timed(),
            Self::Binary { lhs, rhs, .. } | Self::Pick { lhs, rhs, .. } => {
                lhs.is_timed() || rhs.is_timed()
            }
        }
    }

    /// The milliseconds it leads to, in a query of these times: `times` gives seconds.
    pub(crate) fn millis(
        &self,
        times: &dyn Fn(QueryTimes) -> f64,
    ) -> Result<Millis, DurationFault> {
        let seconds = self.seconds(times)?;
        // NaN is none either.
        if seconds.is_nan() || seconds.abs() > LONGEST_SECONDS {
            return Err(self.fault("duration out of range"));
        }
        let millis = match self {
            // Rounding to microseconds first takes back what the fraction lost as a binary one.
            Self::Number { .. } => (seconds * 1e6).round() / 1e3,
            _ => seconds * 1000.0,
        };
        Ok(whole(millis))
    }

    /// The same where only what is above zero makes sense.
    pub(crate) fn positive_millis(
        &self,
        times: &dyn Fn(QueryTimes) -> f64,
    ) -> Result<Millis, DurationFault> {
        let millis = self.millis(times)?;
        if millis <= 0 {
            return Err(self.fault("duration must be greater than 0"));
        }
        Ok(millis)
    }

    fn fault(&self, message: &'static str) -> DurationFault {
        let span = self.span();
        DurationFault { span, message }
    }

    fn seconds(&self, times: &dyn Fn(QueryTimes) -> f64) -> Result<f64, DurationFault> {
        Ok(match self {
            Self::Number { value, .. } => *value,
            Self::Times { which, .. } => times(*which),
            Self::Negative { expr, .. } => -expr.seconds(times)?,
            Self::Paren { expr, .. } => expr.seconds(times)?,
            Self::Pick {
                largest, lhs, rhs, ..
            } => pick(*largest, lhs.seconds(times)?, rhs.seconds(times)?),
            Self::Binary { op, lhs, rhs } => {
                let (left, right) = (lhs.seconds(times)?, rhs.seconds(times)?);
                match op {
                    DurationOp::Add => left + right,
                    DurationOp::Sub => left - right,
                    DurationOp::Mul => left * right,
                    DurationOp::Pow => left.powf(right),
                    DurationOp::Div if right == 0.0 => return Err(self.fault("division by zero")),
                    DurationOp::Mod if right == 0.0 => return Err(self.fault("modulo by zero")),
                    DurationOp::Div => left / right,
                    DurationOp::Mod => left % right,
                }
            }
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the fraction is what is cut off, and the range has been checked"
)]
fn whole(millis: f64) -> Millis {
    millis as Millis
}

/// The larger or the smaller of two; NaN if one of them is. Of two zeros the one below is smaller.
pub(crate) fn pick(largest: bool, a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let is_larger = a.total_cmp(&b).is_gt();
    if is_larger == largest { a } else { b }
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
