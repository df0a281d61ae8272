use super::binary;
use super::error::EvalError;
use super::evaluator::{Evaluator, Scalars};
use crate::ast::{Function, ValueType, pick};
use crate::plan::{Kind, Node};
use crate::value::Timeline;

/// The value of a node that is a scalar.
pub(crate) fn scalars(
    evaluator: &Evaluator<'_>,
    node: &Node,
    on: &Timeline,
) -> Result<Scalars, EvalError> {
    evaluator.budget.check()?;
    if let Kind::Number(value) = node.kind {
        return Ok(Scalars::Same(value));
    }
    if node.is_invariant && on.steps > 1 {
        let once = scalars(evaluator, node, &Timeline::instant(on.start))?;
        return Ok(Scalars::Same(once.at(0)));
    }
    evaluator.budget.check_cells(1, on.steps)?;
    let each = |value: &dyn Fn(usize) -> f64| Scalars::Each((0..on.steps).map(value).collect());
    match &node.kind {
        Kind::Negate(inner) => {
            let inner = scalars(evaluator, inner, on)?;
            Ok(each(&|step| -inner.at(step)))
        }
        Kind::Binary { op, lhs, rhs, .. } => {
            let (lhs, rhs) = (scalars(evaluator, lhs, on)?, scalars(evaluator, rhs, on)?);
            Ok(each(&|step| {
                binary::scalar_operation(*op, lhs.at(step), rhs.at(step))
            }))
        }
        Kind::Call { function, args, .. } => match (function, &args[..]) {
            (Function::Time, _) => Ok(each(&|step| on.time(step) as f64 / 1000.0)),
            (Function::Pi, _) => Ok(Scalars::Same(std::f64::consts::PI)),
            (Function::MaxOf | Function::MinOf, [a, b]) => {
                let largest = *function == Function::MaxOf;
                let (a, b) = (scalars(evaluator, a, on)?, scalars(evaluator, b, on)?);
                Ok(each(&|step| pick(largest, a.at(step), b.at(step))))
            }
            (Function::Scalar, [vector]) => only_element(evaluator, vector, on),
            _ => Err(not_a_scalar(node)),
        },
        _ => Err(not_a_scalar(node)),
    }
}

fn not_a_scalar(node: &Node) -> EvalError {
    EvalError::Type {
        expected: ValueType::Scalar,
        found: node.value_type,
    }
}

/// The value of a vector's only element, NaN where there are none or several.
fn only_element(
    evaluator: &Evaluator<'_>,
    vector: &Node,
    on: &Timeline,
) -> Result<Scalars, EvalError> {
    let columns = evaluator.columns(vector, on)?;
    let mut values = vec![f64::NAN; on.steps];
    let mut counts = vec![0_u8; on.steps];
    let mut pace = evaluator.budget.pace();
    for series in 0..columns.len() {
        pace.step(on.steps)?;
        let column = columns.values(series);
        for step in columns.valid(series).iter() {
            counts[step] = (counts[step] + 1).min(2);
            values[step] = if counts[step] == 1 {
                column[step]
            } else {
                f64::NAN
            };
        }
    }
    Ok(Scalars::Each(values))
}
