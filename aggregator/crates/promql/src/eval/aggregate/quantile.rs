use super::super::annotations::Note;
use super::super::error::EvalError;
use super::super::evaluator::Evaluator;
use super::super::parts::in_parts;
use super::super::window;
use super::{Aggregation, Groups};
use crate::value::{Columns, Timeline};

/// `quantile`.
pub(super) fn columns(
    evaluator: &Evaluator<'_>,
    aggregation: &Aggregation<'_>,
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let param = aggregation.param()?;
    let quantiles = evaluator.scalars(param, on)?;
    let values = quantiles.distinct();
    if values.iter().any(|value| value.is_nan()) {
        evaluator
            .annotations
            .add(Note::quantile(f64::NAN), param.span);
    } else {
        let largest = values.iter().copied().fold(f64::MIN, f64::max);
        let smallest = values.iter().copied().fold(f64::MAX, f64::min);
        if largest > 1.0 {
            evaluator
                .annotations
                .add(Note::quantile(largest), param.span);
        }
        if smallest < 0.0 {
            evaluator
                .annotations
                .add(Note::quantile(smallest), param.span);
        }
    }
    let input = evaluator.columns(aggregation.expr, on)?;
    let projection = aggregation.projection();
    let groups = Groups::of(&projection, &**input, evaluator.is_eager);
    let members = groups.members();
    let budget = &evaluator.budget;
    let parts = in_parts(evaluator.threads, on.steps, input.len(), |part| {
        let mut results = Vec::new();
        let mut values = Vec::new();
        let mut pace = budget.pace();
        for (group, members) in members.iter().enumerate() {
            for step in part.clone() {
                pace.step(members.len())?;
                let here = members
                    .iter()
                    .filter(|series| input.valid(**series).has(step));
                values.clear();
                values.extend(here.map(|series| input.values(*series)[step]));
                if !values.is_empty() {
                    let value = window::quantile(quantiles.at(step), &mut values);
                    results.push((group, step, value));
                }
            }
        }
        Ok(results)
    })?;
    let mut columns = groups.columns(&projection, &**input, evaluator.is_eager);
    for (group, step, value) in parts.into_iter().flatten() {
        columns.column_mut(group).set(step, value);
    }
    columns.retain_valued();
    Ok(columns)
}
