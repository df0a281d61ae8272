//! Operators between two expressions.

mod matching;
mod operation;
mod pairs;
mod sets;

use super::call::{Filtered, Mapped};
use super::error::EvalError;
use super::evaluator::{Evaluator, Vector};
use crate::ast::{BinaryOp, ValueType};
use crate::plan::{Kind, Node};
use crate::value::Timeline;

pub(crate) use operation::scalar as scalar_operation;

/// An operator as the plan has it.
#[derive(Clone, Copy)]
struct Operator {
    op: BinaryOp,
    return_bool: bool,
}

/// The value of a node with an operator and at least one vector.
pub(crate) fn vector<'e>(
    evaluator: &'e Evaluator<'_>,
    node: &Node,
    on: &Timeline,
) -> Result<Vector<'e>, EvalError> {
    let Kind::Binary {
        op,
        lhs,
        rhs,
        matching,
        return_bool,
    } = &node.kind
    else {
        return Err(wrong(node));
    };
    let operator = Operator {
        op: *op,
        return_bool: *return_bool,
    };
    match (lhs.value_type, rhs.value_type) {
        (ValueType::Vector, ValueType::Scalar) => {
            with_scalar(evaluator, operator, (lhs, rhs), false, on)
        }
        (ValueType::Scalar, ValueType::Vector) => {
            with_scalar(evaluator, operator, (rhs, lhs), true, on)
        }
        (ValueType::Vector, ValueType::Vector) => {
            let (lhs, rhs) = (evaluator.columns(lhs, on)?, evaluator.columns(rhs, on)?);
            let default = crate::ast::VectorMatching::default();
            let matching = matching.as_ref().unwrap_or(&default);
            if op.is_set() {
                sets::vector(evaluator, *op, matching, (&lhs, &rhs))
            } else {
                pairs::vector(evaluator, operator, matching, (lhs, rhs))
            }
        }
        _ => Err(wrong(node)),
    }
}

fn wrong(node: &Node) -> EvalError {
    EvalError::Type {
        expected: ValueType::Vector,
        found: node.value_type,
    }
}

/// A vector and a scalar, which is the left operand if `swapped`.
fn with_scalar<'e>(
    evaluator: &'e Evaluator<'_>,
    Operator { op, return_bool }: Operator,
    (vector, scalar): (&Node, &Node),
    swapped: bool,
    on: &Timeline,
) -> Result<Vector<'e>, EvalError> {
    let scalars = evaluator.scalars(scalar, on)?;
    let input = evaluator.vector(vector, on)?;
    let apply = operation::function(op);
    let operands = move |step: usize, value: f64| {
        let scalar = scalars.at(step);
        if swapped {
            (scalar, value)
        } else {
            (value, scalar)
        }
    };
    if op.is_comparison() && !return_bool {
        // The vector's value stays, on whichever side it stands.
        let keep = move |step, value| {
            let (a, b) = operands(step, value);
            (apply(a, b) != 0.0).then_some(value)
        };
        let input = evaluator.told_apart(input)?;
        return Ok(Vector::lazy(Filtered::new(input, false, keep)));
    }
    let change = move |step, value| {
        let (a, b) = operands(step, value);
        apply(a, b)
    };
    Ok(Vector::lazy(Mapped::new(input, change)))
}
