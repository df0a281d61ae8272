//! Aggregations.

mod count_values;
mod fold;
mod hash;
mod quantile;
mod rank;

use super::error::EvalError;
use super::evaluator::{Evaluator, Vector};
use super::held::Held;
use super::naming::{Numbering, Projection};
use super::producer::Producer;
use crate::ast::{AggregateOp, ValueType};
use crate::plan::{Kind, Node};
use crate::value::{Columns, Timeline};

/// An aggregation as the plan has it.
struct Aggregation<'n> {
    op: AggregateOp,
    expr: &'n Node,
    param: Option<&'n Node>,
    grouping: &'n [String],
    without: bool,
}

impl Aggregation<'_> {
    fn projection(&self) -> Projection {
        if self.without {
            Projection::without(self.grouping)
        } else {
            Projection::by(self.grouping)
        }
    }

    fn param(&self) -> Result<&Node, EvalError> {
        self.param.ok_or(EvalError::Type {
            expected: ValueType::Scalar,
            found: ValueType::Vector,
        })
    }
}

/// The value of a node that is an aggregation.
pub(crate) fn vector<'e>(
    evaluator: &'e Evaluator<'_>,
    node: &Node,
    on: &Timeline,
) -> Result<Vector<'e>, EvalError> {
    let Kind::Aggregate {
        op,
        expr,
        param,
        grouping,
        without,
    } = &node.kind
    else {
        return Err(EvalError::Type {
            expected: ValueType::Vector,
            found: node.value_type,
        });
    };
    let aggregation = Aggregation {
        op: *op,
        expr,
        param: param.as_deref(),
        grouping,
        without: *without,
    };
    let columns = match op {
        AggregateOp::CountValues => count_values::columns(evaluator, &aggregation, on)?,
        AggregateOp::Quantile => quantile::columns(evaluator, &aggregation, on)?,
        AggregateOp::Topk
        | AggregateOp::Bottomk
        | AggregateOp::Limitk
        | AggregateOp::LimitRatio => rank::columns(evaluator, &aggregation, on)?,
        _ => fold::columns(evaluator, &aggregation, on)?,
    };
    Ok(Vector::Ready(Held::new(columns, &evaluator.budget)?))
}

/// Which series belong together.
struct Groups {
    /// The number of each series' group.
    of: Vec<usize>,
    /// The first series of each group.
    firsts: Vec<usize>,
    /// Whether the name of each group goes at the end: when that of any of its series does.
    drops: Vec<bool>,
}

impl Groups {
    fn of(projection: &Projection, input: &dyn Producer, is_eager: bool) -> Self {
        let mut numbers = Numbering::default();
        let (mut key, mut last) = (Vec::new(), Vec::new());
        let mut of: Vec<usize> = Vec::with_capacity(input.labels().len());
        let mut firsts = Vec::new();
        for (series, labels) in input.labels().iter().enumerate() {
            projection.key(labels, is_eager && input.drops(series), &mut key);
            // Neighbours often belong together.
            if let Some(before) = of.last().copied().filter(|_| key == last) {
                of.push(before);
                continue;
            }
            let (number, is_new) = numbers.number(&key);
            std::mem::swap(&mut key, &mut last);
            if is_new {
                firsts.push(series);
            }
            of.push(number);
        }
        let mut drops = vec![false; firsts.len()];
        if !is_eager {
            for (series, group) in of.iter().enumerate() {
                drops[*group] |= input.drops(series);
            }
        }
        Self { of, firsts, drops }
    }

    fn len(&self) -> usize {
        self.firsts.len()
    }

    /// The series of each group, in their order.
    fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.len()];
        for (series, group) in self.of.iter().enumerate() {
            members[*group].push(series);
        }
        members
    }

    /// A column for each group.
    fn columns(&self, projection: &Projection, input: &dyn Producer, is_eager: bool) -> Columns {
        let labels = |series: &usize| {
            projection.labels(&input.labels()[*series], is_eager && input.drops(*series))
        };
        let labels = self.firsts.iter().map(labels).collect();
        let mut columns = Columns::with_labels(input.timeline(), labels);
        for (group, drops) in self.drops.iter().enumerate() {
            columns.set_drops(group, *drops);
        }
        columns
    }
}
