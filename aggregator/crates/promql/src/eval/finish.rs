use system_stats_model::source::SampleBuffer;

use super::error::EvalError;
use super::evaluator::{Evaluator, Scalars};
use super::held::Held;
use super::naming;
use super::ranged::Range;
use super::window::extended;
use crate::ast::ValueType;
use crate::plan::{Kind, Plan};
use crate::value::{Columns, Element, Series, Timeline, Value};
use system_stats_model::labels::Labels;

/// The result of a plan.
pub(super) fn value(evaluator: &Evaluator<'_>, plan: &Plan) -> Result<Value, EvalError> {
    let on = evaluator.timeline();
    let timestamp = on.start;
    let node = &plan.root;
    match node.value_type {
        ValueType::Scalar => {
            let scalars = evaluator.scalars(node, &on)?;
            evaluator.budget.hold(on.steps)?;
            Ok(if evaluator.is_instant() {
                let value = scalars.at(0);
                Value::Scalar { timestamp, value }
            } else {
                Value::Range(scalar_columns(&scalars, on))
            })
        }
        ValueType::Vector => {
            let columns = Held::take(evaluator.columns(node, &on)?);
            let columns = named(evaluator, columns)?;
            Ok(if evaluator.is_instant() {
                let elements = elements(&columns);
                Value::Vector {
                    timestamp,
                    elements,
                }
            } else {
                Value::Range(columns.sorted())
            })
        }
        found if !evaluator.is_instant() => Err(EvalError::RangeType(found)),
        ValueType::String => {
            let value = node.text().unwrap_or_default().to_owned();
            Ok(Value::String { timestamp, value })
        }
        ValueType::Matrix => Ok(Value::Matrix(matrix(evaluator, plan, &on)?)),
    }
}

fn scalar_columns(scalars: &Scalars, on: Timeline) -> Columns {
    let mut columns = Columns::new(on);
    let mut column = columns.push(Labels::empty());
    (0..on.steps).for_each(|step| column.set(step, scalars.at(step)));
    columns.retain_valued();
    columns
}

/// Drops the names that are dropped at the end.
fn named(evaluator: &Evaluator<'_>, mut columns: Columns) -> Result<Columns, EvalError> {
    columns.retain_valued();
    if evaluator.is_eager {
        return Ok(columns);
    }
    for series in 0..columns.len() {
        if columns.drops(series) {
            let labels = naming::without_reserved(&columns.labels()[series]);
            columns.set_labels(series, labels);
        }
    }
    naming::merge_alike(&mut columns, false)?;
    Ok(columns)
}

fn elements(columns: &Columns) -> Vec<Element> {
    let element = |series: usize| Element {
        labels: columns.labels()[series].clone(),
        value: columns.values(series)[0],
    };
    (0..columns.len()).map(element).collect()
}

/// The samples of a range.
fn matrix(evaluator: &Evaluator<'_>, plan: &Plan, on: &Timeline) -> Result<Vec<Series>, EvalError> {
    if let Kind::Subquery(subquery) = &plan.root.kind {
        let at = evaluator.resolve(subquery.at);
        let grid = evaluator.lookup.grid(subquery, at, on);
        evaluator.budget.check_cells(1, grid.steps)?;
        let columns = Held::take(evaluator.columns(&subquery.expr, &grid)?);
        let columns = named(evaluator, columns)?.sorted();
        let series = |series: usize| {
            let (timestamps, values) = columns.samples(series).unzip();
            Series {
                labels: columns.labels()[series].clone(),
                timestamps,
                values,
            }
        };
        return Ok((0..columns.len()).map(series).collect());
    }
    let range = Range::of(evaluator, &plan.root, None, on)?;
    let mut found = Vec::new();
    for (at, labels) in range.labels().iter().enumerate() {
        evaluator.budget.check()?;
        let mut samples = SampleBuffer::default();
        range.read(at, &mut samples)?;
        if let Some((extent, _)) = range.extent {
            let end = range.reference.first;
            let window = (end.saturating_sub(range.length), end);
            extended::cut(&mut samples, window, extent);
        }
        let count = samples.values.len();
        if count == 0 {
            continue;
        }
        evaluator.budget.hold(count)?;
        evaluator.budget.looked_at(count as u64);
        evaluator
            .budget
            .looked_at_steps(on, std::iter::once(count as u64));
        found.push(Series {
            labels: labels.clone(),
            timestamps: samples.timestamps,
            values: samples.values,
        });
    }
    Ok(found)
}
