use system_stats_model::rollup::{Bucket, Run};

use super::{Frame, rate};
use crate::ast::Function;
use crate::eval::error::EvalError;
use crate::value::ColumnMut;

/// Applies a function over ranges to every window of a series that is there as buckets; returns
/// how many samples each window has, in `counts`.
///
/// The results are those of the samples, but for the last digits of sums.
pub(crate) fn apply(
    function: Function,
    buckets: &[Bucket],
    frame: &Frame<'_>,
    into: &mut ColumnMut<'_>,
    counts: &mut Vec<u64>,
) -> Result<(), EvalError> {
    counts.clear();
    let mut run = Run::new(buckets);
    for step in 0..frame.reference.steps {
        let end = frame.reference.time(step);
        run.advance(end.saturating_sub(frame.range), end);
        let count = run.count();
        counts.push(count);
        if count > 0
            && let Some(value) = value(function, &run, frame, step)?
        {
            into.set(step, value);
        }
    }
    Ok(())
}

fn value(
    function: Function,
    run: &Run<'_>,
    frame: &Frame<'_>,
    step: usize,
) -> Result<Option<f64>, EvalError> {
    let count = run.count();
    Ok(match function {
        Function::Rate => extrapolated(run, frame, rate::RATE, step),
        Function::Increase => extrapolated(run, frame, rate::INCREASE, step),
        Function::Delta => extrapolated(run, frame, rate::DELTA, step),
        Function::CountOverTime => Some(count as f64),
        Function::PresentOverTime => Some(1.0),
        Function::LastOverTime => run.last().map(|last| last.value),
        Function::MinOverTime => run.joined().map(|all| all.min),
        Function::MaxOverTime => run.joined().map(|all| all.max),
        Function::SumOverTime => match run.joined() {
            Some(all) => Some(sum(&all)?),
            None => None,
        },
        Function::AvgOverTime => match run.joined() {
            Some(all) => Some(mean(&all)?),
            None => None,
        },
        other => {
            let text = format!("{other} cannot be answered by rollups");
            return Err(EvalError::Parameter(text));
        }
    })
}

fn extrapolated(run: &Run<'_>, frame: &Frame<'_>, kind: rate::Kind, step: usize) -> Option<f64> {
    let rise = if kind.is_counter() {
        run.increase()?
    } else {
        run.difference()?
    };
    let ends = rate::Ends {
        first: run.first()?,
        last: run.last()?,
        count: run.count() as f64,
    };
    Some(rate::extrapolate(&ends, frame, kind, (step, rise)))
}

fn sum(all: &Bucket) -> Result<f64, EvalError> {
    is_known(all)?;
    Ok(all.total())
}

fn mean(all: &Bucket) -> Result<f64, EvalError> {
    is_known(all)?;
    let count = all.count as f64;
    if all.sum.is_infinite() {
        return Ok(all.sum);
    }
    Ok(all.sum / count + all.compensation / count)
}

/// Finite values whose sum may overflow on the way would need the samples in their order.
fn is_known(all: &Bucket) -> Result<(), EvalError> {
    let has_infinite = all.min.is_infinite() || all.max.is_infinite();
    if all.has_safe_sum() || has_infinite {
        return Ok(());
    }
    let text = "values too large to be summed up from rollups; ask for a range that is no multiple \
                of 5m";
    Err(EvalError::Parameter(text.to_owned()))
}

#[cfg(test)]
mod tests;
