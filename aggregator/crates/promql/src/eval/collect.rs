use std::sync::Arc;

use super::budget::Budget;
use super::error::EvalError;
use super::evaluator::Evaluator;
use super::held::Held;
use super::naming;
use super::parts::in_parts;
use super::producer::{Producer, Scratch};
use crate::value::{Block, Columns, Timeline};

/// Makes all columns of a producer and keeps those with a value, in their order. Names that are
/// dropped are gone afterwards, or marked if they go at the end.
pub(crate) fn collect<'a>(
    evaluator: &Evaluator<'a>,
    producer: &dyn Producer,
) -> Result<Arc<Held<'a>>, EvalError> {
    let budget = &evaluator.budget;
    let timeline = producer.timeline();
    let (count, effort) = (producer.labels().len(), producer.effort());
    let parts = in_parts(evaluator.threads, count, effort, |part| {
        let mut scratch = Scratch::default();
        let mut block = Block::new(timeline.steps);
        let (mut kept, mut samples) = (Vec::new(), 0);
        for series in part {
            budget.check()?;
            let mut column = block.push();
            producer.produce(series, &mut column, &mut scratch)?;
            match column.bits().count() {
                0 => block.pop(),
                count => {
                    budget.hold(count)?;
                    budget.check_cells(kept.len(), timeline.steps)?;
                    kept.push(series);
                    samples += count;
                }
            }
        }
        Ok((kept, block, samples))
    })?;
    let (mut kept, mut block, mut samples) = (Vec::new(), None::<Block>, 0);
    for (part_kept, part_block, part_samples) in parts {
        kept.extend(part_kept);
        samples += part_samples;
        match &mut block {
            Some(block) => block.append(&part_block),
            None => block = Some(part_block),
        }
    }
    let labels = kept
        .iter()
        .map(|at| producer.labels()[*at].clone())
        .collect();
    let block = block.unwrap_or_else(|| Block::new(timeline.steps));
    let mut columns = Columns::from_block(timeline, labels, block);
    drop_names(evaluator, producer, &kept, &mut columns)?;
    Ok(Held::counted(columns, samples, budget))
}

fn drop_names(
    evaluator: &Evaluator<'_>,
    producer: &dyn Producer,
    kept: &[usize],
    columns: &mut Columns,
) -> Result<(), EvalError> {
    let mut any = false;
    for (to, from) in kept.iter().enumerate() {
        if producer.drops(*from) {
            any = true;
            if evaluator.is_eager {
                let bare = naming::without_reserved(&columns.labels()[to]);
                columns.set_labels(to, bare);
            } else {
                columns.set_drops(to, true);
            }
        }
    }
    if any && evaluator.is_eager && !producer.same_name() {
        naming::merge_alike(columns, producer.is_strict())?;
    }
    Ok(())
}

/// The value of one step at every step.
pub(crate) fn repeat(
    once: &Columns,
    timeline: Timeline,
    budget: &Budget<'_>,
) -> Result<Columns, EvalError> {
    budget.check_cells(once.len(), timeline.steps)?;
    let mut columns = Columns::with_labels(timeline, once.labels().to_vec());
    let mut pace = budget.pace();
    for series in 0..once.len() {
        pace.step(timeline.steps)?;
        if once.valid(series).has(0) {
            columns.column_mut(series).fill(once.values(series)[0]);
        }
        columns.set_drops(series, once.drops(series));
    }
    Ok(columns)
}
