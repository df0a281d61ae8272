//! The functions.

mod absent;
mod date;
mod histogram;
mod info;
mod mapped;
mod math;
mod order;
mod relabel;

use system_stats_model::labels::Labels;

use super::error::EvalError;
use super::evaluator::{Evaluator, Vector};
use super::held::Held;
use super::instant::Lookback;
use super::ranged::Ranged;
use super::window::extended;
use crate::ast::{Function, ValueType};
use crate::plan::{Kind, Node, SelectNode};
use crate::value::{Columns, Timeline};

pub(crate) use mapped::{Filtered, Mapped};
pub(crate) use order::nan_last;

/// A call as the plan has it: the function, its arguments, and for `info` what it looks up.
pub(crate) type Call<'n> = (Function, &'n [Node], Option<&'n SelectNode>);

/// The value of a call that yields an instant vector.
pub(crate) fn vector<'e>(
    evaluator: &'e Evaluator<'_>,
    node: &Node,
    (function, args, info): Call<'_>,
    on: &Timeline,
) -> Result<Vector<'e>, EvalError> {
    for arg in args {
        if let Kind::Range(range) = &arg.kind
            && let Some(extent) = range.select.extent
            && let Some(message) = extended::refusal(function, extent)
        {
            return Err(EvalError::Parameter(message));
        }
    }
    let signature = function.signature();
    if function == Function::AbsentOverTime {
        return ready(
            evaluator,
            absent::over_time(evaluator, first(args, node)?, on)?,
        );
    }
    if signature.args.contains(&ValueType::Matrix) {
        return Ok(Vector::lazy(Ranged::new(evaluator, function, args, on)?));
    }
    if let Some(apply) = math::of_value(function) {
        let input = evaluator.vector(first(args, node)?, on)?;
        return Ok(Vector::lazy(Mapped::new(input, move |_, value| {
            apply(value)
        })));
    }
    if let Some(part) = date::part(function) {
        return date::vector(evaluator, part, args, on);
    }
    match function {
        Function::Clamp | Function::ClampMax | Function::ClampMin | Function::Round => {
            math::with_scalars(evaluator, node, (function, args), on)
        }
        Function::Timestamp => timestamp(evaluator, first(args, node)?, on),
        Function::Vector => {
            let scalars = evaluator.scalars(first(args, node)?, on)?;
            let mut columns = Columns::new(*on);
            let mut column = columns.push(Labels::empty());
            (0..on.steps).for_each(|step| column.set(step, scalars.at(step)));
            ready(evaluator, columns)
        }
        Function::Absent => ready(
            evaluator,
            absent::instant(evaluator, first(args, node)?, on)?,
        ),
        Function::HistogramQuantile => {
            ready(evaluator, histogram::quantile(evaluator, node, args, on)?)
        }
        Function::HistogramQuantiles => {
            ready(evaluator, histogram::quantiles(evaluator, node, args, on)?)
        }
        Function::HistogramFraction => {
            ready(evaluator, histogram::fraction(evaluator, node, args, on)?)
        }
        // These are about native histograms, and there are none.
        Function::HistogramAvg
        | Function::HistogramCount
        | Function::HistogramStddev
        | Function::HistogramStdvar
        | Function::HistogramSum => {
            evaluator.columns(first(args, node)?, on)?;
            ready(evaluator, Columns::new(*on))
        }
        Function::LabelReplace => ready(evaluator, relabel::replace(evaluator, node, args, on)?),
        Function::LabelJoin => ready(evaluator, relabel::join(evaluator, node, args, on)?),
        Function::Sort | Function::SortDesc | Function::SortByLabel | Function::SortByLabelDesc => {
            order::vector(evaluator, node, (function, args), on)
        }
        Function::Info => match info {
            Some(info) => ready(
                evaluator,
                info::joined(evaluator, first(args, node)?, info, on)?,
            ),
            None => Err(wrong(node)),
        },
        _ => Err(wrong(node)),
    }
}

fn ready<'e>(evaluator: &'e Evaluator<'_>, columns: Columns) -> Result<Vector<'e>, EvalError> {
    Ok(Vector::Ready(Held::new(columns, &evaluator.budget)?))
}

fn first<'n>(args: &'n [Node], node: &Node) -> Result<&'n Node, EvalError> {
    args.first().ok_or_else(|| wrong(node))
}

/// A tree that was not parsed may lack arguments or have scalars in the place of vectors.
fn wrong(node: &Node) -> EvalError {
    EvalError::Type {
        expected: ValueType::Vector,
        found: node.value_type,
    }
}

/// Seconds since 1970: of the sample for a selector, else of the evaluation.
fn timestamp<'e>(
    evaluator: &'e Evaluator<'_>,
    arg: &Node,
    on: &Timeline,
) -> Result<Vector<'e>, EvalError> {
    if let Kind::Select(select) = &arg.kind {
        let at = (select, arg.span);
        return Ok(Vector::lazy(Lookback::new(evaluator, at, on, true)?));
    }
    let (input, on) = (evaluator.vector(arg, on)?, *on);
    let seconds = move |step, _| on.time(step) as f64 / 1000.0;
    Ok(Vector::lazy(Mapped::new(input, seconds)))
}
