use super::super::annotations::Note;
use super::super::call::nan_last;
use super::super::error::EvalError;
use super::super::evaluator::{Evaluator, Scalars};
use super::{Aggregation, Groups, hash};
use crate::ast::AggregateOp;
use crate::value::{Columns, Timeline, verb_g};

/// `topk`, `bottomk`, `limitk` and `limit_ratio`: some of the elements of each group as they are.
pub(super) fn columns(
    evaluator: &Evaluator<'_>,
    aggregation: &Aggregation<'_>,
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let params = evaluator.scalars(aggregation.param()?, on)?;
    check(evaluator, aggregation, &params)?;
    let input = evaluator.columns(aggregation.expr, on)?;
    let groups = Groups::of(&aggregation.projection(), &**input, evaluator.is_eager);
    let mut chosen = Columns::with_labels(*on, input.labels().to_vec());
    let mut order = Vec::new();
    let mut candidates = Vec::new();
    let mut pace = evaluator.budget.pace();
    for members in groups.members() {
        for step in 0..on.steps {
            pace.step(members.len())?;
            let here = members.iter().copied();
            candidates.clear();
            candidates.extend(here.filter(|series| input.valid(*series).has(step)));
            let value = |series: usize| input.values(series)[step];
            choose(
                aggregation.op,
                params.at(step),
                &input,
                value,
                &mut candidates,
            );
            for series in &candidates {
                chosen.column_mut(*series).set(step, value(*series));
            }
            if on.steps == 1 {
                order.extend_from_slice(&candidates);
            }
        }
    }
    for series in 0..input.len() {
        chosen.set_drops(series, input.drops(series));
    }
    if on.steps == 1 {
        return Ok(chosen.reordered(&order));
    }
    chosen.retain_valued();
    Ok(chosen)
}

fn check(
    evaluator: &Evaluator<'_>,
    aggregation: &Aggregation<'_>,
    params: &Scalars,
) -> Result<(), EvalError> {
    let span = aggregation.param()?.span;
    for value in params.distinct().iter().copied() {
        let is_ratio = aggregation.op == AggregateOp::LimitRatio;
        if value.is_nan() {
            let what = if is_ratio { "Ratio" } else { "Parameter" };
            return Err(EvalError::Parameter(format!("{what} value is NaN")));
        }
        if is_ratio {
            if !(-1.0..=1.0).contains(&value) {
                let note = Note::ratio(value, value.signum());
                evaluator.annotations.add(note, span);
            }
        } else if value.abs() >= TWO_TO_63 {
            let flows = if value > 0.0 {
                "overflows"
            } else {
                "underflows"
            };
            let text = format!("Scalar value {} {flows} int64", verb_g(value));
            return Err(EvalError::Parameter(text));
        }
    }
    Ok(())
}

/// The first number that is too large for a count.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Leaves those of the candidates that are chosen, the best first.
fn choose(
    op: AggregateOp,
    param: f64,
    input: &Columns,
    value: impl Fn(usize) -> f64,
    candidates: &mut Vec<usize>,
) {
    if op == AggregateOp::LimitRatio {
        candidates.retain(|series| is_sampled(param, hash::share(&input.labels()[*series])));
        return;
    }
    if param < 1.0 {
        candidates.clear();
        return;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 1; whatever is larger than the number of candidates takes all"
    )]
    let count = param as usize;
    if op != AggregateOp::Limitk {
        let descends = op == AggregateOp::Topk;
        // Of equal values the first series comes first.
        let better = |a: &usize, b: &usize| nan_last(value(*a), value(*b), descends).then(a.cmp(b));
        if count < candidates.len() {
            candidates.select_nth_unstable_by(count, better);
            candidates.truncate(count);
        }
        candidates.sort_unstable_by(better);
    }
    candidates.truncate(count);
}

/// Whether a series is among the share `ratio`; a negative ratio is the complement.
fn is_sampled(ratio: f64, share: f64) -> bool {
    if ratio >= 0.0 {
        share < ratio
    } else {
        share >= 1.0 + ratio
    }
}
