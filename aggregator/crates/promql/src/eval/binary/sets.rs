use super::super::budget::Budget;
use super::super::error::EvalError;
use super::super::evaluator::{Evaluator, Vector};
use super::super::held::Held;
use super::super::naming;
use super::matching::Matches;
use crate::ast::{BinaryOp, VectorMatching};
use crate::value::Columns;

/// `and`, `or` and `unless`.
pub(super) fn vector<'e>(
    evaluator: &'e Evaluator<'_>,
    op: BinaryOp,
    matching: &VectorMatching,
    (left, right): (&Columns, &Columns),
) -> Result<Vector<'e>, EvalError> {
    let matches = Matches::of(matching, left, right);
    let budget = &evaluator.budget;
    let mut result = Columns::new(left.timeline());
    match op {
        BinaryOp::And => {
            let there = union(right, &matches.right, matches.groups);
            add(
                &mut result,
                left,
                |series| &there[matches.left[series]],
                |own, other| own & other,
                budget,
            )?;
        }
        BinaryOp::Unless => {
            let there = union(right, &matches.right, matches.groups);
            add(
                &mut result,
                left,
                |series| &there[matches.left[series]],
                |own, other| own & !other,
                budget,
            )?;
        }
        _ => {
            let there = union(left, &matches.left, matches.groups);
            add(&mut result, left, |_| &[], |own, _| own, budget)?;
            add(
                &mut result,
                right,
                |series| &there[matches.right[series]],
                |own, other| own & !other,
                budget,
            )?;
            naming::merge_alike(&mut result, false)?;
        }
    }
    Ok(Vector::Ready(Held::new(result, &evaluator.budget)?))
}

/// For each group the steps at which any of its series has a value.
fn union(columns: &Columns, of: &[usize], groups: usize) -> Vec<Vec<u64>> {
    let mut there = vec![Vec::new(); groups];
    for (series, group) in of.iter().enumerate() {
        let words = columns.words(series);
        let there: &mut Vec<u64> = &mut there[*group];
        there.resize(words.len(), 0);
        there
            .iter_mut()
            .zip(words)
            .for_each(|(all, own)| *all |= own);
    }
    there
}

/// Adds the series with the bits that `keep` makes of their own and those of their group.
fn add<'c>(
    result: &mut Columns,
    columns: &Columns,
    other: impl Fn(usize) -> &'c [u64] + 'c,
    keep: impl Fn(u64, u64) -> u64,
    budget: &Budget<'_>,
) -> Result<(), EvalError> {
    let mut pace = budget.pace();
    for series in 0..columns.len() {
        pace.step(columns.timeline().steps)?;
        let own = columns.words(series);
        let others = other(series);
        let bits = |at: usize| keep(own[at], others.get(at).copied().unwrap_or(0));
        if (0..own.len()).all(|at| bits(at) == 0) {
            continue;
        }
        let column = result.push(columns.labels()[series].clone());
        column.values.copy_from_slice(columns.values(series));
        (0..own.len()).for_each(|at| column.valid[at] = bits(at));
        result.set_drops(result.len() - 1, columns.drops(series));
    }
    Ok(())
}
