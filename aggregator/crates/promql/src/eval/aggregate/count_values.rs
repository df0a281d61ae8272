use std::collections::HashMap;

use system_stats_model::labels::{Labels, LabelsBuilder};

use super::super::error::EvalError;
use super::super::evaluator::Evaluator;
use super::super::naming::Projection;
use super::{Aggregation, Groups};
use crate::value::{Columns, Timeline, shortest};

/// `count_values`: how many elements have each value, which goes into a label.
pub(super) fn columns(
    evaluator: &Evaluator<'_>,
    aggregation: &Aggregation<'_>,
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let param = aggregation.param()?;
    if !param.names_label() {
        let message = format!("invalid label name {}", param.quoted());
        return Err(EvalError::Parameter(message));
    }
    let label = param.text().unwrap_or_default();
    // The value's label counts as the value says, whatever the series has there.
    let mut names = aggregation.grouping.to_vec();
    let is_dropped = aggregation.without && names.iter().any(|name| name == label);
    let projection = if aggregation.without {
        names.push(label.to_owned());
        Projection::without(&names)
    } else {
        names.retain(|name| name != label);
        Projection::by(&names)
    };
    let input = evaluator.columns(aggregation.expr, on)?;
    let groups = Groups::of(&projection, &**input, evaluator.is_eager);
    let bare: Vec<Labels> = {
        let labels = |first: &usize| projection.labels(&input.labels()[*first], false);
        groups.firsts.iter().map(labels).collect()
    };
    let mut columns = Columns::new(*on);
    let mut rows: HashMap<(usize, u64), usize> = HashMap::new();
    for series in 0..input.len() {
        evaluator.budget.check()?;
        let (group, values) = (groups.of[series], input.values(series));
        for step in input.valid(series).iter() {
            let value = values[step];
            let bits = if value.is_nan() {
                f64::NAN.to_bits()
            } else {
                value.to_bits()
            };
            let key = (group, if is_dropped { 0 } else { bits });
            let row = *rows.entry(key).or_insert_with(|| {
                let mut labels = LabelsBuilder::from(&bare[group]);
                if !is_dropped {
                    labels.set(label, &shortest(value));
                }
                columns.push(labels.build());
                columns.len() - 1
            });
            let mut column = columns.column_mut(row);
            let so_far = if column.bits().has(step) {
                column.values[step]
            } else {
                0.0
            };
            column.set(step, so_far + 1.0);
        }
        evaluator.budget.check_cells(columns.len(), on.steps)?;
    }
    Ok(columns)
}
