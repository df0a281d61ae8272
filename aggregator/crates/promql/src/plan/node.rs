use system_stats_model::matcher::Matcher;
use system_stats_model::sample::Millis;

use crate::ast::{
    AggregateOp, At, BinaryOp, Extent, Function, Span, StringLiteral, ValueType, VectorMatching,
};
use crate::print::quote_literal;

/// A step of the evaluation.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) value_type: ValueType,
    /// Whether it has the same value at every time.
    pub(crate) is_invariant: bool,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Number(f64),
    Text(StringLiteral),
    Select(SelectNode),
    Range(RangeNode),
    Subquery(Box<SubqueryNode>),
    Call {
        function: Function,
        args: Vec<Node>,
        /// For `info` only: which series it joins with.
        info: Option<SelectNode>,
    },
    Aggregate {
        op: AggregateOp,
        expr: Box<Node>,
        param: Option<Box<Node>>,
        grouping: Vec<String>,
        without: bool,
    },
    Binary {
        op: BinaryOp,
        lhs: Box<Node>,
        rhs: Box<Node>,
        matching: Option<VectorMatching>,
        return_bool: bool,
    },
    Negate(Box<Node>),
}

#[derive(Clone, Debug)]
pub(crate) struct SelectNode {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) offset: Millis,
    pub(crate) at: Option<At>,
    pub(crate) extent: Option<Extent>,
    /// The number of the selector; those that are alike in all of the above share it.
    pub(crate) id: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct RangeNode {
    pub(crate) select: SelectNode,
    pub(crate) range: Millis,
}

#[derive(Clone, Debug)]
pub(crate) struct SubqueryNode {
    pub(crate) expr: Node,
    pub(crate) range: Millis,
    /// The default distance if absent.
    pub(crate) step: Option<Millis>,
    pub(crate) offset: Millis,
    pub(crate) at: Option<At>,
}

impl Node {
    pub(crate) fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Number(_) | Kind::Text(_) | Kind::Select(_) | Kind::Range(_) => Vec::new(),
            Kind::Subquery(subquery) => vec![&subquery.expr],
            Kind::Call { args, .. } => args.iter().collect(),
            Kind::Aggregate { expr, param, .. } => {
                param.iter().chain([expr]).map(|node| &**node).collect()
            }
            Kind::Binary { lhs, rhs, .. } => vec![lhs, rhs],
            Kind::Negate(node) => vec![node],
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(&text.value),
            _ => None,
        }
    }

    /// Whether it is a text that a label may be named by.
    pub(crate) fn names_label(&self) -> bool {
        match &self.kind {
            Kind::Text(text) => !text.value.is_empty() && text.raw.is_none(),
            _ => false,
        }
    }

    /// The text in quotes, if it is one.
    pub(crate) fn quoted(&self) -> String {
        match &self.kind {
            Kind::Text(text) => quote_literal(text),
            _ => String::new(),
        }
    }
}
