//! The tree of an expression.
//!
//! A tree that comes from the parser is well typed and its depth is bounded, so that walking and
//! dropping it recursively is safe.

mod duration;
mod function;
mod matching;
mod operator;
mod selector;
mod span;
mod value_type;

pub use duration::{Duration, DurationExpr, DurationOp, QueryTimes};
pub(crate) use duration::{DurationFault, LONGEST_SECONDS, pick};
pub use function::{Arity, Function, Signature};
pub use matching::{Cardinality, Fill, VectorMatching};
pub use operator::{AggregateOp, BinaryOp, Sign};
pub use selector::{At, Extent, MatrixSelector, Subquery, VectorSelector};
pub use span::{Position, Span};
pub use value_type::ValueType;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `12`, `0x1F`, `5m`
    Number(NumberLiteral),
    /// `"text"`
    String(StringLiteral),
    /// `up{job="a"} offset 5m`
    Vector(VectorSelector),
    /// `up[5m]`
    Matrix(MatrixSelector),
    /// `rate(up[5m])[1h:1m]`
    Subquery(Subquery),
    /// `rate(up[5m])`
    Call(Call),
    /// `sum by (job) (up)`
    Aggregate(Aggregate),
    /// `a + on (job) b`
    Binary(Binary),
    /// `-a`
    Unary(Unary),
    /// `(a)`
    Paren(Paren),
}

/// A number, or a duration used as the number of its seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberLiteral {
    /// The value; of a duration, in seconds.
    pub value: f64,
    /// Whether it was written as a duration.
    pub is_duration: bool,
    /// Where it stands, its sign included.
    pub span: Span,
}

/// A quoted text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringLiteral {
    /// The text without quotes and escapes, with U+FFFD in the place of what is not UTF-8.
    pub value: String,
    /// The bytes that escapes stand for, if they are not UTF-8.
    pub raw: Option<Vec<u8>>,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// A function and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which function.
    pub function: Function,
    /// As many as the function's signature allows, each of the type it asks for.
    pub args: Vec<Expr>,
    /// From the name to the closing parenthesis.
    pub span: Span,
}

/// An aggregation over the elements of a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which aggregation.
    pub op: AggregateOp,
    /// What is aggregated, an instant vector.
    pub expr: Box<Expr>,
    /// The parameter, present exactly when [`AggregateOp::takes_parameter`].
    pub param: Option<Box<Expr>>,
    /// The labels of `by` or `without`, as written.
    pub grouping: Vec<String>,
    /// Whether the labels are those to leave out.
    pub without: bool,
    /// From the operator to the closing parenthesis or the end of the trailing modifier.
    pub span: Span,
}

/// Two operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// Which operator.
    pub op: BinaryOp,
    /// The left operand, a scalar or an instant vector.
    pub lhs: Box<Expr>,
    /// The right operand, a scalar or an instant vector.
    pub rhs: Box<Expr>,
    /// How elements find each other; present exactly when both operands are vectors.
    pub matching: Option<VectorMatching>,
    /// Whether a comparison answers 0 or 1 instead of filtering.
    pub return_bool: bool,
}

/// A sign in front of an expression that is no literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    /// Which sign.
    pub sign: Sign,
    /// The operand, a scalar or an instant vector.
    pub expr: Box<Expr>,
    /// From the sign to the end of the operand.
    pub span: Span,
}

/// An expression in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct Paren {
    /// What is inside.
    pub expr: Box<Expr>,
    /// Parentheses included.
    pub span: Span,
}

impl Expr {
    /// Where it stands in the text.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Number(e) => e.span,
            Self::String(e) => e.span,
            Self::Vector(e) => e.span,
            Self::Matrix(e) => e.span,
            Self::Subquery(e) => e.span,
            Self::Call(e) => e.span,
            Self::Aggregate(e) => e.span,
            Self::Binary(e) => e.span(),
            Self::Unary(e) => e.span,
            Self::Paren(e) => e.span,
        }
    }

    /// What it evaluates to.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Number(_) => ValueType::Scalar,
            Self::String(_) => ValueType::String,
            Self::Vector(_) | Self::Aggregate(_) => ValueType::Vector,
            Self::Matrix(_) | Self::Subquery(_) => ValueType::Matrix,
            Self::Call(e) => e.function.signature().returns,
            Self::Binary(e) => e.value_type(),
            Self::Unary(e) => e.expr.value_type(),
            Self::Paren(e) => e.expr.value_type(),
        }
    }

    /// The operands and arguments directly below it, in the order of the text; an aggregation's
    /// parameter comes before what is aggregated.
    #[must_use]
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Number(_) | Self::String(_) | Self::Vector(_) | Self::Matrix(_) => Vec::new(),
            Self::Subquery(e) => vec![&e.expr],
            Self::Call(e) => e.args.iter().collect(),
            Self::Aggregate(e) => e.param.iter().chain([&e.expr]).map(|e| &**e).collect(),
            Self::Binary(e) => vec![&e.lhs, &e.rhs],
            Self::Unary(e) => vec![&e.expr],
            Self::Paren(e) => vec![&e.expr],
        }
    }

    /// The expression inside of all the parentheses around it.
    #[must_use]
    pub fn unwrap_parens(&self) -> &Expr {
        let mut expr = self;
        while let Self::Paren(paren) = expr {
            expr = &paren.expr;
        }
        expr
    }

    /// Calls `visit` for every vector selector below and at this expression, those inside of
    /// ranges included, in the order of the text.
    pub fn for_each_selector<'a>(&'a self, visit: &mut dyn FnMut(&'a VectorSelector)) {
        match self {
            Self::Vector(e) => visit(e),
            Self::Matrix(e) => visit(&e.selector),
            _ => {
                for child in self.children() {
                    child.for_each_selector(visit);
                }
            }
        }
    }
}

impl Binary {
    /// From the left operand's start to the right one's end.
    #[must_use]
    pub fn span(&self) -> Span {
        self.lhs.span().to(self.rhs.span())
    }

    fn value_type(&self) -> ValueType {
        let is_scalar = |e: &Expr| e.value_type() == ValueType::Scalar;
        if is_scalar(&self.lhs) && is_scalar(&self.rhs) {
            ValueType::Scalar
        } else {
            ValueType::Vector
        }
    }
}
