use std::fmt;

use system_stats_model::labels::METRIC_NAME;
use system_stats_model::matcher::{MatchOp, Matcher};

use super::duration::format_duration;
use super::quoting::{label_name, quote, quote_literal};
use crate::ast::{
    Aggregate, At, Binary, Call, Cardinality, Duration, DurationExpr, Expr, Extent, MatrixSelector,
    NumberLiteral, QueryTimes, Subquery, VectorMatching, VectorSelector,
};

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(e) => e.fmt(f),
            Self::String(e) => f.write_str(&quote_literal(e)),
            Self::Vector(e) => e.fmt(f),
            Self::Matrix(e) => e.fmt(f),
            Self::Subquery(e) => write!(f, "{}{}", e.expr, SubquerySuffix(e)),
            Self::Call(e) => e.fmt(f),
            Self::Aggregate(e) => e.fmt(f),
            Self::Binary(e) => write!(f, "{} {} {}", e.lhs, Operator(e), e.rhs),
            Self::Unary(e) => write!(f, "{}{}", e.sign, e.expr),
            Self::Paren(e) => write!(f, "({})", e.expr),
        }
    }
}

impl fmt::Display for NumberLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_duration {
            return f.write_str(&seconds_as_duration(self.value));
        }
        f.write_str(&format_number(self.value))
    }
}

/// The shortest digits that lead to the same number, without an exponent.
pub(super) fn format_number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "durations have whole milliseconds, and their literals are bounded"
)]
fn seconds_as_duration(seconds: f64) -> String {
    format_duration((seconds * 1000.0).round() as i64)
}

impl fmt::Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Series(self), Modifiers::of_vector(self))
    }
}

impl fmt::Display for MatrixSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selector = &self.selector;
        let modifiers = Modifiers::of_vector(selector);
        write!(f, "{}[{}]{modifiers}", Series(selector), self.range)
    }
}

/// A selector without its modifiers.
struct Series<'a>(&'a VectorSelector);

impl fmt::Display for Series<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.name.as_deref().unwrap_or_default();
        let is_name =
            |m: &&Matcher| m.name() == METRIC_NAME && m.op() == MatchOp::Equal && m.value() == name;
        let others = self
            .0
            .matchers
            .iter()
            .filter(|m| name.is_empty() || !is_name(m));
        let mut others: Vec<String> = others.map(matcher).collect();
        others.sort();
        f.write_str(name)?;
        if others.is_empty() && !name.is_empty() {
            return Ok(());
        }
        write!(f, "{{{}}}", others.join(","))
    }
}

fn matcher(matcher: &Matcher) -> String {
    let (name, value) = (label_name(matcher.name()), quote(matcher.value()));
    format!("{name}{}{value}", matcher.op())
}

/// ` anchored`, ` @ …` and ` offset …`.
struct Modifiers<'a> {
    extent: Option<Extent>,
    at: Option<At>,
    offset: Option<&'a Duration>,
}

impl<'a> Modifiers<'a> {
    fn of_vector(selector: &'a VectorSelector) -> Self {
        Self {
            extent: selector.extent,
            at: selector.at,
            offset: selector.offset.as_ref(),
        }
    }
}

impl fmt::Display for Modifiers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(extent) = self.extent {
            write!(f, " {}", extent.as_str())?;
        }
        match self.at {
            None => {}
            Some(At::Start) => f.write_str(" @ start()")?,
            Some(At::End) => f.write_str(" @ end()")?,
            Some(At::Time(millis)) => {
                let sign = if millis < 0 { "-" } else { "" };
                let (seconds, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
                write!(f, " @ {sign}{seconds}.{rest:03}")?;
            }
        }
        match self.offset {
            Some(offset) => write!(f, " offset {offset}"),
            None => Ok(()),
        }
    }
}

/// `[…:…]` and the modifiers.
pub(super) struct SubquerySuffix<'a>(pub(super) &'a Subquery);

impl fmt::Display for SubquerySuffix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}:", self.0.range)?;
        if let Some(step) = &self.0.step {
            step.fmt(f)?;
        }
        let modifiers = Modifiers {
            extent: None,
            at: self.0.at,
            offset: self.0.offset.as_ref(),
        };
        write!(f, "]{modifiers}")
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expr {
            Some(expr) => expr.fmt(f),
            None => f.write_str(&format_duration(self.millis)),
        }
    }
}

impl fmt::Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number {
                value,
                is_duration: true,
                ..
            } => f.write_str(&seconds_as_duration(*value)),
            Self::Number { value, .. } => f.write_str(&format_number(*value)),
            Self::Negative { expr, .. } => write!(f, "-{expr}"),
            Self::Binary { op, lhs, rhs } => write!(f, "{lhs} {op} {rhs}"),
            Self::Times { which, .. } => f.write_str(match which {
                QueryTimes::Step => "step()",
                QueryTimes::Range => "range()",
            }),
            Self::Pick {
                largest, lhs, rhs, ..
            } => {
                let word = if *largest { "max_of" } else { "min_of" };
                write!(f, "{word}({lhs}, {rhs})")
            }
            Self::Paren { expr, .. } => write!(f, "({expr})"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function)?;
        for (at, arg) in self.args.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{arg}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", AggregateHead(self))?;
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

/// The word and its grouping.
pub(super) struct AggregateHead<'a>(pub(super) &'a Aggregate);

impl fmt::Display for AggregateHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Aggregate { op, grouping, .. } = self.0;
        op.fmt(f)?;
        if self.0.without {
            write!(f, " without ({}) ", labels(grouping))?;
        } else if !grouping.is_empty() {
            write!(f, " by ({}) ", labels(grouping))?;
        }
        Ok(())
    }
}

fn labels(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| grouped(name)).collect();
    names.join(", ")
}

/// A label outside of braces: a colon may be in it, and two words are numbers there.
fn grouped(name: &str) -> String {
    let is_number = ["inf", "nan"]
        .iter()
        .any(|word| name.eq_ignore_ascii_case(word));
    let has_colons = name.contains(':') && label_name(&name.replace(':', "_")).len() == name.len();
    if is_number {
        quote(name)
    } else if has_colons {
        name.to_owned()
    } else {
        label_name(name)
    }
}

/// An operator and its modifiers.
pub(super) struct Operator<'a>(pub(super) &'a Binary);

impl fmt::Display for Operator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.op.fmt(f)?;
        if self.0.return_bool {
            f.write_str(" bool")?;
        }
        match &self.0.matching {
            Some(matching) => matching.fmt(f),
            None => Ok(()),
        }
    }
}

impl fmt::Display for VectorMatching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = match self.cardinality {
            Cardinality::ManyToOne => Some("left"),
            Cardinality::OneToMany => Some("right"),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        if self.on || !self.labels.is_empty() || group.is_some() {
            let word = if self.on { "on" } else { "ignoring" };
            write!(f, " {word} ({})", labels(&self.labels))?;
        }
        if let Some(side) = group {
            write!(f, " group_{side} ({})", labels(&self.include))?;
        }
        match (self.fill.left, self.fill.right) {
            (Some(left), Some(right)) if left.to_bits() == right.to_bits() => {
                write!(f, " fill ({})", format_number(left))
            }
            (left, right) => {
                for (side, value) in [("left", left), ("right", right)] {
                    if let Some(value) = value {
                        write!(f, " fill_{side} ({})", format_number(value))?;
                    }
                }
                Ok(())
            }
        }
    }
}
